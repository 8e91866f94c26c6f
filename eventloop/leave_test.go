// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"testing"
	"time"
)

// leaver is a script that is told of peers that leave.
type leaver struct {
	*script
	left chan int
}

func (l *leaver) OnPeerLeft(_ *Conn, unread int) { l.left <- unread }

// TestPeerLeavesDuringAPause: the FIN behind unread bytes is told while reading
// is paused, once, also when it came before the pause; the bytes and the end
// still come in order after it.
func TestPeerLeavesDuringAPause(t *testing.T) {
	r := start(t, 1)
	loop := r.Loops()[0]
	s := &leaver{newScript(), make(chan int, 10)}
	fin := make(chan int, 1)
	bite, got := 10, 0
	s.data = func(c *Conn, b []byte) int {
		n := min(bite, len(b))
		got += n
		if n < len(b) || bite == 10 {
			c.PauseRead()
		}
		return n
	}
	s.fin = func(c *Conn) {
		fin <- got
		c.Close()
	}
	c, conn := open(t, r, s)
	write(t, c, make([]byte, 100))
	eventually(t, "it is paused", func() bool { return onLoop(t, loop, func() bool { return conn.muted }) })
	elapse(t, loop, 20*time.Millisecond)
	if len(s.left) > 0 {
		t.Fatal("told of a peer that is still there")
	}
	write(t, c, make([]byte, 1000))
	closeWrite(t, c)
	if n := receive(t, s.left, "OnPeerLeft"); n != 1090 {
		t.Errorf("%d bytes are unread, want 1090", n)
	}
	onLoop(t, loop, func() any { bite = 200; conn.ResumeRead(); return nil })
	if n := receive(t, s.left, "OnPeerLeft of another pause"); n < 1000-200 || n > 1090-200 {
		t.Errorf("%d bytes are unread in the second pause", n)
	}
	onLoop(t, loop, func() any { bite = 1 << 20; conn.ResumeRead(); return nil })
	if n := receive(t, fin, "OnPeerClosed"); n != 1100 {
		t.Errorf("%d bytes before the end, want 1100", n)
	}
	receive(t, s.ended, "OnClose")
	if len(s.left) > 0 {
		t.Error("told once more")
	}
}

// TestOutputGoesOnWhenThePeerLeft: both wait for the same watcher.
func TestOutputGoesOnWhenThePeerLeft(t *testing.T) {
	r := start(t, 1)
	loop := r.Loops()[0]
	s := &leaver{newScript(), make(chan int, 10)}
	c, conn := open(t, r, s)
	want := pattern(8 << 20)
	onLoop(t, loop, func() any {
		conn.PauseRead()
		conn.Append(want)
		return nil
	})
	eventually(t, "the kernel takes no more", func() bool { return onLoop(t, loop, func() bool { return conn.waiting && conn.muted }) })
	write(t, c, make([]byte, 7))
	closeWrite(t, c)
	if n := receive(t, s.left, "OnPeerLeft"); n != 7 {
		t.Errorf("%d bytes are unread, want 7", n)
	}
	expect(t, c, string(want))
	onLoop(t, loop, func() any { conn.ResumeRead(); return nil })
	receive(t, s.ended, "OnClose")
}
