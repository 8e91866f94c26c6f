// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nibbler consumes a few bytes per offer, pauses, and resumes with a timer.
type nibbler struct {
	*script
	conn  *Conn
	timer Timer
	bite  int
	got   []byte
}

func (n *nibbler) OnData(c *Conn, b []byte) int {
	bite := min(n.bite, len(b))
	n.got = append(n.got, b[:bite]...)
	n.bite = n.bite*2 + 1
	c.PauseRead()
	n.conn = c
	n.timer.Expire = n
	c.Loop().Schedule(&n.timer, time.Millisecond)
	return bite
}

func (n *nibbler) OnTimer(int64) { n.conn.ResumeRead() }

// TestPauseKeepsEveryByte consumes a stream in odd bites with a pause after
// each; the FIN behind it is told last.
func TestPauseKeepsEveryByte(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, whole := range []bool{true, false} {
			r := start(t, 1)
			n := &nibbler{script: newScript(), bite: 1}
			address := "127.0.0.1:0"
			if network == "unix" {
				address = socketPath(t)
			}
			ln, err := r.Listen(ListenConfig{Network: network, Address: address, Accept: func(*Conn) Handler { return n }})
			if err != nil {
				t.Fatal(err)
			}
			c := connect(t, ln.Addr())
			want := pattern(300_000)
			go func() {
				c.Write(want)
				if whole {
					c.Close()
				} else {
					closeWrite(t, c)
				}
			}()
			if cause := receive(t, n.ended, "OnClose"); cause != CausePeerClosed {
				t.Fatalf("%s, whole %v: cause %v after %d bytes, %v", network, whole, cause, len(n.got), n.conn.Err())
			}
			if !bytes.Equal(n.got, want) {
				t.Fatalf("%s: got %d bytes, not the %d sent", network, len(n.got), len(want))
			}
		}
	}
}

// TestPauseStallsTheSender: while paused nothing is read, so the sender stops
// when the kernel's buffers are full; afterwards all of it arrives.
func TestPauseStallsTheSender(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	var got bytes.Buffer
	s := newScript()
	s.data = func(_ *Conn, b []byte) int { got.Write(b); return len(b) }
	c, conn := open(t, r, s)
	if err := onLoop(t, l, func() error {
		conn.PauseRead()
		return unix.SetsockoptInt(conn.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 64<<10)
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).SetWriteBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	if !onLoop(t, l, conn.ReadPaused) {
		t.Fatal("not paused")
	}
	eventually(t, "the kernel was told", func() bool { return onLoop(t, l, func() bool { return conn.muted }) })

	want := pattern(8 << 20)
	c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	n, err := c.Write(want)
	if err == nil {
		t.Fatal("8 MiB went to a connection that nobody reads")
	}
	if read := onLoop(t, l, l.Stats).BytesRead; read != 0 {
		t.Fatalf("%d bytes were read during the pause", read)
	}
	onLoop(t, l, func() any { conn.ResumeRead(); return nil })
	c.SetWriteDeadline(time.Now().Add(patience))
	write(t, c, want[n:])
	c.Close()
	receive(t, s.ended, "OnClose")
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("got %d bytes, not the %d sent", got.Len(), len(want))
	}
}

// TestPauseAndResumeInOneTurn costs no system call and loses nothing.
func TestPauseAndResumeInOneTurn(t *testing.T) {
	r := start(t, 1)
	s := newScript()
	var offers []string
	s.data = func(c *Conn, b []byte) int {
		offers = append(offers, string(b))
		if len(offers) == 1 {
			c.PauseRead()
			c.ResumeRead()
			c.PauseRead()
			c.ResumeRead()
			return len(b)
		}
		return echo(c, b)
	}
	c, _ := open(t, r, s)
	write(t, c, []byte("one"))
	eventually(t, "the first offer was made", func() bool { return onLoop(t, r.Loops()[0], func() bool { return len(offers) == 1 }) })
	write(t, c, []byte("two"))
	expect(t, c, "two")
}

// TestHeldFIN: the FIN arrives in the batch in which the handler pauses, before
// the kernel was told; it waits until the handler has seen every byte.
func TestHeldFIN(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	events := make(chan string, 8)
	s := newScript()
	s.data = func(c *Conn, b []byte) int {
		events <- string(b)
		if len(b) == 3 {
			c.PauseRead()
			return 1
		}
		return len(b)
	}
	s.fin = func(c *Conn) {
		events <- "fin"
		c.Append([]byte("bye"))
		c.Close()
	}
	c, conn := open(t, r, s)
	release := hold(t, l)
	write(t, c, []byte("abc"))
	closeWrite(t, c)
	release()
	if got := receive(t, events, "the bytes"); got != "abc" {
		t.Fatalf("got %q", got)
	}
	eventually(t, "the FIN was seen", func() bool { return onLoop(t, l, func() bool { return conn.finHeld }) })
	onLoop(t, l, func() any { conn.ResumeRead(); return nil })
	for _, want := range []string{"bc", "fin"} {
		if got := receive(t, events, want); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	expect(t, c, "bye")
	expectEOF(t, c)
}

// TestHangUpWhileHeld: the peer of a Unix socket closes behind its last bytes;
// a paused handler still sees them all, and then that its replies are in vain.
func TestHangUpWhileHeld(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	s := newScript()
	events := make(chan string, 8)
	s.data = func(c *Conn, b []byte) int {
		events <- string(b)
		if len(b) == 3 {
			c.PauseRead()
			return 1
		}
		return len(b)
	}
	s.fin = func(*Conn) { events <- "fin" }
	accept, conns := one(s)
	ln, err := r.Listen(ListenConfig{Network: "unix", Address: socketPath(t), Accept: accept})
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, ln.Addr())
	conn := receive(t, conns, "the connection")
	release := hold(t, l)
	write(t, c, []byte("abc"))
	c.Close()
	release()
	receive(t, events, "the bytes")
	eventually(t, "the FIN was seen", func() bool { return onLoop(t, l, func() bool { return conn.finHeld }) })
	elapse(t, l, 5*time.Millisecond)
	onLoop(t, l, func() any { conn.ResumeRead(); return nil })
	for _, want := range []string{"bc", "fin"} {
		if got := receive(t, events, want); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if cause := receive(t, s.ended, "OnClose"); cause != CausePeerReset {
		t.Fatalf("cause %v", cause)
	}
}

// TestReadsAreFair: a peer that sends without end is read one buffer per turn,
// so another's requests are answered.
func TestReadsAreFair(t *testing.T) {
	r := start(t, 1)
	s := newScript()
	s.ended = make(chan Cause, 2)
	s.data = func(c *Conn, b []byte) int {
		if len(b) > ReadBuffer {
			t.Errorf("one read of %d bytes", len(b))
		}
		if len(b) == 4 {
			c.Append(b)
		}
		return len(b)
	}
	ln := listen(t, r, func(*Conn) Handler { return s })
	flood, c := connect(t, ln.Addr()), connect(t, ln.Addr())
	stopped := make(chan any)
	go func() {
		defer close(stopped)
		for chunk := make([]byte, 1<<20); ; {
			if _, err := flood.Write(chunk); err != nil {
				return
			}
		}
	}()
	for range 200 {
		write(t, c, []byte("ping"))
		expect(t, c, "ping")
	}
	flood.Close()
	receive(t, stopped, "the flood to end")
}

// TestAbortWithinOnData: neither the rest of the input nor a kept part reaches
// the handler any more.
func TestAbortWithinOnData(t *testing.T) {
	for name, end := range map[string]func(*Conn){"close": (*Conn).Close, "abort": (*Conn).Abort} {
		t.Run(name, func(t *testing.T) {
			r := start(t, 1)
			s := newScript()
			offers := 0
			s.data = func(c *Conn, b []byte) int {
				if offers++; offers == 1 {
					c.PauseRead()
					return 1
				}
				end(c)
				return 0
			}
			c, conn := open(t, r, s)
			write(t, c, []byte("abc"))
			eventually(t, "bytes are kept", func() bool { return onLoop(t, conn.Loop(), func() bool { return conn.in != nil }) })
			onLoop(t, conn.Loop(), func() any { conn.ResumeRead(); return nil })
			io.Copy(io.Discard, c)
			if tcp := c.(*net.TCPConn); tcp.Close() != nil {
				t.Fatal("close")
			}
			receive(t, s.ended, "OnClose")
			if offers != 2 {
				t.Fatalf("%d offers, want 2", offers)
			}
		})
	}
}
