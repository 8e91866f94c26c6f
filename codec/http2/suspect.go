// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"time"
)

// A client that resets its requests, or has them refused, goes on doing so until
// a limit ends its connection. Meanwhile it is suspect: its header blocks are
// taken a few at a time, so that no turn is long and the loop's other clients
// come first, and a request whose RST_STREAM is already here goes nowhere.

const (
	// suspectShare is the part of its resets, or glitches, that makes a client
	// suspect: 31 of the default thousand. One that is served as much as it
	// resets is never.
	suspectShare = 32
	// suspectBlock is the bytes of a header block that count as one more, as
	// each may be a field.
	suspectBlock = 16
	// suspectBurst and suspectRate (per second) are what the suspects of a loop
	// are given together: 20,000 small requests a second, some percent of a CPU.
	suspectBurst, suspectRate = 256, 64000
	// suspectDelay is how long a suspect waits once that is used up.
	suspectDelay = time.Millisecond
	// suspectLook is how many frames an RST_STREAM is looked for in.
	suspectLook = 64
)

// judge decides whether the client is suspect now.
func (c *conn) judge() {
	l := c.limits
	c.suspect = c.resets.paid > c.now && c.resets.level(l.ResetRate, c.now) > l.ResetBurst/suspectShare ||
		l.Glitches > 0 && c.glitches.paid > c.now && c.glitches.level(l.GlitchRate, c.now) > l.Glitches/suspectShare
}

// suspectMustWait tells that the loop's suspects have had enough for now.
func (c *conn) suspectMustWait() bool {
	if c.judge(); !c.suspect || c.shared.suspects.level(suspectRate, c.now) < suspectBurst {
		return false
	}
	c.set(alarmSuspect, suspectDelay)
	return true
}

// chargeSuspect accounts the decoding of a header block.
func (c *conn) chargeSuspect(p []byte) {
	if c.suspect {
		c.shared.suspects.take(1+len(p)/suspectBlock, suspectBurst, suspectRate, c.now)
	}
}

// lookAhead notes the input behind the frame that is read next.
func (c *conn) lookAhead(b []byte) {
	if c.suspect {
		c.ahead = b
	}
}

// resetAhead tells that the next frame of a stream in the input that follows is
// a whole RST_STREAM.
func (c *conn) resetAhead(id uint32) bool {
	b := c.ahead
	for range suspectLook {
		if len(b) < headSize {
			return false
		}
		f := parseHead(b)
		switch {
		case len(b)-headSize < f.length:
			return false
		case f.id == id:
			return f.kind == frameRSTStream && f.length == resetSize
		}
		b = b[headSize+f.length:]
	}
	return false
}

// forgo ends a request that its client has already reset before anybody hears of
// it. The RST_STREAM, when it comes, is paid for.
func (c *conn) forgo(id uint32) {
	c.past[endedByPeer].note(id)
	c.earn(1)
	c.owner.Glitch("stream_reset")
	c.owner.Glitch("reset_unprocessed")
	c.countReset()
}
