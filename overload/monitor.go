// SPDX-License-Identifier: Apache-2.0

package overload

import (
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// readEvery is the time between two readings.
	readEvery = time.Second
	// shrinkEvery keeps a process whose memory is really in use from doing
	// nothing but look for garbage.
	shrinkEvery = 10 * time.Second
)

// Limits say from which share of a resource on something is done without. 1 and
// more never happens.
type Limits struct {
	// Memory is the most bytes that the process should have, 0 where only what
	// its surroundings allow counts.
	Memory uint64
	// ShrinkHeap is the share of memory from which garbage is collected,
	// RefuseRequests that from which requests are answered with overloaded.
	ShrinkHeap, RefuseRequests float64
	// RefuseConnections is the share of memory or of descriptors from which
	// connections are left in the kernel's queue.
	RefuseConnections float64
}

// Pressure is what loops are to know. It has cache lines of its own.
type Pressure struct {
	_      [64]byte
	refuse atomic.Bool
	_      [64]byte
}

// RefuseRequests tells that new requests should be answered at once.
func (p *Pressure) RefuseRequests() bool { return p.refuse.Load() }

// Monitor reads and decides until it is stopped.
type Monitor struct {
	limits   Limits
	sources  sources
	pressure *Pressure
	// hold makes listeners stop to accept, or accept again.
	hold func(bool)
	log  *slog.Logger

	holding bool
	shrunk  time.Time
	quit    chan struct{}
	done    sync.WaitGroup
}

// Start starts a monitor. hold is called whenever connections should be held
// back, or no longer.
func Start(l Limits, p *Pressure, hold func(bool), log *slog.Logger) *Monitor {
	m := &Monitor{limits: l, sources: machine(l.Memory), pressure: p, hold: hold, log: log, quit: make(chan struct{})}
	m.done.Go(m.run)
	return m
}

// Stop ends the monitor and takes back what it decided.
func (m *Monitor) Stop() {
	close(m.quit)
	m.done.Wait()
	m.pressure.refuse.Store(false)
	if m.holding {
		m.hold(false)
	}
}

func (m *Monitor) run() {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			m.look(now)
		case <-m.quit:
			return
		}
	}
}

// look reads once and decides. Before it begins to refuse requests it has
// garbage collected, so that none are refused for what nobody uses.
func (m *Monitor) look(now time.Time) {
	memory := m.sources.memory()
	refusing := m.pressure.refuse.Load()
	begins := memory >= m.limits.RefuseRequests && !refusing
	if begins || memory >= m.limits.ShrinkHeap && now.Sub(m.shrunk) >= shrinkEvery {
		m.shrunk = now
		m.sources.shrink()
		memory = m.sources.memory()
	}
	descriptors := m.sources.descriptors()
	if refuse := memory >= m.limits.RefuseRequests; refuse != refusing {
		m.pressure.refuse.Store(refuse)
		m.log.Warn("overload: requests", "refused", refuse, "memory", memory)
	}
	if hold := max(memory, descriptors) >= m.limits.RefuseConnections; hold != m.holding {
		m.holding = hold
		m.hold(hold)
		m.log.Warn("overload: connections", "held_back", hold, "memory", memory, "descriptors", descriptors)
	}
}

// sources are the shares of resources in use, 0 where nothing is known, and how
// to use less.
type sources struct {
	memory, descriptors func() float64
	shrink              func()
}

// machine reads the machine that the process runs on.
func machine(stated uint64) sources {
	group := ownGroup()
	return sources{
		memory: func() float64 {
			return max(share(residentBytes, stated), group.share(), share(liveHeap, softLimit()))
		},
		descriptors: descriptorShare,
		shrink:      debug.FreeOSMemory,
	}
}

// share is what part of a limit is used; a limit of 0 is none.
func share(used func() uint64, limit uint64) float64 {
	if limit == 0 {
		return 0
	}
	return float64(used()) / float64(limit)
}
