// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"github.com/sideloop/sideloop/codec"
)

// stream is one request and its reply. It implements codec.Stream for the
// holder. Its methods never call the receiver.
//
// With many in flight each is cold when it is touched again. What every message
// touches comes first: the head's in the first cache line, the body's in the next.
// The rest is as it was made but for streams that held something or went another
// unusual way; see open.
type stream struct {
	conn     *conn
	receiver codec.Receiver
	// chain is the table's.
	chain *stream
	// next and prev link the stream in the queue; next also links ended
	// streams until they can be reused.
	next *stream

	id    uint32
	out   outflow
	state state
	// begun: our first HEADERS, other than 1xx, have been sent.
	begun bool
	// answered: the peer's first HEADERS, other than 1xx, have come. Always
	// set in the server role.
	answered bool
	// bodiless: the reply to our request has no content whatever its
	// content-length says (RFC 9110, 8.6).
	bodiless bool
	// informational counts 1xx replies.
	informational uint8
	// tunnel is set of CONNECT until it is refused; deferred while its head
	// waits.
	tunnel tunnel
	queued bool
	// lingered: an alarm has passed since the stream began to linger.
	lingered bool
	// opened is the loop's time when the stream began.
	opened int64

	in inflow
	// want is what of the announced content-length has not come yet, or
	// codec.BodyUnknown.
	want int64

	held     held
	prev     *stream
	deferred *deferred
	// looked is the loop's time at which held bytes were first seen by a look
	// for stalled streams, 0 before; sent is what was sent of them since.
	looked int64
	sent   int
}

var _ codec.Stream = (*stream)(nil)

// open makes a stream and enters it into the table. It sets one field after the
// other, since a literal is written, read again and written again. finish has
// cleared what is not set.
func (c *conn) open(id uint32) *stream {
	s := c.shared.stream()
	s.conn, s.id, s.opened = c, id, c.now
	s.begun, s.answered, s.bodiless, s.lingered = false, false, false, false
	s.informational, s.tunnel = 0, noTunnel
	s.held.waiting = false
	s.in.size, s.in.avail = int32(c.recvInitial), int32(c.recvInitial)
	s.in.due, s.in.turned = 0, 0
	s.out.avail = c.sendInitial
	s.want = codec.BodyUnknown
	s.state = stateIdle.open()
	c.table.put(s)
	c.earn(slackPerStream)
	return s
}

// ending is how a stream ended, which decides what late frames mean.
type ending uint8

const (
	// endedBoth: END_STREAM both ways.
	endedBoth ending = iota
	// endedByPeer: RST_STREAM came.
	endedByPeer
	// endedByUs: RST_STREAM was sent, so the peer may not know yet.
	endedByUs
	endingCount
)

// finish takes the stream out of the session. The receiver is not told; s is
// not touched afterwards, except within a callback that is still running.
func (c *conn) finish(s *stream, how ending) {
	if s.held.waiting {
		c.queue.remove(s)
		s.held.drop(c.mem)
		s.deferred, s.looked, s.sent = nil, 0, 0
	}
	s.state = stateClosed
	s.receiver = nil
	c.table.remove(s.id)
	c.past[how].note(s.id)
	if how == endedBoth {
		c.countServed()
	}
	if c.busy > 0 {
		s.next, c.retired = c.retired, s
	} else {
		c.shared.recycle(s)
		c.checkDrained()
	}
	c.owner.Released()
}

// sendEnd notes that all has been given, and ends the stream if that was all.
func (c *conn) sendEnd(s *stream) {
	s.enter(s.state.sendEnd(s.held.any()))
}

// sendNothing stands for sending on a connection that has failed. The end counts
// all the same: its holder is not told of the stream any more.
func (c *conn) sendNothing(s *stream, end bool) {
	if end {
		c.sendEnd(s)
	}
}

// recvEnd notes END_STREAM, and ends the stream if that was all. A request whose
// reply is complete has no use for its rest, which might wait for window for
// ever.
func (c *conn) recvEnd(s *stream) {
	if !c.isServer() && s.state == stateHalfLocal && s.held.any() {
		if !c.dead {
			c.writeRSTStream(s.id, codeCancel)
		}
		c.finish(s, endedByUs)
		return
	}
	s.enter(s.state.recvEnd(s.held.any()))
}

// enter takes the stream to its next state, which may be the last.
func (s *stream) enter(next state) {
	s.state = next
	switch next {
	case stateClosed:
		s.conn.finish(s, endedBoth)
	case stateFlushing, stateCutting:
		s.receiver = nil
		if next == stateCutting && !s.held.any() {
			s.conn.linger(s)
		}
	case stateIdle, stateOpen, stateHalfLocal, stateHalfRemote:
	}
}

// SendHeaders implements codec.Stream.
func (s *stream) SendHeaders(h codec.Head, body []byte, end bool) {
	c := s.conn
	switch {
	case !s.state.maySend() || s.begun:
		return
	case c.dead:
		c.sendNothing(s, end)
		return
	}
	head := h.(*Head)
	if c.isServer() && informational(head.Status) {
		c.writeHead1xx(s, head)
		return
	}
	if !c.isServer() {
		s.bodiless = string(head.MethodName) == "HEAD"
		if s.tunnel = head.tunnel(); s.tunnel == extendedTunnel && !c.peerConnect {
			s.deferHead(head)
			s.SendData(body, end)
			return
		}
	} else {
		s.connected(head.Status)
	}
	s.begun = true
	last := end && len(body) == 0
	c.writeMessageHead(s.id, head, last)
	if !last {
		s.SendData(body, end)
		return
	}
	c.sendEnd(s)
}

// SendData implements codec.Stream.
func (s *stream) SendData(b []byte, end bool) {
	c := s.conn
	switch {
	case !s.state.maySend():
		return
	case c.dead:
		c.sendNothing(s, end)
		return
	case !s.begun && s.deferred == nil, len(b) == 0 && !end:
		return
	}
	if !s.held.waiting && !c.mustHold(len(b)) {
		b = c.writeData(s, b, end)
		if len(b) == 0 {
			if end {
				c.sendEnd(s)
			}
			return
		}
	}
	s.held.add(c.mem, b)
	s.held.end = end
	c.enqueue(s)
	c.set(alarmStall, c.limits.StallTime)
	if end {
		c.sendEnd(s)
	}
}

// SendTrailers implements codec.Stream.
func (s *stream) SendTrailers(t codec.Head) {
	c := s.conn
	switch {
	case !s.state.maySend():
		return
	case c.dead:
		c.sendNothing(s, true)
		return
	case !s.begun && s.deferred == nil:
		return
	}
	head := t.(*Head)
	if s.held.waiting {
		s.held.addTrailers(c.mem, head.Fields)
		s.held.end = true
		c.enqueue(s)
	} else {
		c.writeTrailers(s.id, head)
	}
	c.sendEnd(s)
}

// Reset implements codec.Stream. Without a reason it ends a server stream after
// its reply, of which all that was given is sent.
func (s *stream) Reset(r codec.Reason) {
	c := s.conn
	if !s.state.live() {
		return
	}
	if r == codec.ReasonNone && c.isServer() && !c.dead {
		if next := s.state.cut(); next != stateClosed {
			s.enter(next)
			return
		}
	}
	// A client stream whose HEADERS were never sent is idle for the peer, and
	// an idle stream must not be reset (RFC 9113, 6.4).
	if !c.dead && (c.isServer() || s.begun) {
		c.writeRSTStream(s.id, s.resetCode(r))
	}
	c.finish(s, endedByUs)
}

// resetCode is the code of an RST_STREAM for reason r. To a server all that
// matters of ours is that nobody waits any more.
func (s *stream) resetCode(r codec.Reason) code {
	switch {
	case r == codec.ReasonNone:
		return codeNoError
	case !s.conn.isServer() || s.tunnel == extendedTunnel:
		// RFC 8441, 5, for the latter.
		return codeCancel
	case s.tunnel == plainTunnel:
		// RFC 9113, 8.5
		return codeConnectError
	}
	return code(r.HTTP2Code())
}

// Blocked implements codec.Stream.
func (s *stream) Blocked() bool { return s.held.waiting && s.state.live() }

// Consumed implements codec.Stream.
func (s *stream) Consumed(n int) {
	c := s.conn
	if n <= 0 || c.dead || !s.state.live() {
		return
	}
	s.in.give(n)
	c.announce(s)
}

// Evict implements codec.Holder: what the stream holds has waited longest of all
// on the loop, which holds too much.
func (s *stream) Evict() {
	c := s.conn
	c.enter()
	c.glitch("held_too_much", 0)
	c.abandon(s, codec.Overflow)
	c.leave()
}

// abandon resets a stream for a reason of our own and tells its receiver.
func (c *conn) abandon(s *stream, r codec.Reason) {
	receiver := s.receiver
	if !c.dead && (c.isServer() || s.begun) {
		c.writeRSTStream(s.id, s.resetCode(r))
	}
	c.finish(s, endedByUs)
	if receiver != nil {
		receiver.OnReset(r)
	}
}

// streamError resets a stream for a mistake of the peer and tells its receiver.
func (c *conn) streamError(s *stream, e code, word string) {
	receiver := s.receiver
	c.refuse(s.id, e, word)
	c.finish(s, endedByUs)
	if receiver != nil {
		receiver.OnReset(c.mistake)
	}
}

// refuse writes an RST_STREAM that a mistake of the peer elicits.
func (c *conn) refuse(id uint32, e code, word string) {
	if e != codeRefusedStream {
		c.blame(word)
	}
	c.countMistake(word)
	if !c.dead && c.countReply("reset_flood") {
		c.writeRSTStream(id, e)
	}
}
