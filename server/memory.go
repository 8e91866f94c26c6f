// SPDX-License-Identifier: Apache-2.0

package server

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
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
	r := &returner{quiet: quiet, samples: []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}}
	r.timer = time.AfterFunc(quiet, r.look)
	r.watch()
	return r.stop
}

// returner waits for the collector to come to rest.
type returner struct {
	quiet time.Duration
	timer *time.Timer

	mu      sync.Mutex // looks, and the end
	samples []metrics.Sample
	done    uint64 // cycles of the collector that need no look any more
	stopped bool
}

// sentinel is garbage by which the collector's next cycle is noticed.
type sentinel struct{ *returner }

// watch asks to be told of the next cycle.
func (r *returner) watch() {
	runtime.SetFinalizer(&sentinel{r}, func(s *sentinel) { s.cycled() })
}

func (r *returner) cycled() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped {
		r.timer.Reset(r.quiet)
		r.watch()
	}
}

// look follows a time without a cycle.
func (r *returner) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	cycles, resident := r.read()
	if r.stopped || cycles == r.done || resident <= heapFloor {
		return
	}
	debug.FreeOSMemory()
	r.done, _ = r.read()
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
	r.stopped = true
	r.timer.Stop()
}
