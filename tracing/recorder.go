// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/tracing/propagation"
)

const (
	// batchSpans is how many spans are sent together at most, as by
	// OpenTelemetry's own exporters.
	batchSpans = 512
	// batchBytes bounds a batch in bytes: some 150 ordinary spans, so that what
	// is kept for reuse is small.
	batchBytes = 64 << 10
	// batchRoom is the least size of a batch: what few spans take.
	batchRoom = 4 << 10
	// spareTraces is how many traces a loop keeps for reuse; those of a burst are
	// left to the collector.
	spareTraces = 1024
)

// batch is spans in the form of OTLP.
type batch struct {
	spans int
	bytes message
}

// recorder is what a loop has of tracing, whatever its listeners: the batch that is
// being filled, and what is counted and bounded together. Only its loop uses it.
type recorder struct {
	exporter *Exporter
	loop     *eventloop.Loop
	random   *rand.ChaCha8
	timer    eventloop.Timer
	batch    *batch
	latest   int // size of the batch before
	free     *trace
	spare    int

	// limiter is that of generation, which is the target's.
	limiter    limiter
	generation *target
}

// take returns a trace that nothing refers to.
func (r *recorder) take() *trace {
	t := r.free
	if t == nil {
		return &trace{text: make([]byte, 0, textRoom)}
	}
	r.free, t.next = t.next, nil
	r.spare--
	return t
}

// give takes one back.
func (r *recorder) give(t *trace) {
	if r.spare >= spareTraces {
		return
	}
	*t = trace{text: t.text[:0], next: r.free}
	r.free = t
	r.spare++
}

// newTrace makes c the context of a trace that begins here.
func (r *recorder) newTrace(c *propagation.Context) {
	high, low := r.random.Uint64(), r.random.Uint64()
	digits := propagation.AppendHex(c.TraceID[:0], max(high, 1))
	propagation.AppendHex(digits, low)
	c.HasIDs = true
}

func (r *recorder) newSpan() (id [16]byte) {
	propagation.AppendHex(id[:0], max(r.random.Uint64(), 1))
	return id
}

// decide tells whether a trace is sampled whose sender left it open.
func (r *recorder) decide(c *propagation.Context, threshold uint64, now int64) bool {
	if threshold == 0 {
		return false
	}
	if threshold != math.MaxUint64 {
		n := low64(&c.TraceID)
		if c.Format == propagation.SOFA {
			n = mixed(n)
		}
		if n>>1 >= threshold {
			return false
		}
	}
	if at := r.exporter.target.Load(); at != r.generation {
		r.generation = at
		r.limiter = limit(at.maxPerSecond, len(r.exporter.recorders))
	}
	return r.limiter.pass(now)
}

// mixed spreads what is no random number: the last digits of SOFATracer's ids are
// those of a process.
func mixed(n uint64) uint64 {
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// record adds the span of a request that has ended.
func (r *recorder) record(t *trace, e *pipeline.Ended, w *headers) {
	b := r.batch
	if b == nil {
		b = r.exporter.newBatch(max(batchRoom, r.latest+r.latest/8))
		r.batch = b
		r.loop.Schedule(&r.timer, time.Duration(r.exporter.interval.Load()))
	}
	appendSpan(&b.bytes, t, e, w)
	b.spans++
	if b.spans >= batchSpans || len(b.bytes) >= batchBytes {
		r.flush()
	}
}

// flush hands the batch over.
func (r *recorder) flush() {
	r.timer.Stop()
	if b := r.batch; b != nil {
		r.latest = len(b.bytes)
		r.exporter.offer(b)
		r.batch = nil
	}
}

// OnTimer implements eventloop.Expirer: the first span of the batch has waited long
// enough.
func (r *recorder) OnTimer(int64) { r.flush() }
