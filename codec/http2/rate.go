// SPDX-License-Identifier: Apache-2.0

package http2

// rate limits events to a burst and a sustained rate. It keeps one instant: when
// all events so far would be paid for at the sustained rate. The zero value has
// its whole burst left.
type rate struct {
	paid int64
}

// second is the unit of rates, in the nanoseconds of the loop's clock.
const second = 1_000_000_000

// take counts n events at now and tells whether they are within the limit.
func (r *rate) take(n, burst, perSecond int, now int64) bool {
	cost := int64(second / max(perSecond, 1))
	r.paid = max(r.paid, now) + int64(n)*cost
	return r.paid-now <= int64(burst)*cost
}

// Budget of frames that move no data. Useful frames earn it, so that a busy
// connection may have as many WINDOW_UPDATE and PING frames as its traffic
// explains; only what is beyond is limited by rate.
const (
	// slackPerStream is a few WINDOW_UPDATE and PRIORITY frames per request.
	slackPerStream = 4
	// slackPerData covers peers that return both windows several times within
	// one large DATA frame, and the PING of a bandwidth probe.
	slackPerData = 10
	// slackMax bounds what can be saved up.
	slackMax = 10000
	// largeData is the payload that earns slack. Smaller frames do not, else a
	// peer that opens its window byte by byte would earn what it spends
	// (CVE-2019-9511).
	largeData = 1 << 10
	// smallData is the payload below which framing costs more than it carries.
	smallData = 64
)

// earn adds to what overhead frames may use.
func (c *conn) earn(n int) { c.slack = min(c.slack+n, slackMax) }

// overhead charges n units for a frame that moves no data. It returns false
// when that ended the connection.
func (c *conn) overhead(n int, word string) bool {
	if c.slack >= n {
		c.slack -= n
		return true
	}
	c.owner.Glitch(word)
	if c.anomalies.take(n, c.limits.OverheadBurst, c.limits.OverheadRate, c.now) {
		return true
	}
	c.calm(word)
	return false
}

// countReset charges a stream that ended early through the peer. Only servers
// limit it: a client's streams end as its server likes.
func (c *conn) countReset(word string) {
	c.owner.Glitch(word)
	if c.isServer() && !c.resets.take(1, c.limits.ResetBurst, c.limits.ResetRate, c.now) {
		c.calm("rapid_reset")
	}
}

// countReply charges a frame that the peer makes us write while it does not
// read. It returns false when that ended the connection.
func (c *conn) countReply(word string) bool {
	if !c.sink.Blocked() {
		c.replies = 0
		return true
	}
	c.replies++
	if c.replies <= c.limits.Replies {
		return true
	}
	c.calm(word)
	return false
}
