// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"net"
	"slices"
	"sync"
	"testing"
)

// runnerFunc makes a function a Runner.
type runnerFunc func()

func (f runnerFunc) Run() { f() }

func TestTasksRunAfterTheCallback(t *testing.T) {
	l := start(t, 1).Loops()[0]
	var got []string
	done := make(chan any)
	onLoop(t, l, func() any {
		a, b, c := &Task{}, &Task{}, &Task{}
		a.Runner = runnerFunc(func() { got = append(got, "a"); l.Queue(c) })
		b.Runner = runnerFunc(func() { got = append(got, "b") })
		c.Runner = runnerFunc(func() { got = append(got, "c"); close(done) })
		l.Queue(a)
		l.Queue(b)
		l.Queue(a)
		got = append(got, "callback")
		return nil
	})
	receive(t, done, "the tasks")
	if want := []string{"callback", "a", "b", "c"}; !slices.Equal(got, want) {
		t.Fatalf("order %v, want %v", got, want)
	}
}

// TestSelfQueueingWorkStarvesNobody: a task that queues itself and a post that
// posts itself run for ever, while a connection is served and posts arrive.
func TestSelfQueueingWorkStarvesNobody(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	s := newScript()
	s.data = echo
	c := connect(t, listen(t, r, func(*Conn) Handler { return s }).Addr())
	halt := false
	onLoop(t, l, func() any {
		task := &Task{}
		task.Runner = runnerFunc(func() {
			if !halt {
				l.Queue(task)
			}
		})
		l.Queue(task)
		var post func()
		post = func() {
			if !halt {
				l.Post(post)
			}
		}
		l.Post(post)
		return nil
	})
	for range 50 {
		write(t, c, []byte("ping"))
		expect(t, c, "ping")
	}
	onLoop(t, l, func() any { halt = true; return nil })
}

func TestPostKeepsTheOrderOfEachGoroutine(t *testing.T) {
	l := start(t, 1).Loops()[0]
	const posters, posts = 8, 2000
	var got [posters][]int
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := range posts {
				l.Post(func() { got[p] = append(got[p], i) })
			}
		})
	}
	wg.Wait()
	onLoop(t, l, func() any { return nil })
	for p := range posters {
		if len(got[p]) != posts || !slices.IsSorted(got[p]) {
			t.Fatalf("poster %d: %d posts ran, in order: %v", p, len(got[p]), slices.IsSorted(got[p]))
		}
	}
}

func TestPanicsAreContained(t *testing.T) {
	l := start(t, 1).Loops()[0]
	l.Post(func() { panic("post") })
	onLoop(t, l, func() any {
		l.Queue(&Task{Runner: runnerFunc(func() { panic("task") })})
		l.Schedule(&Timer{Expire: expirerFunc(func(int64) { panic("timer") })}, 0)
		return nil
	})
	eventually(t, "three panics are counted", func() bool { return onLoop(t, l, l.Stats).Panics == 3 })
}

func TestConnPanicsEndTheConnection(t *testing.T) {
	boom := func(*Conn) { panic("boom") }
	for name, c := range map[string]struct {
		data  func(c *Conn, b []byte) int
		fin   func(c *Conn)
		cause Cause
	}{
		"OnData":               {data: func(*Conn, []byte) int { panic("boom") }, cause: CausePanic},
		"OnPeerClosed":         {fin: boom, cause: CausePanic},
		"too much consumed":    {data: func(_ *Conn, b []byte) int { return len(b) + 1 }, cause: CausePanic},
		"negative":             {data: func(*Conn, []byte) int { return -1 }, cause: CausePanic},
		"left without a pause": {data: func(*Conn, []byte) int { return 0 }, cause: CausePanic},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, 1)
			s := newScript()
			s.data, s.fin = c.data, c.fin
			accept, conns := one(s)
			client := connect(t, listen(t, r, accept).Addr())
			write(t, client, []byte("x"))
			if c.fin != nil {
				closeWrite(t, client)
			}
			if cause := receive(t, s.ended, "OnClose"); cause != c.cause {
				t.Fatalf("cause %v, want %v", cause, c.cause)
			}
			conn := receive(t, conns, "the connection")
			if err := onLoop(t, conn.Loop(), conn.Err); err == nil {
				t.Fatal("no error tells what happened")
			}
		})
	}
}

func TestPanicInAcceptAndOnClose(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	ln := listen(t, r, func(*Conn) Handler { panic("accept") })
	// The reset may come before the client is told that it is connected.
	if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatal("the connection lives")
		}
		c.Close()
	}
	ln2 := listen(t, r, func(*Conn) Handler { return closePanics{} })
	connect(t, ln2.Addr()).Close()
	eventually(t, "both panics are counted", func() bool {
		s := onLoop(t, l, l.Stats)
		return s.Panics == 2 && s.Conns == 0
	})
	if l.Conns() != 0 || ln.Conns() != 0 || ln2.Conns() != 0 {
		t.Fatal("connections are still counted")
	}
}

type closePanics struct{}

func (closePanics) OnData(_ *Conn, b []byte) int { return len(b) }
func (closePanics) OnWritable(*Conn)             {}
func (closePanics) OnPeerClosed(c *Conn)         { c.Close() }
func (closePanics) OnClose(*Conn, Cause)         { panic("close") }
