// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"
	"time"
)

func TestHistogramTellsQuantiles(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 {
		t.Error("a quantile of nothing")
	}
	const n = 1000
	for i := range n {
		h.Observe(int64(time.Duration(i+1) * time.Millisecond))
	}
	if h.Count() != n || h.Sum() != n*(n+1)/2*time.Millisecond {
		t.Errorf("%d durations, together %v", h.Count(), h.Sum())
	}
	for _, q := range []float64{0, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
		want := max(q*n, 1) / 1000
		if got := h.Quantile(q).Seconds(); math.Abs(got-want) > want/8 {
			t.Errorf("the quantile %v is %v, want %v within an eighth", q, got, want)
		}
	}
}

// Below is exact at each power of two.
func TestHistogramBelow(t *testing.T) {
	var h Histogram
	first, last := Doublings()
	for d := first; d <= last; d++ {
		h.Observe(1<<d - 1)
		h.Observe(1 << d)
	}
	h.Observe(-1)
	h.Observe(math.MaxInt64)
	for d := first; d <= last; d++ {
		// What is shorter than 2^d: -1, both of each power before, and 2^d - 1.
		if n, want := h.Below(d), uint64(2*(d-first)+2); n != want {
			t.Errorf("%d below 2^%d, want %d", n, d, want)
		}
	}
}

func TestObserveAllocatesOnce(t *testing.T) {
	tr := NewMeter(1).Loop(0)
	tr.Observe(1)
	n := testing.AllocsPerRun(1000, func() {
		tr.Begin()
		tr.Observe(12345)
		tr.End(3, 502)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTraffic(t *testing.T) {
	m := NewMeter(2)
	for loop := range 2 {
		tr := m.Loop(loop)
		tr.Begin()
		tr.Begin()
		tr.End(0, 200)
		tr.Observe(int64(time.Second))
	}
	m.Loop(1).Begin()
	m.Loop(1).End(4, 999)
	var copied, sum Traffic
	for loop := range 2 {
		m.Loop(loop).CopyTo(&copied)
		copied.AddTo(&sum)
	}
	if sum.Begun() != 5 || sum.Ended() != 3 || sum.EndedFor(0) != 2 || sum.EndedFor(4) != 1 {
		t.Errorf("%d begun, %d ended: %v", sum.Begun(), sum.Ended(), sum.ended)
	}
	if sum.Replies(2) != 2 || sum.Replies(0) != 1 || sum.Duration().Count() != 2 {
		t.Errorf("replies %v, %d durations", sum.classes, sum.Duration().Count())
	}
	m.Loop(0).Observe(1)
	if copied.Duration() == m.Loop(1).Duration() || sum.Duration().Count() != 2 {
		t.Error("a copy shares what its loop counts")
	}
	room := copied.Duration()
	m.Loop(0).CopyTo(&copied)
	if copied.Duration() != room || room.Count() != 2 {
		t.Error("a copy does not use its memory again")
	}
	var none *Meter
	none.Loop(0).Begin()
	none.Loop(0).End(0, 200)
	none.Loop(0).Observe(1)
}

func BenchmarkTraffic(b *testing.B) {
	tr := NewMeter(1).Loop(0)
	for i := 0; b.Loop(); i++ {
		tr.Begin()
		tr.Observe(int64(i) << 8)
		tr.End(0, 200)
	}
}
