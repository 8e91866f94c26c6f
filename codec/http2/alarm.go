// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"time"

	"github.com/sideloop/sideloop/codec"
)

// alarm is a reason to be called at a later time.
type alarm uint8

const (
	// alarmDrain is the end of a drain's round trip. It comes first because
	// it may end the connection in an orderly way.
	alarmDrain alarm = iota
	// alarmSetup is a peer that does not get to its SETTINGS.
	alarmSetup
	// alarmAck is a peer that does not acknowledge ours.
	alarmAck
	// alarmBlock is a header block, or another frame, that does not end.
	alarmBlock
	// alarmTunnel ends the tunnels that the server does not take.
	alarmTunnel
	// alarmSweep looks for streams that can not end because the peer has
	// finished sending.
	alarmSweep
	// alarmGather looks whether the loop gathers less now.
	alarmGather
	// alarmLinger ends the wait for requests whose reply is complete.
	alarmLinger
	// alarmStall looks for streams whose held bytes do not move.
	alarmStall
	// alarmSuspect lets a suspect go on.
	alarmSuspect
	alarmCount
)

const (
	// sweepDelay is short: nothing is waited for but the end of the call.
	sweepDelay = time.Millisecond
	// gatherDelay is how often a starved session looks again.
	gatherDelay = 10 * time.Millisecond
)

// set arms an alarm, once.
func (c *conn) set(a alarm, d time.Duration) {
	if c.alarms[a] != 0 {
		return
	}
	// 0 means not armed.
	c.alarms[a] = max(c.now+int64(d), 1)
	c.owner.TickIn(d)
}

func (c *conn) clear(a alarm) { c.alarms[a] = 0 }

// clock takes the time. What was armed before the first time is known counts
// from then.
func (c *conn) clock(now int64) {
	if !c.clocked {
		c.clocked = true
		for a := range c.alarms {
			if c.alarms[a] != 0 {
				c.alarms[a] += now
			}
		}
	}
	c.now = now
}

// Tick implements codec.Session.
func (c *conn) Tick(now int64) {
	c.enter()
	if !c.clocked {
		// Nothing was ever received: what was armed was armed long ago.
		c.clocked, c.now = true, now
		for a := range c.alarms {
			c.alarms[a] = min(c.alarms[a], now)
		}
	}
	c.now = now
	wasPaused := c.paused
	for a := range alarmCount {
		if at := c.alarms[a]; at != 0 && at <= now && !c.dead {
			c.clear(a)
			c.ring(a)
		}
	}
	if c.dead {
		c.dropInput()
	} else {
		c.rearm()
	}
	c.leave()
	c.resume(wasPaused)
}

func (c *conn) rearm() {
	next := int64(0)
	for _, at := range c.alarms {
		if at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	if next != 0 {
		c.owner.TickIn(time.Duration(next - c.now))
	}
}

func (c *conn) ring(a alarm) {
	switch a {
	case alarmDrain:
		c.drainLast()
	case alarmSetup:
		r := codec.IdleTimeout
		if !c.isServer() {
			r = codec.UpstreamUnresponsive
		}
		c.failFor(codeProtocolError, r, "setup_timeout")
	case alarmAck:
		c.failFor(codeSettingsTimeout, codec.IdleTimeout, "settings_ack_timeout")
	case alarmBlock:
		c.failFor(codeProtocolError, codec.IdleTimeout, "header_timeout")
	case alarmTunnel:
		c.settleTunnels()
		c.flush()
	case alarmSweep:
		c.sweep()
	case alarmGather:
		c.unstarve()
	case alarmLinger:
		c.sweepLingering()
	case alarmStall:
		c.sweepStalled()
	case alarmSuspect:
		c.take(nil)
	}
}

// watchBlock arms the alarm of a header block, or of a frame that is gathered,
// that the call left incomplete.
func (c *conn) watchBlock() {
	switch {
	case c.dead:
	case c.block.open || c.phase == phaseGather:
		c.set(alarmBlock, c.limits.BlockTime)
	default:
		c.clear(alarmBlock)
	}
}

// starve stops reading while the connections of the loop gather more than its
// budget.
func (c *conn) starve() {
	c.starved = true
	c.glitch("gather_budget", 0)
	c.sink.PauseRead()
	c.set(alarmGather, gatherDelay)
}

func (c *conn) unstarve() {
	if c.mem.Used(codec.Gather) > codec.GatherBudget {
		c.set(alarmGather, gatherDelay)
		return
	}
	c.starved = false
	if !c.paused {
		c.sink.ResumeRead()
	}
}

// watchDeadEnd asks for a sweep when a stream waits for window that the peer
// can not give any more.
func (c *conn) watchDeadEnd() {
	if c.peerClosed {
		c.set(alarmSweep, sweepDelay)
	}
}

// sweep resets the streams that can not end after the peer has finished
// sending: requests without their end, replies that wait for window.
func (c *conn) sweep() {
	for _, s := range c.table.all() {
		stuck := s.held.left() > 0 && (s.out.room() == 0 || c.out.room() == 0)
		if s.state.mayReceive() || stuck {
			c.lose(s, codec.DownstreamClosed)
		}
	}
}

// leastProgress is what a stream that holds bytes has to send between two looks.
// A peer that takes less, such as one byte at a time, is not reading.
const leastProgress = 1 << 10

// sweepStalled resets the streams that held bytes at an earlier look and have
// sent next to nothing since. What is held counts, not who waits for it: the
// peer does not take it.
func (c *conn) sweepStalled() {
	for _, s := range c.table.all() {
		switch {
		case s.held.left() == 0:
			s.looked = 0
			continue
		case s.looked == 0 || s.sent >= leastProgress:
			s.looked, s.sent = c.now, 0
		case c.now-s.looked >= int64(c.limits.StallTime):
			c.glitch("stalled_stream", glitchMistake)
			c.abandon(s, codec.IdleTimeout)
			continue
		}
		c.set(alarmStall, c.limits.StallTime)
	}
}
