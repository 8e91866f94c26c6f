// SPDX-License-Identifier: Apache-2.0

package test

import (
	"strings"
	"testing"
	"time"
)

// begin makes a call on c; wait tells how it has ended.
func begin(c *boltClient, f boltFrame) (wait func() string) {
	done := make(chan string, 1)
	go func() {
		r, err := c.call(f)
		if err != nil {
			done <- err.Error()
			return
		}
		done <- echoOutcome(f, r)
	}()
	return func() string { return <-done }
}

// Connections of Bolt that are quiet go on in the new process; those that are busy
// do once what is in progress is over. Not a byte is lost.
func TestConnectionsMove(t *testing.T) {
	release := make(chan struct{})
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		if string(f.content) == "slow" {
			<-release
		}
		return echoBolt(f)
	})
	in := hop{name: "in", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}
	auto := in
	auto.name, auto.listen, auto.down = "auto", freeAddress(t), "Auto"
	l := startLineage(t, configOf(in, auto))

	var quiet []*boltClient
	for i := range 20 {
		c := dialBolt(t, []string{in.listen, auto.listen}[i%2])
		if i%4 < 2 { // the others have said nothing yet
			wantEchoOn(t, c)
		}
		quiet = append(quiet, c)
	}
	half := dialBolt(t, auto.listen)
	wantEchoOn(t, half)
	f := newBoltRequest(service, []byte(strings.Repeat("half", 100)))
	f.id = 77
	frame := f.encode()
	if _, err := half.conn.Write(frame[:len(frame)/2]); err != nil {
		t.Fatal(err)
	}
	busy := dialBolt(t, in.listen)
	slow := begin(busy, newBoltRequest(service, []byte("slow")))
	eventually(t, "the slow request is on its way", func() bool { return up.accepted.Load() > 0 })

	old := l.current()
	l.upgrade()
	for _, c := range quiet {
		wantEchoOn(t, c)
	}
	if !alive(old) {
		t.Error("the old process has ended before its request has")
	}
	close(release)
	if out := slow(); out != "ok" {
		t.Errorf("the request that was in progress: %s", out)
	}
	l.wantGone(old)
	wantEchoOn(t, busy)
	for _, c := range quiet {
		wantEchoOn(t, c)
	}
	w := make(chan boltFrame, 1)
	half.mu.Lock()
	half.waiting[f.id] = w
	half.mu.Unlock()
	if _, err := half.conn.Write(frame[len(frame)/2:]); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-w:
		wantBoltEcho(t, f, r)
	case <-time.After(waitLimit):
		t.Error("a request of which half was sent before has no reply")
	}
}

// wantServedBy makes a call on a connection.
func wantEchoOn(t *testing.T, c *boltClient) {
	t.Helper()
	f := newBoltRequest(service, []byte("x"))
	wantBoltEcho(t, f, c.mustCall(t, f))
}

// What the new process does not take stays with the old one, and is served there
// until half of the drain time is over.
func TestConnectionsThatStay(t *testing.T) {
	in := echoThrough(t, freeAddress(t))
	l := startLineage(t, configOf(in), "--drain-time", "2s")
	c := dialBolt(t, in.listen)
	wantEchoOn(t, c)
	renamed := in
	renamed.name = "other"
	l.rewrite(configOf(renamed))
	old := l.current()
	l.upgrade()
	for range 10 {
		wantEchoOn(t, c)
	}
	if !alive(old) {
		t.Error("the old process has ended")
	}
	l.wantGone(old)
	if _, err := c.call(newBoltRequest(service, nil)); err == nil {
		t.Error("the connection has outlived the old process, though the new one has no such listener")
	}
	if out := callOnce(in.listen); out != "ok" {
		t.Error(out)
	}
}
