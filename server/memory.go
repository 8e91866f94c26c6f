// SPDX-License-Identifier: Apache-2.0

package server

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// quietTime is how long the collector must have had nothing to do: what made
	// the heap grow is over, and 10 s after it the memory is back.
	quietTime = 4 * time.Second
	// heapFloor is a heap that is left as it is: the proxy's own at work.
	heapFloor = 8 << 20
)

// ReturnMemory gives the system back what a burst has left in the process, until
// stop is called. Go's collector has no reason to run once nothing allocates, as
// is usual here, and would keep the garbage of the burst for minutes. Nothing of
// this runs on a loop, and none of it while the collector does not.
func ReturnMemory() (stop func()) { return returnMemory(quietTime) }

func returnMemory(quiet time.Duration) (stop func()) {
	r := newReturner(quiet)
	r.timer = time.AfterFunc(quiet, r.look)
	r.watch()
	return r.stop
}

// returner waits for the collector to come to rest.
type returner struct {
	quiet time.Duration
	timer *time.Timer

	stopped atomic.Bool
	mu      sync.Mutex // looks, and the end
	samples []metrics.Sample
	done    uint64 // cycles of the collector that need no look any more
}

func newReturner(quiet time.Duration) *returner {
	return &returner{quiet: quiet, samples: []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}}
}

// sentinel is garbage by which the collector's next cycle is noticed.
type sentinel struct{ *returner }

// watch asks to be told of the next cycle.
func (r *returner) watch() {
	runtime.SetFinalizer(&sentinel{r}, func(s *sentinel) { s.cycled() })
}

func (r *returner) cycled() {
	if r.stopped.Load() {
		return
	}
	// At once, not after a look under way: what is made while a cycle marks
	// outlives that cycle, which nobody would notice.
	r.watch()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped.Load() {
		r.timer.Reset(r.quiet)
	}
}

// look follows a time without a cycle.
func (r *returner) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	cycles, resident := r.read()
	if r.stopped.Load() || cycles == r.done || resident <= heapFloor {
		return
	}
	debug.FreeOSMemory()
	// The cycle that this has run needs no look; any other that there was
	// meanwhile does, since it may have come too late to find the garbage.
	r.done = cycles + 1
	ReleaseImage()
}

// read returns the cycles so far and the heap that the system has given.
func (r *returner) read() (cycles, resident uint64) {
	metrics.Read(r.samples)
	for _, s := range r.samples[1:] {
		resident += s.Value.Uint64()
	}
	return r.samples[0].Value.Uint64(), resident
}

func (r *returner) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped.Store(true)
	r.timer.Stop()
}
