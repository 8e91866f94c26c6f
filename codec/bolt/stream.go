// SPDX-License-Identifier: Apache-2.0

package bolt

import "github.com/sideloop/sideloop/codec"

// inState is how far the incoming message of a stream is.
type inState uint8

const (
	inIdle  inState = iota // nothing was delivered
	inBody                 // the head was, the content is arriving
	inEnded                // all was delivered
)

// outState is how far the outgoing message of a stream is.
type outState uint8

const (
	outIdle    outState = iota // nothing was sent
	outWaiting                 // a streamed frame waits for the wire
	outBody                    // a streamed frame holds the wire
	outHeld                    // a streamed frame was completed while it waited
	outEnded                   // all was sent, or nothing will be
)

// stream implements codec.Stream in both roles.
type stream struct {
	c          *conn
	recv       codec.Receiver
	prev, next *stream // live streams; next also links free ones
	after      *stream // the next that waits for the wire
	hold       *codec.Buffer
	left       int64 // content bytes still to be sent
	owed       int   // content bytes delivered and not given back
	crc        uint32
	stamp      stamp
	in         inState
	out        outState
	doom       codec.Reason // OnReset is to follow; see conn.doom
	alive      bool
	oneWay     bool
	stalled    bool // OnWritable is owed
}

// over tells whether both directions have ended. Nothing comes back for a
// one-way request: toward the upstream it is over when it was sent. From the
// downstream it is in progress until its holder resets it, so that a client
// cannot send more of them than are worked off.
func (s *stream) over() bool {
	in := s.in == inEnded
	out := s.out == outEnded || s.out == outHeld
	if s.oneWay && !s.c.downstream {
		return out
	}
	return in && out
}

// SendHeaders implements codec.Stream.
func (s *stream) SendHeaders(head codec.Head, body []byte, end bool) {
	c := s.c
	if !s.alive || s.out != outIdle {
		s.swallow(end)
		return
	}
	h := head.(*Head)
	c.role.stamp(s, h)
	if c.dead {
		s.swallow(end)
		return
	}
	content := int64(h.ContentLength)
	if end {
		content = int64(len(body))
	}
	if r := c.unsendable(s.stamp, h, content); r != codec.ReasonNone {
		c.owner.Glitch(faultTooLarge.word())
		c.doom(s, r)
		s.swallow(end)
		return
	}
	if end {
		c.sendWhole(s.stamp, h, body)
		s.out = outEnded
		c.finish(s)
		return
	}
	c.startFrame(s, h)
	s.SendData(body, false)
}

// unsendable tells why h cannot be written under st with a content of that size:
// its lengths do not fit their fields, which a head that came off a wire never
// brings about, or it is a reply over the limit.
func (c *conn) unsendable(st stamp, h *Head, content int64) codec.Reason {
	switch {
	case len(h.Class) > maxClass || len(h.Map) > maxMap:
		return codec.HeaderTooLarge
	case content > maxContent || c.downstream && int64(st.headSize(h))+content > c.limits.MaxFrame:
		return codec.BodyTooLarge
	}
	return codec.ReasonNone
}

// SendData implements codec.Stream.
func (s *stream) SendData(b []byte, end bool) { s.send(b, end, false) }

// SendTrailers implements codec.Stream. Bolt has no trailers: they only end the
// message, as CorruptTail in particular.
func (s *stream) SendTrailers(t codec.Head) {
	_, corrupt := t.(*corruptTail)
	s.send(nil, true, corrupt)
}

// send sends content of a streamed frame. Content that breaks the announced
// length, or that is corrupt where there is no checksum to say so, costs what
// it was part of.
func (s *stream) send(b []byte, end, corrupt bool) {
	c := s.c
	if !s.alive || c.dead || s.out != outBody && s.out != outWaiting {
		s.swallow(end)
		return
	}
	if int64(len(b)) > s.left || end && int64(len(b)) < s.left || corrupt && !s.stamp.crc() {
		s.breach()
		s.swallow(end)
		return
	}
	c.sendContent(s, b)
	if s.out == outEnded {
		s.swallow(end)
		return
	}
	if end {
		c.endFrame(s, corrupt)
		c.finish(s)
	}
}

// breach ends the outgoing frame of s, whose source broke its promise.
func (s *stream) breach() {
	r := codec.ProtocolError
	if s.c.downstream {
		r = codec.UpstreamProtocolError
	}
	if s.out == outWaiting {
		s.c.doom(s, r)
		return
	}
	s.out = outEnded
	s.c.shut(r)
}

// swallow drops what cannot be sent any more. Its end still counts: the holder
// of a stream whose directions have both ended hears nothing more of it.
func (s *stream) swallow(end bool) {
	if !s.alive || !end {
		return
	}
	if s.out == outWaiting {
		s.c.withdraw(s)
	}
	s.out = outEnded
	if s.over() {
		s.c.release(s)
	}
}

// Reset implements codec.Stream.
func (s *stream) Reset(r codec.Reason) {
	if s.alive {
		s.c.abandon(s, r)
	}
}

// Blocked implements codec.Stream.
func (s *stream) Blocked() bool {
	if s.out == outWaiting || s.out == outBody && s.c.sink.Blocked() {
		s.stalled = true
		return true
	}
	return false
}

// Consumed implements codec.Stream. Content of whole frames was never counted,
// so there may be less to give back than n.
func (s *stream) Consumed(n int) {
	n = min(n, s.owed)
	if !s.alive || n <= 0 {
		return
	}
	s.owed -= n
	s.c.repay(n)
}
