// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// HandshakesAtOnce bounds the handshakes in progress of accepted
	// connections, which a client may make last HandshakeTimeout. One more ends
	// the oldest, so that slow ones cannot keep others out.
	HandshakesAtOnce = 1024
	// handshakeDescriptors is the part of the process's descriptors that they
	// may have.
	handshakeDescriptors = 4
	// firstByte begins every TLS handshake: the type of a handshake record.
	firstByte = 0x16
	// refusalTime and refusalBytes bound what is still read from a client whose
	// handshake failed, so that a reset does not destroy the alert that says
	// why.
	refusalTime  = 100 * time.Millisecond
	refusalBytes = 64 << 10
)

// handshakes is the handshakes of a reactor's accepted connections, in the order
// in which they began.
type handshakes struct {
	mu       sync.Mutex
	first    *handshake
	last     *handshake
	count    int
	limit    int
	stopped  bool
	logged   time.Time
	untold   uint64 // failures since, which were not logged
	outcomes [handshakeOutcomeCount]atomic.Uint64
	// turns has a place for each that computes, dials among them: as many as
	// there are loops, so that a storm of them leaves half of the CPU time.
	turns chan struct{}
}

// handshake is one in progress.
type handshake struct {
	socket     net.Conn
	prev, next *handshake
	listed     bool
	evicted    bool
}

func (hs *handshakes) start(loops int) {
	hs.turns = make(chan struct{}, loops)
	hs.limit = HandshakesAtOnce
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		hs.limit = int(min(uint64(hs.limit), max(1, files.Cur/handshakeDescriptors)))
	}
}

// begin counts a handshake. It ends the oldest if that makes too many.
func (hs *handshakes) begin(socket net.Conn) *handshake {
	h := &handshake{socket: socket, listed: true}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.stopped {
		h.listed = false
		socket.Close()
		return h
	}
	if h.prev = hs.last; h.prev != nil {
		h.prev.next = h
	} else {
		hs.first = h
	}
	hs.last = h
	if hs.count++; hs.count > hs.limit {
		hs.drop(hs.first)
	}
	return h
}

// evict ends the oldest handshake but h.
func (hs *handshakes) evict(h *handshake) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if oldest := hs.first; oldest != nil && oldest != h {
		hs.drop(oldest)
	}
}

// drop gives a handshake up; its goroutine finds the socket closed.
func (hs *handshakes) drop(h *handshake) {
	h.evicted = true
	hs.remove(h)
	h.socket.Close()
}

func (hs *handshakes) remove(h *handshake) {
	if !h.listed {
		return
	}
	h.listed = false
	hs.count--
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		hs.first = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	} else {
		hs.last = h.prev
	}
	h.prev, h.next = nil, nil
}

// end takes a handshake that is over off the list: from now on its socket is not
// closed from elsewhere. It is false when that has happened already.
func (hs *handshakes) end(h *handshake) bool {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.remove(h)
	return !h.evicted
}

// stop gives all handshakes up and lets none begin.
func (hs *handshakes) stop() {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.stopped = true
	for hs.first != nil {
		hs.drop(hs.first)
	}
}

// failed counts and logs a handshake that led to nothing, and closes its socket.
func (hs *handshakes) failed(ln *Listener, h *handshake, err error) {
	outcome := handshakeOutcome(err)
	hs.mu.Lock()
	stopped := hs.stopped
	now := time.Now()
	tell := now.Sub(hs.logged) >= time.Second
	untold := hs.untold
	if tell {
		hs.logged, hs.untold = now, 0
	} else {
		hs.untold++
	}
	hs.mu.Unlock()
	remote := h.socket.RemoteAddr()
	refuse(h.socket, outcome)
	ln.conns.Add(-1)
	if stopped {
		return
	}
	hs.outcomes[outcome].Add(1)
	if tell {
		ln.log.Warn("TLS handshake failed", "reason", outcome.String(), "error", err,
			"client", remote, "left_out", untold)
	}
}

// refuse closes a socket on which an alert may be on its way.
func refuse(socket net.Conn, outcome HandshakeOutcome) {
	defer socket.Close()
	half, ok := socket.(interface{ CloseWrite() error })
	if !ok || outcome != HandshakeBadCertificate && outcome != HandshakeNoCertificate && outcome != HandshakeMismatch {
		return
	}
	if half.CloseWrite() == nil && socket.SetReadDeadline(time.Now().Add(refusalTime)) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(socket, refusalBytes))
	}
}

// handshake does what comes before an accepted connection is on its loop. When it
// has succeeded, the admission has what the loop goes on with.
func (a *admission) handshake(h *handshake, t *ServerTLS) error {
	timeout := t.Timeout
	if timeout <= 0 {
		timeout = HandshakeTimeout
	}
	if err := h.socket.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	first, err := peek(h.socket)
	if err != nil {
		return err
	}
	if first != firstByte {
		if t.Plaintext {
			return nil
		}
		return errPlaintext
	}
	hs := &a.listener.reactor.handshakes
	w := newWire(h.socket, hs.turns)
	w.tls = tls.Server(w, t.Config)
	if err := a.shake(w); err != nil {
		return err
	}
	return nil
}

// peek is the first byte that arrives; it stays to be read.
func peek(socket net.Conn) (byte, error) {
	raw, err := socket.(syscall.Conn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var first [1]byte
	var n int
	var failure error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, failure = unix.Recvfrom(int(fd), first[:], unix.MSG_PEEK)
			if failure != unix.EINTR {
				return failure != unix.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case failure != nil:
		return 0, failure
	case n == 0:
		return 0, io.EOF
	}
	return first[0], nil
}

// secureDial does the handshake of a dialled connection.
func (a *admission) secureDial(ctx context.Context, nc net.Conn, config DialConfig) error {
	deadline, _ := ctx.Deadline()
	err := nc.SetDeadline(deadline)
	if err == nil {
		interrupt := context.AfterFunc(ctx, func() { nc.Close() })
		w := newWire(nc, a.loop.reactor.handshakes.turns)
		w.tls = tls.Client(w, config.TLS.forAddress(config.Address))
		err = a.shake(w)
		if !interrupt() && err == nil {
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			err = os.ErrDeadlineExceeded
		}
		return fmt.Errorf("dial %s %s: %w: %s: %w", config.Network, config.Address, ErrHandshake, handshakeOutcome(err), err)
	}
	return nil
}

func newWire(socket net.Conn, turns chan struct{}) *wire {
	return &wire{socket: socket, turns: turns, buffer: make([]byte, handshakeBuffer)}
}

// shake runs the handshake on w.
func (a *admission) shake(w *wire) error {
	w.turns <- struct{}{}
	defer func() { <-w.turns }()
	if err := w.tls.Handshake(); err != nil {
		return err
	}
	state := w.tls.ConnectionState()
	a.wire, a.hello = w, newHello(&state)
	a.hello.Own, w.own = w.own, nil
	return nil
}

var (
	errPlaintext = errors.New("the first byte does not begin a TLS handshake")
	errEvicted   = errors.New("newer handshakes needed the place of this one, which was the oldest")
)
