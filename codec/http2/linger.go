// SPDX-License-Identifier: Apache-2.0

package http2

// A request whose reply is complete lingers: its rest is dropped, but still held
// to the rules, until its end. Only one that is long, or does not end, is reset.
// A reset at once would overtake what is on its way to us, and some clients give
// up a reply that they have because of it.

// linger begins the wait for the end of a request of which nothing is sent or
// wanted any more.
func (c *conn) linger(s *stream) {
	s.lingered = false
	c.set(alarmLinger, c.limits.LingerTime)
	c.cutLong(s)
}

// lingers tells that only the end of the request is waited for.
func (s *stream) lingers() bool { return s.state == stateCutting && !s.held.any() }

// cutLong resets a lingering stream once half its window is used up, which is
// not returned: its client has much to send and wants to know.
func (c *conn) cutLong(s *stream) {
	if 2*s.in.avail < s.in.size {
		c.cutOff(s)
	}
}

// cutOff tells the client not to send the rest of a request (RFC 9113, 8.1).
func (c *conn) cutOff(s *stream) {
	c.writeRSTStream(s.id, codeNoError)
	c.finish(s, endedByUs)
}

// sweepLingering resets the streams that have lingered since the last look.
func (c *conn) sweepLingering() {
	for _, s := range c.table.all() {
		switch {
		case !s.lingers():
		case s.lingered:
			c.cutOff(s)
		default:
			s.lingered = true
			c.set(alarmLinger, c.limits.LingerTime)
		}
	}
}
