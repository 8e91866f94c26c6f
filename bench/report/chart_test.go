// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/bench/result"
)

func labels(s scale) string {
	var b strings.Builder
	for i, t := range s.ticks {
		if i > 0 {
			b.WriteString(" | ")
		}
		_, _ = fmt.Fprintf(&b, "%s@%.3f", t.label, t.at)
	}
	return b.String()
}

func TestScales(t *testing.T) {
	for _, c := range []struct {
		name  string
		scale scale
		want  string
	}{
		{"linear", linearScale(47, secondsLabel), "0 s@0.000 | 10 s@0.200 | 20 s@0.400 | 30 s@0.600 | 40 s@0.800 | 50 s@1.000"},
		{"linear, exact", linearScale(10, secondsLabel), "0 s@0.000 | 2 s@0.200 | 4 s@0.400 | 6 s@0.600 | 8 s@0.800 | 10 s@1.000"},
		{"nothing", linearScale(0, rateLabel), "0@0.000 | 1@1.000"},
		{"rates", linearScale(123_000, rateLabel), "0@0.000 | 50k@0.333 | 100k@0.667 | 150k@1.000"},
		{"millions", linearScale(2.5e6, rateLabel), "0@0.000 | 500k@0.200 | 1M@0.400 | 1.5M@0.600 | 2M@0.800 | 2.5M@1.000"},
		{"log", logScale(150_000, 1_900_000, latencyLabel), "100 µs@0.000 | 200 µs@0.231 | 500 µs@0.537 | 1 ms@0.769 | 2 ms@1.000"},
		{"log, exact", logScale(1e6, 1e7, latencyLabel), "1 ms@0.000 | 2 ms@0.301 | 5 ms@0.699 | 10 ms@1.000"},
		{"log of one value", logScale(5e6, 5e6, latencyLabel), "5 ms@0.000 | 10 ms@1.000"},
		{"log of six decades", logScale(1500, 1e9, latencyLabel), "1 µs@0.000 | 10 µs@0.167 | 100 µs@0.333 | 1 ms@0.500 | 10 ms@0.667 | 100 ms@0.833 | 1 s@1.000"},
		{"near latencies", latencyScale(1e6, 3e6), "0 ns@0.000 | 1 ms@0.333 | 2 ms@0.667 | 3 ms@1.000"},
		{"far latencies", latencyScale(1e6, 5e6), "1 ms@0.000 | 2 ms@0.431 | 5 ms@1.000"},
		{"nines", nines(4), "0@0.000 | 50@0.075 | 90@0.250 | 99@0.500 | 99.9@0.750 | 99.99@1.000"},
	} {
		if got := labels(c.scale); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Every value has a place within the axis.
func TestScalesClamp(t *testing.T) {
	for _, s := range []scale{linearScale(10, rateLabel), logScale(1e3, 1e6, latencyLabel), nines(3)} {
		for _, v := range []float64{-1, 0, 1e-300, 1, 99.9999999, 100} {
			if at := s.at(v); !(at >= 0 && at <= 1) {
				t.Errorf("%v is at %v of %s", v, at, labels(s))
			}
		}
	}
	for _, s := range []scale{linearScale(10, rateLabel), logScale(1e3, 1e6, latencyLabel)} {
		if at := s.at(math.MaxFloat64); at != 1 {
			t.Errorf("the largest value is at %v of %s", at, labels(s))
		}
	}
}

func TestRangeText(t *testing.T) {
	for _, c := range []struct {
		unit     result.Unit
		from, to float64
		want     string
	}{
		{result.Latency, 1e6, 2e6, "1.00 – 2.00 ms"},
		{result.Latency, 9e5, 2e6, "900 µs – 2.00 ms"},
		{result.PerSecond, 1000, 2000, "1,000 – 2,000/s"},
		{result.Number, 1, 2, "1 – 2"},
		{result.Number, 2, 2, "2"},
	} {
		if got := rangeText(c.unit.Format, c.from, c.to); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestLinePath(t *testing.T) {
	l := line{points: []point{{x: 0, y: 0}, {x: 1, y: 1}, gap, {x: 0.5, y: 0.5}, gap, gap, {x: 1, y: 0}}}
	if got := l.Path(); got != "M64.0 246.0L452.0 12.0M258.0 129.0h1M452.0 246.0h1" {
		t.Error(got)
	}
}

// The curve goes through the histogram's percentiles and ends at its maximum,
// no further than its number of values reaches.
func TestPercentileLine(t *testing.T) {
	h := result.NewHistogram()
	for i := range 1000 {
		h.Record(int64(i+1) * 1e6)
	}
	y := linearScale(1e9, latencyLabel)
	l := percentileLine(0, distribution{"", h}, 6, y)
	x := nines(6)
	for _, p := range l.points[:len(l.points)-1] {
		percentile := 100 * (1 - math.Pow(10, -6*p.x))
		if want := percentile / 100; math.Abs(p.y-want) > 0.003 {
			t.Errorf("at %.3f %% the curve is at %.4f", percentile, p.y)
		}
		if math.Abs(x.at(percentile)-p.x) > 1e-9 {
			t.Errorf("the axis has %.3f %% at %v, the curve at %v", percentile, x.at(percentile), p.x)
		}
	}
	if last := l.points[len(l.points)-1]; math.Abs(last.x-0.5) > 1e-9 || last.y < 0.999 {
		t.Errorf("the curve of 1,000 values ends at %+v", last)
	}
}

// 1,000 seconds become 200 samples of five: sums of counts, worst latencies.
func TestThin(t *testing.T) {
	r := &result.Result{Elapsed: 999.5}
	for at := range 1000 {
		r.Seconds = append(r.Seconds, result.Second{At: at, Requests: uint64(at), Errors: 1, P50: int64(at), P99: int64(1000 - at), Max: int64(at % 7)})
	}
	samples, each := thin(r)
	if each != 5 || len(samples) != 200 {
		t.Fatal(each, len(samples))
	}
	want := sample{result.Second{Requests: 5 + 6 + 7 + 8 + 9, Errors: 5, P50: 9, P99: 995, Max: 6}, 7.5, 5}
	if samples[1] != want {
		t.Errorf("%+v, want %+v", samples[1], want)
	}
	if last := samples[199]; last.length != 4.5 || last.middle != 997.25 {
		t.Errorf("%+v", last)
	}
}

// The rate of a broken last second is what it would have been in a whole one;
// a tenth of a second is not shown.
func TestThinBrokenSecond(t *testing.T) {
	seconds := []result.Second{{At: 0, Requests: 100}, {At: 1, Requests: 50}}
	samples, each := thin(&result.Result{Elapsed: 1.5, Seconds: seconds})
	if each != 1 || len(samples) != 2 || samples[1].length != 0.5 || samples[1].middle != 1.25 {
		t.Errorf("%+v", samples)
	}
	if samples, _ := thin(&result.Result{Elapsed: 1.1, Seconds: seconds}); len(samples) != 1 {
		t.Errorf("%+v", samples)
	}
}

func TestBars(t *testing.T) {
	g := barGroup{Bars: []hbar{{median: 2, min: 1, max: 4, format: figure}, {median: 1, min: 1, max: 1, format: figure}, {Missing: "why", format: figure}}}
	g.lay()
	a, b, c := g.Bars[0], g.Bars[1], g.Bars[2]
	if a.Width != "50.00%" || a.From != "25.00%" || a.To != "100.00%" || !a.Spread || a.Range() != "1.00 – 4.00" || a.Figure() != "2.00" {
		t.Errorf("%+v", a)
	}
	if b.Width != "25.00%" || b.Spread || b.Range() != "" {
		t.Errorf("%+v", b)
	}
	if c.Width != "0.00%" || c.Spread {
		t.Errorf("%+v", c)
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1.234: "1.23", 12.34: "12.3", 1234.5: "1,234", -1.234: "-1.23", -297.47: "-297"} {
		if got := figure(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}
