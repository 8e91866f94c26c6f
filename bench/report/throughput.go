// SPDX-License-Identifier: Apache-2.0

package report

import "github.com/sideloop/sideloop/bench/result"

// sample is one or several seconds of a run.
type sample struct {
	result.Second
	middle float64 // seconds since the measurement began
	length float64 // seconds
}

// maxSamples is more points than a chart has room for; longer runs are thinned.
const maxSamples = 240

// shortestSecond is the least of a last, broken second that is still shown: a
// rate over less is noise.
const shortestSecond = 0.25

// thin gathers a run's seconds into at most maxSamples: requests and errors are
// summed, the latencies are the worst of each. It also tells how many seconds
// one sample is.
func thin(r *result.Result) (samples []sample, each int) {
	each = (len(r.Seconds) + maxSamples - 1) / maxSamples
	for i := 0; i < len(r.Seconds); i += each {
		var s sample
		for _, second := range r.Seconds[i:min(i+each, len(r.Seconds))] {
			s.add(second, r.Elapsed)
		}
		if s.length >= shortestSecond {
			s.middle = float64(r.Seconds[i].At) + s.length/2
			samples = append(samples, s)
		}
	}
	return samples, each
}

func (s *sample) add(o result.Second, elapsed float64) {
	s.Requests += o.Requests
	s.Errors += o.Errors
	s.P50, s.P99, s.Max = max(s.P50, o.P50), max(s.P99, o.P99), max(s.Max, o.Max)
	s.length += clamp(elapsed - float64(o.At))
}

// throughputSection is right replies and errors per second over time.
func throughputSection(c *result.Comparison) section {
	s := section{ID: "throughput", Title: "Throughput"}
	s.Charts = append(s.Charts, rateChart("throughput-over-time", "Right replies per second", c,
		func(s sample) float64 { return float64(s.Requests) / s.length }, true))
	for _, series := range c.Series {
		for _, r := range series.Runs {
			if r.ErrorCount() > 0 {
				s.Charts = append(s.Charts, rateChart("errors-over-time", "Errors per second", c,
					func(s sample) float64 { return float64(s.Errors) / s.length }, false))
				return s
			}
		}
	}
	return s
}

// rateChart is linear from 0. The rate that the base was asked for is marked.
func rateChart(id, title string, c *result.Comparison, value func(sample) float64, mark bool) chart {
	var lines []timeline
	end, highest, longest := 0.0, 0.0, 1
	for i, s := range c.Series {
		for j, r := range s.Runs {
			samples, each := thin(r)
			longest = max(longest, each)
			t := timeline{s.Name, i, j == 0, make([]moment, len(samples))}
			for k, s := range samples {
				t.moments[k] = moment{s.middle, value(s), true}
				end, highest = max(end, s.middle), max(highest, value(s))
			}
			lines = append(lines, t)
		}
	}
	ch := chart{ID: id, Title: title, XLabel: "time since the measurement began", Note: eachText(longest)}
	if end == 0 {
		ch.Empty = "The run was too short."
		return ch
	}
	asked := c.Series[0].Runs[0].Command.Rate
	if mark {
		highest = max(highest, asked)
	}
	ch.X, ch.Y = linearScale(end, secondsLabel), linearScale(highest, rateLabel)
	if mark && asked > 0 {
		ch.mark(asked)
	}
	ch.draw(lines)
	return ch
}

func (c *chart) mark(rate float64) {
	c.Marks = append(c.Marks, mark{Label: "asked for: " + result.PerSecond.Format(rate), horizontal: true, at: c.Y.at(rate)})
}
