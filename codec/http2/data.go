// SPDX-License-Identifier: Apache-2.0

package http2

// incoming is the DATA frame being received.
type incoming struct {
	// payload and pad are what is still to come.
	payload, pad int
	// padding is what padding took of the windows.
	padding int
	// padAhead: the next byte is the pad length.
	padAhead bool
	// drop: nobody wants the payload.
	drop bool
}

// beginData is the head of DATA (RFC 9113, 6.1). The whole frame counts against
// the connection's window, whatever becomes of it.
func (c *conn) beginData() {
	f := c.frame
	switch {
	case c.isIdle(f.id):
		c.fail(codeProtocolError, "data_of_idle")
	case f.has(flagPadded) && f.length == 0:
		c.fail(codeFrameSizeError, "data_size")
	case !c.in.take(f.length):
		c.fail(codeFlowControlError, "window_exceeded")
	default:
		c.phase = phaseData
		d := &c.data
		d.payload, d.pad, d.padding = f.length, 0, 0
		d.padAhead, d.drop = f.has(flagPadded), false
		if !d.padAhead {
			c.admitData()
		}
	}
}

// readData passes on what has come of the payload.
func (c *conn) readData(b []byte) (n int, more bool) {
	d := &c.data
	if d.padAhead {
		if len(b) == 0 {
			return 0, false
		}
		n = 1
		d.padAhead = false
		d.pad = int(b[0])
		d.padding = 1 + d.pad
		d.payload -= d.padding
		if d.payload < 0 {
			c.fail(codeProtocolError, "data_padding")
			return n, false
		}
		c.admitData()
	}
	chunk := b[n:]
	chunk = chunk[:min(len(chunk), d.payload)]
	n += len(chunk)
	d.payload -= len(chunk)
	if d.payload == 0 {
		skip := min(len(b)-n, d.pad)
		n += skip
		d.pad -= skip
	}
	whole := d.payload == 0 && d.pad == 0
	c.deliver(chunk, whole && c.frame.has(flagEndStream))
	if whole {
		c.endData()
	}
	return n, whole
}

// admitData checks a DATA frame against its stream, once the size of its
// payload is known and before any of it is delivered.
func (c *conn) admitData() {
	f, payload := c.frame, c.data.payload
	end := f.has(flagEndStream)
	s := c.table.get(f.id)
	c.data.drop = true
	switch {
	case s == nil:
		c.late(f.id)
	case !s.state.mayReceive():
		c.streamError(s, codeStreamClosed, "data_after_end")
	case !s.answered:
		c.streamError(s, codeProtocolError, "data_before_headers")
	case !s.in.take(f.length):
		c.streamError(s, codeFlowControlError, "stream_window_exceeded")
	case s.want >= 0 && (int64(payload) > s.want || (end && int64(payload) < s.want)):
		// RFC 9113, 8.1.1
		c.streamError(s, codeProtocolError, "content_length_mismatch")
	default:
		if s.want >= 0 {
			s.want -= int64(payload)
		}
		c.data.drop = !c.countData(s, end)
		if !end && s.lingers() {
			c.cutLong(s)
		}
	}
}

// countData charges DATA that costs more than it carries. It returns false when
// that ended the connection.
func (c *conn) countData(s *stream, end bool) bool {
	payload := c.data.payload
	switch {
	case end:
		c.empty = 0
	case payload == 0:
		c.empty++
		if c.empty > c.limits.EmptyData {
			c.calm("empty_data_flood")
			return false
		}
	case payload < smallData && s.in.waiting() > c.frame.length:
		// Earlier bytes wait for a consumer that is slower.
		c.empty = 0
		return c.overhead(1, "small_data_flood")
	default:
		c.empty = 0
		if payload >= largeData {
			c.earn(slackPerData)
		}
	}
	return true
}

// deliver gives body bytes to the receiver, unless the stream has gone.
func (c *conn) deliver(b []byte, end bool) {
	if c.data.drop || (len(b) == 0 && !end) {
		return
	}
	s := c.table.get(c.frame.id)
	if s == nil {
		return
	}
	receiver := s.receiver
	if end {
		c.recvEnd(s)
	}
	if receiver != nil {
		receiver.OnData(b, end)
	}
}

// endData is a DATA frame received whole. The connection's window is given back
// at once: what bounds a slow consumer is its stream's window. Padding is
// consumed by nobody else.
func (c *conn) endData() {
	c.phase = phaseHead
	if c.dead {
		return
	}
	f := c.frame
	c.in.give(f.length)
	if n := c.in.announce(); n > 0 {
		c.writeWindowUpdate(0, n)
	}
	if !f.has(flagPadded) || c.data.drop {
		return
	}
	if s := c.table.get(f.id); s != nil {
		s.in.give(c.data.padding)
		c.announce(s)
	}
}

// writeData writes DATA frames as far as the windows and the sink take them, and
// returns the rest.
func (c *conn) writeData(s *stream, b []byte, end bool) []byte {
	for {
		n := min(len(b), maxFrameSize, s.out.room(), c.out.room())
		if n == 0 && len(b) > 0 {
			return b
		}
		c.writeDataFrame(s, b[:n], end && n == len(b))
		b = b[n:]
		if len(b) == 0 || c.sink.Blocked() {
			return b
		}
	}
}

// writeDataFrame writes one frame, which the windows allow. The payload is
// appended rather than written through: frames are small enough that a system
// call for each would cost more than the copy.
func (c *conn) writeDataFrame(s *stream, b []byte, last bool) {
	f := frameHead{length: len(b), id: s.id, kind: frameData}
	if last {
		f.flags = flagEndStream
	}
	f.put(c.sink.Extend(headSize))
	if len(b) == 0 {
		return
	}
	s.out.take(len(b))
	c.out.take(len(b))
	c.sink.Append(b)
	if len(b) >= largeData {
		c.earn(slackPerData)
	}
}
