// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dialled is a DialHandler that reports what happened.
type dialled struct {
	handler Handler
	conns   chan *Conn
	errs    chan error
}

func newDialled(h Handler) *dialled {
	return &dialled{handler: h, conns: make(chan *Conn, 1), errs: make(chan error, 1)}
}

func (d *dialled) OnDialed(c *Conn) Handler { d.conns <- c; return d.handler }
func (d *dialled) OnDialFailed(err error)   { d.errs <- err }

func dialOn(t testing.TB, l *Loop, config DialConfig, h DialHandler) *Dialing {
	t.Helper()
	return onLoop(t, l, func() *Dialing { return l.Dial(config, h) })
}

// deafAddress is a TCP address that answers no SYN: its queue is full.
func deafAddress(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*unix.SockaddrInet4).Port))
	for range 64 {
		c, err := net.DialTimeout("tcp", address, 50*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the queue does not fill")
	return ""
}

func TestDial(t *testing.T) {
	r := start(t, 2)
	l := r.Loops()[1]
	for _, network := range []string{"tcp", "unix"} {
		peer := plainListener(t)
		if network == "unix" {
			var err error
			if peer, err = net.Listen("unix", socketPath(t)); err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
		}
		s := newScript()
		s.data = echo
		d := newDialled(s)
		dialing := dialOn(t, l, DialConfig{Network: network, Address: peer.Addr().String()}, d)
		server, err := peer.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn := receive(t, d.conns, "the connection")
		if conn.Loop() != l || conn.RemoteAddr().String() != peer.Addr().String() {
			t.Errorf("%s: connected to %v on loop %d", network, conn.RemoteAddr(), conn.Loop().Index())
		}
		server.SetDeadline(time.Now().Add(patience))
		write(t, server, []byte("ping"))
		expect(t, server, "ping")
		onLoop(t, l, func() any { dialing.Cancel(); return nil }) // too late to matter
		write(t, server, []byte("pong"))
		expect(t, server, "pong")
		server.Close()
		receive(t, s.ended, "OnClose")
	}
}

func TestDialFailures(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	closed := plainListener(t)
	closed.Close()
	for _, c := range []struct {
		name   string
		config DialConfig
		check  func(error) bool
	}{
		{"refused", DialConfig{Network: "tcp", Address: closed.Addr().String()},
			func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		{"no answer", DialConfig{Network: "tcp", Address: deafAddress(t), Timeout: 30 * time.Millisecond},
			func(err error) bool { var n net.Error; return errors.As(err, &n) && n.Timeout() }},
		{"no socket", DialConfig{Network: "unix", Address: socketPath(t)},
			func(err error) bool { return errors.Is(err, syscall.ENOENT) }},
		{"bad address", DialConfig{Network: "tcp", Address: "nowhere"},
			func(err error) bool { return strings.Contains(err.Error(), "missing port") }},
		{"bad network", DialConfig{Network: "udp", Address: "127.0.0.1:1"},
			func(err error) bool { return strings.Contains(err.Error(), "not one of") }},
	} {
		d := newDialled(nil)
		dialOn(t, l, c.config, d)
		if err := receive(t, d.errs, c.name); !c.check(err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if l.Conns() != 0 {
		t.Errorf("%d connections are counted", l.Conns())
	}
}

func TestDialWaitsForASlot(t *testing.T) {
	l := start(t, 1).Loops()[0]
	for range DialsAtOnce {
		dialSlots <- struct{}{}
	}
	d := newDialled(nil)
	dialOn(t, l, DialConfig{Network: "tcp", Address: plainListener(t).Addr().String(), Timeout: 20 * time.Millisecond}, d)
	err := receive(t, d.errs, "the failure")
	for range DialsAtOnce {
		<-dialSlots
	}
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "other dials are in progress") {
		t.Fatal(err)
	}
}

// TestDialCancel before and after the connection is made.
func TestDialCancel(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	d := newDialled(newScript())

	dialing := dialOn(t, l, DialConfig{Network: "tcp", Address: deafAddress(t)}, d)
	onLoop(t, l, func() any { dialing.Cancel(); dialing.Cancel(); return nil })

	peer := plainListener(t)
	onLoop(t, l, func() any {
		dialing := l.Dial(DialConfig{Network: "tcp", Address: peer.Addr().String()}, d)
		server, err := peer.Accept() // connected, but not yet on the loop
		if err != nil {
			t.Error(err)
			return nil
		}
		dialing.Cancel()
		go func() {
			defer server.Close()
			server.SetDeadline(time.Now().Add(patience))
			if _, err := server.Read(make([]byte, 1)); err == nil {
				t.Error("the peer of a cancelled dial got a byte")
			}
		}()
		return nil
	})
	r.gate.inside.Wait() // all dials and enrolments are over
	onLoop(t, l, func() any { return nil })
	if len(d.conns)+len(d.errs) != 0 {
		t.Fatal("a cancelled dial reported")
	}
	if n := onLoop(t, l, l.Stats).Conns; n != 0 || l.Conns() != 0 {
		t.Fatalf("%d connections are left", n)
	}
}

func TestNilDialHandlerResultCloses(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	peer := plainListener(t)
	d := newDialled(nil)
	dialOn(t, l, DialConfig{Network: "tcp", Address: peer.Addr().String()}, d)
	server, err := peer.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.SetDeadline(time.Now().Add(patience))
	expectEOF(t, server)
}

// TestStopGivesUpDials: what is in flight fails with ErrStopped.
func TestStopGivesUpDials(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	d := newDialled(nil)
	dialOn(t, l, DialConfig{Network: "tcp", Address: deafAddress(t)}, d)
	stop(t, r)
	if err := receive(t, d.errs, "the failure"); !errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
}
