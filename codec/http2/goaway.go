// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/binary"

	"github.com/sideloop/sideloop/codec"
)

// drain is how far an orderly end has got.
type drain uint8

const (
	drainNone drain = iota
	// drainAnnounced: a server has said that it will stop, and still takes
	// the requests that were under way to it.
	drainAnnounced
	// drainFinal: no new streams; the end comes with that of the last one.
	drainFinal
)

// writeGoAway writes GOAWAY (RFC 9113, 6.8).
func (c *conn) writeGoAway(last uint32, e code) {
	p := c.writeFrame(frameGoAway, 0, 0, 8)
	binary.BigEndian.PutUint32(p, last)
	binary.BigEndian.PutUint32(p[4:], uint32(e))
}

// lastID is the last stream of the peer that we may have acted upon.
func (c *conn) lastID() uint32 {
	if c.isServer() {
		return c.maxID
	}
	return 0
}

// announceDrain is the first step of a server's drain: it says that it will
// stop, and asks for an answer.
func (c *conn) announceDrain() {
	c.drain = drainAnnounced
	c.writeGoAway(maxStreamID, c.parting)
	copy(c.writeFrame(framePing, 0, 0, len(drainPing)), drainPing)
	c.set(alarmDrain, c.limits.DrainTime)
}

// drainLast is the second step of a server's drain: one round trip after the
// first, streams that the client opens from now on are ignored.
func (c *conn) drainLast() {
	if c.drain != drainAnnounced || c.dead {
		return
	}
	c.drain = drainFinal
	c.clear(alarmDrain)
	c.writeGoAway(c.maxID, c.parting)
}

// checkDrained asks for the end once nothing is left to do.
func (c *conn) checkDrained() {
	if c.dead || c.table.count > 0 || (c.drain != drainFinal && !c.peerClosed) {
		return
	}
	if !c.isServer() {
		c.writeGoAway(0, c.parting)
	}
	c.dead = true
	c.owner.Shut(codec.ReasonNone)
}

// readGoAway is GOAWAY. From a client it says nothing about the streams of a
// server that never pushes.
func (c *conn) readGoAway(p []byte) {
	last, why := binary.BigEndian.Uint32(p)&maxStreamID, codec.UpstreamGoAway
	if last > c.farewell {
		// RFC 9113, 6.8
		c.fail(codeProtocolError, "goaway_last_grows")
		return
	}
	c.farewell = last
	if code(binary.BigEndian.Uint32(p[4:])) != codeNoError {
		c.glitch("goaway_error", 0)
		why = codec.UpstreamRefused
	}
	if c.isServer() {
		c.overhead(1, "goaway_flood")
		return
	}
	c.drain = drainFinal
	if c.overhead(1, "goaway_flood") {
		c.refuseAbove(last, why)
	}
}

// refuseAbove ends the client's streams that the server has not looked at and
// never will, so that they can be retried elsewhere. Those that it has begun to
// answer it has looked at, whatever it says.
func (c *conn) refuseAbove(last uint32, why codec.Reason) {
	for _, s := range c.table.all() {
		switch {
		case s.id <= last:
		case s.answered:
			c.lose(s, codec.UpstreamReset)
		default:
			c.lose(s, why)
		}
	}
}
