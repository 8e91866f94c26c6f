// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/binary"

	"github.com/sideloop/sideloop/codec"
)

// resetSize is the payload of RST_STREAM.
const resetSize = 4

// writeRSTStream writes RST_STREAM (RFC 9113, 6.4).
func (c *conn) writeRSTStream(id uint32, e code) {
	binary.BigEndian.PutUint32(c.writeFrame(frameRSTStream, 0, id, resetSize), uint32(e))
}

// readRSTStream is RST_STREAM.
func (c *conn) readRSTStream(p []byte) {
	id := c.frame.id
	if c.isIdle(id) {
		c.fail(codeProtocolError, "reset_of_idle")
		return
	}
	s := c.table.get(id)
	if s == nil {
		c.overhead(1, "reset_after_end")
		return
	}
	premature := c.now-s.opened < int64(c.limits.ResetTime)
	c.lose(s, c.resetReason(s, code(binary.BigEndian.Uint32(p))))
	if !c.isServer() {
		return
	}
	c.owner.Glitch("stream_reset")
	if premature {
		c.countReset()
	}
}

// resetReason is what an RST_STREAM means to the receiver.
func (c *conn) resetReason(s *stream, e code) codec.Reason {
	switch {
	case c.isServer():
		return codec.DownstreamReset
	case e == codeRefusedStream && !s.answered:
		return codec.UpstreamRefused
	case e == codeNoError && s.state == stateHalfRemote:
		// The reply was complete; the server has no use for the rest of the
		// request (RFC 9113, 8.1).
		return codec.ReasonNone
	}
	return codec.UpstreamReset
}
