// SPDX-License-Identifier: Apache-2.0

package http2

// Weights of anomalies. What a peer can not avoid, such as a race with our
// RST_STREAM, is paid from what its traffic earns and weighs nothing.
const (
	// glitchFrame is a frame that is legal, without a use, and more than the
	// traffic explains.
	glitchFrame = 1
	// glitchMistake breaks the protocol or a limit and costs the peer a stream.
	glitchMistake = 10
)

// glitch notes an anomaly of the peer: it is counted under its word, and what
// follows from the sum is left to temper.
func (c *conn) glitch(word string, weight int) {
	c.owner.Glitch(word)
	if l := c.limits; l.Glitches > 0 && !c.dead {
		c.glitches.take(weight, l.Glitches, l.GlitchRate, c.now)
		c.temper(c.glitches.level(l.GlitchRate, c.now))
	}
}

// temper is the policy: a connection with many anomalies is drained, so that
// what it carries is finished while its peer connects anew, and closed if they
// go on.
func (c *conn) temper(level int) {
	switch limit := c.limits.Glitches; {
	case level >= limit:
		c.calm("glitch_limit")
	case 4*int64(level) >= 3*int64(limit) && c.drain == drainNone:
		c.owner.Glitch("glitch_drain")
		c.parting = codeEnhanceYourCalm
		if c.isServer() {
			c.announceDrain()
		} else {
			// The end, if nothing is in flight, follows the running call.
			c.drain = drainFinal
			c.owner.Released()
		}
	}
}
