// SPDX-License-Identifier: Apache-2.0

//go:build !race

package eventloop

import (
	"io"
	"runtime"
	"testing"
)

// TestTLSAllocates nothing per request, and one record each way.
func TestTLSAllocates(t *testing.T) {
	k := newKeys(t)
	r := start(t, 1)
	s := newScript()
	s.data = echo
	accept, conns := one(s)
	ln := listenTLS(t, r, &ServerTLS{Config: k.server()}, accept)
	c := connectTLS(t, ln.Addr(), k.dialer(), nil)
	conn := receive(t, conns, "the connection")
	message, answer := pattern(128), make([]byte, 128)
	round := func() {
		write(t, c, message)
		if _, err := io.ReadFull(c, answer); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		round()
	}
	before := onLoop(t, conn.Loop(), conn.Loop().Stats)
	const rounds = 2000
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	for range rounds {
		round()
	}
	runtime.ReadMemStats(&m1)
	after := onLoop(t, conn.Loop(), conn.Loop().Stats)
	// The client of package tls allocates twice itself: for the header of a
	// record and for the rest of it.
	if per := float64(m1.Mallocs-m0.Mallocs) / rounds; per > 2.5 {
		t.Errorf("%.2f allocations per request, of which the client's are about 2", per)
	}
	if writes := after.Writes - before.Writes; writes > rounds+5 {
		t.Errorf("%d writes for %d answers", writes, rounds)
	}
}

// TestTLSIdleMemory: what an idle encrypted connection holds is within the budget
// also after large records. Both ends of each are connections of the loop.
func TestTLSIdleMemory(t *testing.T) {
	k := newKeys(t)
	r := start(t, 1)
	s := newScript()
	s.data, s.ended = echo, make(chan Cause, 1000)
	ln := listenTLS(t, r, &ServerTLS{Config: k.server()}, func(*Conn) Handler { return s })
	message := pattern(40_000)
	serve := func() {
		d := dialTLS(t, r.Loops()[0], ln.Addr(), &ClientTLS{Config: k.dialer()}, 0)
		done, left := make(chan any), len(message)
		d.data = func(_ *Conn, b []byte) int {
			if left -= len(b); left == 0 {
				close(done)
			}
			return len(b)
		}
		conn := receive(t, d.conns, "the connection")
		onLoop(t, conn.Loop(), func() any { conn.Append(message); return nil })
		receive(t, done, "the echo")
	}
	for range 10 {
		serve()
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const count = 100
	before := heap()
	for range count {
		serve()
	}
	per := (heap() - before) / count / 2
	t.Logf("%d bytes per idle connection", per)
	if per > 16<<10 {
		t.Errorf("%d bytes per idle connection", per)
	}
}

// TestRawInputIsFound holds this version of package tls to what lending it records
// needs.
func TestRawInputIsFound(t *testing.T) {
	if rawInputAt < 0 {
		t.Fatal("tls.Conn has no buffer rawInput: idle connections hold 18 KiB more each")
	}
}
