// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// watchBatch is how many events the watcher takes from the kernel at a time.
const watchBatch = 64

// watchEvent is a readiness event for the connection id.
type watchEvent struct {
	id     uint64
	events uint32
}

// watcher tells a loop what gnet cannot: that a socket takes bytes again after
// it refused some, that a connection, of which gnet has let go at the peer's FIN,
// was reset, and that one which is not read has got the peer's FIN. It is a second epoll set per loop. A goroutine waits
// for it in the runtime's own poller, so it costs no thread, and posts what it
// gets. Only connections that are stuck or half closed are in it.
//
// Events carry the connection's id, with its generation, so one that arrives
// late meets nobody else's connection.
type watcher struct {
	fd   int
	file *os.File
	done chan struct{}
}

func newWatcher(l *Loop) (*watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &watcher{fd: fd, file: os.NewFile(uintptr(fd), "watcher"), done: make(chan struct{})}
	raw, err := w.file.SyscallConn()
	if err != nil {
		w.file.Close()
		return nil, err
	}
	go w.run(l, raw)
	return w, nil
}

// run posts events until the watcher is closed.
func (w *watcher) run(l *Loop, raw syscall.RawConn) {
	defer close(w.done)
	var ready [watchBatch]unix.EpollEvent
	var batch [watchBatch]watchEvent
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			var err error
			if n, err = unix.EpollWait(int(fd), ready[:], 0); err != nil {
				n = 0
			}
			return n > 0
		})
		if err != nil {
			return
		}
		for i, ev := range ready[:n] {
			batch[i] = watchEvent{id: uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32, events: ev.Events}
		}
		l.postEvents(batch[:n])
	}
}

// arm asks for one event for the connection id: an error, a hang-up or one of
// those given. add says that fd is not in the set yet.
func (w *watcher) arm(fd int, id uint64, events uint32, add bool) error {
	ev := unix.EpollEvent{Events: unix.EPOLLONESHOT | events, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	op := unix.EPOLL_CTL_MOD
	if add {
		op = unix.EPOLL_CTL_ADD
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(w.fd, op, fd, &ev))
}

// remove takes fd out of the set; it must come before fd is closed, because a
// duplicate of fd may keep the registration alive.
func (w *watcher) remove(fd int) {
	// The only possible error is that fd is not in the set.
	_ = unix.EpollCtl(w.fd, unix.EPOLL_CTL_DEL, fd, nil)
}

// close ends the goroutine and waits for it.
func (w *watcher) close() {
	w.file.Close()
	<-w.done
}
