// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCloseLosesNothing: 16 MiB are appended and the connection is closed in
// one callback; the peer, which is slow, still gets all of it, though it goes on
// sending what nobody reads.
func TestCloseLosesNothing(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			r := start(t, 1)
			s := newScript()
			accept, conns := one(s)
			address := "127.0.0.1:0"
			if network == "unix" {
				address = socketPath(t)
			}
			ln, err := r.Listen(ListenConfig{Network: network, Address: address, Accept: accept})
			if err != nil {
				t.Fatal(err)
			}
			c := connect(t, ln.Addr())
			conn := receive(t, conns, "the connection")
			want := pattern(16 << 20)
			onLoop(t, conn.Loop(), func() any {
				conn.Append(want)
				conn.Close()
				conn.Append([]byte("too late"))
				conn.Close()
				return nil
			})
			write(t, c, bytes.Repeat([]byte("unread"), 10_000))
			var got bytes.Buffer
			for chunk := make([]byte, 300_000); ; {
				n, err := c.Read(chunk)
				got.Write(chunk[:n])
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				elapse(t, conn.Loop(), time.Millisecond)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Fatalf("got %d bytes, not the %d sent", got.Len(), len(want))
			}
			c.Close()
			if cause := receive(t, s.ended, "OnClose"); cause != CauseLocal {
				t.Fatalf("cause %v", cause)
			}
		})
	}
}

// TestHalfClose: the client sends its requests and a FIN; the replies, which
// take their time, arrive one by one, and then our FIN.
func TestHalfClose(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			r := start(t, 1)
			l := r.Loops()[0]
			s := newScript()
			replies := ""
			s.fin = func(c *Conn) {
				var timer Timer
				timer.Expire = expirerFunc(func(int64) {
					reply := []byte{'0' + byte(len(replies))}
					replies += string(reply)
					c.Append(reply)
					if len(replies) == 3 {
						c.Close()
						return
					}
					l.Schedule(&timer, 2*time.Millisecond)
				})
				l.Schedule(&timer, 2*time.Millisecond)
			}
			address := "127.0.0.1:0"
			if network == "unix" {
				address = socketPath(t)
			}
			ln, err := r.Listen(ListenConfig{Network: network, Address: address, Accept: func(*Conn) Handler { return s }})
			if err != nil {
				t.Fatal(err)
			}
			c := connect(t, ln.Addr())
			write(t, c, []byte("requests"))
			closeWrite(t, c)
			expect(t, c, "012")
			expectEOF(t, c)
			if cause := receive(t, s.ended, "OnClose"); cause != CausePeerClosed {
				t.Fatalf("cause %v", cause)
			}
			if s := onLoop(t, l, l.Stats); s.HalfClosed != 1 || s.Conns != 0 {
				t.Fatalf("%d half closed, %d open", s.HalfClosed, s.Conns)
			}
		})
	}
}

// TestCloseAtFINNeedsNoDescriptor: what is left fits the kernel, so nothing is
// duplicated; if it does not, the connection lives until it is taken.
func TestCloseAtFINNeedsNoDescriptor(t *testing.T) {
	for _, c := range []struct{ size, halfClosed int }{{0, 0}, {1000, 0}, {16 << 20, 1}} {
		r := start(t, 1)
		l := r.Loops()[0]
		s := newScript()
		want := pattern(c.size)
		s.fin = func(c *Conn) {
			c.Append(want)
			c.Close()
		}
		client, _ := open(t, r, s)
		closeWrite(t, client)
		if c.size > 1<<20 {
			eventually(t, "the connection lives on", func() bool { return onLoop(t, l, l.Stats).HalfClosed == 1 })
		}
		got, err := io.ReadAll(client)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d of %d bytes, %v", len(got), len(want), err)
		}
		if cause := receive(t, s.ended, "OnClose"); cause != CausePeerClosed {
			t.Fatalf("cause %v", cause)
		}
		if s := onLoop(t, l, l.Stats); s.HalfClosed != uint64(c.halfClosed) {
			t.Errorf("%d bytes: %d half closed, want %d", c.size, s.HalfClosed, c.halfClosed)
		}
	}
}

// TestResetIsSeen in every state of a connection.
func TestResetIsSeen(t *testing.T) {
	for name, prepare := range map[string]func(l *Loop, client net.Conn, c *Conn){
		"open":   func(*Loop, net.Conn, *Conn) {},
		"paused": func(l *Loop, _ net.Conn, c *Conn) { onLoop(t, l, func() any { c.PauseRead(); return nil }) },
		"half closed": func(l *Loop, client net.Conn, c *Conn) {
			closeWrite(t, client)
			eventually(t, "it is half closed", func() bool { return onLoop(t, l, l.Stats).HalfClosed == 1 })
		},
		"stuck": func(l *Loop, client net.Conn, c *Conn) {
			onLoop(t, l, func() any { c.Append(make([]byte, 16<<20)); return nil })
			eventually(t, "it is blocked", func() bool { return onLoop(t, l, c.Blocked) })
		},
		"stuck and half closed": func(l *Loop, client net.Conn, c *Conn) {
			onLoop(t, l, func() any { c.Append(make([]byte, 16<<20)); return nil })
			closeWrite(t, client)
			eventually(t, "it is half closed", func() bool { return onLoop(t, l, l.Stats).HalfClosed == 1 })
		},
		"closing": func(l *Loop, client net.Conn, c *Conn) {
			onLoop(t, l, func() any { c.Append(make([]byte, 16<<20)); c.Close(); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, 1)
			s := newScript()
			s.fin = func(*Conn) {}
			client, c := open(t, r, s)
			prepare(c.Loop(), client, c)
			sendReset(t, client)
			if cause := receive(t, s.ended, "OnClose"); cause != CausePeerReset {
				t.Fatalf("cause %v (%v)", cause, onLoop(t, c.Loop(), c.Err))
			}
			if err := onLoop(t, c.Loop(), c.Err); !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EPIPE) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestEarlyReplyIsRead: our write fails because the peer reset the connection,
// but what it said before is still delivered.
func TestEarlyReplyIsRead(t *testing.T) {
	r := start(t, 1)
	s := newScript()
	got := make(chan string, 1)
	s.data = func(_ *Conn, b []byte) int { got <- string(b); return len(b) }
	client, c := open(t, r, s)
	held, free := make(chan any), make(chan any)
	c.Loop().Post(func() {
		close(held)
		<-free
		c.WriteThrough(make([]byte, throughMin))
		c.Append([]byte("no-op"))
		if !c.broken || c.Buffered() != 0 || c.Closed() {
			t.Error("the write did not fail")
		}
	})
	receive(t, held, "the loop to be held")
	write(t, client, []byte("413"))
	sendReset(t, client)
	close(free)
	if reply := receive(t, got, "the reply"); reply != "413" {
		t.Fatalf("got %q", reply)
	}
	if cause := receive(t, s.ended, "OnClose"); cause != CausePeerReset {
		t.Fatalf("cause %v", cause)
	}
}

// TestWriteToPeerThatLeft in the states in which nothing can be read any more.
func TestWriteToPeerThatLeft(t *testing.T) {
	r := start(t, 1)
	s := newScript()
	s.fin = func(*Conn) {}
	path := socketPath(t)
	accept, conns := one(s)
	ln, err := r.Listen(ListenConfig{Network: "unix", Address: path, Accept: accept})
	if err != nil {
		t.Fatal(err)
	}
	client := connect(t, ln.Addr())
	c := receive(t, conns, "the connection")
	onLoop(t, c.Loop(), func() any { c.PauseRead(); return nil })
	client.Close() // unnoticed: the connection is paused
	onLoop(t, c.Loop(), func() any { c.Append([]byte("x")); return nil })
	if cause := receive(t, s.ended, "OnClose"); cause != CausePeerReset {
		t.Fatalf("cause %v", cause)
	}
}

func TestAbortSendsReset(t *testing.T) {
	r := start(t, 1)
	s := newScript()
	client, c := open(t, r, s)
	onLoop(t, c.Loop(), func() any {
		c.Append([]byte("half a frame"))
		c.Abort()
		if len(s.ended) != 0 {
			t.Error("OnClose was called from within Abort")
		}
		c.Abort()
		c.Close()
		return nil
	})
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("the client read %v", err)
	}
	if cause := receive(t, s.ended, "OnClose"); cause != CauseAborted {
		t.Fatalf("cause %v", cause)
	}
}

// TestClosingIsBounded: the timers of a close are brought forward, and end a
// connection whose peer does not do its part.
func TestClosingIsBounded(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		cause Cause
	}{{"no FIN", 10, CauseLocal}, {"takes nothing", 16 << 20, CauseStalled}} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, 1)
			l := r.Loops()[0]
			s := newScript()
			client, conn := open(t, r, s)
			onLoop(t, l, func() any {
				conn.Append(make([]byte, c.size))
				conn.Close()
				return nil
			})
			wanted := phaseLingering
			if c.cause == CauseStalled {
				wanted = phaseClosing
			}
			eventually(t, "the close waits for the peer", func() bool {
				return onLoop(t, l, func() bool { return conn.phase == wanted && conn.timer.Pending() && !conn.dirty })
			})
			// The first expiry sees the progress of the first write.
			for len(s.ended) == 0 {
				onLoop(t, l, func() any {
					if conn.phase != phaseEnded {
						l.Schedule(conn.timer, 0)
					}
					return nil
				})
			}
			if cause := receive(t, s.ended, "OnClose"); cause != c.cause {
				t.Fatalf("cause %v, want %v", cause, c.cause)
			}
			client.Close()
		})
	}
}

func TestCauseWords(t *testing.T) {
	seen := map[string]bool{}
	for c := range causeCount {
		word := c.String()
		if word == "" || seen[word] {
			t.Errorf("cause %d is called %q", c, word)
		}
		seen[word] = true
	}
	if causeCount.String() != "unknown" {
		t.Error("a cause out of range has a word")
	}
	for _, c := range []struct {
		err  error
		want Cause
	}{
		{unix.ECONNRESET, CausePeerReset}, {unix.EPIPE, CausePeerReset}, {io.EOF, CausePeerReset},
		{unix.ETIMEDOUT, CauseFailed}, {unix.EMFILE, CauseExhausted}, {unix.ENOBUFS, CauseExhausted},
	} {
		if got := causeOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

// TestHangUpBetweenCloseAndFlush: a peer that is known to have finished sending
// and hangs up altogether has not reset a connection that has nothing to send.
func TestHangUpBetweenCloseAndFlush(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	s := newScript()
	s.fin = func(*Conn) {}
	client, c := open(t, r, s)
	closeWrite(t, client)
	eventually(t, "it is half closed", func() bool { return onLoop(t, l, l.Stats).HalfClosed == 1 })
	onLoop(t, l, func() any {
		c.Close()
		c.onHangUp()
		return nil
	})
	if cause := receive(t, s.ended, "OnClose"); cause != CausePeerClosed {
		t.Fatalf("cause %v", cause)
	}
}
