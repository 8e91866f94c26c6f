// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lookaheadMax is how many ready descriptors one look finds. More are
	// found by the next one, after a flush.
	lookaheadMax = 256
	// lingerTime is how long a loop that has nothing to do looks for events
	// itself before it lets gnet wait. Below the 10 ms after which the runtime
	// interrupts whoever keeps a P; above the pauses of a proxy in use.
	lingerTime = 4 * time.Millisecond
	// servedWithin is when a turn ends at the latest, should a descriptor that
	// was seen get no callback.
	servedWithin = 5 * time.Millisecond
)

// lookahead is what the kernel has ready for a loop, seen before gnet serves
// it. gnet says neither how many connections a batch has nor when it ends, so
// the end of each batch looks at the next one: epoll is level-triggered, and
// gnet's own call that follows finds the same descriptors.
//
// A look waits in a system call that the runtime does not know of, so it keeps
// its P: a loop in use is not handed from thread to thread at each wait. The
// runtime can still interrupt it, by the signal with which it preempts. One P is
// always left to the process's other goroutines.
type lookahead struct {
	lingers bool // the loop may wait by itself
	ready   []unix.EpollEvent
	awaited []uint64 // a bit per descriptor that is ready and not served yet
	left    int      // how many
}

// lingering is how many loops of the process wait by themselves.
var lingering atomic.Int64

// allowLinger lets the loop wait by itself if that leaves a P to everyone else.
func (a *lookahead) allowLinger() {
	if a.lingers = lingering.Add(1) < int64(runtime.GOMAXPROCS(0)); !a.lingers {
		lingering.Add(-1)
	}
}

// endLinger is for a loop that has stopped.
func (a *lookahead) endLinger() {
	if a.lingers {
		lingering.Add(-1)
	}
}

// look fills the lookahead, waiting for at most d.
func (l *Loop) look(d time.Duration) {
	a := &l.ahead
	if a.ready == nil {
		a.ready = make([]unix.EpollEvent, lookaheadMax)
	}
	l.stats.Looks++
	for _, ev := range a.ready[:l.poll.wait(a.ready, d)] {
		if int(ev.Fd) != l.poll.efd {
			a.await(int(ev.Fd))
		} else if err := l.poll.rouse(); err != nil {
			l.log.Error("the loop's wake-up could not be passed on", "error", err)
		}
	}
}

func (a *lookahead) await(fd int) {
	word, bit := uint(fd)/64, uint64(1)<<(uint(fd)%64)
	if n := uint(len(a.awaited)); word >= n {
		a.awaited = append(a.awaited, make([]uint64, word+1-n)...)
	}
	if a.awaited[word]&bit == 0 {
		a.awaited[word] |= bit
		a.left++
	}
}

// served notes that fd had its turn, or will not have one. It tells whether it
// was awaited.
func (a *lookahead) served(fd int) bool {
	word, bit := uint(fd)/64, uint64(1)<<(uint(fd)%64)
	if word >= uint(len(a.awaited)) || a.awaited[word]&bit == 0 {
		return false
	}
	a.awaited[word] &^= bit
	a.left--
	return true
}

// forget awaits nothing any more.
func (a *lookahead) forget() {
	if a.left > 0 {
		clear(a.awaited)
		a.left = 0
	}
}
