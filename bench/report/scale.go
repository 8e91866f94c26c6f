// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"strconv"
	"strings"

	"github.com/sideloop/sideloop/bench/result"
)

// scale maps values to 0..1 along an axis.
type scale struct {
	at    func(v float64) float64
	ticks []tick
}

// tick is one labelled place of an axis; at is 0..1.
type tick struct {
	at    float64
	label string
}

// label writes a tick's value.
type label func(v float64) string

// linearScale runs from 0 to a round number not under highest.
func linearScale(highest float64, text label) scale {
	step := niceStep(highest / 5)
	top := max(math.Ceil(highest/step-1e-9), 1) * step
	s := scale{at: func(v float64) float64 { return clamp(v / top) }}
	for i := 0; float64(i)*step <= top*(1+1e-9); i++ {
		s.ticks = append(s.ticks, tick{float64(i) * step / top, text(float64(i) * step)})
	}
	return s
}

// niceStep is the 1, 2 or 5 times a power of ten that is not under v; for no
// positive v it is 1.
func niceStep(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logScale covers lowest to highest, which are positive, between places of 1,
// 2 or 5 times a power of ten.
func logScale(lowest, highest float64, text label) scale {
	from, to := roundDown(lowest), niceStep(highest)
	if to <= from {
		to = niceStep(from * 1.01)
	}
	span := math.Log10(to / from)
	s := scale{at: func(v float64) float64 {
		if v <= from {
			return 0
		}
		return clamp(math.Log10(v/from) / span)
	}}
	// Over many decades only the powers of ten are labelled.
	const crowded = 3
	for v := from; v <= to*(1+1e-9); v = niceStep(v * 1.01) {
		if span <= crowded || isPower(v) {
			s.ticks = append(s.ticks, tick{s.at(v), text(v)})
		}
	}
	return s
}

// latencyScale is logarithmic where latencies are far apart, and from 0 where a
// logarithm would blow up small differences.
func latencyScale(lowest, highest float64) scale {
	const near = 4
	if highest <= near*lowest {
		return linearScale(highest, latencyLabel)
	}
	return logScale(lowest, highest, latencyLabel)
}

func isPower(v float64) bool {
	l := math.Log10(v)
	return math.Abs(l-math.Round(l)) < 1e-6
}

// roundDown is the 1, 2 or 5 times a power of ten that is not over v.
func roundDown(v float64) float64 {
	up := niceStep(v)
	if up <= v*(1+1e-9) {
		return up
	}
	// One step down: 10 and 2 halve, 5 goes to 2.
	if first := strconv.FormatFloat(up, 'e', 0, 64)[0]; first == '5' {
		return up / 2.5
	}
	return up / 2
}

// nines is the scale of HdrHistogram's plots: each further nine of the
// percentile takes the same room.
func nines(most float64) scale {
	s := scale{at: func(p float64) float64 { return clamp(-math.Log10(1-p/100) / most) }}
	for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999} {
		if -math.Log10(1-p/100) <= most+1e-9 {
			s.ticks = append(s.ticks, tick{s.at(p), strconv.FormatFloat(p, 'f', -1, 64)})
		}
	}
	return s
}

// percentileAt is the percentile at 0..1 of a scale of nines.
func percentileAt(x, most float64) float64 { return 100 * (1 - math.Pow(10, -x*most)) }

func clamp(v float64) float64 { return min(max(v, 0), 1) }

// latencyLabel writes nanoseconds without the digits that a tick does not need.
func latencyLabel(v float64) string { return trimZeros(result.Latency.Format(v)) }

func secondsLabel(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) + " s" }

// rateLabel is short: 500, 20k, 1.5M.
func rateLabel(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + "k"
	default:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
}

// trimZeros makes "1.50 ms" "1.5 ms" and leaves "100 ms".
func trimZeros(s string) string {
	number, unit, _ := strings.Cut(s, " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number + " " + unit
}

// figure writes a bar's value, whose unit stands elsewhere, with three digits
// or more.
func figure(v float64) string {
	// Added latency may be negative.
	switch a := math.Abs(v); {
	case a == 0 || a >= 99.95:
		return result.Number.Format(v)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// rangeText writes two values, and their unit once if it is the same.
func rangeText(text label, lowest, highest float64) string {
	from, to := text(lowest), text(highest)
	if from == to {
		return from
	}
	for _, mark := range []string{" ", "/"} {
		number, unit, ok := strings.Cut(from, mark)
		if ok && strings.HasSuffix(to, mark+unit) {
			return number + " – " + to
		}
	}
	return from + " – " + to
}

func ratioText(r float64) string {
	if r == 0 {
		return "–"
	}
	return strconv.FormatFloat(r, 'f', 2, 64) + "×"
}
