// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// moveTo takes a quiet connection from its loop to a listener of another reactor,
// as two processes would.
func moveTo(t *testing.T, conn *Conn, to *Listener, accept func(*Conn) Handler) {
	t.Helper()
	l := conn.Loop()
	onLoop(t, l, func() any { conn.Freeze(); return nil })
	eventually(t, "the connection is still", func() bool { return onLoop(t, l, conn.Still) })
	var early []byte
	fd := onLoop(t, l, func() int {
		fd, err := conn.Duplicate()
		if err != nil {
			t.Error(err)
		}
		early = append(early, conn.Kept()...)
		return fd
	})
	f := os.NewFile(uintptr(fd), "moved")
	nc, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Adopt(nc, early, accept); err != nil {
		t.Fatal(err)
	}
	onLoop(t, l, func() any { conn.Moved(); return nil })
}

// TestConnectionsMove has a connection change hands again and again while its peer
// sends: every byte comes back once and in order, and the peer notices nothing.
func TestConnectionsMove(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := start(t, 1), start(t, 1)
			s := newScript()
			s.data = echo
			accept, conns := one(s)
			var ends [2]*Listener
			for i, r := range []*Reactor{a, b} {
				address := "127.0.0.1:0"
				if network == "unix" {
					address = filepath.Join(t.TempDir(), "s")
				}
				ln, err := r.Listen(ListenConfig{Network: network, Address: address, Accept: accept})
				if err != nil {
					t.Fatal(err)
				}
				ends[i] = ln
			}
			c := connect(t, ends[0].Addr())
			sent := pattern(4 << 20)
			go func() {
				for rest := sent; len(rest) > 0; {
					n := min(3000, len(rest))
					if _, err := c.Write(rest[:n]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[n:]
				}
			}()
			got := make(chan string, 1)
			go func() {
				b := make([]byte, len(sent))
				_, err := io.ReadFull(c, b)
				if err != nil {
					t.Error(err)
				}
				got <- string(b)
			}()
			for i := range 20 {
				conn := receive(t, conns, "the connection")
				moveTo(t, conn, ends[(i+1)%2], accept)
				if cause := receive(t, s.ended, "OnClose"); cause != CauseMoved {
					t.Fatalf("the connection ended here with %v", cause)
				}
			}
			if receive(t, got, "the echo") != string(sent) {
				t.Error("the echo is not what was sent")
			}
			receive(t, conns, "the last place of the connection")
			if n, m := ends[0].Conns(), ends[1].Conns(); n != 1 || m != 0 {
				t.Errorf("%d and %d connections, want 1 and 0", n, m)
			}
		})
	}
}

// TestFreeze: a frozen connection is read by nobody, whatever its handler wants;
// thawed it is as the handler has said last.
func TestFreeze(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	for _, paused := range []bool{false, true} {
		s := newScript()
		s.data = echo
		c, conn := open(t, r, s)
		onLoop(t, l, func() any {
			conn.Freeze()
			conn.PauseRead()
			conn.ResumeRead()
			if paused {
				conn.PauseRead()
			}
			return nil
		})
		eventually(t, "it is still", func() bool { return onLoop(t, l, conn.Still) })
		write(t, c, []byte("x"))
		elapse(t, l, 20*time.Millisecond)
		if got := onLoop(t, l, conn.ReadPaused); got != paused {
			t.Errorf("ReadPaused is %v", got)
		}
		onLoop(t, l, func() any { conn.Thaw(); return nil })
		if paused {
			if !onLoop(t, l, func() bool { return conn.paused }) {
				t.Error("it is read though its handler has paused")
			}
			onLoop(t, l, func() any { conn.ResumeRead(); return nil })
		}
		expect(t, c, "x")
	}
}

// TestMovable: what is encrypted, dialled, or about to end stays where it is.
func TestMovable(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	s := newScript()
	s.fin = func(*Conn) {}
	c, conn := open(t, r, s)
	if !onLoop(t, l, conn.Movable) {
		t.Error("a connection that was accepted is not movable")
	}
	if _, err := conn.Duplicate(); err == nil {
		t.Error("one that is read was duplicated")
	}
	closeWrite(t, c)
	eventually(t, "the FIN makes it stay", func() bool { return !onLoop(t, l, conn.Movable) })
	onLoop(t, l, func() any { conn.Abort(); return nil })
	receive(t, s.ended, "OnClose")
}

// inherited is a listener on the socket of another.
func inherited(t *testing.T, r *Reactor, from *Listener, config ListenConfig) *Listener {
	t.Helper()
	raw, err := from.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var f *os.File
	if err := raw.Control(func(fd uintptr) {
		dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
		}
		f = os.NewFile(uintptr(dup), "inherited")
	}); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	given := from.Share()
	given.Listener = l
	config.Inherited = &given
	ln, err := r.Bind(config)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// TestListenersShareAQueue: a listener that leaves has the queue go on, with its
// path; one that never accepted takes nothing along; the last one cleans up.
func TestListenersShareAQueue(t *testing.T) {
	path := socketPath(t)
	for _, config := range []ListenConfig{{Network: "tcp", Address: "127.0.0.1:0"}, {Network: "unix", Address: path}} {
		t.Run(config.Network, func(t *testing.T) {
			s := newScript()
			s.data = echo
			config.Accept, _ = one(s)
			a, b := start(t, 1), start(t, 1)
			first, err := a.Listen(config)
			if err != nil {
				t.Fatal(err)
			}
			if err := inherited(t, b, first, config).Close(); err != nil {
				t.Fatal(err)
			}
			connect(t, first.Addr())
			second := inherited(t, b, first, config)
			if err := first.Leave(); err != nil {
				t.Fatal(err)
			}
			c := connect(t, first.Addr()) // waits in the queue
			write(t, c, []byte("x"))
			second.Start()
			expect(t, c, "x")
			if err := second.Close(); err != nil {
				t.Fatal(err)
			}
			if c, err := net.Dial(config.Network, first.Addr().String()); err == nil {
				c.Close()
				t.Error("somebody still listens")
			}
		})
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the last listener has left its path behind")
	}
}
