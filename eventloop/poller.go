// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"fmt"
	"net"
	"os"
	"reflect"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"github.com/panjf2000/gnet/v2/pkg/queue"
	"golang.org/x/sys/unix"
)

// This file is all that knows gnet from the inside. gnet offers no way to stop
// reading from a connection and no task queue that does not allocate a closure
// per task; both hang on two unexported fields, read once per loop and checked
// at start. So are those that a connection keeps for nobody.

// poller is one gnet loop with what gnet hides of it.
type poller struct {
	engine gnet.EventLoop
	inner  *netpoll.Poller
	epfd   int
	efd    int        // what wakes the loop for its queue
	woken  *int32     // 1 while the queue holds tasks that have not all been run
	spare  [3]uintptr // where a gnet connection keeps its addresses
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
	efd := inner.Elem().FieldByName("efd")
	if !efd.IsValid() || efd.Kind() != reflect.Int {
		return p, shapeError("poller has no field efd; was it built with the tag poll_opt?")
	}
	woken := inner.Elem().FieldByName("wakeupCall")
	if !woken.IsValid() || woken.Kind() != reflect.Int32 {
		return p, shapeError("poller has no field wakeupCall of type int32")
	}
	p.efd = int(efd.Int())
	p.woken = (*int32)(unsafe.Pointer(woken.UnsafeAddr()))
	p.inner = (*netpoll.Poller)(inner.UnsafePointer())
	p.epfd = int(epfd.Int())
	if err := p.listen(carrier.Fd(), unix.EPOLL_CTL_MOD); err != nil {
		return p, shapeError("poller.fd does not watch the loop's connections: " + err.Error())
	}
	return p, p.findAddresses(carrier)
}

func shapeError(what string) error {
	return fmt.Errorf("eventloop: this version or build of gnet is not supported: %s", what)
}

// findAddresses notes where gnet's connections have their addresses: a
// unix.Sockaddr and two net.Addr, all of them interfaces.
func (p *poller) findAddresses(carrier gnet.Conn) error {
	conn := reflect.TypeOf(carrier)
	if conn.Kind() != reflect.Pointer || conn.Elem().Kind() != reflect.Struct {
		return shapeError("connection is not a pointer to a struct")
	}
	for i, name := range []string{"remote", "localAddr", "remoteAddr"} {
		f, ok := conn.Elem().FieldByName(name)
		if !ok || f.Type.Kind() != reflect.Interface || f.Type.NumMethod() == 0 {
			return shapeError("connection has no field " + name + " of an interface type")
		}
		p.spare[i] = f.Offset
	}
	return nil
}

// lighten has a gnet connection let go of what nobody asks it for: addresses,
// which a Conn has itself, and the admission it came with. That is a tenth of what
// an idle connection costs.
func (p *poller) lighten(gc gnet.Conn) {
	base := reflect.ValueOf(gc).UnsafePointer()
	for _, offset := range p.spare {
		*(*net.Addr)(unsafe.Add(base, offset)) = nil // a nil interface is the same whichever it is
	}
	gc.SetSafeContext(nil)
}

// trigger makes the loop run fn after the I/O of its batch. It may be
// called from any goroutine while the loop lives. It allocates one queue node.
func (p *poller) trigger(fn queue.Func) error {
	return p.inner.Trigger(queue.HighPriority, fn, nil)
}

// tasksWait tells whether gnet has tasks to run. While it is false, another
// task would make efd ready.
func (p *poller) tasksWait() bool { return atomic.LoadInt32(p.woken) != 0 }

// wait returns how many descriptors are ready, and which, without the runtime's
// knowledge: the caller keeps its P. It waits for at most d, in steps of a
// millisecond, and less when the runtime interrupts it.
func (p *poller) wait(ready []unix.EpollEvent, d time.Duration) int {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epfd),
		uintptr(unsafe.Pointer(unsafe.SliceData(ready))), uintptr(len(ready)),
		uintptr(d/time.Millisecond), 0, 0)
	if err != 0 {
		return 0
	}
	return int(n)
}

// rouse gives gnet back the event of efd, which is edge-triggered and was taken
// by wait.
func (p *poller) rouse() error {
	ev := unix.EpollEvent{Events: netpoll.ReadEvents | unix.EPOLLET, Fd: int32(p.efd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epfd, unix.EPOLL_CTL_MOD, p.efd, &ev))
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
