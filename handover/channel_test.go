// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// channels is both ends of one.
func channels(t testing.TB) (a, b *channel) {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ends := make([]*channel, 2)
	for i, fd := range pair {
		c, err := unixConn(os.NewFile(uintptr(fd), "end"))
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = &channel{conn: c}
		t.Cleanup(ends[i].close)
	}
	return ends[0], ends[1]
}

// talk is a successor and its predecessor in one process.
func talk(t *testing.T) (*Successor, *Predecessor) {
	t.Helper()
	a, b := channels(t)
	return &Successor{channel: a, exited: make(chan struct{}), kept: make(map[string]bool)}, &Predecessor{channel: b}
}

// connection is both ends of one of TCP.
func connection(t *testing.T) (client net.Conn, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); accepted.Close() })
	return client, accepted.(*net.TCPConn)
}

// Connections arrive with their early bytes, small and large; the verdict on each
// is that of the new process, or that nobody knows.
func TestMove(t *testing.T) {
	s, p := talk(t)
	type arrival struct {
		Connection
		nc net.Conn
	}
	arrivals := make(chan arrival, 10)
	served := make(chan error, 1)
	go func() {
		served <- p.Serve(func(c Connection, nc net.Conn) error {
			if c.Listener == "closed" {
				nc.Close()
				return errors.New("not today")
			}
			arrivals <- arrival{c, nc}
			return nil
		})
	}()
	move := func(c Connection, from *net.TCPConn) error {
		verdict := make(chan error, 1)
		err := withDescriptor(from, func(fd int) error { return s.Move(c, fd, func(err error) { verdict <- err }) })
		if err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-verdict:
			return err
		case <-time.After(patience):
			t.Fatal("there is no verdict")
			return nil
		}
	}
	for _, early := range []string{"", "x", strings.Repeat("large", 1<<20)} {
		client, server := connection(t)
		if err := move(Connection{Listener: "in", Protocol: "bolt", Early: []byte(early)}, server); err != nil {
			t.Fatal(err)
		}
		server.Close()
		a := <-arrivals
		if string(a.Early) != early || a.Listener != "in" || a.Protocol != "bolt" {
			t.Errorf("%d bytes of %d arrived for %s %s", len(a.Early), len(early), a.Listener, a.Protocol)
		}
		if _, err := a.nc.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		if _, err := client.Read(b); err != nil || string(b) != "hello" {
			t.Errorf("the client reads %q, %v", b, err)
		}
		a.nc.Close()
	}
	_, server := connection(t)
	if err := move(Connection{Listener: "closed"}, server); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "not today") {
		t.Errorf("the verdict is %v", err)
	}
	s.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := withDescriptor(server, func(fd int) error { return s.Move(Connection{}, fd, nil) }); err == nil {
		t.Error("a connection is moved though nobody is there")
	}
}

// A new process that ends without a word leaves nobody waiting.
func TestMoveWithoutVerdict(t *testing.T) {
	s, p := talk(t)
	_, server := connection(t)
	verdict := make(chan error, 1)
	if err := withDescriptor(server, func(fd int) error { return s.Move(Connection{}, fd, func(err error) { verdict <- err }) }); err != nil {
		t.Fatal(err)
	}
	m, err := p.channel.receive(time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	m.close()
	p.channel.close()
	if err := <-verdict; err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("the verdict is %v", err)
	}
	s.Close()
}

// FuzzReceive has the other process send anything at all.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x02{}"))
	f.Add([]byte("\x08\x00\x00\x00\x00\x00\x00\x0e{\"Early\":\"eA==\"}"))
	f.Add([]byte("\x02\x01\x00\x00\x00\x00\x00\x04null"))
	f.Add([]byte("\x03\x00\x00\x00\xff\xff\xff\xff"))
	f.Add([]byte("\x01\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, p := channels(t)
		if _, err := a.conn.Write(b); err != nil {
			t.Fatal(err)
		}
		a.close()
		for range len(b) + 1 {
			m, err := p.receive(time.Now().Add(patience))
			if err != nil {
				return
			}
			var c Connection
			_ = m.read(&c) // must not panic
			m.close()
		}
		t.Error("messages without end")
	})
}
