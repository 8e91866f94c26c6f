// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	// readSize is the most that one read takes, and so the most that a direction
	// holds while its sink does not accept more: what a proxy commonly uses.
	readSize = 64 << 10
	// eventsPerWait bounds the events of one epoll_wait: every connection of a
	// benchmark may be ready at once.
	eventsPerWait = 1024
	// acceptsPerEvent bounds how long new connections can keep the others waiting.
	acceptsPerEvent = 64
	// backlog is cut down to the system's limit by the kernel.
	backlog = 4096
)

// relay is the state of the one thread.
type relay struct {
	epoll    int
	stop     int // eventfd
	listener int
	paused   bool // out of descriptors: accepts again when a pair ends
	target   unix.Sockaddr
	family   int
	ends     []*end // by descriptor
	serial   int32
	scratch  []byte   // what every read reads into
	spare    [][]byte // buffers that no direction holds
}

// Run relays every connection to listen to a connection of its own to target
// until ctx ends; ready is called with the address once clients can connect. A
// connection whose target cannot be reached is reset.
func Run(ctx context.Context, listen, target string, ready func(net.Addr)) error {
	r := &relay{epoll: -1, stop: -1, listener: -1, scratch: make([]byte, readSize)}
	defer r.close()
	addr, err := r.open(listen, target)
	if err != nil {
		return err
	}
	release := context.AfterFunc(ctx, func() {
		// Adding 1 to an eventfd that is read once cannot fail.
		_, _ = unix.Write(r.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	defer func() {
		if !release() {
			<-ctx.Done()
		}
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ready(addr)
	return r.loop()
}

// open makes all descriptors that are there from the start.
func (r *relay) open(listen, target string) (net.Addr, error) {
	to, err := net.ResolveTCPAddr("tcp", target)
	if err != nil {
		return nil, fmt.Errorf("relay target: %w", err)
	}
	r.target, r.family = sockaddr(to)
	at, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("relay listener: %w", err)
	}
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if r.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	if err := r.listen(at); err != nil {
		return nil, fmt.Errorf("relay on %s: %w", listen, err)
	}
	for _, fd := range []int{r.stop, r.listener} {
		if err := r.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN, 0); err != nil {
			return nil, fmt.Errorf("epoll_ctl: %w", err)
		}
	}
	bound, err := unix.Getsockname(r.listener)
	if err != nil {
		return nil, fmt.Errorf("getsockname: %w", err)
	}
	return tcpAddr(bound), nil
}

func (r *relay) listen(at *net.TCPAddr) error {
	sa, family := sockaddr(at)
	var err error
	r.listener, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(r.listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(r.listener, sa); err != nil {
		return err
	}
	return unix.Listen(r.listener, backlog)
}

// loop runs until the stop event. It is level-triggered: what a read leaves
// behind is reported again.
func (r *relay) loop() error {
	events := make([]unix.EpollEvent, eventsPerWait)
	for {
		n, err := unix.EpollWait(r.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for i := range max(n, 0) {
			e := &events[i]
			switch int(e.Fd) {
			case r.stop:
				return nil
			case r.listener:
				r.accept()
			default:
				r.ready(e)
			}
		}
	}
}

// ready hands an event to its end, unless an earlier event of the same wait has
// closed it; the serial number tells it from a successor with its descriptor.
func (r *relay) ready(e *unix.EpollEvent) {
	if x := r.ends[e.Fd]; x != nil && x.serial == e.Pad {
		x.pair.ready(r, x, e.Events)
	}
}

func (r *relay) accept() {
	for range acceptsPerEvent {
		fd, _, err := unix.Accept4(r.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			// Out of descriptors or memory: the listener would be reported
			// without end.
			r.paused = r.control(unix.EPOLL_CTL_MOD, r.listener, 0, 0) == nil
			return
		}
		r.connect(fd)
	}
}

// connect opens the other end of a new pair.
func (r *relay) connect(client int) {
	server, err := unix.Socket(r.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		reset(client)
		return
	}
	err = unix.Connect(server, r.target)
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		reset(client)
		reset(server)
		return
	}
	p := &pair{}
	r.adopt(p, &p.client, client)
	r.adopt(p, &p.server, server)
	// A connection that is up is writable. Nothing is read from the client
	// before; the descriptor is known to epoll for its hang-up.
	if r.watch(&p.client, 0, false) != nil || r.watch(&p.server, unix.EPOLLOUT, false) != nil {
		p.abort(r)
	}
}

// adopt makes fd one end of p.
func (r *relay) adopt(p *pair, x *end, fd int) {
	// An unsupported option costs latency only.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	r.serial++
	x.fd, x.serial, x.pair = fd, r.serial, p
	for len(r.ends) <= fd {
		r.ends = append(r.ends, nil)
	}
	r.ends[fd] = x
}

func (r *relay) control(op, fd int, events uint32, serial int32) error {
	return unix.EpollCtl(r.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd), Pad: serial})
}

// resume accepts again after descriptors have become free.
func (r *relay) resume() {
	if r.paused && r.control(unix.EPOLL_CTL_MOD, r.listener, unix.EPOLLIN, 0) == nil {
		r.paused = false
	}
}

// close ends everything.
func (r *relay) close() {
	for _, x := range r.ends {
		if x != nil {
			x.pair.abort(r)
		}
	}
	for _, fd := range []int{r.listener, r.stop, r.epoll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
