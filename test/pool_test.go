// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// A host that says goodbye with a request in flight, and takes no connection
// any more, gets no further requests: they go to the other host at once.
func TestHostLeavesWhileStreaming(t *testing.T) {
	t.Run("HTTP/2", func(t *testing.T) {
		other := startH2Service(t, "127.0.0.1:0", echoH2)
		l := listenScript(t)
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{l.Addr().String(), other.address()}}))
		c := dialBolt(t, p.address("in"))
		sendTwo(c)
		up := acceptFrames(t, l)
		id := up.wantHeaders().StreamID
		l.Close()
		up.fr.WriteGoAway(id, http2.ErrCodeNo, nil)
		eventually(t, "the goodbye was read", func() bool { return pingPassed(up) })
		wantServed(t, c)
		up.send(id, true, ":status", "200")
		p.wantOK(2 + served)
	})
	t.Run("Bolt", func(t *testing.T) {
		other := startBoltService(t, "127.0.0.1:0", echoBolt)
		l := listenScript(t)
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{l.Addr().String(), other.address()}}))
		c := dialBolt(t, p.address("in"))
		sendTwo(c)
		up := acceptConn(t, l)
		r := newReader(up)
		f, err := readBolt(r)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		goAway := boltFrame{version: 1, kind: kindRequest, command: 100, codec: 1}
		beat := boltFrame{version: 1, kind: kindRequest, id: 99, codec: 1}
		up.Write(append(goAway.encode(), beat.encode()...))
		if f, err := readBolt(r); err != nil || f.command != 0 || f.id != 99 {
			t.Fatalf("no answer to the heartbeat: %v", err)
		}
		wantServed(t, c)
		answer := f.reply()
		up.Write(answer.encode())
		p.wantOK(2 + served)
	})
}

// sendTwo sends two requests, so that each of two hosts gets one.
func sendTwo(c *boltClient) {
	for i := range uint32(2) {
		f := newBoltRequest(service, nil)
		f.id = 1000 + i
		c.send(f)
	}
}

// pingPassed tells that what was sent before it has been read.
func pingPassed(p *framePeer) bool {
	p.fr.WritePing(false, [8]byte{1})
	for {
		f, err := p.fr.ReadFrame()
		if err != nil {
			p.t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.PingFrame:
			return f.IsAck()
		case *http2.SettingsFrame:
			if !f.IsAck() {
				p.fr.WriteSettingsAck()
			}
		}
	}
}

// served is how many requests wantServed makes.
const served = 20

// wantServed makes requests that the leaving host would let time out.
func wantServed(t *testing.T, c *boltClient) {
	t.Helper()
	for i := range served {
		f := newBoltRequest(service, fmt.Append(nil, i))
		f.timeout = 3000
		wantBoltEcho(t, f, c.mustCall(t, f))
	}
}

// The only host has said goodbye and takes no connection: requests fail for that
// reason long before their timeout, though one is still in flight.
func TestOnlyHostLeaves(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{l.Addr().String()}}))
	c := dial(t, p.address("in"))
	f := newBoltRequest(service, nil)
	f.id = 1
	c.Write(f.encode())
	up := acceptFrames(t, l)
	id := up.wantHeaders().StreamID
	l.Close()
	up.fr.WriteGoAway(id, http2.ErrCodeNo, nil)
	pingPassed(up)
	r := newReader(c)
	f.id = 2
	c.Write(f.encode())
	got, err := readBolt(r)
	if err != nil || got.id != 2 {
		t.Fatalf("id %d, %v", got.id, err)
	}
	wantBoltFailure(t, got, 6, codec.ConnectFailed)
	up.send(id, true, ":status", "200")
	if got, err = readBolt(r); err != nil || got.id != 1 || got.status != 0 {
		t.Errorf("the request in flight: id %d, status %d, %v", got.id, got.status, err)
	}
	p.wantNothingHeld()
}

// A reply under way outlives the GOAWAY, and the next request uses another
// connection.
func TestGoAwayWhileStreaming(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}))
	c := dialFrames(t, p.address("in"))
	c.ask(1, true)
	old := acceptFrames(t, l)
	id := old.wantHeaders().StreamID
	old.send(id, false, ":status", "200")
	old.data(id, []byte("first "), false)
	c.wantHeaders()
	c.wantData(6)
	old.fr.WriteGoAway(id, http2.ErrCodeNo, nil)
	pingPassed(old)
	c.ask(3, true)
	fresh := acceptFrames(t, l)
	fresh.send(fresh.wantHeaders().StreamID, true, ":status", "204")
	if h := c.wantHeaders(); h.StreamID != 3 || field(h, ":status") != "204" {
		t.Fatalf("the second reply is %v", h)
	}
	old.data(id, []byte("last"), true)
	if b, _ := c.wantData(-1); string(b) != "last" {
		t.Errorf("the first reply ends with %q", b)
	}
	if f, ok := old.next().(*http2.GoAwayFrame); !ok {
		t.Errorf("the old connection ends with %v", f)
	}
	p.wantOK(2)
}

// A request whose body was passed on in part before the upstream refused it is
// sent again whole, in order, with its trailers.
func TestRetryOfAPartlySentRequest(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}))
	c := dialFrames(t, p.address("in"))
	c.ask(1, false, "x-mark", "1")
	c.data(1, []byte("one "), false)
	up := acceptFrames(t, l)
	id := up.wantHeaders().StreamID
	up.wantData(4)
	up.fr.WriteRSTStream(id, http2.ErrCodeRefusedStream)
	again := up.wantHeaders()
	if field(again, "x-mark") != "1" || again.StreamEnded() {
		t.Fatalf("sent again as %v", again)
	}
	if b, _ := up.wantData(4); string(b) != "one " {
		t.Errorf("the body begins %q", b)
	}
	c.data(1, []byte("two"), false)
	if b, _ := up.wantData(3); string(b) != "two" {
		t.Errorf("the body goes on with %q", b)
	}
	// The second refusal says goodbye, so that the third try needs another
	// connection.
	up.fr.WriteGoAway(0, http2.ErrCodeNo, nil)
	c.send(1, true, "x-trailer", "t")
	last := acceptFrames(t, l)
	h := last.wantHeaders()
	if b, ended := last.wantData(7); string(b) != "one two" || ended {
		t.Errorf("the body is %q, ended %v", b, ended)
	}
	if tr := last.wantHeaders(); field(tr, "x-trailer") != "t" || !tr.StreamEnded() {
		t.Errorf("the trailers are %v", tr)
	}
	last.send(h.StreamID, true, ":status", "200")
	if r := c.wantHeaders(); field(r, ":status") != "200" {
		t.Errorf("the reply is %v", r)
	}
	if n := p.stats().Get(stats.UpstreamRetries); n != 2 {
		t.Errorf("%d retries", n)
	}
	p.wantOK(1)
}

// Refused again and again, and refused after too much was sent to be kept.
func TestRetriesEnd(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}))
	c := dialFrames(t, p.address("in"))
	c.ask(1, true)
	up := acceptFrames(t, l)
	for range 4 {
		up.fr.WriteRSTStream(up.wantHeaders().StreamID, http2.ErrCodeRefusedStream)
	}
	wantStatus(t, c.wantHeaders(), 502, "upstream_refused")
	c.wantData(-1)
	c.ask(3, false)
	id := up.wantHeaders().StreamID
	up.grant(id, 1<<20)
	pingPassed(up)
	c.data(3, body(65_000), false)
	up.wantData(65_000)
	c.wantUpdate(3)
	c.data(3, body(2000), false)
	up.wantData(2000)
	up.fr.WriteRSTStream(id, http2.ErrCodeRefusedStream)
	wantStatus(t, c.wantHeaders(), 502, "upstream_refused")
	c.wantReset()
	p.wantEnded(codec.UpstreamRefused, 2)
	if s := p.stats(); s.Get(stats.UpstreamRetries) != 3 || s.Get(stats.NotRetryable) != 1 {
		t.Errorf("%d retries, %d requests not kept", s.Get(stats.UpstreamRetries), s.Get(stats.NotRetryable))
	}
	p.wantNothingHeld()
}

// One request per connection, large ones and small ones mixed.
func TestOneRequestPerConnection(t *testing.T) {
	for _, up := range []string{"SofaRpc", "Http2"} {
		t.Run(up, func(t *testing.T) {
			bolt, h2 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
			address := map[string]string{"SofaRpc": bolt.address(), "Http2": h2.address()}[up]
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: up, hosts: []string{address}, clusterKV: `, "max_request_per_conn": 1`}))
			c := dialBolt(t, p.address("in"))
			var wg sync.WaitGroup
			const requests = 30
			for i := range requests {
				wg.Go(func() {
					f := newBoltRequest(service, body(1+i%3*100_000))
					if r, err := c.call(f); err != nil || !bytes.Equal(r.content, f.content) {
						t.Errorf("request %d: status %d, reason %q, %v", i, r.status, r.get(codec.ReasonHeader), err)
					}
				})
			}
			wg.Wait()
			p.wantOK(requests)
			if n := p.stats().Get(stats.UpstreamConnections); n < requests {
				t.Errorf("%d connections", n)
			}
		})
	}
}
