// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Inherited is a listening socket that the process was given, by the one before
// it or by a supervisor. All who have it accept from one queue.
type Inherited struct {
	Listener net.Listener
	// Shared tells that somebody keeps the socket who will serve its queue
	// later, such as systemd: a listener that closes leaves the queue as it is.
	Shared bool
	// OwnsPath tells that the path of a Unix socket goes with this process.
	OwnsPath bool
}

// inherit makes the listener that of the inherited socket.
func (ln *Listener) inherit() error {
	given := ln.config.Inherited
	inner, ok := given.Listener.(acceptor)
	if !ok {
		return errors.New("the inherited socket cannot be accepted from")
	}
	if u, ok := inner.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
		if given.OwnsPath {
			ln.file = fileOf(ln.config.Address)
		}
	}
	ln.inner = inner
	return nil
}

func (ln *Listener) shared() bool {
	return ln.config.Inherited != nil && ln.config.Inherited.Shared
}

// Share is what another process must know to go on with the socket, which it gets
// by its descriptor: see SyscallConn.
func (ln *Listener) Share() Inherited {
	return Inherited{Listener: ln.inner, Shared: ln.shared(), OwnsPath: ln.file != socketFile{}}
}

// SyscallConn implements syscall.Conn, to pass the descriptor on.
func (ln *Listener) SyscallConn() (syscall.RawConn, error) { return ln.inner.SyscallConn() }

// Leave stops accepting and leaves the queue, and the path of a Unix socket, to
// another process that has the socket. Connections that were accepted are served
// here. It takes the place of Close.
func (ln *Listener) Leave() error { return ln.close(true) }

// fileOf is the socket that lies at a path.
func fileOf(path string) socketFile {
	var st unix.Stat_t
	if path == "" || path[0] == '@' || unix.Lstat(path, &st) != nil {
		return socketFile{}
	}
	return socketFile{path: path, device: uint64(st.Dev), inode: st.Ino}
}
