// SPDX-License-Identifier: Apache-2.0

package result

import (
	"regexp"
	"strconv"
)

// Unit is what a metric counts.
type Unit int

// Units. Latency is in nanoseconds, CPU in microseconds per request, Share is
// 0 to 1.
const (
	Number Unit = iota
	Latency
	PerSecond
	CPU
	Share
	Bytes
)

// Rate is right replies per second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Requests) / r.Elapsed
}

// ErrorCount is the number of errors of all reasons.
func (r *Result) ErrorCount() uint64 {
	n := uint64(0)
	for _, count := range r.Errors {
		n += count
	}
	return n
}

// ErrorRate is the share of requests that ended in an error, 0 to 1.
func (r *Result) ErrorRate() float64 {
	failed := float64(r.ErrorCount())
	if failed == 0 {
		return 0
	}
	return failed / (failed + float64(r.Requests))
}

// metric is one figure of a result. Its value is not ok where the run has none:
// no reply, no watched process.
type metric struct {
	name  string
	unit  Unit
	value func(*Result) (v float64, ok bool)
	// tail is the percentile of the latency that has to be told for the figure
	// to be the target's; 0 is none.
	tail float64
}

// told says whether the figure is the target's.
func (m metric) told(r *Result) bool { return m.tail == 0 || r.Tells(m.tail) }

// metrics are the figures that have a name of their own, in the order of
// comparisons.
var metrics = []metric{
	{"rate", PerSecond, func(r *Result) (float64, bool) { return r.Rate(), r.Elapsed > 0 }, 0},
	percentile("p50", 50),
	percentile("p90", 90),
	percentile("p99", 99),
	percentile("p99.9", 99.9),
	percentile("p99.99", 99.99),
	{"max", Latency, func(r *Result) (float64, bool) { return float64(r.Latency.Max()), r.Latency.Count() > 0 }, 100},
	{"mean", Latency, func(r *Result) (float64, bool) { return r.Latency.Mean(), r.Latency.Count() > 0 }, meanTold},
	{"requests", Number, func(r *Result) (float64, bool) { return float64(r.Requests), true }, 0},
	{"errors", Number, func(r *Result) (float64, bool) { return float64(r.ErrorCount()), true }, 0},
	{"error_rate", Share, func(r *Result) (float64, bool) { return r.ErrorRate(), r.Requests+r.ErrorCount() > 0 }, 0},
	{"cpu", CPU, func(r *Result) (float64, bool) {
		if len(r.Targets) == 0 || r.Requests == 0 {
			return 0, false
		}
		return r.Targets[0].MicrosPerRequest, true
	}, 0},
	{"rss", Bytes, func(r *Result) (float64, bool) {
		if len(r.Targets) == 0 {
			return 0, false
		}
		return float64(r.Targets[0].PeakRSS), true
	}, 0},
	{"late", Share, func(r *Result) (float64, bool) {
		if r.Schedule == nil {
			return 0, false
		}
		return r.Schedule.LateShare, true
	}, 0},
	{"steal", Share, func(r *Result) (float64, bool) { return r.Steal, r.Version > 1 }, 0},
}

func percentile(name string, p float64) metric {
	return metric{name, Latency, func(r *Result) (float64, bool) {
		return float64(r.Latency.At(p)), r.Latency.Count() > 0
	}, p}
}

var percentileName = regexp.MustCompile(`^p([0-9]{1,2}(?:\.[0-9]{1,6})?)$`)

// metricNamed finds a metric by its name; every percentile has one.
func metricNamed(name string) (metric, bool) {
	for _, m := range metrics {
		if m.name == name {
			return m, true
		}
	}
	if match := percentileName.FindStringSubmatch(name); match != nil {
		p, err := strconv.ParseFloat(match[1], 64)
		return percentile(name, p), err == nil && p > 0
	}
	return metric{}, false
}
