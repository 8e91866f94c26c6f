// SPDX-License-Identifier: Apache-2.0

package bolt

import "time"

// sendGoAway tells a client to send no further requests on this connection. It
// is MOSN's extension: a request without content that gets no answer.
func (s *Server) sendGoAway() {
	st := stamp{form: s.ownForm(), command: CommandGoAway, typ: TypeRequest}
	s.bare(st, &Head{})
}

// grace is how far the time is in which a client that was told to leave is still
// served: it may not have read so yet.
type grace uint8

const (
	graceNone grace = iota
	graceAsked
	graceRunning
)

// startGrace begins it at the next Tick, which knows the time.
func (c *conn) startGrace() {
	c.grace = graceAsked
	c.wakeSoon()
}

// checkGrace ends it when it is over.
func (c *conn) checkGrace() {
	switch c.grace {
	case graceNone:
		return
	case graceAsked:
		c.grace, c.graceEnd = graceRunning, c.now+int64(c.limits.GoAwayGrace)
	case graceRunning:
	}
	if left := c.graceEnd - c.now; left > 0 {
		c.wake(time.Duration(left))
		return
	}
	c.grace = graceNone
	c.settle()
}

// onGoAway takes the same from an upstream host: the connection leaves the pool
// and ends when its streams have.
func (c *Client) onGoAway() { c.Drain() }
