// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// backlogMost bounds what a closing listener still takes. It is the
	// kernel's usual limit of a queue; who connects on and on is not waited for.
	backlogMost = 4096
	// closePatience bounds how long those connections may be on their way to
	// loops that do not take them.
	closePatience = time.Second
)

// acceptor is what a listening socket of package net is.
type acceptor interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

// takeBacklog accepts the connections that the kernel has accepted already, and
// would reset when the listener closes. Their clients have no way to know that
// they were not served.
func (ln *Listener) takeBacklog() {
	raw, err := ln.inner.SyscallConn()
	if err != nil {
		return
	}
	for range backlogMost {
		nc, err := acceptNow(raw)
		switch {
		case err == nil:
			ln.keepAlive(nc)
			ln.admit(nc)
		case err != unix.ECONNABORTED && err != unix.EINTR:
			return
		}
	}
}

// keepAlive sets the configured keepalive on a connection that was not accepted by
// a net.ListenConfig, which would have.
func (ln *Listener) keepAlive(nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok && ln.config.KeepAlive != 0 {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: ln.config.KeepAlive > 0, Idle: ln.config.KeepAlive}) // a hint
	}
}

// acceptNow accepts a connection without waiting for one; unix.EAGAIN tells that
// there is none.
func acceptNow(raw syscall.RawConn) (net.Conn, error) {
	fd, err := -1, error(nil)
	if closed := raw.Control(func(listening uintptr) {
		fd, _, err = unix.Accept4(int(listening), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	}); closed != nil {
		return nil, closed
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "accepted")
	defer f.Close()
	return net.FileConn(f)
}
