// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if child := os.Getenv(childEnv); child != "" {
		os.Exit(runChild(child))
	}
	// The goroutine pool that gnet enrols with lives as long as the process,
	// and keeps idle workers for ten seconds.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

// quiet is a logger for tests that cause errors on purpose.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func start(t testing.TB, loops int) *Reactor {
	t.Helper()
	r, err := Start(Options{Loops: loops, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, r) })
	return r
}

func stop(t testing.TB, r *Reactor) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// listen accepts on a free port of the loopback.
func listen(t testing.TB, r *Reactor, accept func(c *Conn) Handler) *Listener {
	t.Helper()
	ln, err := r.Listen(ListenConfig{Network: "tcp", Address: "127.0.0.1:0", Accept: accept})
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// connect is a plain client, with a deadline so that no test hangs.
func connect(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// plainListener is a peer to dial to.
func plainListener(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func socketPath(t testing.TB) string { return filepath.Join(t.TempDir(), "s") }

// receive waits for a value.
func receive[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// onLoop runs fn on the loop and waits for it.
func onLoop[T any](t testing.TB, l *Loop, fn func() T) T {
	t.Helper()
	ch := make(chan T, 1)
	if !l.Post(func() { ch <- fn() }) {
		t.Fatal("the loop takes no posts")
	}
	return receive(t, ch, "a post")
}

// eventually polls a condition that other processes or the kernel bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func write(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// expect reads exactly want.
func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("reading %q: %v", want, err)
	}
	if string(got) != want {
		t.Fatalf("read %q, want %q", got, want)
	}
}

// expectEOF reads the peer's orderly end.
func expectEOF(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("read %d bytes and %v, want EOF", n, err)
	}
}

// script is a handler made of functions; nil ones have a plain default. ended
// gets the cause.
type script struct {
	data     func(c *Conn, b []byte) int
	writable func(c *Conn)
	fin      func(c *Conn)
	ended    chan Cause
}

func newScript() *script { return &script{ended: make(chan Cause, 64)} }

func (s *script) OnData(c *Conn, b []byte) int {
	if s.data == nil {
		return len(b)
	}
	return s.data(c, b)
}

func (s *script) OnWritable(c *Conn) {
	if s.writable != nil {
		s.writable(c)
	}
}

func (s *script) OnPeerClosed(c *Conn) {
	if s.fin == nil {
		c.Close()
		return
	}
	s.fin(c)
}

func (s *script) OnClose(_ *Conn, cause Cause) { s.ended <- cause }

// echo answers with what it gets.
func echo(c *Conn, b []byte) int {
	c.Append(b)
	return len(b)
}

// one accepts every connection with h and hands the Conns out.
func one(h Handler) (accept func(c *Conn) Handler, conns chan *Conn) {
	conns = make(chan *Conn, 64)
	return func(c *Conn) Handler {
		conns <- c
		return h
	}, conns
}

// closeWrite sends a FIN.
func closeWrite(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// sendReset closes with a RST.
func sendReset(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// hold stops the loop until the returned function is called, so that what the
// peers do meanwhile is one batch.
func hold(t testing.TB, l *Loop) (release func()) {
	t.Helper()
	held, free := make(chan any), make(chan any)
	l.Post(func() {
		close(held)
		<-free
	})
	receive(t, held, "the loop to be held")
	return func() { close(free) }
}

// pattern is n bytes that no shift or repetition leaves unnoticed.
func pattern(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(b)
	return b
}

// elapse waits for d, as the timer of another loop measures it.
func elapse(t testing.TB, clock *Loop, d time.Duration) {
	t.Helper()
	ticked := make(chan any)
	onLoop(t, clock, func() any {
		clock.Schedule(&Timer{Expire: expirerFunc(func(int64) { close(ticked) })}, d)
		return nil
	})
	receive(t, ticked, "the clock")
}
