// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"fmt"
	"os"
	"reflect"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"github.com/panjf2000/gnet/v2/pkg/queue"
	"golang.org/x/sys/unix"
)

// This file is all that knows gnet from the inside. gnet offers no way to stop
// reading from a connection and no task queue that does not allocate a closure
// per task; both hang on two unexported fields, read once per loop and checked
// at start.

// poller is one gnet loop with what gnet hides of it.
type poller struct {
	engine gnet.EventLoop
	inner  *netpoll.Poller
	epfd   int
}

// openPoller looks into the loop that carrier was enrolled on and checks that
// gnet is built as this package needs it.
func openPoller(carrier gnet.Conn) (poller, error) {
	p := poller{engine: carrier.EventLoop()}
	loop := reflect.Indirect(reflect.ValueOf(p.engine))
	if loop.Kind() != reflect.Struct {
		return p, shapeError("event loop is not a struct")
	}
	inner := loop.FieldByName("poller")
	if !inner.IsValid() || inner.Type() != reflect.TypeFor[*netpoll.Poller]() || inner.IsNil() {
		return p, shapeError("event loop has no field poller of type *netpoll.Poller")
	}
	epfd := inner.Elem().FieldByName("fd")
	if !epfd.IsValid() || epfd.Kind() != reflect.Int {
		return p, shapeError("poller has no field fd of type int")
	}
	// With the build tag poll_opt the kernel hands gnet a pointer instead of
	// the descriptor, and a mask set by us would crash it.
	if efd := inner.Elem().FieldByName("efd"); !efd.IsValid() || efd.Kind() != reflect.Int {
		return p, shapeError("poller has no field efd; was it built with the tag poll_opt?")
	}
	p.inner = (*netpoll.Poller)(inner.UnsafePointer())
	p.epfd = int(epfd.Int())
	if err := p.listen(carrier.Fd(), unix.EPOLL_CTL_MOD); err != nil {
		return p, shapeError("poller.fd does not watch the loop's connections: " + err.Error())
	}
	return p, nil
}

func shapeError(what string) error {
	return fmt.Errorf("eventloop: this version or build of gnet is not supported: %s", what)
}

// trigger makes the loop run fn after the I/O of its next batch. It may be
// called from any goroutine while the loop lives. It allocates one queue node.
func (p *poller) trigger(fn queue.Func) error {
	return p.inner.Trigger(queue.HighPriority, fn, nil)
}

// listen makes the loop read from fd, with the epoll operation op.
func (p *poller) listen(fd, op int) error {
	return p.control(op, fd, netpoll.ReadEvents)
}

// mute makes the loop read no more from fd, which stays registered, so that a
// reset is still seen.
func (p *poller) mute(fd int) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, 0)
}

// forget takes fd out of the loop's set.
func (p *poller) forget(fd int) error {
	return p.control(unix.EPOLL_CTL_DEL, fd, 0)
}

func (p *poller) control(op, fd int, events uint32) error {
	err := unix.EpollCtl(p.epfd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	return os.NewSyscallError("epoll_ctl", err)
}
