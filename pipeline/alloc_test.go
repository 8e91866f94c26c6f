// SPDX-License-Identifier: Apache-2.0

//go:build !race

package pipeline_test

import (
	"testing"

	"github.com/sideloop/sideloop/pipeline"
)

// TestExchangeAllocatesNothing sends thousands of requests through a worker from
// every protocol to every protocol.
func TestExchangeAllocatesNothing(t *testing.T) { allocateNothing(t) }

// TestObserversAllocateNothing does so with an observer.
func TestObserversAllocateNothing(t *testing.T) {
	allocateNothing(t, new(witness))
	allocateNothing(t, new(counter))
}

// counter is an observer that asks for nothing.
type counter struct{ n int }

func (c *counter) Observers(*pipeline.Wanted, int) []pipeline.Observer { return []pipeline.Observer{c} }

func (c *counter) Ended(*pipeline.Ended) { c.n++ }

func allocateNothing(t *testing.T, observing ...pipeline.Observing) {
	for _, r := range rigs {
		t.Run(r.name, func(t *testing.T) {
			g := newRig(t, r.down, r.up, 1<<10, observing...)
			g.wantNoAllocations(t)
			if n, want := g.answered(), (1+50+51)*len(g.callers); n != want {
				t.Errorf("%d of %d requests were answered", n, want)
			}
		})
	}
}

// wantNoAllocations counts over fifty rounds, after as many that make what is
// reused.
func (g *rig) wantNoAllocations(t *testing.T) {
	t.Helper()
	var allocs float64
	g.on(func() {
		for range 50 {
			g.round()
		}
		allocs = testing.AllocsPerRun(50, g.round)
	})
	if perRequest := allocs / float64(len(g.callers)); perRequest > 0.02 {
		t.Errorf("%.3f allocations per request", perRequest)
	}
}

// TestTracingAllocatesNothing: neither a request of which no span is made, nor, but
// for what the exporter's goroutine takes, one that has one.
func TestTracingAllocatesNothing(t *testing.T) {
	for _, r := range rigs {
		for _, way := range ways {
			t.Run(r.name+way.name, func(t *testing.T) {
				g := newRig(t, r.down, r.up, 1<<10, &traced{rate: way.rate})
				if way.parent {
					g.request = withParent(g.request)
				}
				g.wantNoAllocations(t)
			})
		}
	}
}
