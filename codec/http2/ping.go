// SPDX-License-Identifier: Apache-2.0

package http2

// drainPing is the payload of the PING whose answer tells that the client has
// seen the first GOAWAY.
const drainPing = "sideloop"

// readPing is PING (RFC 9113, 6.7).
func (c *conn) readPing(p []byte) {
	if c.frame.has(flagAck) {
		switch {
		case c.drain == drainAnnounced && string(p) == drainPing:
			c.drainLast()
		default:
			c.overhead(1, "ping_ack_unexpected")
		}
		return
	}
	if c.overhead(1, "ping_flood") && c.countReply("ping_flood") {
		copy(c.writeFrame(framePing, flagAck, 0, len(p)), p)
	}
}
