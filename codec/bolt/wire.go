// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"slices"

	"github.com/sideloop/sideloop/codec"
)

// wire is the order of what is sent. A streamed frame holds the wire from its
// head to its last byte. Whole frames that come meanwhile are queued; streamed
// ones wait each with what they were given.
type wire struct {
	holder      *stream // its frame is on the wire
	queue       *codec.Buffer
	first, last *stream // waiting, linked by stream.after
	held        int     // bytes that the waiting were given
}

// queued is the number of bytes of whole frames that wait. Those of streamed
// ones are bounded by their sources, which are Blocked.
func (w *wire) queued() int {
	if w.queue == nil {
		return 0
	}
	return len(w.queue.B)
}

// room returns n bytes for a whole frame, to be filled in at once: on the sink,
// or in the queue while the wire is held.
func (c *conn) room(n int) []byte {
	w := &c.wire
	if w.holder == nil {
		return c.sink.Extend(n)
	}
	if w.queue == nil {
		w.queue = c.mem.Get()
	}
	start := len(w.queue.B)
	w.queue.B = slices.Grow(w.queue.B, n)[:start+n]
	c.mem.Hold(&c.holding, n)
	return w.queue.B[start:]
}

// checkUnsent shuts the connection when too much is waiting for its peer.
func (c *conn) checkUnsent() {
	unsent := c.wire.queued()
	if c.downstream && c.sink.Blocked() {
		unsent += c.sink.Buffered()
	}
	if unsent > c.limits.MaxUnsent {
		if c.downstream {
			c.shut(codec.DownstreamSlow)
		} else {
			c.shut(codec.Overflow)
		}
	}
}

// sendWhole sends a frame that is complete.
func (c *conn) sendWhole(st stamp, h *Head, content []byte) {
	head, n := st.headSize(h), len(content)
	if n >= throughMin && c.wire.holder == nil {
		c.sendThrough(st, h, content)
		return
	}
	size := head + n
	if st.crc() {
		size += crcSize
	}
	b := c.room(size)
	st.putHead(b, h, uint32(n))
	copy(b[head:], content)
	if st.crc() {
		binary.BigEndian.PutUint32(b[head+n:], addCRC(0, b[:head+n]))
	}
	c.checkUnsent()
}

// sendThrough is sendWhole without a copy of the content.
func (c *conn) sendThrough(st stamp, h *Head, content []byte) {
	b := c.sink.Extend(st.headSize(h))
	st.putHead(b, h, uint32(len(content)))
	crc := uint32(0)
	if st.crc() {
		crc = addCRC(addCRC(0, b), content)
	}
	c.sink.WriteThrough(content)
	if st.crc() {
		binary.BigEndian.PutUint32(c.sink.Extend(crcSize), crc)
	}
	c.checkUnsent()
}

// startFrame sends the head of a streamed frame, or holds it until the wire is
// free.
func (c *conn) startFrame(s *stream, h *Head) {
	s.left = int64(h.ContentLength)
	n := s.stamp.headSize(h)
	var b []byte
	if c.wire.holder == nil {
		c.wire.holder = s
		s.out = outBody
		b = c.sink.Extend(n)
	} else {
		c.enqueue(s)
		b = c.holdRoom(s, n)
	}
	s.stamp.putHead(b, h, h.ContentLength)
	if s.stamp.crc() {
		s.crc = addCRC(0, b)
	}
}

// enqueue puts s behind those that wait for the wire.
func (c *conn) enqueue(s *stream) {
	s.out = outWaiting
	s.hold = c.mem.Get()
	if c.wire.last == nil {
		c.wire.first = s
	} else {
		c.wire.last.after = s
	}
	c.wire.last = s
}

// holdRoom returns n bytes behind what s holds.
func (c *conn) holdRoom(s *stream, n int) []byte {
	start := len(s.hold.B)
	s.hold.B = slices.Grow(s.hold.B, n)[:start+n]
	c.mem.Hold(&c.holding, n)
	c.wire.held += n
	return s.hold.B[start:]
}

// sendContent sends b as content of the frame of s. Waiting streams are held
// to what a source may have on its way when it is told to stop.
func (c *conn) sendContent(s *stream, b []byte) {
	if len(b) == 0 {
		return
	}
	s.left -= int64(len(b))
	if s.stamp.crc() {
		s.crc = addCRC(s.crc, b)
	}
	if s.out == outBody {
		c.sink.WriteThrough(b)
		c.mem.Touch(&c.holding)
		return
	}
	if len(s.hold.B)+len(b) > c.limits.MaxUnsent {
		c.doom(s, codec.Overflow)
		return
	}
	copy(c.holdRoom(s, len(b)), b)
}

// endFrame ends the frame of s, whose content is complete, and passes the wire
// on if s had it.
func (c *conn) endFrame(s *stream, corrupt bool) {
	if s.stamp.crc() {
		crc := s.crc
		if corrupt {
			crc = ^crc
		}
		if s.out == outBody {
			binary.BigEndian.PutUint32(c.sink.Extend(crcSize), crc)
		} else {
			binary.BigEndian.PutUint32(c.holdRoom(s, crcSize), crc)
		}
	}
	if s.out == outWaiting {
		s.out = outHeld
		return
	}
	s.out = outEnded
	c.wire.holder = nil
	c.passWire()
}

// passWire gives the free wire to what waits for it.
func (c *conn) passWire() {
	w := &c.wire
	if w.queue != nil {
		c.sink.WriteThrough(w.queue.B)
		c.dropQueue()
	}
	c.resume(pausedQueue)
	for w.holder == nil && w.first != nil {
		s := w.first
		w.first = s.after
		if w.first == nil {
			w.last = nil
		}
		s.after = nil
		c.sink.WriteThrough(s.hold.B)
		c.dropHold(s)
		if s.out == outWaiting {
			s.out = outBody
			w.holder = s
			if s.stalled {
				c.wakeSoon()
			}
			return
		}
		c.sent(s)
	}
	if !c.downstream {
		c.owner.Released() // Capacity was 0 while the wire was held
	}
}

// sent marks the frame of s, which was complete while it waited, as sent.
func (c *conn) sent(s *stream) {
	s.out = outEnded
	if !s.alive {
		c.recycle(s)
	}
}

// withdraw takes s, whose frame has not begun, out of those that wait.
func (c *conn) withdraw(s *stream) {
	w := &c.wire
	var before *stream
	for at := w.first; at != s; at = at.after {
		before = at
	}
	if before == nil {
		w.first = s.after
	} else {
		before.after = s.after
	}
	if w.last == s {
		w.last = before
	}
	s.after = nil
	c.dropHold(s)
	s.out = outIdle
}

func (c *conn) dropHold(s *stream) {
	c.mem.Unhold(&c.holding, len(s.hold.B))
	c.wire.held -= len(s.hold.B)
	c.mem.Put(s.hold)
	s.hold = nil
}

func (c *conn) dropQueue() {
	if c.wire.queue == nil {
		return
	}
	c.mem.Unhold(&c.holding, len(c.wire.queue.B))
	c.mem.Put(c.wire.queue)
	c.wire.queue = nil
}

// Evict implements codec.Holder: the loop holds too much, and what waits here for
// the wire has waited longest. The peer does not read, or a large frame does not
// move; either way it is the connection that is stuck.
func (c *conn) Evict() {
	if c.downstream {
		c.shut(codec.DownstreamSlow)
	} else {
		c.shut(codec.Overflow)
	}
	c.dropWire()
}

// dropWire gives back all that waits for the wire.
func (c *conn) dropWire() {
	c.dropQueue()
	for s := c.wire.first; s != nil; {
		next := s.after
		c.dropHold(s)
		s.after, s.out = nil, outEnded
		s = next
	}
	c.wire = wire{}
}
