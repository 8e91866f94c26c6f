// SPDX-License-Identifier: Apache-2.0

package test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

const (
	// poolConnections is how many connections a loop makes to a host.
	poolConnections = 128
	// poolQueue is how many requests of a loop wait for one of them.
	poolQueue = 1024
)

// A host that takes one stream at a time gets as many connections as a loop may
// have, and what they do not carry waits its turn.
func TestConnectionsAreBounded(t *testing.T) {
	const requests = 600
	var busy, most atomic.Int64
	full := make(chan struct{})
	open := sync.OnceFunc(func() { close(full) })
	up := startH2Limited(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {
		n := busy.Add(1)
		defer busy.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == poolConnections {
			open()
		}
		<-full
	}, 1)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest}))
	c := dialFrames(t, p.address("in"))
	for i := range uint32(requests) {
		c.ask(1+2*i, true)
	}
	for range requests {
		if h := c.wantHeaders(); field(h, ":status") != "200" {
			t.Fatalf("the reply is %v", h)
		}
	}
	if most.Load() != poolConnections || up.accepted.Load() != poolConnections {
		t.Errorf("%d connections, %d of them busy at once; want %d", up.accepted.Load(), most.Load(), poolConnections)
	}
	p.wantOK(requests)
	if n := p.stats().Get(stats.UpstreamRetries); n > 0 {
		t.Errorf("%d requests were refused at first: they did not wait for the host's limit", n)
	}
}

// With every connection busy and the queue full, more requests are refused at
// once, with their reason; the others are served when there is room.
func TestQueueIsBounded(t *testing.T) {
	const loops, clients, each = 2, 4, 640
	const room = loops * (poolConnections + poolQueue)
	free := make(chan struct{})
	var busy atomic.Int64
	up := startH2Limited(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {
		busy.Add(1)
		<-free
	}, 1)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest}))
	var peers [clients]*framePeer
	for i := range peers {
		peers[i] = dialFrames(t, p.address("in"))
	}
	asked := 0
	ask := func(total int) {
		for _, c := range peers {
			for k := asked / clients; k < total/clients; k++ {
				c.ask(uint32(1+2*k), true)
			}
		}
		asked = total
		eventually(t, "all have arrived", func() bool { return p.stats().Get(stats.DownstreamRequests) == uint64(total) })
	}
	ask(loops * poolConnections)
	eventually(t, "every connection is busy", func() bool { return busy.Load() == loops*poolConnections })
	ask(room)
	if n := p.ended(codec.Overflow); n != 0 {
		t.Fatalf("%d requests overflowed a queue that was not full", n)
	}
	ask(clients * each)
	eventually(t, "what is too much is refused", func() bool { return p.ended(codec.Overflow) == clients*each-room })
	close(free)
	counts := make(map[string]int)
	for _, c := range peers {
		for range each {
			h := c.wantHeaders()
			counts[field(h, ":status")+field(h, codec.ReasonHeader)]++
			if !h.StreamEnded() {
				c.wantData(-1)
			}
		}
	}
	if counts["200"] != room || counts["503overflow"] != clients*each-room {
		t.Errorf("%v; want %d to be served and the rest to overflow", counts, room)
	}
	p.wantNothingHeld()
}

// A limit that the host lowers while streams are open holds from then on: none is
// refused, those beyond it go to another connection.
func TestLoweredStreamLimit(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}))
	c := dialFrames(t, p.address("in"))
	id := uint32(1)
	ask := func(n int) {
		for range n {
			c.ask(id, true)
			id += 2
		}
	}
	limit := func(n uint32) http2.Setting { return http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: n} }
	ask(10)
	up := acceptFrames(t, l, limit(10))
	var open []uint32
	for range 10 {
		open = append(open, up.wantHeaders().StreamID)
	}
	up.fr.WriteSettings(limit(2))
	pingPassed(up)
	ask(2)
	other := acceptFrames(t, l, limit(10))
	for range 2 {
		other.send(other.wantHeaders().StreamID, true, ":status", "200")
		c.wantHeaders()
	}
	// Two are still open, so the first connection has no room.
	for _, id := range open[:8] {
		up.send(id, true, ":status", "200")
		c.wantHeaders()
	}
	ask(1)
	other.send(other.wantHeaders().StreamID, true, ":status", "200")
	c.wantHeaders()
	up.send(open[8], true, ":status", "200")
	c.wantHeaders()
	ask(1)
	open = append(open[9:], up.wantHeaders().StreamID)
	for _, id := range open {
		up.send(id, true, ":status", "200")
		c.wantHeaders()
	}
	if n := p.stats().Get(stats.UpstreamRetries); n != 0 {
		t.Errorf("%d retries", n)
	}
	p.wantOK(14)
}

// A host that takes no streams for a while is waited for on the connection that
// it has; more of them would help nobody.
func TestNoStreamsForAWhile(t *testing.T) {
	limit := func(n uint32) http2.Setting { return http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: n} }
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}))
	c := dialFrames(t, p.address("in"))
	waiting := uint64(0)
	waits := func(n uint64) {
		waiting += n
		eventually(t, "the requests wait", func() bool { return p.stats().Get(stats.UpstreamPendingQueued) == waiting })
	}
	c.ask(1, true)
	waits(1) // for the first connection
	up := acceptFrames(t, l, limit(0))
	// It could not be known that there was no room.
	up.fr.WriteRSTStream(up.wantHeaders().StreamID, http2.ErrCodeRefusedStream)
	waits(1)
	c.ask(3, true)
	waits(1)
	serve := func(n int) {
		for range n {
			up.send(up.wantHeaders().StreamID, true, ":status", "200")
			c.wantHeaders()
		}
	}
	up.fr.WriteSettings(limit(2))
	serve(2)
	up.fr.WriteSettings(limit(0))
	pingPassed(up)
	for id := range uint32(5) {
		c.ask(5+2*id, true)
	}
	waits(5)
	up.fr.WriteSettings(limit(100))
	serve(5)
	if n := p.stats().Get(stats.UpstreamConnections); n != 1 {
		t.Errorf("%d connections", n)
	}
	p.wantOK(7)
}
