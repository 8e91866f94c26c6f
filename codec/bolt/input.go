// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// incoming is a large frame whose head was delivered and whose content arrives.
type incoming struct {
	dest *stream // nil: read and dropped
	left int64   // content bytes to come
	crc  uint32  // of what has come
	tail [crcSize]byte
	tailLen,
	tailSize uint8 // 0 or crcSize
	open bool
}

// Feed implements codec.Session.
func (c *conn) Feed(b []byte, now int64) int {
	c.now = now
	if c.eof {
		return len(b) // the rest of what PeerLeft has given up
	}
	rest := b
	for len(rest) > 0 && c.reading() {
		switch {
		case c.body.open:
			rest = rest[c.feedBody(rest):]
		case c.part != nil:
			rest = rest[c.feedPart(rest):]
		default:
			rest = rest[c.feedFrame(rest):]
		}
	}
	c.notify()
	return len(b) - len(rest)
}

// reading tells whether to go on with the input. A server session begins no
// further request while there is no room for what it would cause; a content
// that is under way goes on, since it is bounded by its credit and the peer may
// be unable to read before it is done.
func (c *conn) reading() bool {
	if c.downstream && !c.body.open && !c.dead {
		if c.sink.Blocked() {
			c.pause(pausedSink)
		}
		if c.wire.queued()+c.wire.held > c.limits.MaxUnsent/2 {
			c.pause(pausedQueue)
		}
		if c.active >= c.limits.MaxInFlight {
			c.pause(pausedInFlight)
		}
	}
	return c.paused == 0 && !c.dead
}

// want is how much of a frame must be at hand to go on with it: the head is
// enough of one that is streamed or refused.
func (c *conn) want(e extent) int {
	if e.total <= int64(c.limits.WholeFrame) && e.total <= c.limits.MaxFrame {
		return int(e.total)
	}
	return e.head
}

// feedFrame takes what b holds of the frame that begins there.
func (c *conn) feedFrame(b []byte) int {
	e, known, f := measure(b)
	if f != faultNone {
		c.reject(b, f)
		return 0
	}
	want := c.want(e)
	if known && len(b) >= want {
		c.frame(b[:want], e)
		return want
	}
	c.part = c.mem.Get()
	c.since = 0
	return c.feedPart(b)
}

// feedPart adds to the gathered beginning of a frame until the frame, or the
// head of a large one, is complete.
func (c *conn) feedPart(b []byte) int {
	p, used := c.part, 0
	for {
		var e extent
		want, known := 1, false
		if len(p.B) > 0 {
			var f fault
			if e, known, f = measure(p.B); f != faultNone {
				c.reject(p.B, f)
				return used
			}
			want = c.want(e)
		}
		if known && len(p.B) == want {
			c.frame(p.B, e)
			c.dropPart()
			return used
		}
		n := min(want-len(p.B), len(b)-used)
		if n == 0 {
			c.checkGather()
			return used
		}
		p.B = append(p.B, b[used:used+n]...)
		c.mem.Charge(codec.Gather, n)
		used += n
	}
}

// checkGather sees to a frame being gathered: that it does not take too long,
// and that the loop gathers no more than its budget. Upstream connections, which
// are few and shared, count but do not wait.
func (c *conn) checkGather() {
	if c.part == nil {
		c.resume(pausedGather)
		return
	}
	if c.since == 0 {
		c.since = c.now
	}
	left := c.since + int64(c.limits.HeadTimeout) - c.now
	if left <= 0 && c.paused&^pausedGather == 0 {
		c.owner.Glitch("head_timeout")
		c.shut(codec.IdleTimeout)
		return
	}
	if c.downstream && c.mem.Used(codec.Gather) > codec.GatherBudget {
		c.pause(pausedGather)
		c.wake(gatherRetry)
		return
	}
	c.resume(pausedGather)
	if left > 0 {
		c.wake(time.Duration(left))
	}
}

// dropPart gives the gathered bytes back.
func (c *conn) dropPart() {
	if c.part == nil {
		return
	}
	c.mem.Release(codec.Gather, len(c.part.B))
	c.mem.Put(c.part)
	c.part = nil
}

// truncated notes that the input ended, and whether within a frame.
func (c *conn) truncated() {
	if c.part != nil || c.body.open {
		c.owner.Glitch("truncated")
	}
	c.dropPart()
}

// blame tells the owner of a frame with a fault, of which b is at hand.
func (c *conn) blame(b []byte, f fault) {
	c.owner.Glitch(f.word())
	if w, ok := c.owner.(codec.Witness); ok {
		at, clear := f.place(b)
		w.Malformed(f.word(), b, at, clear)
	}
}

// reject deals with a frame whose extent is not known.
func (c *conn) reject(b []byte, f fault) {
	c.blame(b, f)
	if f == faultProtocol {
		c.role.broken(nil, f)
		return
	}
	c.head.decodeFixed(b)
	c.role.broken(c.head, f)
}

// frame delivers a whole frame or, when b ends at the head, begins a large one.
func (c *conn) frame(b []byte, e extent) {
	h := c.head
	h.decode(b[:e.head])
	f := faultNone
	if e.total > c.limits.MaxFrame {
		f = faultTooLarge
	} else if keys, ok := h.Map.check(); ok {
		h.names = keys
	} else {
		f = faultMap
	}
	if int64(len(b)) < e.total {
		c.large(h, f)
	} else {
		if f == faultNone && h.CRC() && !intact(b) {
			f = faultCRC
		}
		if f != faultNone {
			c.blame(b, f)
		}
		end := e.head + int(e.content)
		c.role.whole(h, b[e.head:end:end], f)
	}
	h.Class, h.Map, h.Raw = nil, nil, nil // views end with the callback
}

// large begins a frame whose content is delivered as it arrives.
func (c *conn) large(h *Head, f fault) {
	if f != faultNone {
		c.blame(h.Raw, f)
	}
	c.body = incoming{open: true, left: int64(h.ContentLength)}
	if h.CRC() {
		c.body.tailSize = crcSize
		c.body.crc = addCRC(0, h.Raw)
	}
	c.role.begin(h, f)
}

// feedBody takes what b holds of a large frame's content and checksum.
func (c *conn) feedBody(b []byte) int {
	in := &c.body
	n := int(min(int64(len(b)), in.left))
	chunk := b[:n:n]
	in.left -= int64(n)
	if in.tailSize != 0 && in.dest != nil {
		in.crc = addCRC(in.crc, chunk)
	}
	used := n
	if in.left == 0 {
		m := copy(in.tail[in.tailLen:in.tailSize], b[n:])
		in.tailLen += uint8(m)
		used += m
	}
	if in.left > 0 || in.tailLen < in.tailSize {
		c.deliver(chunk)
	} else {
		c.deliverEnd(chunk)
	}
	if c.owed > c.limits.StreamWindow && c.paused&pausedCredit == 0 {
		c.pause(pausedCredit)
		c.stalled = c.now
		if !c.downstream && c.active > 1 {
			c.wake(c.limits.StallTimeout)
		}
	}
	return used
}

// deliver passes content on that is not the last.
func (c *conn) deliver(chunk []byte) {
	s := c.body.dest
	if s == nil || len(chunk) == 0 {
		return
	}
	s.owed += len(chunk)
	c.owed += len(chunk)
	s.recv.OnData(chunk, false)
}

// deliverEnd passes on the last content of a large frame and its end.
func (c *conn) deliverEnd(chunk []byte) {
	in := c.body
	if in.tailSize != 0 && in.dest != nil && binary.BigEndian.Uint32(in.tail[:]) != in.crc {
		c.owner.Glitch(faultCRC.word())
		c.deliver(chunk)
		if s := c.body.dest; s != nil {
			c.endBody(s)
			s.recv.OnTrailers(CorruptTail)
			c.finish(s)
			return
		}
	}
	s := c.body.dest
	if s == nil {
		c.body = incoming{}
		c.owner.Released() // a client session's Capacity was 0 for it
		return
	}
	c.endBody(s)
	s.owed += len(chunk)
	c.owed += len(chunk)
	s.recv.OnData(chunk, true)
	c.finish(s)
}

// endBody marks the end of what s receives.
func (c *conn) endBody(s *stream) {
	c.body = incoming{}
	s.in = inEnded
	c.role.gone(s)
}
