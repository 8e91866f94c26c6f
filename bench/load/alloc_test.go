// SPDX-License-Identifier: Apache-2.0

//go:build !race

package load

import (
	"runtime"
	"testing"

	"github.com/sideloop/sideloop/bench"
)

// The race detector makes sync.Pool forget at random, hence the build tag.

// TestSteadyStateAllocatesNothing compares a short run with a long one: what a
// run needs once is in both. The service runs in this process too and must not
// allocate either.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	address, _ := serve(t, bench.Service{Speaks: bench.SpeaksAll})
	const short, long = 5_000, 55_000
	for _, p := range protocols {
		for _, rate := range []float64{0, 200_000} {
			o := Options{Target: address, Protocol: p, Connections: 2, InFlight: 32, Body: 500, Rate: rate}
			allocated := func(count uint64) uint64 {
				o.Count = count
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				if r := measure(t, o); r.Requests != count {
					t.Fatalf("%v: %d requests, errors %v", p, r.Requests, r.Errors)
				}
				runtime.ReadMemStats(&after)
				return after.Mallocs - before.Mallocs
			}
			allocated(short)
			first := allocated(short)
			// gnet's task queue allocates a node for a turn whose flush is put
			// off; a turn has many requests here. The longer run also hands
			// over more blocks, and a collection may empty the pools.
			if n := int64(allocated(long)) - int64(first); n > (long-short)/10 {
				t.Errorf("%v at %v/s: %d allocations for %d requests", p, rate, n, long-short)
			}
		}
	}
}
