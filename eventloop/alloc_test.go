// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"io"
	"net"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"
)

// pingPong echoes through a reactor: clients with inFlight requests of 64 bytes
// each, rounds times.
func pingPong(t testing.TB, clients []net.Conn, inFlight, rounds int) {
	t.Helper()
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			c.SetDeadline(time.Now().Add(patience))
			b := make([]byte, 64*inFlight)
			for range rounds {
				if _, err := c.Write(b); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(c, b); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// timed echoes 64-byte requests, each with a timeout and a task of its own.
type timed struct {
	*script
	timer Timer
	task  Task
}

func (h *timed) OnTimer(int64) {}
func (h *timed) Run()          {}

func (h *timed) OnData(c *Conn, b []byte) int {
	for i := 0; i+64 <= len(b); i += 64 {
		c.Loop().Schedule(&h.timer, time.Minute)
		c.Loop().Queue(&h.task)
		copy(c.Extend(64), b[i:])
		h.timer.Stop()
	}
	return len(b)
}

// TestSteadyStateAllocates almost nothing: gnet's task queue costs one node per
// turn, whatever the turn carries.
func TestSteadyStateAllocates(t *testing.T) {
	r := start(t, 1)
	ln := listen(t, r, func(*Conn) Handler {
		h := &timed{script: newScript()}
		h.timer.Expire, h.task.Runner = h, h
		return h
	})
	var clients []net.Conn
	for range 16 {
		clients = append(clients, connect(t, ln.Addr()))
	}
	const inFlight, rounds = 16, 300
	pingPong(t, clients, inFlight, 50)
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}}
	objects := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64() + sample[1].Value.Uint64()
	}
	before := objects()
	pingPong(t, clients, inFlight, rounds)
	requests := len(clients) * inFlight * rounds
	perRequest := float64(objects()-before) / float64(requests)
	t.Logf("%.4f allocations per request over %d requests", perRequest, requests)
	if perRequest > allocsAllowed {
		t.Fatalf("%.4f allocations per request, want at most %v", perRequest, allocsAllowed)
	}
}

func BenchmarkPingPong(b *testing.B) {
	r := start(b, 1)
	s := newScript()
	s.data = echo
	c := connect(b, listen(b, r, func(*Conn) Handler { return s }).Addr())
	b.ReportAllocs()
	for b.Loop() {
		write(b, c, []byte("ping"))
		expect(b, c, "ping")
	}
}

func BenchmarkSchedule(b *testing.B) {
	l := &Loop{now: 1}
	l.wheel.due = never
	timer := &Timer{Expire: expirerFunc(func(int64) {})}
	b.ReportAllocs()
	for b.Loop() {
		l.Schedule(timer, time.Second)
		timer.Stop()
	}
}
