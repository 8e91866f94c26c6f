// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/sideloop/sideloop/bench/load"
)

// Options say which rates are tried with which load.
type Options struct {
	// Load is of every step. Rate is set by the sweep, and Duration is one
	// step's; Count has to be 0.
	Load load.Options

	// Rates are tried in this order, which rises. Without any they go from From
	// to To, each Factor times the one before, rounded to two digits.
	Rates            []float64
	From, To, Factor float64

	// KneeFactor is how many times the lowest latency so far is past the knee.
	KneeFactor float64
	// KneeAt is the highest percentile that may decide, 99 by default; 90 or 50
	// make a noisy machine's tail no knee.
	KneeAt float64
	// Refine is how often the interval with the knee is halved.
	Refine int
}

const (
	// maxSteps bounds a sweep that was mistyped: more points than these add
	// nothing to a curve.
	maxSteps = 100
	// leastFactor keeps two neighbouring rates apart after rounding.
	leastFactor = 1.1
	// maxRefine is where the interval is 1/256 of what it was, far below the
	// noise of any run.
	maxRefine = 8
)

// rates checks the options and lists the rates.
func (o *Options) rates() ([]float64, error) {
	switch {
	case !(o.KneeFactor > 1):
		return nil, fmt.Errorf("the knee factor %g is not over 1", o.KneeFactor)
	case o.KneeAt != 0 && !slices.ContainsFunc(watched[:], func(w watch) bool { return w.percent == o.KneeAt }):
		return nil, fmt.Errorf("the knee is found at percentile 99, 90 or 50, not %g", o.KneeAt)
	case o.Refine < 0 || o.Refine > maxRefine:
		return nil, fmt.Errorf("%d refinements are not between 0 and %d", o.Refine, maxRefine)
	case o.Load.Duration <= 0:
		return nil, errors.New("a step needs a duration")
	case o.Load.Count != 0:
		return nil, errors.New("a step ends by its duration, not by a count")
	}
	if len(o.Rates) > 0 {
		return o.Rates, checkRates(o.Rates)
	}
	if !(o.From > 0) || !(o.To >= o.From) || math.IsInf(o.To, 1) {
		return nil, fmt.Errorf("rates from %g to %g do not rise from above 0", o.From, o.To)
	}
	if !(o.Factor >= leastFactor) {
		return nil, fmt.Errorf("the factor %g is under %g", o.Factor, leastFactor)
	}
	rates := []float64{o.From}
	for next := o.From * o.Factor; next < o.To*(1+1e-9); next *= o.Factor {
		rates = append(rates, round(next, 2))
		if len(rates) > maxSteps {
			return nil, fmt.Errorf("from %g to %g by %g are more than %d steps", o.From, o.To, o.Factor, maxSteps)
		}
	}
	return rates, nil
}

func checkRates(rates []float64) error {
	if len(rates) > maxSteps {
		return fmt.Errorf("%d rates are more than %d", len(rates), maxSteps)
	}
	before := 0.0
	for _, r := range rates {
		if !(r > before) || math.IsInf(r, 1) {
			return fmt.Errorf("the rate %g does not rise over %g", r, before)
		}
		before = r
	}
	return nil
}

// round keeps so many digits, so that tables are readable.
func round(v float64, digits int) float64 {
	power := math.Pow10(digits - 1 - int(math.Floor(math.Log10(v))))
	return math.Round(v*power) / power
}
