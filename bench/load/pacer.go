// SPDX-License-Identifier: Apache-2.0

package load

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// pacer wakes the loops when something is due in an open loop. It is a thread of
// its own that sleeps in the kernel: the timers of loops and of the Go runtime
// have steps of a millisecond.
type pacer struct {
	schedule *schedule
	calls    []*wakeUp // one per loop
	stopped  atomic.Bool
	done     chan struct{}
}

// wakeUp makes a loop send what is due. It is posted again only after it ran, so
// that a loop that is late is not buried in them.
type wakeUp struct {
	worker *worker
	posted atomic.Bool
	run    func()
}

func newWakeUp(w *worker) *wakeUp {
	u := &wakeUp{worker: w}
	u.run = func() {
		u.posted.Store(false)
		w.turn()
	}
	return u
}

func (u *wakeUp) post() {
	if !u.posted.Swap(true) {
		u.worker.loop.Post(u.run)
	}
}

const (
	// paceStep is the shortest sleep. At higher rates what has become due
	// meanwhile is sent together: waking up more often would cost more than
	// the exactness is worth.
	paceStep = int64(200 * time.Microsecond)
	// paceLongest bounds how long stopping a pacer takes.
	paceLongest = int64(20 * time.Millisecond)
)

func startPacer(workers []*worker, s *schedule) *pacer {
	p := &pacer{schedule: s, done: make(chan struct{})}
	for _, w := range workers {
		p.calls = append(p.calls, newWakeUp(w))
	}
	go p.run()
	return p
}

func (p *pacer) run() {
	defer close(p.done)
	// The thread is not given back, and ends with its odd timer slack.
	runtime.LockOSThread()
	// Without this the kernel adds up to 50 µs to every sleep. Where it is
	// refused, Delay shows it.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	for n := uint64(0); !p.stopped.Load(); {
		now := clock()
		due := p.schedule.due(n)
		if due >= p.schedule.until {
			sleep(paceLongest)
			continue
		}
		if due > now {
			sleep(min(due-now, paceLongest))
			continue
		}
		last := max(p.schedule.dueBy(now), n)
		p.wake(n, last)
		n = last + 1
		if p.schedule.due(n) < now+paceStep {
			sleep(paceStep)
		}
	}
}

// wake posts to the loops whose connections the requests from first to last are
// due on.
func (p *pacer) wake(first, last uint64) {
	loops := uint64(len(p.calls))
	for n := first; n <= last && n-first < loops; n++ {
		p.calls[n%p.schedule.connections%loops].post()
	}
}

// sleep may be woken early by a signal.
func sleep(ns int64) {
	t := unix.NsecToTimespec(ns)
	_ = unix.Nanosleep(&t, nil)
}

func (p *pacer) stop() {
	p.stopped.Store(true)
	<-p.done
}
