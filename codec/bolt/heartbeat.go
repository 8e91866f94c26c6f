// SPDX-License-Identifier: Apache-2.0

package bolt

import "time"

// budget limits a rate: left may be spent at once, and one more is earned each
// interval.
type budget struct {
	left int
	last int64 // when the latest was earned
}

// spend takes one, at time now, and tells whether there was one.
func (b *budget) spend(now int64, burst int, every time.Duration) bool {
	if every > 0 {
		if earned := (now - b.last) / int64(every); earned > 0 {
			b.left = int(min(int64(burst), int64(b.left)+earned))
			b.last += earned * int64(every)
		}
	}
	if b.left <= 0 {
		return false
	}
	b.left--
	return true
}

// answerBeat answers a heartbeat, in the version it came in. It is not passed
// on. A flood, or one from a peer that does not read, goes without answers.
func (c *conn) answerBeat(h *Head) {
	c.rest()
	if h.Type != TypeRequest {
		return
	}
	if c.sink.Blocked() || !c.beats.spend(c.now, c.limits.HeartbeatBurst, c.limits.HeartbeatEvery) {
		c.owner.Glitch("heartbeat_flood")
		return
	}
	st := stampOf(h)
	st.typ, st.form = TypeResponse, st.form.withCodec(CodecHessian)
	c.bare(st, &Head{})
}

// rest is told of each heartbeat. A session that had no stream between two of
// them is idle and gives back what it keeps for reuse.
func (c *conn) rest() {
	if c.active > 0 {
		return
	}
	if c.quiet {
		c.free = nil
		c.role.idle()
	}
	c.quiet = true
}

// Probe implements codec.Prober by a heartbeat. Within a large frame, either way,
// there is no place for it or for its answer.
func (c *Client) Probe() bool {
	if c.dead || c.paused != 0 || c.body.open || c.wire.holder != nil {
		return false
	}
	c.rest()
	if c.waiting == maxBeats {
		copy(c.sentBeats[:], c.sentBeats[1:])
		c.waiting--
	}
	st := stamp{id: c.ids.fresh(), form: c.ownForm(), typ: TypeRequest}
	c.sentBeats[c.waiting] = st.id
	c.waiting++
	c.bare(st, &Head{TimeoutMS: heartbeatTimeoutMS})
	return true
}

// heartbeatTimeoutMS is what our heartbeats state as their timeout: that of
// the Java client's. How long the answer is waited for is the owner's matter.
const heartbeatTimeoutMS = 1000

// beatAnswered matches the answer to one of our heartbeats.
func (c *Client) beatAnswered(id uint32) {
	for i, sent := range c.sentBeats[:c.waiting] {
		if sent == id {
			copy(c.sentBeats[i:], c.sentBeats[i+1:c.waiting])
			c.waiting--
			return
		}
	}
	c.owner.Glitch("unknown_request_id")
}
