// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// PauseRead stops reading: the peer soon cannot send any more, and its FIN is
// not noticed until ResumeRead, but by a LeaveHandler. One read that is under way
// may still add to the kept bytes.
func (c *Conn) PauseRead() {
	if c.frozen {
		c.held = true
		return
	}
	if c.phase == phaseOpen && !c.paused {
		c.paused = true
		c.markDirty()
	}
}

// ResumeRead starts reading again. Bytes kept since the pause are offered
// first, after the running callback has returned.
func (c *Conn) ResumeRead() {
	if c.frozen {
		c.held = false
		return
	}
	if c.phase != phaseOpen || !c.paused {
		return
	}
	c.paused = false
	c.markDirty()
	if c.in != nil || c.finHeld {
		c.notify(noticeInput)
	}
}

// ReadPaused tells whether reading is paused.
func (c *Conn) ReadPaused() bool { return c.paused && (!c.frozen || c.held) }

// onInput takes the bytes of one read. b is gnet's buffer, which the next read
// of any connection overwrites.
func (c *Conn) onInput(b []byte) {
	switch {
	case c.phase != phaseOpen:
		// Read and dropped, because unread bytes would turn our FIN into a
		// reset that destroys what we sent.
	case c.paused:
		c.keep(b)
		c.applyMask() // not at the turn's end: another read must not follow
	case c.in != nil:
		c.keep(b)
		c.offerKept()
	default:
		if n := c.offer(b); n < len(b) && c.phase == phaseOpen {
			c.keep(b[n:])
		}
	}
}

// offer calls OnData and holds it to its contract.
func (c *Conn) offer(b []byte) (n int) {
	defer c.loop.rescue("OnData", c)
	n = c.handler.OnData(c, b)
	if n < 0 || n > len(b) {
		panic(fmt.Sprintf("OnData consumed %d of %d bytes", n, len(b)))
	}
	if n < len(b) && !c.paused && c.phase == phaseOpen {
		panic(fmt.Sprintf("OnData left %d bytes without a pause", len(b)-n))
	}
	return n
}

// keep holds bytes for a paused handler. They are at most what it left of one
// offer and one more read.
func (c *Conn) keep(b []byte) {
	if c.in == nil {
		c.in = c.loop.buffers.get(len(b))
	} else if c.read > 0 {
		c.in.B = append(c.in.B[:0], c.in.B[c.read:]...)
		c.read = 0
	}
	if cap(c.in.B)-len(c.in.B) < len(b) {
		c.in = c.loop.buffers.grow(c.in, len(b))
	}
	c.in.B = append(c.in.B, b...)
}

// offerKept offers what was kept, then tells a FIN that was held back. The
// buffer is off the connection meanwhile, so that a Close within OnData does
// not recycle what OnData is reading.
func (c *Conn) offerKept() {
	if buf := c.in; buf != nil {
		from := c.read
		c.in, c.read = nil, 0
		n := from + c.offer(buf.B[from:])
		if n < len(buf.B) && c.phase == phaseOpen {
			c.in, c.read = buf, n
		} else {
			c.loop.buffers.put(buf)
		}
	}
	if c.finHeld && c.in == nil && !c.paused && c.phase == phaseOpen {
		c.finHeld = false
		if c.callPeerClosed(); c.phase == phaseOpen && c.owned {
			c.rewatch()
		}
	}
}

// watchLeave looks out for the FIN of a peer that is not read, for a handler that
// wants to know.
func (c *Conn) watchLeave() {
	if _, ok := c.handler.(LeaveHandler); !ok {
		return
	}
	if c.left {
		c.notify(noticeLeft)
	} else {
		c.rewatch()
	}
}

// applyMask tells the kernel about a pause or its end. gnet itself changes the
// mask only when its own output buffer fills, which this package never uses.
//
// A paused Unix socket leaves the set altogether: when its peer closes, the
// kernel reports a hang-up with bytes still unread, and gnet would drop them.
func (c *Conn) applyMask() {
	if c.gc == nil || c.paused == c.muted || c.phase == phaseEnded {
		return
	}
	c.muted = c.paused
	c.loop.ahead.served(c.fd)
	p := &c.loop.poll
	var err error
	switch {
	case c.unix && c.muted:
		err = p.forget(c.fd)
	case c.unix:
		err = p.listen(c.fd, unix.EPOLL_CTL_ADD)
	case c.muted:
		err = p.mute(c.fd)
		c.watchLeave()
	default:
		err = p.listen(c.fd, unix.EPOLL_CTL_MOD)
	}
	if err != nil {
		c.end(causeOf(err), err)
	}
}
