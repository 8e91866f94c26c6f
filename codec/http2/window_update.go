// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/binary"

	"github.com/sideloop/sideloop/codec"
)

// writeWindowUpdate writes WINDOW_UPDATE (RFC 9113, 6.9) for a stream, or for
// the connection if id is 0.
func (c *conn) writeWindowUpdate(id uint32, n int) {
	binary.BigEndian.PutUint32(c.writeFrame(frameWindowUpdate, 0, id, 4), uint32(n))
}

// readWindowUpdate is WINDOW_UPDATE.
func (c *conn) readWindowUpdate(p []byte) {
	id, n := c.frame.id, int64(binary.BigEndian.Uint32(p)&maxWindow)
	switch {
	case id != 0 && c.isIdle(id):
		c.fail(codeProtocolError, "window_update_of_idle")
		return
	case id == 0 && n == 0:
		c.fail(codeProtocolError, "window_update_zero")
		return
	case !c.overhead(1, "window_update_flood"):
		return
	case id == 0 && !c.out.add(n):
		c.fail(codeFlowControlError, "window_overflow")
		return
	}
	if id != 0 {
		s := c.table.get(id)
		switch {
		case s == nil:
			// The peer may not know of the end yet.
			return
		case n == 0:
			c.streamError(s, codeProtocolError, "stream_window_update_zero")
			return
		case !s.out.add(n):
			c.streamError(s, codeFlowControlError, "stream_window_overflow")
			return
		}
		c.requeue(s)
	}
	c.flush()
}

// announce tells the peer of the stream's window as far as it is worth a frame.
// While the consumer keeps up the window grows, unless the loop already holds
// much that sinks do not take.
func (c *conn) announce(s *stream) {
	if s.state != stateOpen && s.state != stateHalfLocal {
		return
	}
	if c.mem.Used(codec.Hold) < codec.HoldBudget {
		s.in.grow(c.limits.MaxStreamWindow)
	}
	if n := s.in.announce(); n > 0 {
		c.writeWindowUpdate(s.id, n)
	}
}
