// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// throughMin is the size from which a write straight from the caller's bytes is
// cheaper than a copy that goes out with the rest of the turn.
const throughMin = 16 << 10

// Append copies b behind what is already to be sent. One so large that it would
// be sent at once is not copied.
func (c *Conn) Append(b []byte) {
	if len(b) >= connOutput && !c.waiting {
		c.WriteThrough(b)
		return
	}
	c.hold(b)
}

// hold appends b to the output, which is flushed early when it has become large.
func (c *Conn) hold(b []byte) {
	if len(b) == 0 || !c.writable() {
		return
	}
	c.room(len(b))
	c.out.B = append(c.out.B, b...)
	c.appended(len(b))
	if c.Buffered() >= connOutput {
		c.flushEarly()
	}
}

// Extend appends n bytes and returns them, to be filled in before the next call
// on the connection or the return of the callback.
func (c *Conn) Extend(n int) []byte {
	n = max(n, 0)
	if held := c.Buffered(); held > 0 && held+n > connOutput {
		c.flushEarly()
	}
	if !c.writable() {
		return c.loop.scratchBytes(n)
	}
	if n == 0 {
		return nil
	}
	c.room(n)
	start := len(c.out.B)
	c.out.B = c.out.B[:start+n]
	c.appended(n)
	return c.out.B[start : start+n : start+n]
}

// WriteThrough sends b behind what was appended before it, in one call and from
// where it lies; what the kernel refuses is copied. A small b is appended.
func (c *Conn) WriteThrough(b []byte) {
	if len(b) < throughMin || c.waiting {
		c.hold(b)
		return
	}
	if !c.writable() {
		return
	}
	held := len(c.pending())
	n := c.send(c.pending(), b)
	c.loop.turnBytes += len(b)
	if !c.writable() {
		return
	}
	if n < held {
		c.sent += n
		n = held
	} else {
		c.dropOutput()
	}
	if rest := b[n-held:]; len(rest) > 0 {
		c.room(len(rest))
		c.out.B = append(c.out.B, rest...)
	}
	c.settle()
}

// flushEarly sends before the turn ends, unless the kernel has just refused.
func (c *Conn) flushEarly() {
	if !c.waiting {
		c.loop.stats.FlushesEarly++
		c.flush()
	}
}

// Buffered is the number of bytes not yet taken by the kernel.
func (c *Conn) Buffered() int {
	n := 0
	if c.out != nil {
		n = len(c.out.B) - c.sent
	}
	if c.tls != nil {
		n += c.tls.buffered()
	}
	return n
}

// Blocked tells that what the kernel refused is over the high watermark, and
// has not come down to the low one since. OnWritable follows.
func (c *Conn) Blocked() bool { return c.blocked }

// writable tells whether written bytes have any chance to arrive. It guards
// every use of fd: after the end its number may be another connection's.
func (c *Conn) writable() bool { return c.phase == phaseOpen && !c.broken }

// unsendable tells that nothing may be sent any more, not even what is left to
// send of a connection that is closing.
func (c *Conn) unsendable() bool { return c.broken || c.phase > phaseClosing }

// appended accounts n more bytes of output.
func (c *Conn) appended(n int) {
	c.loop.turnBytes += n
	if c.waiting {
		// The kernel took nothing since it refused, so all of it is refused.
		c.judge()
		return
	}
	c.markDirty()
}

// room makes place for n more bytes. Bytes already taken by the kernel are
// overwritten once they are the larger part, so that moving the rest costs no
// more than sending it did. A connection mostly sends as much as the last time,
// so its buffer begins with that size.
func (c *Conn) room(n int) {
	if c.out == nil {
		c.out = c.loop.buffers.get(max(n, bufferMin<<c.usual))
		return
	}
	b := c.out.B
	if cap(b)-len(b) >= n {
		return
	}
	if c.sent > len(b)/2 {
		c.out.B = append(b[:0], b[c.sent:]...)
		c.sent = 0
	}
	if cap(b)-len(c.out.B) < n {
		c.out = c.loop.buffers.grow(c.out, n)
	}
}

// pending is what is to be sent.
func (c *Conn) pending() []byte {
	if c.out == nil {
		return nil
	}
	return c.out.B[c.sent:]
}

// dropUnsent gives up what was not sent.
func (c *Conn) dropUnsent() {
	c.dropOutput()
	if c.tls != nil {
		c.tls.dropOutput()
	}
}

// dropOutput gives the output buffer back.
func (c *Conn) dropOutput() {
	if c.out == nil {
		return
	}
	c.usual = uint8(min(classOf(len(c.out.B)), bufferClasses-1))
	c.loop.buffers.put(c.out)
	c.out, c.sent = nil, 0
}

// flush sends what is to be sent, with one write, and tells the kernel about a
// changed pause. It calls no handler.
func (c *Conn) flush() {
	if c.phase == phaseEnded {
		return
	}
	if !c.waiting && c.Buffered() > 0 {
		held := len(c.pending())
		n := c.send(c.pending(), nil)
		if c.unsendable() {
			return // the write failed
		}
		if c.sent += n; n == held {
			c.dropOutput()
		}
	}
	c.settle()
	c.applyMask()
}

// send sends a and then b and returns how many of their bytes are on their way:
// taken by the kernel or, on an encrypted connection, kept as records. When the
// kernel refused some, the watcher will tell when it takes more.
func (c *Conn) send(a, b []byte) int {
	if c.tls != nil {
		return c.tls.send(a, b)
	}
	return c.transmit(a, b)
}

// transmit writes a and then b with one system call and returns how many bytes
// the kernel took.
func (c *Conn) transmit(a, b []byte) int {
	n, err := c.loop.write(c.fd, a, b)
	if err != nil && err != unix.EAGAIN {
		c.writeFailed(os.NewSyscallError("write", err))
		return 0
	}
	if n > 0 {
		c.progress = true
	}
	if n < len(a)+len(b) {
		c.loop.stats.Refused++
		c.waiting = true
		c.rewatch()
	}
	return n
}

// write is the only write to a socket. Its system call never waits, so the
// runtime is not told of it: it would only look for someone to give the P to.
func (l *Loop) write(fd int, a, b []byte) (int, error) {
	for {
		var n uintptr
		var errno syscall.Errno
		if len(a) > 0 && len(b) > 0 {
			l.views[0].Base, l.views[1].Base = unsafe.SliceData(a), unsafe.SliceData(b)
			l.views[0].SetLen(len(a))
			l.views[1].SetLen(len(b))
			n, _, errno = unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&l.views)), uintptr(len(l.views)))
			l.views = [2]unix.Iovec{}
		} else {
			if len(a) == 0 {
				a = b
			}
			n, _, errno = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(len(a)))
		}
		if errno == unix.EINTR {
			continue
		}
		l.stats.Writes++
		if errno != 0 {
			return 0, errno
		}
		l.stats.BytesWritten += uint64(n)
		return int(n), nil
	}
}

// settle draws the conclusions from what the kernel took or refused.
func (c *Conn) settle() {
	if c.phase == phaseEnded {
		return
	}
	c.judge()
	if c.phase == phaseClosing && c.Buffered() == 0 {
		if c.tls != nil {
			c.tls.sayBye()
			if !c.tls.flush() {
				return
			}
		}
		c.sendFIN()
	}
}

// judge compares what the kernel refused with the watermarks.
func (c *Conn) judge() {
	refused := 0
	if c.waiting {
		refused = c.Buffered()
	}
	switch {
	case !c.blocked && refused > c.high:
		c.blocked = true
		c.loop.stats.Blocked++
	case c.blocked && refused <= c.low:
		c.blocked = false
		c.notify(noticeWritable)
	}
}

// rewatch asks the watcher for the connection's next event.
func (c *Conn) rewatch() {
	var events uint32
	if c.waiting {
		events |= unix.EPOLLOUT
	}
	if _, ok := c.handler.(LeaveHandler); ok && c.muted && !c.left && !c.owned && !c.unix {
		events |= unix.EPOLLRDHUP
	}
	err := c.loop.watch.arm(c.fd, c.id, events, !c.watched)
	if err != nil {
		c.end(causeOf(err), err)
		return
	}
	c.watched = true
}

// onWatch is the watcher's event, which comes once per rewatch.
func (c *Conn) onWatch(events uint32) {
	if c.phase == phaseEnded || !c.watched {
		return
	}
	if c.owned && events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		c.onHangUp()
		return
	}
	if events&unix.EPOLLRDHUP != 0 && !c.owned && !c.left {
		c.left = true
		if c.muted {
			c.notify(noticeLeft)
		}
		if c.waiting && events&unix.EPOLLOUT == 0 {
			c.rewatch()
			return
		}
	}
	if !c.waiting && !c.owned {
		return
	}
	c.waiting = false
	c.flush()
	if c.owned && !c.waiting && c.phase != phaseEnded {
		c.rewatch()
	}
}

// scratchBytes is where writes to a closed connection go.
func (l *Loop) scratchBytes(n int) []byte {
	if n > connOutput {
		return make([]byte, n)
	}
	if l.scratch == nil {
		l.scratch = make([]byte, connOutput)
	}
	return l.scratch[:n:n]
}
