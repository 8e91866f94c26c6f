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
	cost := costOf(perSecond)
	r.paid = max(r.paid, now) + int64(n)*cost
	return r.paid-now <= int64(burst)*cost
}

// costOf is the time that one event takes to be paid for.
func costOf(perSecond int) int64 { return int64(second / min(max(perSecond, 1), second)) }

// refund takes back n events.
func (r *rate) refund(n, perSecond int) { r.paid -= int64(n) * costOf(perSecond) }

// level is the number of events that are not paid for at now.
func (r *rate) level(perSecond int, now int64) int {
	return int(max(r.paid-now, 0) / costOf(perSecond))
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
	if !c.anomalies.take(n, c.limits.OverheadBurst, c.limits.OverheadRate, c.now) {
		c.owner.Glitch(word)
		c.calm(word)
		return false
	}
	c.glitch(word, n*glitchFrame)
	return !c.dead
}

// countMistake charges a stream that ends by a mistake of the peer.
func (c *conn) countMistake(word string) {
	c.glitch(word, glitchMistake)
	if !c.dead {
		c.countReset()
	}
}

// countReset charges a stream that ended early through the peer. Only servers
// limit it: a client's streams end as its server likes.
func (c *conn) countReset() {
	if c.isServer() && !c.resets.take(1, c.limits.ResetBurst, c.limits.ResetRate, c.now) {
		c.calm("rapid_reset")
	}
}

// countServed lets a request that was served to its end make up for a reset, so
// that a connection that carries much may lose as large a share of it.
func (c *conn) countServed() {
	if c.resets.paid > c.now {
		c.resets.refund(1, c.limits.ResetRate)
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
