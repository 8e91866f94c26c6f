// SPDX-License-Identifier: Apache-2.0

package http2

// drainPing is the payload of the PING whose answer tells that the client has
// seen the first GOAWAY.
const drainPing = "sideloop"

// alivePing is the payload of the PING that asks for a sign of life.
const alivePing = "is-alive"

// Probe implements codec.Prober. A connection that is not read because its peer
// takes nothing counts as asked: that it takes something is the sign.
func (c *Client) Probe() bool {
	if c.dead || c.starved {
		return false
	}
	copy(c.writeFrame(framePing, 0, 0, len(alivePing)), alivePing)
	c.probes++
	return true
}

// readPing is PING (RFC 9113, 6.7).
func (c *conn) readPing(p []byte) {
	if c.frame.has(flagAck) {
		switch {
		case c.drain == drainAnnounced && string(p) == drainPing:
			c.drainLast()
		case c.probes > 0 && string(p) == alivePing:
			c.probes--
		default:
			c.overhead(1, "ping_ack_unexpected")
		}
		return
	}
	if c.overhead(1, "ping_flood") && c.countReply("ping_flood") {
		copy(c.writeFrame(framePing, flagAck, 0, len(p)), p)
	}
}
