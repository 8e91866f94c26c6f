// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"math"
	"slices"

	"github.com/sideloop/sideloop/bench/report"
	"github.com/sideloop/sideloop/bench/result"
)

// record is what was measured so far. Its zero value is empty.
type record struct {
	samples  map[cell][]sample
	failures map[cell][]error
}

// cell is one peer in one scenario.
type cell struct{ scenario, peer string }

func (r *record) add(scenario, peer string, s sample) {
	if r.samples == nil {
		r.samples = make(map[cell][]sample)
	}
	at := cell{scenario, peer}
	r.samples[at] = append(r.samples[at], s)
}

func (r *record) fail(scenario, peer string, err error) {
	if r.failures == nil {
		r.failures = make(map[cell][]error)
	}
	at := cell{scenario, peer}
	r.failures[at] = append(r.failures[at], err)
}

// view is a figure that is drawn of a scenario.
type view struct {
	suffix, unit string
	of           func(*sample) float64
	first        bool // memory and the columns of added latency are beside it
}

// views returns what is drawn of sc, the most telling first.
func (sc *scenario) views() []view {
	if sc.figure == collectorPercent {
		return []view{
			{"", sc.figure.unit(), func(s *sample) float64 { return s.figure }, true},
			{": allocations", "allocations per request", func(s *sample) float64 { return s.allocs }, false},
		}
	}
	if !sc.added {
		return []view{{"", sc.figure.unit(), func(s *sample) float64 { return s.figure }, true}}
	}
	return []view{
		{": added p50", "µs added at p50", func(s *sample) float64 { return s.p50 }, true},
		{": added p90", "µs added at p90", func(s *sample) float64 { return s.p90 }, false},
		{": added p99", "µs added at p99", func(s *sample) float64 { return s.p99 }, false},
		{": added p99.9", "µs added at p99.9", func(s *sample) float64 { return s.p999 }, false},
		{": CPU", microsPerRequest.unit(), func(s *sample) float64 { return s.cpu }, false},
	}
}

// report puts everything into bars.
func (r *runner) report() []report.Scenario {
	var all []report.Scenario
	for _, sc := range r.scenarios {
		for _, v := range sc.views() {
			drawn := report.Scenario{Name: sc.name + v.suffix, Unit: v.unit, What: sc.what}
			for _, c := range r.taking(sc) {
				drawn.Bars = append(drawn.Bars, r.bar(sc, &v, c))
			}
			all = append(all, drawn)
		}
	}
	r.noteFailures()
	return all
}

// bar is one peer's figure, or why there is none.
func (r *runner) bar(sc *scenario, v *view, c *contender) report.Bar {
	b := report.Bar{Name: c.Name, Ours: c.Ours}
	at := cell{sc.id, c.ID}
	samples := r.record.samples[at]
	switch {
	case c.missing != "":
		b.Missing = c.missing
		return b
	case len(samples) == 0 && len(r.record.failures[at]) > 0:
		b.Missing = oneLine(r.record.failures[at][0])
		return b
	case len(samples) == 0:
		b.Missing = "not measured before the end"
		return b
	}
	if b.Min, b.Median, b.Max = spread(samples, v.of); math.IsNaN(b.Median) {
		return report.Bar{Name: c.Name, Ours: c.Ours, Missing: report.NotTold}
	}
	b.RatioMin, b.Ratio, b.RatioMax = spread(r.ratios(sc, v, samples), func(x *float64) float64 { return *x })
	if !v.first {
		return b
	}
	_, _, b.PeakRSS = spread(samples, func(s *sample) float64 { return s.rss })
	if sc.added {
		_, b.P90, _ = spread(samples, func(s *sample) float64 { return s.p90 })
		_, b.P50, _ = spread(samples, func(s *sample) float64 { return s.p50 })
		_, b.P99, _ = spread(samples, func(s *sample) float64 { return s.p99 })
		_, b.P999, _ = spread(samples, func(s *sample) float64 { return s.p999 })
	}
	return b
}

// ratios are what samples are of ours, each of the same round: what slows a
// round down slows both.
func (r *runner) ratios(sc *scenario, v *view, samples []sample) []float64 {
	ours := make(map[int]float64)
	for _, c := range r.taking(sc) {
		if c.Ours && c.missing == "" {
			for _, s := range r.record.samples[cell{sc.id, c.ID}] {
				ours[s.round] = v.of(&s)
			}
		}
	}
	var all []float64
	for i := range samples {
		own, both := ours[samples[i].round]
		value := v.of(&samples[i])
		switch {
		case !both || math.IsNaN(own) || math.IsNaN(value):
		case own <= 0 || value <= 0:
			// Added latency that is lost in the noise has no ratio, and the
			// other rounds' would say that it had.
			return nil
		default:
			all = append(all, value/own)
		}
	}
	return all
}

// noteFailures states the rounds that a figure is missing of, or its tail.
func (r *runner) noteFailures() {
	for _, sc := range r.scenarios {
		for _, c := range r.taking(sc) {
			at := cell{sc.id, c.ID}
			samples, failed := r.record.samples[at], r.record.failures[at]
			if len(failed) > 0 {
				r.note("%s, %s: %d of %d rounds failed: %s.", sc.name, c.Name, len(failed), len(failed)+len(samples), oneLine(failed[0]))
			}
			blurred := 0
			for _, s := range samples {
				if sc.added && s.tail != "" {
					blurred++
				}
			}
			if blurred > 0 {
				r.note("%s, %s: %d of %d rounds do not tell all percentiles; in the first, %s.", sc.name, c.Name, blurred, len(samples), untold(samples))
			}
		}
	}
}

// untold is why the rounds do not tell a figure, as the first of them says it.
func untold(samples []sample) string {
	i := slices.IndexFunc(samples, func(s sample) bool { return s.tail != "" })
	if i < 0 {
		return ""
	}
	return samples[i].tail
}

// spread returns the least, the median and the greatest of a value: zeros when
// there is nothing, and what is not a number when nothing is one.
func spread[T any](all []T, of func(*T) float64) (least, median, greatest float64) {
	if len(all) == 0 {
		return 0, 0, 0
	}
	values := make([]float64, 0, len(all))
	for i := range all {
		if v := of(&all[i]); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	slices.Sort(values)
	return values[0], result.Median(values), values[len(values)-1]
}
