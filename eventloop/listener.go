// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// acceptPauseMin and acceptPauseMax bound the pause after an accept that
	// failed: short enough not to be noticed once, long enough not to spin.
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
	// holdPoll is how soon a listener notices that it may accept again.
	holdPoll = 20 * time.Millisecond
	// acceptLogEvery keeps a lasting shortage from filling the log.
	acceptLogEvery = time.Second
	// enrollsAtOnce bounds the connections on their way to a loop; beyond it
	// clients wait in the kernel's queue.
	enrollsAtOnce = 256
)

// ListenConfig says where to listen and what to do with a connection.
type ListenConfig struct {
	// Network is "tcp" (both IPv4 and IPv6 where the address has no host),
	// "tcp4", "tcp6" or "unix".
	Network string
	// Address is host:port, a path, or @name for an abstract Unix socket.
	Address string
	// Accept runs on the loop that the connection was given to and returns its
	// handler; nil closes it.
	Accept func(c *Conn) Handler
	// MaxConns is how many connections may be open; one more is closed at
	// once. 0 is no limit.
	MaxConns int
	// KeepAlive is the idle time before TCP probes the peer; 0 is 15 s,
	// negative is never.
	KeepAlive time.Duration
	// TLS returns how the connection that was just accepted is secured, nil
	// for plain text. It is called on goroutines. A nil TLS is plain text.
	TLS func() *ServerTLS
	// Inherited is a socket that listens already and takes the place of a new
	// one at Address; the listener owns it from Bind on, unless that fails.
	Inherited *Inherited
}

// Listener accepts connections for a reactor.
type Listener struct {
	reactor   *Reactor
	config    ListenConfig
	inner     acceptor
	file      socketFile
	log       *slog.Logger
	conns     atomic.Int64
	latest    atomic.Pointer[net.TCPAddr] // that a connection was accepted at
	refused   atomic.Uint64
	exhausted chan struct{} // an enrolment found the process out of resources
	quit      chan struct{}
	hurry     chan struct{} // what is not on its way to a loop is dropped
	done      chan struct{}
	started   bool
	leave     bool // the queue to others; set before quit is closed
	closeOnce sync.Once
	closeErr  error
}

// Listen starts to accept connections. It may be called at any time.
func (r *Reactor) Listen(config ListenConfig) (*Listener, error) {
	ln, err := r.Bind(config)
	if err == nil {
		ln.Start()
	}
	return ln, err
}

// Bind takes an address. Connections wait in the kernel's queue until Start; one
// of Start and Close must follow. It may be called at any time.
func (r *Reactor) Bind(config ListenConfig) (*Listener, error) {
	ln := &Listener{
		reactor: r, config: config,
		log:       r.log.With("listener", config.Network+" "+config.Address),
		exhausted: make(chan struct{}, 1),
		quit:      make(chan struct{}),
		hurry:     make(chan struct{}),
		done:      make(chan struct{}),
	}
	if config.Accept == nil {
		return nil, listenError(config, errors.New("ListenConfig.Accept is missing"))
	}
	if err := checkNetwork(config.Network); err != nil {
		return nil, listenError(config, err)
	}
	if err := ln.bind(); err != nil {
		return nil, listenError(config, err)
	}
	if !r.adopt(ln) {
		if config.Inherited == nil {
			ln.file.remove()
			ln.inner.Close()
		}
		return nil, listenError(config, ErrStopped)
	}
	return ln, nil
}

// Start accepts connections. It is called once at most, and not after Close.
func (ln *Listener) Start() {
	ln.started = true
	go ln.run()
}

func (ln *Listener) bind() (err error) {
	if ln.config.Inherited != nil {
		return ln.inherit()
	}
	var inner net.Listener
	if ln.config.Network == "unix" {
		inner, ln.file, err = listenUnix(ln.config.Address)
	} else {
		lc := net.ListenConfig{KeepAlive: ln.config.KeepAlive}
		inner, err = lc.Listen(context.Background(), ln.config.Network, ln.config.Address)
	}
	if err == nil {
		ln.inner = inner.(acceptor)
	}
	return err
}

// listenError names the listener and says what to do about the usual errors.
func listenError(config ListenConfig, err error) error {
	advice := ""
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		err, advice = unix.EADDRINUSE, ": another process or listener has this address"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		err, advice = unix.EADDRNOTAVAIL, ": no interface of this host has this address"
	case errors.Is(err, unix.EACCES):
		err, advice = unix.EACCES, ": a port below 1024 needs CAP_NET_BIND_SERVICE, a path a writable directory"
	default:
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
	}
	return fmt.Errorf("listen %s %s: %w%s", config.Network, config.Address, err, advice)
}

// Addr is the address listened on, with the port that was chosen for port 0.
func (ln *Listener) Addr() net.Addr { return ln.inner.Addr() }

// Conns is the number of the listener's open connections. Any goroutine may
// call it.
func (ln *Listener) Conns() int { return int(ln.conns.Load()) }

// Refused counts the connections closed because of MaxConns.
func (ln *Listener) Refused() uint64 { return ln.refused.Load() }

// Close stops accepting, once what waits in the kernel's queue is accepted,
// unless the queue is that of others, too. Open connections live on.
func (ln *Listener) Close() error {
	return ln.close(ln.shared())
}

// close stops accepting. leave has the queue, and the path of a Unix socket, to
// whoever else has the socket.
func (ln *Listener) close(leave bool) error {
	ln.closeOnce.Do(func() {
		// One that never accepted is of a process that does not come to be.
		ln.leave = leave || !ln.started && ln.config.Inherited != nil
		if !ln.leave {
			ln.file.remove()
		}
		if !ln.started {
			ln.closeErr = ln.inner.Close()
			ln.reactor.release(ln)
			return
		}
		close(ln.quit)
		interrupted := ln.inner.SetDeadline(time.Unix(1, 0)) // long past
		patience := time.AfterFunc(closePatience, func() { close(ln.hurry) })
		<-ln.done
		patience.Stop()
		ln.closeErr = errors.Join(interrupted, ln.inner.Close())
		ln.reactor.release(ln)
	})
	return ln.closeErr
}

// run accepts until the listener is closed.
func (ln *Listener) run() {
	defer close(ln.done)
	if ln.accept(); !ln.leave {
		ln.takeBacklog()
	}
}

// accept accepts until Close. Being out of descriptors or memory makes it pause:
// clients then wait in the kernel's queue.
func (ln *Listener) accept() {
	pause, logged := acceptPauseMin, time.Time{}
	for ln.mayAccept() {
		nc, err := ln.inner.Accept()
		if err == nil {
			if ln.config.Inherited != nil {
				ln.keepAlive(nc)
			}
			ln.admit(nc)
			select {
			case <-ln.exhausted:
				err = errors.New("an accepted connection was dropped: out of file descriptors or memory")
			default:
				pause = acceptPauseMin
				continue
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if time.Since(logged) > acceptLogEvery {
			logged = time.Now()
			ln.log.Warn("accept pauses", "error", err, "pause", pause)
		}
		if !ln.wait(pause) {
			return
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

// mayAccept waits while accepting is held. It is false when the listener is
// closed meanwhile.
func (ln *Listener) mayAccept() bool {
	for ln.reactor.held.Load() {
		if !ln.wait(holdPoll) {
			return false
		}
	}
	return true
}

// wait pauses, and tells whether to go on.
func (ln *Listener) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ln.quit:
		return false
	}
}

// admit hands an accepted connection to the loop with the fewest. It waits only
// while too many are on their way already, or descriptors are scarce.
func (ln *Listener) admit(nc net.Conn) {
	if n := ln.conns.Add(1); ln.config.MaxConns > 0 && n > int64(ln.config.MaxConns) {
		ln.conns.Add(-1)
		ln.refused.Add(1)
		nc.Close()
		return
	}
	if ln.config.TLS != nil {
		if t := ln.config.TLS(); t != nil {
			ln.secure(t, nc)
			return
		}
	}
	select {
	case ln.reactor.enrolls <- struct{}{}:
	case <-ln.hurry:
		ln.drop(nc)
		return
	}
	if !ln.reactor.gate.enter() {
		<-ln.reactor.enrolls
		ln.drop(nc)
		return
	}
	a := &admission{loop: ln.reactor.place(), listener: ln}
	if scarce(nc, len(ln.reactor.enrolls)) {
		for !spareDescriptor() {
			if !ln.wait(acceptPauseMin) {
				break
			}
		}
		ln.enroll(a, nc)
		return
	}
	go ln.enroll(a, nc)
}

// enroll gives an admitted connection to a loop.
func (ln *Listener) enroll(a *admission, nc net.Conn) {
	defer ln.reactor.gate.leave()
	defer func() { <-ln.reactor.enrolls }()
	if err := a.enroll(nc); err != nil {
		ln.failed(err)
	}
}

// secure runs the handshake of an accepted connection, on a goroutine of its
// own, and gives it to a loop then. A connection that is one too many takes the
// place of the handshake that has lasted longest; so do scarce descriptors.
func (ln *Listener) secure(t *ServerTLS, nc net.Conn) {
	if !ln.reactor.gate.enter() {
		ln.drop(nc)
		return
	}
	hs := &ln.reactor.handshakes
	h := hs.begin(nc)
	if scarce(nc, len(ln.reactor.enrolls)) {
		hs.evict(h)
	}
	go func() {
		defer ln.reactor.gate.leave()
		a := &admission{listener: ln}
		err := a.handshake(h, t)
		if !hs.end(h) {
			err = errEvicted
		}
		if err != nil {
			hs.failed(ln, h, err)
			return
		}
		if a.wire != nil {
			hs.outcomes[HandshakeDone].Add(1)
		}
		ln.reactor.enrolls <- struct{}{}
		defer func() { <-ln.reactor.enrolls }()
		a.loop = ln.reactor.place()
		if err := a.enroll(nc); err != nil {
			ln.failed(err)
		}
	}()
}

// usualAddr returns the address that the previous connection was accepted at where
// it is the same, as it mostly is: connections need not have one each.
func (ln *Listener) usualAddr(local net.Addr) net.Addr {
	a, ok := local.(*net.TCPAddr)
	if !ok {
		return local
	}
	if last := ln.latest.Load(); last != nil && last.Port == a.Port && last.Zone == a.Zone && last.IP.Equal(a.IP) {
		return last
	}
	ln.latest.Store(a)
	return a
}

func (ln *Listener) drop(nc net.Conn) {
	ln.conns.Add(-1)
	nc.Close()
}

// failed is a connection that did not make it to its loop.
func (ln *Listener) failed(err error) {
	ln.conns.Add(-1)
	if !outOfResources(err) && !errors.Is(err, errNotOpened) {
		ln.log.Warn("an accepted connection was dropped", "error", err)
		return
	}
	select {
	case ln.exhausted <- struct{}{}:
	default:
	}
}
