// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// A conversation is a client and a server session that talk to each other as a
// fuzzer's bytes say: what is sent when, in what pieces it arrives, who does not
// read, gives up or leaves. The class and all of a content are a byte of the
// call's own, so that one which reaches another stream shows.
type conversation struct {
	t      *testing.T
	script []byte
	client *clientEnd
	server *serverEnd
	calls  []*side // the client's
	served []*side // the server's
}

// side is one end of a call: the receiver of one message, the sender of the
// other.
type side struct {
	c      *conversation
	stream codec.Stream
	mark   byte // of all content
	oneWay bool
	began  bool // the incoming message
	got    int
	owed   int
	left   int // content still to be sent, once a head was
	open   bool
	sent   bool // the outgoing message, to its end
	ended  bool // the incoming message
	reset  bool
	given  bool // up, by ourselves
}

// live tells whether the stream may still be used.
func (s *side) live() bool {
	return s.stream != nil && !s.reset && !s.given && !(s.ended && s.sent) && !(s.oneWay && s.sent)
}

func (s *side) event(what string) {
	if s.ended || s.reset || s.given {
		s.c.t.Fatalf("%s after the end of %+v", what, *s)
	}
}

func (s *side) take(b []byte, end bool) {
	for _, c := range b {
		if c != s.mark {
			s.c.t.Fatalf("a byte %x in the content of %x", c, s.mark)
		}
	}
	s.got += len(b)
	s.owed += len(b)
	s.ended = end
}

func (s *side) OnHeaders(h codec.Head, b []byte, end bool) {
	s.event("OnHeaders")
	if s.began {
		s.c.t.Fatal("a second head")
	}
	s.began = true
	class := h.(*Head).Class
	if s.mark == 0 && len(class) == 1 {
		s.mark = class[0] // a server learns it from the request
	}
	if len(class) == 1 && class[0] != s.mark {
		s.c.t.Fatalf("the head of %x came to %x", class[0], s.mark)
	}
	s.oneWay = s.oneWay || h.OneWay()
	s.take(b, end)
}

func (s *side) OnData(b []byte, end bool) {
	s.event("OnData")
	s.take(b, end)
}

func (s *side) OnTrailers(codec.Head) { s.c.t.Fatal("a checksum is wrong") }

func (s *side) OnReset(codec.Reason) {
	if s.reset || s.given || s.ended && s.sent {
		s.event("OnReset")
	}
	s.reset = true
}

func (s *side) OnWritable() { s.event("OnWritable of a stream that is over") }

func (c *conversation) OnRequest(st codec.Stream) codec.Receiver {
	s := &side{c: c, stream: st}
	c.served = append(c.served, s)
	return s
}

// next takes a byte of the script, 0 at its end.
func (c *conversation) next() byte {
	if len(c.script) == 0 {
		return 0
	}
	b := c.script[0]
	c.script = c.script[1:]
	return b
}

// pick returns the one that arg says of those that pass.
func pick(sides []*side, arg byte, pass func(*side) bool) *side {
	var some []*side
	for _, s := range sides {
		if s.live() && pass(s) {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[int(arg)%len(some)]
}

func content(mark byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = mark
	}
	return b
}

// send begins a message of size bytes, whole or only its head.
func (s *side) send(h *Head, size int, whole bool) {
	h.Class = []byte{s.mark}
	if whole {
		s.sent = true
		s.stream.SendHeaders(h, content(s.mark, size), true)
		return
	}
	h.ContentLength = uint32(size)
	s.open, s.left = true, size
	s.stream.SendHeaders(h, nil, false)
}

// push sends more of a message that has begun.
func (s *side) push(n int) {
	n = min(n, s.left)
	s.left -= n
	if s.left == 0 {
		s.open, s.sent = false, true
	}
	s.stream.SendData(content(s.mark, n), s.left == 0)
}

func (c *conversation) call(arg byte) {
	if c.client.Capacity() == 0 || len(c.calls) >= 200 {
		return
	}
	s := &side{c: c, mark: byte(len(c.calls) + 1), oneWay: arg%5 == 0}
	c.calls = append(c.calls, s)
	h := request()
	if v := arg % 3; v > 0 {
		h.Version, h.Ver1, h.Switch = V2, v, v-1
	}
	if s.oneWay {
		h.Type = TypeOneWay
	}
	size := int(c.next())
	s.stream = c.client.Open(s)
	s.send(h, size, size < 40)
}

func (c *conversation) answer(arg byte) {
	s := pick(c.served, arg, func(s *side) bool { return s.began && !s.open && !s.sent && !s.oneWay })
	if s == nil {
		return
	}
	size := int(c.next())
	s.send(response(), size, size < 40)
}

// move carries n bytes from one end to the other.
func (c *conversation) move(n int, from, to *sink, feed func([]byte) int) {
	n = min(n, len(from.out))
	if n == 0 || to.paused {
		return
	}
	chunk := append([]byte(nil), from.out[:n]...)
	used := feed(chunk)
	if used < n && !to.paused && !c.died() {
		c.t.Fatalf("%d of %d bytes were left without a pause", n-used, n)
	}
	for i := range chunk {
		chunk[i] = 0xDD
	}
	from.out = append(from.out[:0], from.out[used:]...)
}

func (c *conversation) died() bool { return len(c.client.owner.shuts)+len(c.server.owner.shuts) > 0 }

// step does one thing.
func (c *conversation) step() {
	op, arg := c.next(), c.next()
	sending := func(s *side) bool { return s.open }
	any := func(*side) bool { return true }
	switch op % 16 {
	case 0, 1:
		c.call(arg)
	case 2:
		if s := pick(c.calls, arg, sending); s != nil {
			s.push(int(c.next()))
		}
	case 3, 4:
		c.answer(arg)
	case 5:
		if s := pick(c.served, arg, sending); s != nil {
			s.push(int(c.next()))
		}
	case 6:
		c.move(4*int(arg)+1, &c.client.sink, &c.server.sink, c.server.feed)
	case 7:
		c.move(4*int(arg)+1, &c.server.sink, &c.client.sink, c.client.feed)
	case 8:
		[]*sink{&c.client.sink, &c.server.sink}[arg%2].blocked = true
	case 9:
		c.client.sink.blocked, c.server.sink.blocked = false, false
		c.client.Writable()
		c.server.Writable()
	case 10:
		if s := pick(c.calls, arg, any); s != nil {
			s.given = true
			s.stream.Reset(codec.UpstreamTimeout)
		}
	case 11:
		if s := pick(c.served, arg, any); s != nil {
			s.given = true
			s.stream.Reset(codec.UpstreamReset)
		}
	case 12:
		c.client.now += int64(arg) * int64(10*time.Millisecond)
		c.server.now = c.client.now
		c.client.Tick(c.client.now)
		c.server.Tick(c.server.now)
	case 13:
		c.client.Probe()
	case 14:
		for _, sides := range [][]*side{c.calls, c.served} {
			if s := pick(sides, arg, func(s *side) bool { return s.owed > 0 }); s != nil {
				s.stream.Consumed(s.owed)
				s.owed = 0
			}
		}
	case 15:
		c.leave(arg)
	}
}

// leave is what ends connections.
func (c *conversation) leave(arg byte) {
	switch arg {
	case 0:
		c.server.Drain()
	case 1:
		c.client.Drain()
	case 2:
		c.server.Evict()
	case 3:
		c.client.Evict()
	case 4:
		// The client finishes sending; what is on the way is all there is.
		if c.server.sink.paused {
			c.server.PeerLeft(len(c.client.sink.out))
		}
	case 5:
		if len(c.client.sink.out) == 0 {
			c.server.PeerClosed()
		}
	case 6:
		if len(c.server.sink.out) == 0 {
			c.client.PeerClosed()
		}
	}
}

// FuzzConversation plays a script. Nothing is told to a stream after its end,
// nothing reaches another's, every two-way call ends, and nothing is held.
func FuzzConversation(f *testing.F) {
	f.Fuzz(func(t *testing.T, script []byte) {
		c := &conversation{t: t, script: script}
		adjust := func(l *Limits) {
			l.WholeFrame, l.StreamWindow, l.MaxUnsent, l.MaxInFlight, l.MaxStreams = 64, 100, 2000, 8, 16
			l.SendGoAway = len(script)%2 == 0
		}
		c.client = newClientEnd(-uint32(len(script)%8), adjust)
		c.server = newServerEnd(adjust)
		c.server.Server.accept = c
		for len(c.script) > 0 && !c.died() {
			c.step()
		}
		c.client.Close(codec.UpstreamClosed)
		c.server.Close(codec.DownstreamClosed)
		for _, s := range c.calls {
			if !s.oneWay && !s.given && !s.ended && !s.reset {
				t.Errorf("a call has no end: %+v", *s)
			}
		}
		wantIdle(t, c.client, &c.client.mem)
		wantIdle(t, c.server, &c.server.mem)
	})
}
