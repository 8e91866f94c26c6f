// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// open returns a client's connection and its Conn.
func open(t testing.TB, r *Reactor, h Handler) (net.Conn, *Conn) {
	t.Helper()
	accept, conns := one(h)
	c := connect(t, listen(t, r, accept).Addr())
	return c, receive(t, conns, "the connection")
}

// TestWritesKeepTheirOrder mixes all three ways to write, small and large, so
// that some go out early, some straight from the caller and some at the end.
func TestWritesKeepTheirOrder(t *testing.T) {
	r := start(t, 1)
	c, conn := open(t, r, newScript())
	want := pattern(4 << 20)
	onLoop(t, conn.Loop(), func() any {
		rest := want
		for i := 0; len(rest) > 0; i++ {
			n := min([]int{1, 100, 5000, throughMin - 1, throughMin, 70_000, 200_000}[i%7], len(rest))
			switch i % 3 {
			case 0:
				conn.Append(rest[:n])
			case 1:
				copy(conn.Extend(n), rest)
			default:
				through := bytes.Clone(rest[:n])
				conn.WriteThrough(through)
				clear(through) // the caller's again
			}
			rest = rest[n:]
		}
		conn.Append(nil)
		conn.Extend(0)
		conn.Extend(-1)
		conn.WriteThrough(nil)
		conn.Close()
		return nil
	})
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d of %d bytes, equal: %v, %v", len(got), len(want), bytes.Equal(got, want), err)
	}
}

func TestEarlyFlushes(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	c, conn := open(t, r, newScript())
	for _, step := range []struct {
		name   string
		do     func()
		writes uint64 // before the end of the turn
		held   int
	}{
		{"a little", func() { conn.Append(make([]byte, 100)) }, 0, 100},
		{"up to the limit", func() { conn.Append(make([]byte, connOutput-1)) }, 0, connOutput - 1},
		{"over the limit", func() { conn.Append(make([]byte, connOutput)) }, 1, 0},
		{"room that goes over", func() { conn.Append(make([]byte, connOutput-1)); conn.Extend(2) }, 1, 2},
		{"a small write through", func() { conn.WriteThrough(make([]byte, throughMin-1)) }, 0, throughMin - 1},
		{"a large one behind a little", func() {
			conn.Append(make([]byte, 10))
			conn.WriteThrough(make([]byte, throughMin))
		}, 1, 0},
	} {
		type result struct {
			writes uint64
			held   int
		}
		got := onLoop(t, l, func() result {
			before := l.stats.Writes
			step.do()
			return result{l.stats.Writes - before, conn.Buffered()}
		})
		if got != (result{step.writes, step.held}) {
			t.Errorf("%s: %d writes, %d bytes held; want %d, %d", step.name, got.writes, got.held, step.writes, step.held)
		}
		eventually(t, "the turn has ended", func() bool { return onLoop(t, l, conn.Buffered) == 0 })
	}
	go io.Copy(io.Discard, c)
}

// TestTurnOutputIsBounded: one callback that fills many connections is flushed
// when it returns, although another connection of the batch is still to come.
func TestTurnOutputIsBounded(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	s := newScript()
	accept, conns := one(s)
	ln := listen(t, r, accept)
	var all []*Conn
	filled := false
	s.data = func(_ *Conn, b []byte) int {
		if !filled {
			filled = true
			for _, c := range all {
				c.Append(make([]byte, 32<<10))
			}
		}
		return len(b)
	}
	var peers []net.Conn
	for range 40 {
		c := connect(t, ln.Addr())
		go io.Copy(io.Discard, c)
		peers = append(peers, c)
		all = append(all, receive(t, conns, "a connection"))
	}
	early := onLoop(t, l, l.Stats).FlushesEarly
	onLoop(t, l, func() any { // both are ready when the loop goes on
		write(t, peers[0], []byte("a"))
		write(t, peers[1], []byte("b"))
		return nil
	})
	eventually(t, "the turn was flushed early", func() bool { return onLoop(t, l, l.Stats).FlushesEarly == early+1 })
}

// TestLittleGoesOutBeforeMuch: what the first connection of a batch has to send
// does not wait for all the large transfers of the others, although they are
// written through and held nowhere.
func TestLittleGoesOutBeforeMuch(t *testing.T) {
	const transfers = 16
	r := start(t, 1)
	l := r.Loops()[0]
	little, first := newScript(), make(chan any)
	turn, served, ahead := uint64(0), 0, 0
	accept, conns := one(little)
	c := connect(t, listen(t, r, accept).Addr())
	small := receive(t, conns, "a connection")
	var all []net.Conn
	for range transfers {
		large := newScript()
		large.data = func(c *Conn, b []byte) int {
			if served == 0 {
				turn = l.stats.Turns
				small.Append([]byte("little"))
			}
			if served++; l.stats.Turns == turn && small.Buffered() > 0 {
				ahead += 64 << 10
			}
			c.WriteThrough(make([]byte, 64<<10))
			if served == transfers {
				close(first)
			}
			return len(b)
		}
		peer, _ := open(t, r, large)
		go io.Copy(io.Discard, peer)
		all = append(all, peer)
	}
	onLoop(t, l, func() any { // all are ready when the loop goes on
		for _, c := range all {
			write(t, c, []byte("a"))
		}
		return nil
	})
	receive(t, first, "the transfers")
	expect(t, c, "little")
	if n := onLoop(t, l, func() int { return ahead }); n > turnOutput+64<<10 {
		t.Errorf("%d bytes of others were sent before it", n)
	}
}

// TestStuckReader: a peer that reads nothing blocks its connection, and nothing
// more is held; when it reads, OnWritable comes and all bytes arrive.
func TestStuckReader(t *testing.T) {
	for name, writeOne := range map[string]func(c *Conn, b []byte){
		"append":        func(c *Conn, b []byte) { c.Append(b) },
		"write through": func(c *Conn, b []byte) { c.WriteThrough(b) },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, 2)
			want := pattern(24 << 20)
			rest, mostHeld, blockedTimes := want, 0, 0
			blocked := make(chan any, 1)
			s := newScript()
			pour := func(c *Conn) {
				for len(rest) > 0 && !c.Blocked() {
					n := min(40_000, len(rest))
					writeOne(c, rest[:n])
					rest = rest[n:]
					mostHeld = max(mostHeld, c.Buffered())
				}
				if len(rest) == 0 {
					c.Close()
					return
				}
				if blockedTimes++; blockedTimes == 1 {
					blocked <- nil
				}
			}
			s.writable = pour
			c, conn := open(t, r, s)
			l := conn.Loop()
			onLoop(t, l, func() any { pour(conn); return nil })
			receive(t, blocked, "the connection to block")
			turns := onLoop(t, l, l.Stats).Turns
			elapse(t, r.Loops()[1-l.Index()], 100*time.Millisecond)
			if again := onLoop(t, l, l.Stats).Turns; again > turns+2 {
				t.Errorf("the loop made %d turns while the peer was stuck", again-turns)
			}
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d of %d bytes, equal: %v, %v", len(got), len(want), bytes.Equal(got, want), err)
			}
			c.Close()
			receive(t, s.ended, "OnClose")
			if limit := HighWatermark + connOutput + 40_000; mostHeld > limit {
				t.Errorf("%d bytes were held, want at most %d", mostHeld, limit)
			}
		})
	}
}

func TestWatermarks(t *testing.T) {
	for _, c := range []struct{ high, low, wantHigh, wantLow int }{
		{100, 50, 100, 50}, {100, 100, 100, 99}, {100, 200, 100, 99}, {0, 0, 1, 0}, {-5, -5, 1, 0},
	} {
		var conn Conn
		conn.SetWatermarks(c.high, c.low)
		if conn.high != c.wantHigh || conn.low != c.wantLow {
			t.Errorf("SetWatermarks(%d, %d): %d, %d", c.high, c.low, conn.high, conn.low)
		}
	}
}

// TestTurnIsNotBlocked: what a turn appends does not block a peer that reads.
func TestTurnIsNotBlocked(t *testing.T) {
	r := start(t, 1)
	c, conn := open(t, r, newScript())
	go io.Copy(io.Discard, c)
	onLoop(t, conn.Loop(), func() any {
		conn.SetWatermarks(1000, 0)
		conn.Append(make([]byte, 10_000))
		if conn.Blocked() {
			t.Error("blocked before the kernel refused anything")
		}
		return nil
	})
}
