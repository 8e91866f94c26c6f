// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"math"
	"math/rand/v2"
	"sync/atomic"

	"github.com/sideloop/sideloop/config"
)

// The least and the most that one update may change the limit by, before headroom
// is added. They are Envoy's.
const (
	gradientMin = 0.5
	gradientMax = 2.0
)

// controller finds the limit. From time to time it lets in only a few requests,
// whose latency is that without load. In between it compares that with the latency
// of the requests that there are: while they are alike the limit grows, otherwise
// it shrinks as much as the latency has grown.
type controller struct {
	_        [64]byte
	inFlight atomic.Int64
	_        [56]byte
	limit    atomic.Int64
	// since is when the measurement under way began, 0 while there is none.
	since atomic.Int64
	_     [48]byte

	// busy is held by the loop that is in step; others do not wait for it. What
	// follows belongs to whoever holds it.
	busy        atomic.Bool
	samples     histogram
	floor       int64 // the latency without load
	held        int64 // the limit before the measurement
	nextUpdate  int64
	nextMeasure int64

	update, interval int64
	requests         uint32
	low, high        float64
	percentile       float64
	jitter, buffer   float64 // as parts of 1
	fixed            bool
	random           func() float64 // below 1
}

func newController(c *config.AdaptiveConcurrency) *controller {
	l := &controller{
		update: int64(c.UpdateInterval), interval: int64(c.MinRTTInterval), requests: c.MinRTTRequests,
		low: float64(c.MinConcurrency), high: float64(c.MaxConcurrency),
		percentile: c.Percentile, jitter: c.JitterPercent / 100, buffer: c.BufferPercent / 100,
		fixed: c.FixedMinRTT > 0, floor: int64(c.FixedMinRTT), held: int64(c.MinConcurrency), random: rand.Float64,
	}
	l.limit.Store(int64(c.MinConcurrency))
	if !l.fixed {
		l.since.Store(1)
	}
	return l
}

// enter counts one more request in progress unless that is too many.
func (l *controller) enter() bool {
	if l.inFlight.Add(1) > l.limit.Load() {
		l.inFlight.Add(-1)
		return false
	}
	return true
}

func (l *controller) leave() { l.inFlight.Add(-1) }

// step takes a loop's latencies and does what is due. If another loop is at it,
// recent is left as it is.
func (l *controller) step(now int64, recent *histogram) {
	if !l.busy.CompareAndSwap(false, true) {
		return
	}
	defer l.busy.Store(false)
	l.samples.take(recent)
	switch {
	case l.since.Load() > 0:
		if l.samples.total >= l.requests {
			l.measured(now)
		}
	case !l.fixed && now >= l.nextMeasure:
		l.measure(now)
	case now >= l.nextUpdate && l.samples.total > 0:
		l.adjust()
		l.nextUpdate = now + l.update
	}
}

// measure begins to measure the latency without load.
func (l *controller) measure(now int64) {
	l.held = l.limit.Load()
	l.limit.Store(int64(l.low))
	l.since.Store(now)
	l.samples = histogram{}
}

// measured ends it. The next one is not at the same time in every proxy.
func (l *controller) measured(now int64) {
	l.floor = max(l.samples.percentile(l.percentile), 1)
	l.samples = histogram{}
	l.limit.Store(l.held)
	l.since.Store(0)
	l.nextUpdate = now + l.update
	l.nextMeasure = now + l.interval + int64(float64(l.interval)*l.jitter*l.random())
}

// adjust moves the limit by what the latency has become of late.
func (l *controller) adjust() {
	latency := max(l.samples.percentile(l.percentile), 1)
	l.samples = histogram{}
	gradient := float64(l.floor) * (1 + l.buffer) / float64(latency)
	limit := float64(l.limit.Load()) * min(max(gradient, gradientMin), gradientMax)
	// Headroom lets a limit that is low find out that it could be higher.
	limit += math.Sqrt(limit)
	l.limit.Store(int64(min(max(limit, l.low), l.high)))
}
