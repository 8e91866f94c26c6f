// SPDX-License-Identifier: Apache-2.0

package result

import (
	"fmt"
	"regexp"
	"strconv"
)

// Threshold is a condition under which a run fails, such as p99>2ms.
type Threshold struct {
	text   string
	metric metric
	op     string
	limit  float64 // in the metric's unit
}

var thresholdForm = regexp.MustCompile(`^\s*([a-z_]+[0-9.]*)\s*(<=|>=|==|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*([^\s0-9.]*)\s*$`)

// ParseThreshold reads METRIC OP VALUE. Metrics are pN (any percentile, p99.9),
// max and mean of the latency; rate; requests, errors, error_rate; cpu and rss
// of the first watched process; late and steal, shares like error_rate. OP is < <= > >= or ==. Times need one of the
// units ns, us, µs, ms, s (cpu alone may leave out µs); shares are percentages
// with %, else fractions; rss takes B, KiB, MiB or GiB; rate may end in /s.
func ParseThreshold(s string) (Threshold, error) {
	match := thresholdForm.FindStringSubmatch(s)
	if match == nil {
		return Threshold{}, fmt.Errorf("threshold %q: want METRIC OP VALUE, such as 'p99>2ms' or 'errors>0'", s)
	}
	name, op, digits, unit := match[1], match[2], match[3], match[4]
	m, ok := metricNamed(name)
	if !ok {
		return Threshold{}, fmt.Errorf("threshold %q: no metric %q; there are p50, p90, p99, p99.9 and any other percentile, "+
			"max, mean, rate, requests, errors, error_rate, cpu, rss, late and steal", s, name)
	}
	limit, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return Threshold{}, fmt.Errorf("threshold %q: %q is no number", s, digits)
	}
	scale, err := m.unit.scale(unit, limit == 0)
	if err != nil {
		return Threshold{}, fmt.Errorf("threshold %q: %s %w", s, name, err)
	}
	return Threshold{text: s, metric: m, op: op, limit: limit * scale}, nil
}

// scales are the units in which each kind of metric may be stated.
var scales = map[Unit]struct {
	known map[string]float64
	text  string
}{
	Number:    {map[string]float64{"": 1}, "takes no unit"},
	Latency:   {map[string]float64{"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9}, "needs one of the units ns, us, ms and s"},
	PerSecond: {map[string]float64{"": 1, "/s": 1}, "takes no unit but /s"},
	CPU:       {map[string]float64{"": 1, "ns": 1e-3, "us": 1, "µs": 1, "μs": 1, "ms": 1e3, "s": 1e6}, "takes one of the units ns, us, ms and s"},
	Share:     {map[string]float64{"": 1, "%": 0.01}, "takes no unit but %"},
	Bytes:     {map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}, "needs one of the units B, KiB, MiB and GiB"},
}

// scale is the factor of a unit; zero needs none.
func (u Unit) scale(unit string, zero bool) (float64, error) {
	s := scales[u]
	if factor, ok := s.known[unit]; ok {
		return factor, nil
	}
	if zero && unit == "" {
		return 1, nil
	}
	return 0, fmt.Errorf("%s", s.text)
}

// Check tells whether the run passes, and why in one line. A run without the
// figure that the threshold is about does not pass, nor does one of which it cannot
// be told because the generator was late.
func (t Threshold) Check(r *Result) (ok bool, text string) {
	v, known := t.metric.value(r)
	if !known {
		return false, fmt.Sprintf("%s: the run has no figure for it (%s)", t.text, t.metric.unit.whyUnknown())
	}
	if !t.metric.told(r) {
		return false, fmt.Sprintf("%s cannot be told: %s is %s, but %s", t.text, t.metric.name, t.metric.unit.Format(v), r.TailText())
	}
	state := "does not hold"
	holds := t.holds(v)
	if holds {
		state = "holds"
	}
	return !holds, fmt.Sprintf("%s %s: %s is %s", t.text, state, t.metric.name, t.metric.unit.Format(v))
}

func (u Unit) whyUnknown() string {
	switch u {
	case CPU, Bytes:
		return "no process was watched, or nothing was answered"
	case Share:
		return "nothing was answered, or it was a closed loop"
	default:
		return "nothing was answered"
	}
}

func (t Threshold) holds(v float64) bool {
	switch t.op {
	case "<":
		return v < t.limit
	case "<=":
		return v <= t.limit
	case ">":
		return v > t.limit
	case ">=":
		return v >= t.limit
	default:
		return v == t.limit
	}
}
