// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"testing"
)

func TestLookahead(t *testing.T) {
	var a lookahead
	if a.served(3) || a.served(-1) {
		t.Error("what nobody awaits was awaited")
	}
	for _, fd := range []int{3, 64, 3, 1000} {
		a.await(fd)
	}
	if a.left != 3 {
		t.Errorf("%d are awaited, want 3", a.left)
	}
	if !a.served(64) || a.served(64) || a.served(65) || a.left != 2 {
		t.Errorf("after one was served %d are awaited, want 2", a.left)
	}
	a.forget()
	if a.left != 0 || a.served(3) || a.served(1000) {
		t.Error("something is awaited after all was forgotten")
	}
}

// TestBatchIsOneTurn: whatever is ready together is read in one turn, and a
// destination that all of it goes to is written once.
func TestBatchIsOneTurn(t *testing.T) {
	const sources = 16
	r := start(t, 1)
	l := r.Loops()[0]
	destination, sink := open(t, r, newScript())
	s := newScript()
	s.data = func(_ *Conn, b []byte) int {
		sink.Append(b)
		return len(b)
	}
	accept, conns := one(s)
	ln := listen(t, r, accept)
	send := make([]func(), sources)
	for i := range send {
		c := connect(t, ln.Addr())
		send[i] = func() { write(t, c, []byte("x")) }
		receive(t, conns, "a connection")
	}
	for round := range 20 {
		before := onLoop(t, l, func() Stats { // the loop finds all of them when it goes on
			for _, f := range send {
				f()
			}
			return l.stats
		})
		expect(t, destination, string(bytes.Repeat([]byte("x"), sources)))
		after := onLoop(t, l, l.Stats)
		// The reading turn and those of the two functions.
		if reads, writes, turns := after.Reads-before.Reads, after.Writes-before.Writes, after.Turns-before.Turns; reads != sources || writes != 1 || turns > 3 {
			t.Fatalf("round %d: %d reads and %d writes in %d turns", round, reads, writes, turns)
		}
	}
}

// TestUnservedDescriptor: a turn that waits for a descriptor that nobody serves
// ends all the same, and the loop goes on as before.
func TestUnservedDescriptor(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	s := newScript()
	s.data = func(c *Conn, b []byte) int {
		c.Append(b)
		l.ahead.await(l.poll.efd)
		return len(b)
	}
	c, _ := open(t, r, s)
	for range 3 {
		write(t, c, []byte("ping"))
		expect(t, c, "ping")
	}
	if left := onLoop(t, l, func() int { return l.ahead.left }); left != 0 {
		t.Errorf("%d descriptors are still awaited", left)
	}
}

// TestPostsAmidTraffic: what is posted while a loop looks ahead by itself is
// run, although gnet does not wait at that time.
func TestPostsAmidTraffic(t *testing.T) {
	r := start(t, 2)
	s := newScript()
	s.data = echo
	c, conn := open(t, r, s)
	for range 300 {
		write(t, c, []byte("ping"))
		onLoop(t, conn.Loop(), conn.Buffered)
		expect(t, c, "ping")
		onLoop(t, conn.Loop(), conn.Buffered)
	}
}
