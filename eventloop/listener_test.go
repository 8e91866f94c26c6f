// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestListenersComeAndGo at run time; a connection outlives its listener.
func TestListenersComeAndGo(t *testing.T) {
	r := start(t, 2)
	s := newScript()
	s.data = echo
	accept := func(*Conn) Handler { return s }
	first := listen(t, r, accept)
	c := connect(t, first.Addr())
	write(t, c, []byte("a"))
	expect(t, c, "a")
	second := listen(t, r, accept)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := net.Dial("tcp", first.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dialling a closed listener: %v", err)
	}
	for _, conn := range []net.Conn{c, connect(t, second.Addr())} {
		write(t, conn, []byte("b"))
		expect(t, conn, "b")
	}
	again, err := r.Listen(ListenConfig{Network: "tcp", Address: first.Addr().String(), Accept: accept})
	if err != nil {
		t.Fatal(err)
	}
	write(t, connect(t, again.Addr()), []byte("c"))
	if first.Conns() != 1 {
		t.Fatalf("the closed listener has %d connections", first.Conns())
	}
}

// TestConnectionsSpreadOverLoops: a burst is spread evenly, though no loop has
// registered any of it yet.
func TestConnectionsSpreadOverLoops(t *testing.T) {
	r := start(t, 4)
	ln := listen(t, r, func(*Conn) Handler { return newScript() })
	for range 100 {
		connect(t, ln.Addr())
	}
	eventually(t, "all are accepted", func() bool { return ln.Conns() == 100 })
	for _, l := range r.Loops() {
		if n := l.Conns(); n != 25 {
			t.Errorf("loop %d has %d connections, want 25", l.Index(), n)
		}
	}
}

func TestMaxConns(t *testing.T) {
	r := start(t, 2)
	s := newScript()
	s.data = echo
	ln, err := r.Listen(ListenConfig{Network: "tcp", Address: "127.0.0.1:0", MaxConns: 2, Accept: func(*Conn) Handler { return s }})
	if err != nil {
		t.Fatal(err)
	}
	served := func() (net.Conn, bool) {
		c := connect(t, ln.Addr())
		c.Write([]byte("x")) // may fail where the refusal came first
		n, _ := c.Read(make([]byte, 1))
		return c, n == 1
	}
	a, ok1 := served()
	_, ok2 := served()
	_, ok3 := served()
	if !ok1 || !ok2 || ok3 || ln.Refused() != 1 {
		t.Fatalf("served %v %v %v, %d refused", ok1, ok2, ok3, ln.Refused())
	}
	a.Close()
	eventually(t, "the place is free", func() bool { return ln.Conns() == 1 })
	if _, ok := served(); !ok {
		t.Fatal("the free place was not given")
	}
}

func TestNilHandlerClosesTheConnection(t *testing.T) {
	r := start(t, 1)
	ln := listen(t, r, func(c *Conn) Handler {
		c.Append([]byte("dropped"))
		return nil
	})
	c := connect(t, ln.Addr())
	expectEOF(t, c)
	eventually(t, "it is forgotten", func() bool { return ln.Conns() == 0 && r.Loops()[0].Conns() == 0 })
}

func TestListenErrors(t *testing.T) {
	r := start(t, 1)
	accept := func(*Conn) Handler { return nil }
	taken := plainListener(t).Addr().String()
	file := socketPath(t)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		config ListenConfig
		want   string
	}{
		{ListenConfig{Network: "tcp", Address: taken, Accept: accept},
			"listen tcp " + taken + ": address already in use: another process or listener has this address"},
		{ListenConfig{Network: "tcp", Address: "192.0.2.1:0", Accept: accept}, "cannot assign requested address: no interface"},
		{ListenConfig{Network: "tcp", Address: "127.0.0.1", Accept: accept}, "missing port in address"},
		{ListenConfig{Network: "tcp", Address: "127.0.0.1:0"}, "Accept is missing"},
		{ListenConfig{Network: "udp", Address: "127.0.0.1:0", Accept: accept}, `network "udp" is not one of`},
		{ListenConfig{Network: "unix", Address: "", Accept: accept}, "the path is empty"},
		{ListenConfig{Network: "unix", Address: file, Accept: accept}, "exists and is not a socket"},
		{ListenConfig{Network: "unix", Address: "/nonexistent/s", Accept: accept}, "no such file or directory"},
		{ListenConfig{Network: "unix", Address: "/" + strings.Repeat("x", 200), Accept: accept}, "invalid argument"},
	} {
		_, err := r.Listen(c.config)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.config.Network, c.config.Address, err, c.want)
		}
	}
}

func TestUnixSocketIsNotStolen(t *testing.T) {
	r := start(t, 1)
	s := newScript()
	s.data = echo
	config := ListenConfig{Network: "unix", Address: socketPath(t), Accept: func(*Conn) Handler { return s }}
	first, err := r.Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Listen(config); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("a second listener on a live socket: %v", err)
	}
	c := connect(t, first.Addr())
	write(t, c, []byte("alive"))
	expect(t, c, "alive")
	first.Close()
	if _, err := os.Lstat(config.Address); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the socket was left behind: %v", err)
	}
}

func TestStaleUnixSocketIsReplaced(t *testing.T) {
	r := start(t, 1)
	s := newScript()
	s.data = echo
	path := socketPath(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	ln, err := r.Listen(ListenConfig{Network: "unix", Address: path, Accept: func(*Conn) Handler { return s }})
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, ln.Addr())
	write(t, c, []byte("x"))
	expect(t, c, "x")

	// Someone replaces the socket; closing ours must leave theirs.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	theirs, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	ln.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("another's socket was removed: %v", err)
	}
}

func TestAbstractUnixSocket(t *testing.T) {
	r := start(t, 1)
	s := newScript()
	s.data = echo
	ln, err := r.Listen(ListenConfig{Network: "unix", Address: "@" + socketPath(t), Accept: func(*Conn) Handler { return s }})
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, ln.Addr())
	write(t, c, []byte("x"))
	expect(t, c, "x")
	ln.Close()
}

// shortage is a listener that the kernel refuses connections for a while.
type shortage struct {
	acceptor
	errs []error
}

func (s *shortage) Accept() (net.Conn, error) {
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	return s.acceptor.Accept()
}

// TestAcceptPausesAndResumes: no error of accept stops a listener, and each is
// followed by a longer pause.
func TestAcceptPausesAndResumes(t *testing.T) {
	r := start(t, 1)
	s := newScript()
	s.data = echo
	inner := plainListener(t)
	errs := []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EPROTO, syscall.EPERM}
	ln := &Listener{
		reactor: r, config: ListenConfig{Accept: func(*Conn) Handler { return s }}, log: quiet(),
		inner:     &shortage{acceptor: inner.(acceptor), errs: errs},
		exhausted: make(chan struct{}, 1), quit: make(chan struct{}), hurry: make(chan struct{}), done: make(chan struct{}),
	}
	began := time.Now()
	ln.Start()
	c := connect(t, inner.Addr())
	write(t, c, []byte("x"))
	expect(t, c, "x")
	if waited, least := time.Since(began), acceptPauseMin*(1<<len(errs)-1); waited < least {
		t.Errorf("%d errors took %v, want at least %v", len(errs), waited, least)
	}
	ln.Close()
}

// TestDroppedEnrolmentPausesAccept: descriptors may also run out between accept
// and loop.
func TestDroppedEnrolmentPausesAccept(t *testing.T) {
	ln := &Listener{log: quiet(), exhausted: make(chan struct{}, 1)}
	ln.conns.Store(3)
	ln.failed(syscall.EMFILE)
	ln.failed(errNotOpened)
	ln.failed(errors.New("another"))
	if len(ln.exhausted) != 1 || ln.Conns() != 0 {
		t.Fatalf("%d signals, %d connections", len(ln.exhausted), ln.Conns())
	}
}
