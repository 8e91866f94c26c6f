// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// LingerTimeout is how long a connection waits for the peer's FIN after it
	// sent its own, dropping input; closing at once could destroy sent bytes.
	LingerTimeout = 5 * time.Second
	// DrainTimeout is how long a closing connection waits for a peer that
	// takes nothing of what is left to send.
	DrainTimeout = 30 * time.Second
)

// Close ends the connection in order: everything appended is sent, then the
// FIN, then input is dropped until the peer's FIN or LingerTimeout, so that no
// reset destroys what was sent. OnClose follows.
func (c *Conn) Close() {
	if c.phase != phaseOpen {
		return
	}
	if c.broken {
		c.end(c.cause, c.err)
		return
	}
	c.phase = phaseClosing
	c.cause = CauseLocal
	if c.finSeen || c.tls != nil && c.tls.over {
		c.cause = CausePeerClosed
	}
	c.blocked = false
	c.paused = false
	c.dropInput()
	c.progress = false
	c.endIn(DrainTimeout)
	c.markDirty()
}

// Abort ends the connection at once, with a reset: the peer cannot mistake what
// it got for all there was. OnClose follows.
func (c *Conn) Abort() { c.reset(CauseAborted, nil) }

// reset ends the connection and makes its close send a reset.
func (c *Conn) reset(cause Cause, err error) {
	if c.phase == phaseEnded {
		return
	}
	if !c.unix {
		// An error means that there is no connection left to reset.
		_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	c.end(cause, err)
}

// sendFIN follows the last byte of a closing connection.
func (c *Conn) sendFIN() {
	if c.finSeen {
		c.end(c.cause, nil)
		return
	}
	if err := unix.Shutdown(c.fd, unix.SHUT_WR); err != nil {
		c.end(CausePeerReset, os.NewSyscallError("shutdown", err))
		return
	}
	c.phase = phaseLingering
	c.endIn(LingerTimeout)
}

// writeFailed follows an error of write. What the peer sent before it went, such
// as an early reply, is still in the kernel and worth reading, and that leads
// to the end by itself; the timer is for a peer that makes it last.
func (c *Conn) writeFailed(err error) {
	c.dropUnsent()
	if c.owned || c.paused || c.phase != phaseOpen {
		c.end(causeOf(err), err)
		return
	}
	c.broken, c.blocked = true, false
	c.cause, c.err = causeOf(err), err
	c.endIn(LingerTimeout)
}

// endIn gives a connection that is about to end a limit. Most connections never
// have one, so an open connection has no timer.
func (c *Conn) endIn(d time.Duration) {
	if c.timer == nil {
		c.timer = &Timer{Expire: (*connTimer)(c)}
	}
	c.loop.Schedule(c.timer, d)
}

// connTimer is a Conn in its role as the Expirer of its own timer.
type connTimer Conn

// OnTimer ends a connection that has taken too long to end by itself.
func (t *connTimer) OnTimer(int64) {
	c := (*Conn)(t)
	switch {
	case c.phase == phaseClosing && c.progress:
		c.progress = false
		c.endIn(DrainTimeout)
	case c.phase == phaseClosing:
		c.reset(CauseStalled, nil)
	default:
		c.end(c.cause, c.err)
	}
}

// onRelease is gnet's notice that it closes its descriptor when this returns:
// the peer's FIN, an error, or the loop's end.
func (c *Conn) onRelease(err error) {
	c.gc = nil
	switch {
	case c.phase == phaseEnded:
	case c.loop.stopping:
		c.end(CauseStopped, nil)
	case c.phase == phaseLingering, c.broken:
		c.end(c.cause, c.err)
	case isFIN(err):
		c.onFIN()
	default:
		if errors.Is(err, io.EOF) { // gnet's word for a hang-up as well
			err = socketError(c.fd)
		}
		c.end(causeOf(err), err)
	}
}

// isFIN tells a read of 0 bytes from a hang-up, which gnet reports as a bare
// io.EOF.
func isFIN(err error) bool {
	var call *os.SyscallError
	return errors.As(err, &call) && call.Err == io.EOF
}

// onFIN goes on with a connection whose peer has finished sending, on a
// duplicate of the descriptor that gnet is about to close. A handler that closes
// at once, with nothing left to send, needs none.
func (c *Conn) onFIN() {
	c.finSeen = true
	switch {
	case c.phase == phaseClosing:
	case c.tls != nil && c.tls.over:
		// It was told, or is held, as the peer's close_notify.
	case c.tls != nil && c.tls.kept() > 0:
		c.reset(CauseTLS, errCutRecord)
		return
	case c.paused || c.in != nil:
		c.finHeld, c.left = true, true
		c.watchLeave()
	default:
		c.callPeerClosed()
	}
	if c.phase == phaseClosing {
		c.flush()
	}
	if c.phase != phaseEnded {
		c.adopt()
	}
}

// adopt takes the connection over from gnet: the duplicate is watched for a
// reset, and written to.
func (c *Conn) adopt() {
	fd, err := unix.FcntlInt(uintptr(c.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		err = os.NewSyscallError("dup", err)
		c.end(causeOf(err), err)
		return
	}
	c.unwatch()
	c.fd, c.owned = fd, true
	c.loop.stats.HalfClosed++
	c.rewatch()
}

// onHangUp follows an error or hang-up of a connection that gnet has let go of.
// The peer of a Unix socket hangs up by closing, which is no reason to drop what
// a paused handler has still to see: only output is dropped, and the socket is
// looked at again after that.
func (c *Conn) onHangUp() {
	err := socketError(c.fd)
	if c.finHeld && c.phase == phaseOpen && err == io.EOF {
		c.waiting = false
		c.dropUnsent()
		c.judge()
		return
	}
	if c.phase == phaseClosing && c.Buffered() == 0 && err == io.EOF {
		// The peer hung up before this turn's flush found nothing left to send.
		c.end(c.cause, nil)
		return
	}
	c.end(causeOf(err), err)
}

func (c *Conn) unwatch() {
	if c.watched {
		c.watched = false
		c.loop.watch.remove(c.fd)
	}
}

// end is where every connection ends. The handler is told, and the descriptor
// closed, once the running callback has returned.
func (c *Conn) end(cause Cause, err error) {
	if c.phase == phaseEnded {
		return
	}
	c.phase, c.cause, c.err = phaseEnded, cause, err
	c.blocked, c.paused = false, false
	c.unwatch()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.dropOutput()
	c.dropInput()
	if c.tls != nil {
		c.tls.drop()
	}
	c.notify(noticeEnd)
}

func (c *Conn) dropInput() {
	if c.in != nil {
		c.loop.buffers.put(c.in)
		c.in, c.read = nil, 0
	}
}

// finish closes the descriptor, forgets the connection and tells its handler.
func (c *Conn) finish() {
	l := c.loop
	switch {
	case c.gc != nil:
		gc := c.gc
		c.gc = nil // so that gnet's notice finds nobody
		gc.SetContext(nil)
		l.ahead.served(c.fd)
		if err := l.poll.engine.Close(gc); err != nil {
			l.log.Debug("gnet closed a connection with an error", "error", err)
		}
	case c.owned:
		_ = unix.Close(c.fd)
	}
	c.fd, c.tls = -1, nil
	l.forget(c)
	if c.handler != nil {
		c.callClose()
	}
}

// socketError fetches the error that is pending on a socket. A hang-up without
// one is a peer that closed both directions.
func socketError(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case errno != 0:
		return os.NewSyscallError("connection", unix.Errno(errno))
	}
	return io.EOF
}
