// SPDX-License-Identifier: Apache-2.0

package http2

// queue is a ring of the streams that could send held bytes if the connection's
// window and the sink took them. A stream whose own window is used up is not in
// it; its WINDOW_UPDATE puts it back.
type queue struct {
	first, last *stream
}

func (q *queue) empty() bool { return q.first == nil }

func (q *queue) pushBack(s *stream) {
	s.queued = true
	s.prev, s.next = q.last, nil
	if q.last == nil {
		q.first = s
	} else {
		q.last.next = s
	}
	q.last = s
}

func (q *queue) pushFront(s *stream) {
	s.queued = true
	s.prev, s.next = nil, q.first
	if q.first == nil {
		q.last = s
	} else {
		q.first.prev = s
	}
	q.first = s
}

func (q *queue) remove(s *stream) {
	if !s.queued {
		return
	}
	if s.prev == nil {
		q.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		q.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.next, s.prev, s.queued = nil, nil, false
}

// mustHold tells that n bytes of a new chunk may not be written at once: the
// sink is full, or other streams were first to wait for the connection's
// window.
func (c *conn) mustHold(n int) bool {
	return c.sink.Blocked() || (n > 0 && !c.queue.empty())
}

// enqueue puts a stream with held bytes in line, unless it waits for its own
// window.
func (c *conn) enqueue(s *stream) {
	switch {
	case s.queued || s.deferred != nil:
	case s.held.left() > 0 && s.out.room() == 0:
		c.watchDeadEnd()
	default:
		c.queue.pushBack(s)
	}
}

// flush sends held bytes, one frame per stream and round, until the
// connection's window is used up or the sink is full. It tells the receivers of
// the streams that have nothing left.
func (c *conn) flush() {
	for !c.dead && !c.queue.empty() && !c.sink.Blocked() {
		s := c.queue.first
		if s.held.left() > 0 && c.out.room() == 0 {
			c.watchDeadEnd()
			return
		}
		c.queue.remove(s)
		if s.held.left() > 0 && s.out.room() == 0 {
			// SETTINGS took its window back.
			c.watchDeadEnd()
			continue
		}
		c.writeHeld(s)
		switch {
		case s.held.left() > 0:
			c.enqueue(s)
		case c.sink.Blocked() && s.state.live():
			// Before the others, as it needs no window any more.
			c.queue.pushFront(s)
		default:
			c.unblock(s)
		}
	}
}

// writeHeld writes one frame of what the stream holds, and the end behind the
// last.
func (c *conn) writeHeld(s *stream) {
	h := &s.held
	if h.left() > 0 {
		n := min(h.left(), maxFrameSize, s.out.room(), c.out.room())
		last := n == h.left() && h.end && !h.trailers
		c.writeDataFrame(s, h.buffer.B[h.sent:h.sent+n], last)
		h.take(c.mem, n)
		s.sent += n
		if h.left() > 0 {
			return
		}
		if last {
			h.end = false
		}
	}
	switch {
	case h.trailers:
		m := c.shared.message()
		m.fields = h.trailerFields(m.fields[:0])
		m.head.Fields = m.fields
		c.writeTrailers(s.id, &m.head)
		c.shared.release(m)
	case h.end:
		c.writeDataFrame(s, nil, true)
	}
	h.drop(c.mem)
}

// unblock is the last held byte written while the sink takes more.
func (c *conn) unblock(s *stream) {
	s.held.waiting, s.looked = false, 0
	if s.state == stateCutting {
		c.linger(s)
		return
	}
	receiver := s.receiver
	s.enter(s.state.flushed())
	if receiver != nil {
		receiver.OnWritable()
	}
}
