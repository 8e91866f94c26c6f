// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkFlush appends 16 frames of 256 bytes and sends them with one write; the
// peer takes them from time to time.
func BenchmarkFlush(b *testing.B) {
	r := start(b, 1)
	accept, conns := one(newScript())
	peer := connect(b, listen(b, r, accept).Addr())
	go io.Copy(io.Discard, peer)
	c := receive(b, conns, "a connection")
	frame := make([]byte, 256)
	b.ReportAllocs()
	onLoop(b, c.loop, func() bool {
		for b.Loop() {
			for range 16 {
				copy(c.Extend(len(frame)), frame)
			}
			for c.flush(); c.waiting; c.flush() {
				fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLOUT}}
				if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
					b.Error(err)
				}
				c.waiting = false
			}
		}
		return true
	})
}

// BenchmarkScheduleSooner moves a timer that is due before anyway, which is what
// most requests do.
func BenchmarkScheduleSooner(b *testing.B) {
	l := &Loop{now: 1}
	l.wheel.due = never
	timer := &Timer{Expire: expirerFunc(func(int64) {})}
	b.ReportAllocs()
	for b.Loop() {
		l.ScheduleSooner(timer, 1000)
	}
}
