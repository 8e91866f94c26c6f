// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"

	"github.com/sideloop/sideloop/bench/result"
)

// latencySection is latency by percentile and over time.
func latencySection(c *result.Comparison) section {
	s := section{ID: "latency", Title: "Latency"}
	s.Text = "Counted from the moment the request was sent (closed loop)."
	if c.Series[0].Runs[0].Command.Rate > 0 {
		s.Text = "Counted from the moment the request was due, so that a stall counts for all that waited (open loop)."
	}
	s.Charts = append(s.Charts, percentileChart(c))
	if len(c.Series) == 1 && len(c.Series[0].Runs) == 1 {
		s.Charts = append(s.Charts, singleTimeChart(c.Series[0].Runs[0]))
		return s
	}
	for _, of := range []struct {
		id, title string
		value     func(result.Second) int64
	}{
		{"p50-over-time", "p50 over time", func(s result.Second) int64 { return s.P50 }},
		{"p99-over-time", "p99 over time", func(s result.Second) int64 { return s.P99 }},
		{"max-over-time", "Maximum over time", func(s result.Second) int64 { return s.Max }},
	} {
		s.Charts = append(s.Charts, seriesTimeChart(of.id, of.title, c, of.value))
	}
	return s
}

// distribution is one curve of the percentile chart.
type distribution struct {
	name string
	h    *result.Histogram
}

// distributions are a single run's latency and what it consists of, or the
// latency of each series, its runs merged.
func distributions(c *result.Comparison) []distribution {
	if len(c.Series) == 1 && len(c.Series[0].Runs) == 1 {
		r := c.Series[0].Runs[0]
		all := []distribution{{"latency", r.Latency}}
		if r.Command.Rate > 0 && r.Service != nil {
			all = append(all, distribution{"service time (from the real send)", r.Service})
		}
		switch {
		case scheduled(r):
			all = append(all, distribution{"lateness of the generator", r.Schedule.Lateness})
		case r.Command.Rate > 0 && r.Delay != nil:
			all = append(all, distribution{"wait until it was sent", r.Delay})
		}
		return all
	}
	var all []distribution
	for _, s := range c.Series {
		merged := s.Runs[0].Latency.Clone()
		for _, r := range s.Runs[1:] {
			merged.Merge(r.Latency)
		}
		all = append(all, distribution{s.Name, merged})
	}
	return all
}

// Bounds of the percentile chart: below a hundred requests nothing is rarer
// than p99, and past six nines no run is long enough.
const (
	fewestNines = 2
	mostNines   = 6
)

// floor is the fastest latency that a chart tells from zero.
const floor = 1000.0 // ns

func percentileChart(c *result.Comparison) chart {
	all := distributions(c)
	ch := chart{ID: "by-percentile", Title: "Latency by percentile", XLabel: "percentile"}
	count, lowest, highest := uint64(0), math.Inf(1), floor
	for _, d := range all {
		if d.h.Count() > 0 {
			count = max(count, d.h.Count())
			lowest = min(lowest, max(float64(d.h.At(0)), floor))
			highest = max(highest, float64(d.h.Max()))
		}
	}
	if count == 0 {
		ch.Empty = "No reply was measured."
		return ch
	}
	most := min(max(math.Log10(float64(count)), fewestNines), mostNines)
	ch.X, ch.Y = nines(most), latencyScale(lowest, highest)
	for i, d := range all {
		if d.h.Count() > 0 {
			ch.Lines = append(ch.Lines, percentileLine(i, d, most, ch.Y))
		}
	}
	if told := toldTo(c); told < percentileAt(1, most) {
		ch.Marks = append(ch.Marks, mark{Label: "beyond: not the target's alone", at: ch.X.at(told)})
	}
	return ch
}

// toldTo is the highest percentile that every run tells.
func toldTo(c *result.Comparison) float64 {
	p := 100.0
	for _, s := range c.Series {
		for _, r := range s.Runs {
			p = min(p, r.ToldTo())
		}
	}
	return p
}

// percentileLine has a point per step of the axis, up to the percentile that
// the number of values supports.
func percentileLine(i int, d distribution, most float64, y scale) line {
	const steps = 200
	l := line{Name: d.name}
	l.Class, l.Dash = style(i)
	ends := min(math.Log10(float64(d.h.Count()))/most, 1)
	for step := 0; step <= steps; step++ {
		x := float64(step) / steps
		if x > ends {
			l.points = append(l.points, point{x: ends, y: y.at(float64(d.h.Max()))})
			break
		}
		l.points = append(l.points, point{x: x, y: y.at(float64(d.h.At(percentileAt(x, most))))})
	}
	return l
}

// singleTimeChart has p50, p99 and the maximum of one run.
func singleTimeChart(r *result.Result) chart {
	samples, each := thin(r)
	ch := timeChart("over-time", "Latency over time", each, []timeline{
		{"p50", 0, true, latencyOf(samples, func(s sample) int64 { return s.P50 })},
		{"p99", 1, true, latencyOf(samples, func(s sample) int64 { return s.P99 })},
		{"maximum", 2, true, latencyOf(samples, func(s sample) int64 { return s.Max })},
	})
	return ch
}

// seriesTimeChart has one figure of every run; runs of a series share a colour.
func seriesTimeChart(id, title string, c *result.Comparison, value func(result.Second) int64) chart {
	var lines []timeline
	longest := 1
	for i, s := range c.Series {
		for j, r := range s.Runs {
			samples, each := thin(r)
			longest = max(longest, each)
			lines = append(lines, timeline{s.Name, i, j == 0, latencyOf(samples, func(s sample) int64 { return value(s.Second) })})
		}
	}
	return timeChart(id, title, longest, lines)
}

func latencyOf(samples []sample, value func(sample) int64) []moment {
	moments := make([]moment, len(samples))
	for i, s := range samples {
		// A second without replies has no latency.
		moments[i] = moment{s.middle, float64(value(s)), s.Requests > 0}
	}
	return moments
}

// timeline is one line of a chart over time.
type timeline struct {
	name    string
	style   int
	named   bool // in the legend
	moments []moment
}

// moment is a value at a time; known is false where there is none.
type moment struct {
	at, value float64
	known     bool
}

// timeChart draws latencies over time.
func timeChart(id, title string, each int, lines []timeline) chart {
	ch := chart{ID: id, Title: title, XLabel: "time since the measurement began", Note: eachText(each)}
	end, lowest, highest := 0.0, math.Inf(1), floor
	for _, l := range lines {
		for _, m := range l.moments {
			if m.known {
				end = max(end, m.at)
				lowest, highest = min(lowest, max(m.value, floor)), max(highest, m.value)
			}
		}
	}
	if math.IsInf(lowest, 1) {
		ch.Empty = "No reply was measured."
		return ch
	}
	ch.X, ch.Y = linearScale(end, secondsLabel), latencyScale(lowest, highest)
	ch.draw(lines)
	return ch
}

// draw turns values into points on the chart's scales.
func (c *chart) draw(lines []timeline) {
	for _, t := range lines {
		l := line{Name: t.name, Hidden: !t.named}
		l.Class, l.Dash = style(t.style)
		for _, m := range t.moments {
			if m.known {
				l.points = append(l.points, point{x: c.X.at(m.at), y: c.Y.at(m.value)})
			} else {
				l.points = append(l.points, gap)
			}
		}
		c.Lines = append(c.Lines, l)
	}
}

func eachText(seconds int) string {
	if seconds <= 1 {
		return "per second"
	}
	return fmt.Sprintf("per %d seconds", seconds)
}
