// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// leaver is an HTTP/2 echo service whose every connection says goodbye after a
// few requests, with others on their way to it.
type leaver struct {
	listener net.Listener
	wg       sync.WaitGroup
	leave    func(c *leaverConn)
	goodbyes atomic.Int64
	refused  atomic.Int64 // requests above the last id, which are not looked at
}

func startLeaver(t testing.TB, leave func(*leaverConn)) *leaver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &leaver{listener: l, leave: leave}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); s.wg.Wait() })
	return s
}

const (
	// leaverBatch is how many requests are gathered before they are answered,
	// so that there are some to refuse and some to finish.
	leaverBatch = 4
	// leaverLife is how many requests a connection takes before it leaves.
	leaverLife = 8
	// leaverPause is how long a batch waits to be complete.
	leaverPause = time.Millisecond
)

// leaverConn is one connection. The lock is for the timer that ends a batch.
type leaverConn struct {
	*leaver
	conn net.Conn
	fr   *http2.Framer
	enc  *hpack.Encoder
	mu   sync.Mutex

	block   bytes.Buffer
	bodies  map[uint32][]byte
	pending []uint32 // received whole and not answered
	taken   int
	last    uint32 // nothing above it is looked at; 0 before the goodbye
	said    bool   // the first goodbye of two was said
	hasty   bool   // hang up with the last reply
}

func (s *leaver) serve(nc net.Conn) {
	defer nc.Close()
	c := &leaverConn{leaver: s, conn: nc, fr: http2.NewFramer(nc, nc), bodies: make(map[uint32][]byte)}
	c.enc = hpack.NewEncoder(&c.block)
	if _, err := io.ReadFull(nc, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	c.fr.WriteSettings()
	for {
		f, err := c.fr.ReadFrame()
		if err != nil {
			return
		}
		c.mu.Lock()
		c.take(f)
		c.mu.Unlock()
	}
}

func (c *leaverConn) take(f http2.Frame) {
	id, ended := f.Header().StreamID, false
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			c.fr.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if f.IsAck() {
			c.final()
		}
	case *http2.HeadersFrame:
		if c.last > 0 && id > c.last {
			c.refused.Add(1)
			return
		}
		c.bodies[id] = nil
		ended = f.StreamEnded()
	case *http2.DataFrame:
		if _, open := c.bodies[id]; open {
			c.bodies[id] = append(c.bodies[id], f.Data()...)
			ended = f.StreamEnded()
		}
	case *http2.RSTStreamFrame:
		delete(c.bodies, id)
	}
	if ended {
		c.pend(id)
	}
}

// pend takes a request that was received whole.
func (c *leaverConn) pend(id uint32) {
	c.pending = append(c.pending, id)
	c.taken++
	switch {
	case c.taken >= leaverLife && c.last == 0 && !c.said && len(c.pending) > 1:
		c.goodbyes.Add(1)
		c.leave(c)
	case len(c.pending) >= leaverBatch:
		c.answer()
	case len(c.pending) == 1:
		time.AfterFunc(leaverPause, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.answer()
		})
	}
}

// answer replies to what is pending, the latest first.
func (c *leaverConn) answer() {
	for i := len(c.pending) - 1; i >= 0; i-- {
		id := c.pending[i]
		b, open := c.bodies[id]
		if !open {
			continue
		}
		delete(c.bodies, id)
		c.block.Reset()
		c.enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
		c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true})
		c.fr.WriteData(id, true, b)
	}
	c.pending = nil
	if c.hasty && len(c.bodies) == 0 {
		c.conn.(*net.TCPConn).CloseWrite()
	}
}

// abruptly says goodbye in the middle of what it has received: the later half is
// not looked at.
func abruptly(c *leaverConn) {
	c.last = c.pending[(len(c.pending)-1)/2]
	c.fr.WriteGoAway(c.last, http2.ErrCodeNo, nil)
	c.finish()
}

// hastily is abruptly, and hangs up as soon as the last reply is written.
func hastily(c *leaverConn) {
	c.hasty = true
	abruptly(c)
}

// finish answers what is pending up to the last id and drops the rest, whether it
// was received whole or not.
func (c *leaverConn) finish() {
	for id := range c.bodies {
		if id > c.last {
			delete(c.bodies, id)
			c.refused.Add(1)
		}
	}
	c.answer()
}

// inTwoSteps announces the goodbye and says the last id a round trip later, as a
// server does that wants to refuse nothing.
func inTwoSteps(c *leaverConn) {
	c.said = true
	c.fr.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
	c.fr.WritePing(false, [8]byte{})
	c.answer()
}

// final is the second of the two steps.
func (c *leaverConn) final() {
	for id := range c.bodies {
		c.last = max(c.last, id)
	}
	c.fr.WriteGoAway(c.last, http2.ErrCodeNo, nil)
}

// Hosts that leave all the time, with requests in flight, lose none: what they
// took they finish, and what they did not is sent elsewhere.
func TestGoodbyesUnderLoad(t *testing.T) {
	goodbyes := int64(scale(350))
	for name, leave := range map[string]func(*leaverConn){"abruptly": abruptly, "hastily": hastily, "in two steps": inTwoSteps} {
		t.Run(name, func(t *testing.T) {
			up := startLeaver(t, leave)
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.listener.Addr().String()}, match: anyRequest}))
			var seen outcomes
			calls := 0
			for up.goodbyes.Load() < goodbyes {
				const chunk = 1000
				callMany(t, "Http2", p.address("in"), chunk, &seen, new(atomic.Int64))
				if calls += chunk; seen.counts["ok"] != calls {
					t.Fatalf("%d calls: %v", calls, seen.counts)
				}
			}
			if name != "in two steps" && up.refused.Load() == 0 {
				t.Error("no request was refused")
			}
			t.Logf("%d calls, %d goodbyes, %d refused, %d retries", calls, up.goodbyes.Load(), up.refused.Load(), p.stats().Get(stats.UpstreamRetries))
			p.wantOK(calls)
		})
	}
}

// A host that does nothing but say goodbye is asked often, but not for ever.
func TestOnlyGoodbyes(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}))
	c := dialFrames(t, p.address("in"))
	c.ask(1, true)
	const tries = 1 + 32
	for range tries {
		up := acceptFrames(t, l)
		up.wantHeaders()
		up.fr.WriteGoAway(0, http2.ErrCodeNo, nil)
	}
	wantStatus(t, c.wantHeaders(), 502, "upstream_goaway")
	p.wantEnded(codec.UpstreamGoAway, 1)
	p.wantNothingHeld()
}
