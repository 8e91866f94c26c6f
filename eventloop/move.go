// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Movable tells whether another process could go on with the connection once
// nothing is left to send: it was accepted, in plain text, and its peer has not
// begun to leave.
func (c *Conn) Movable() bool {
	return c.phase == phaseOpen && c.gc != nil && c.listener != nil && c.tls == nil && !c.finSeen && !c.left && !c.broken
}

// Freeze stops reading until Thaw, whatever PauseRead and ResumeRead say
// meanwhile.
func (c *Conn) Freeze() {
	if c.phase != phaseOpen || c.frozen {
		return
	}
	c.held = c.paused
	c.PauseRead()
	c.frozen = true
}

// Thaw reads again, unless the handler has paused.
func (c *Conn) Thaw() {
	if !c.frozen {
		return
	}
	c.frozen = false
	if !c.held {
		c.ResumeRead()
	}
}

// Still tells whether nothing of a frozen connection moves: the kernel has been
// told not to read, and all output is sent. It is not true in the turn of Freeze:
// a read that was under way then is over when it is.
func (c *Conn) Still() bool {
	return c.frozen && c.muted && c.Movable() && !c.dirty && c.Buffered() == 0
}

// Kept is the input of a frozen connection that its handler has not seen, valid
// until Thaw.
func (c *Conn) Kept() []byte {
	if c.in == nil {
		return nil
	}
	return c.in.B[c.read:]
}

// Duplicate is a further descriptor of a connection that is Still. It is the
// caller's, who may send it to another process from any goroutine.
func (c *Conn) Duplicate() (int, error) {
	if !c.Still() {
		return -1, errors.New("the connection is in use")
	}
	fd, err := unix.FcntlInt(uintptr(c.fd), unix.F_DUPFD_CLOEXEC, 0)
	return fd, os.NewSyscallError("dup", err)
}

// Moved ends the connection here, since another process has its socket: nothing
// is sent or shut down. OnClose follows.
func (c *Conn) Moved() { c.end(CauseMoved, nil) }

// Adopt takes a connection that another process has accepted, with the input that
// was read there. accept takes the place of ListenConfig.Accept. It owns nc in any
// case; on an error the peer has not noticed anything. It is not called on a loop.
func (ln *Listener) Adopt(nc net.Conn, early []byte, accept func(*Conn) Handler) error {
	if n := ln.conns.Add(1); ln.config.MaxConns > 0 && n > int64(ln.config.MaxConns) {
		ln.drop(nc)
		return errors.New("the listener has as many connections as it may")
	}
	r := ln.reactor
	if !r.gate.enter() {
		ln.drop(nc)
		return ErrStopped
	}
	defer r.gate.leave()
	r.enrolls <- struct{}{}
	defer func() { <-r.enrolls }()
	a := &admission{loop: r.place(), listener: ln, accept: accept, early: early}
	if err := a.enroll(nc); err != nil {
		ln.conns.Add(-1)
		return err
	}
	return nil
}
