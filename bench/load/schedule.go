// SPDX-License-Identifier: Apache-2.0

package load

import (
	"math"
	"time"
)

// schedule says when what is due in a run. Times are those of clock.
type schedule struct {
	start int64 // of the warm-up
	from  int64 // of the measured time
	until int64 // its end; forever when a count ends the run
	// gap is the time between two requests of an open loop, in nanoseconds;
	// 0 is a closed loop.
	gap         float64
	connections uint64
}

// startDelay is how long after the connections are there a run starts, so that
// every loop has got word of it.
const startDelay = 5 * time.Millisecond

func newSchedule(o *Options, now int64) *schedule {
	s := &schedule{start: now + int64(startDelay), until: forever, connections: uint64(o.Connections)}
	s.from = s.start + int64(o.WarmUp)
	if o.Duration > 0 {
		s.until = s.from + int64(o.Duration)
	}
	if o.Rate > 0 {
		s.gap = float64(time.Second) / o.Rate
	}
	return s
}

func (s *schedule) open() bool { return s.gap > 0 }

// due is when the n-th request of all is due.
func (s *schedule) due(n uint64) int64 { return s.start + int64(math.Round(float64(n)*s.gap)) }

// arrival is when the n-th request of a connection is due: they take turns.
func (s *schedule) arrival(connection, n uint64) int64 { return s.due(n*s.connections + connection) }

// measured tells whether a request that was due at t counts.
func (s *schedule) measured(t int64) bool { return t >= s.from }
