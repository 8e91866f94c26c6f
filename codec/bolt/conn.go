// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"math"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// role is the half of a session that differs between Server and Client.
type role interface {
	// whole takes a frame that arrived in one piece. f is faultNone or what is
	// wrong with it.
	whole(h *Head, content []byte, f fault)
	// begin takes the head of a larger frame and sets conn.body.dest to the
	// stream that gets the content; nil has it read and dropped.
	begin(h *Head, f fault)
	// broken takes a frame whose extent is not known. Of h only the fixed part
	// is set; it is nil where not even that can be read.
	broken(h *Head, f fault)
	// stamp decides the stamp of what s sends, given the head.
	stamp(s *stream, h *Head)
	// refuse tells the peer, where it waits for something of s that has not
	// begun, that it will not come.
	refuse(s *stream, r codec.Reason)
	// gone forgets s, which ended or whose incoming message did.
	gone(s *stream)
	// unfold makes streams of one of the parcels in progress; false where there
	// is none.
	unfold() bool
	// idle gives back memory that is kept for reuse; no stream is in progress.
	idle()
}

// pauses is why a session does not read.
type pauses uint8

const (
	pausedSink     pauses = 1 << iota // the peer does not read its replies
	pausedQueue                       // replies wait behind a large one
	pausedInFlight                    // too many requests in progress
	pausedCredit                      // receivers owe too many content bytes
	pausedGather                      // the loop gathers too much
)

// tickNone is the time of the next Tick when none was asked for.
const tickNone = math.MaxInt64

// conn is the part of a session that both roles share: the input machine, the
// wire, the live streams and the timers.
type conn struct {
	sink   codec.Sink
	owner  codec.Owner
	mem    *codec.Memory
	limits *Limits
	role   role

	head  *Head         // of the frame being delivered; one for the loop
	part  *codec.Buffer // the beginning of a frame whose rest is to come
	since int64         // when part began, 0 when the clock is to start anew
	body  incoming
	wire  wire
	// holding accounts what waits for the wire.
	holding codec.Holding

	live    *stream // streams in progress
	free    *stream // stream objects for reuse
	active  int
	doomed  int // live streams whose receiver is still to get OnReset
	owed    int // content bytes that receivers have not given back
	stalled int64
	// graceEnd is when a client that was told to leave is no longer served.
	graceEnd int64
	tick     int64 // when the next Tick is due
	now      int64
	beats    budget // heartbeats that may be answered

	paused     pauses
	version    byte // of the frames that we make ourselves
	downstream bool // the peer is a client
	draining   bool
	grace      grace
	eof        bool
	dead       bool // Shut was asked for; nothing is sent any more
	quiet      bool // no stream since the last heartbeat
}

func (c *conn) init(sink codec.Sink, owner codec.Owner, mem *codec.Memory, l *Limits) {
	c.sink, c.owner, c.mem, c.limits = sink, owner, mem, l
	c.head = headOf(mem)
	c.holding.Holder = c
	c.tick = tickNone
	c.version = V1
	c.beats.left = l.HeartbeatBurst
}

// headOf is the loop's head for the frame that one of its sessions delivers, of
// which there is one at a time.
func headOf(m *codec.Memory) *Head {
	h, _ := m.Shared[codec.Bolt].(*Head)
	if h == nil {
		h = new(Head)
		m.Shared[codec.Bolt] = h
	}
	return h
}

// Active implements codec.Session.
func (c *conn) Active() int { return c.active }

// Writable implements codec.Session.
func (c *conn) Writable() {
	c.resume(pausedSink)
	c.notify()
	if !c.downstream && !c.dead {
		c.owner.Released() // Capacity was 0 while the sink was blocked
	}
}

// Tick implements codec.Session.
func (c *conn) Tick(now int64) {
	c.now, c.tick = now, tickNone
	if c.dead {
		return
	}
	c.notify()
	c.checkGather()
	c.checkStall()
	c.checkGrace()
}

// Close implements codec.Session.
func (c *conn) Close(r codec.Reason) {
	c.dead = true
	c.dropWire()
	for c.live != nil || c.role.unfold() {
		recv := c.live.recv
		c.release(c.live)
		if recv != nil {
			recv.OnReset(r)
		}
	}
	c.dropPart()
	c.body = incoming{}
	c.free = nil
}

// shut asks once for the connection to be closed. Nothing is sent after it.
func (c *conn) shut(r codec.Reason) {
	if c.dead {
		return
	}
	c.dead = true
	c.owner.Shut(r)
}

// settle shuts a connection that is to end when no stream is left.
func (c *conn) settle() {
	if c.active == 0 && (c.draining && c.grace == graceNone || c.eof && c.downstream) {
		c.shut(codec.ReasonNone)
	}
}

// pause stops reading for reason p.
func (c *conn) pause(p pauses) {
	if c.paused == 0 {
		c.sink.PauseRead()
	}
	c.paused |= p
}

// resume withdraws reason p.
func (c *conn) resume(p pauses) {
	if c.paused&p == 0 {
		return
	}
	c.paused &^= p
	if p != pausedGather {
		c.since = 0 // the peer could not send meanwhile
		if c.part != nil {
			c.wakeSoon()
		}
	}
	if c.paused == 0 {
		c.sink.ResumeRead()
	}
}

// wake asks for a Tick in d, unless one is due earlier.
func (c *conn) wake(d time.Duration) {
	if at := c.now + int64(d); at < c.tick {
		c.tick = at
		c.owner.TickIn(d)
	}
}

// wakeSoon asks for a Tick as soon as the running callback has returned, to
// deliver what a Stream method may not.
func (c *conn) wakeSoon() {
	if c.tick != math.MinInt64 && !c.dead {
		c.tick = math.MinInt64
		c.owner.TickIn(0)
	}
}

// notify delivers what Stream methods left to be delivered.
func (c *conn) notify() {
	for s := c.live; s != nil && c.doomed > 0; {
		if s.doom == codec.ReasonNone {
			s = s.next
			continue
		}
		r, recv := s.doom, s.recv
		c.release(s)
		recv.OnReset(r)
		s = c.live
	}
	for !c.dead {
		s := c.wire.holder
		if s == nil || !s.stalled || c.sink.Blocked() {
			return
		}
		s.stalled = false
		s.recv.OnWritable()
	}
}

// checkStall ends the large reply whose receiver has kept others waiting.
func (c *conn) checkStall() {
	s := c.body.dest
	if c.downstream || s == nil || c.paused&pausedCredit == 0 || c.active < 2 {
		return
	}
	if left := c.stalled + int64(c.limits.StallTimeout) - c.now; left > 0 {
		c.wake(time.Duration(left))
		return
	}
	c.fail(s, codec.DownstreamSlow)
}

// fail ends s from this side: its receiver gets OnReset.
func (c *conn) fail(s *stream, r codec.Reason) {
	recv := s.recv
	c.abandon(s, r)
	recv.OnReset(r)
}

// abandon ends s in both directions. What it had begun to send cannot be
// completed and costs the connection; what it was receiving is dropped.
func (c *conn) abandon(s *stream, r codec.Reason) {
	switch s.out {
	case outIdle:
		c.role.refuse(s, r)
	case outWaiting:
		c.withdraw(s)
		c.role.refuse(s, r)
	case outBody:
		c.shut(r)
	case outHeld, outEnded:
	}
	c.release(s)
}

// doom ends s from within one of its own methods, which may not tell its
// receiver: OnReset follows at the next Tick.
func (c *conn) doom(s *stream, r codec.Reason) {
	if s.out == outWaiting {
		c.withdraw(s)
	}
	c.role.refuse(s, r)
	s.out = outEnded
	s.doom = r
	c.doomed++
	c.wakeSoon()
}

// open returns a stream in its first state.
func (c *conn) open(recv codec.Receiver) *stream {
	s := c.free
	if s == nil {
		s = &stream{c: c}
	} else {
		c.free = s.next
	}
	s.recv, s.alive = recv, true
	s.prev, s.next = nil, c.live
	if c.live != nil {
		c.live.prev = s
	}
	c.live = s
	c.active++
	c.quiet = false
	return s
}

// release takes s, whose life is over, off the live streams.
func (c *conn) release(s *stream) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		c.live = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	c.active--
	if s.doom != codec.ReasonNone {
		c.doomed--
	}
	if c.body.dest == s {
		c.body.dest = nil
	}
	if c.wire.holder == s {
		c.wire.holder = nil // mid-frame: the connection is shut
	}
	c.role.gone(s)
	c.repay(s.owed)
	s.alive, s.owed = false, 0
	if s.out != outHeld {
		c.recycle(s)
	}
	c.released()
}

// released follows the end of a stream or parcel.
func (c *conn) released() {
	if c.active <= c.limits.MaxInFlight/2 {
		c.resume(pausedInFlight)
	}
	c.owner.Released()
	c.settle()
}

// recycle makes s, which nothing refers to any more, ready for reuse.
func (c *conn) recycle(s *stream) {
	*s = stream{c: c, next: c.free}
	c.free = s
}

// finish releases s if both its directions have ended and its receiver is not
// to be told anything more. It may be called after a callback within which s
// ended and its object became another stream: that one is not over, since a
// stream that is gets released at once.
func (c *conn) finish(s *stream) {
	if s.alive && s.over() && s.doom == codec.ReasonNone {
		c.release(s)
	}
}

// repay takes back n bytes of credit.
func (c *conn) repay(n int) {
	c.owed -= n
	if c.owed < max(c.limits.StreamWindow/2, 1) {
		c.resume(pausedCredit)
	}
}
