// SPDX-License-Identifier: Apache-2.0

// Package sweep measures latency against load: it steps the rate of an open
// loop until latency leaves the ground, and narrows down where.
//
// A step is past the knee when its p99 is over a multiple of the lowest p99
// before it, or when under 99 % of the requests due were answered right. A step that is
// not clearly before the knee is measured once more and the second measurement
// counts, so that one hiccup of the machine does not make a knee. The sweep ends
// there, or where the figures are the generator's rather than the target's.
package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/bench/result"
)

// Runner measures one step; load.Run without its progress is one.
type Runner func(context.Context, load.Options) (*result.Result, error)

const (
	// answered is the share of the requests due below which a target does not
	// keep up.
	answered = 0.99
	// busy is the share of its CPU time from which the generator is the limit;
	// load calls a run invalid from there.
	busy = 0.8
	// hopeless is how many invalid steps in a row end a sweep: one may be the
	// machine's mood, and at higher rates the generator does no better.
	hopeless = 2
)

// sweeper is a sweep under way.
type sweeper struct {
	options Options
	run     Runner
	notify  func(result.Step)
	found   *result.Sweep
	lowest  int64 // p99 of the steps before the knee
}

// Run sweeps. Each step that counts is told to notify as soon as it is known.
// When ctx ends or a later step cannot start, the sweep so far is returned as
// Partial; the error is for bad options and for a sweep without a single step.
func Run(ctx context.Context, o Options, run Runner, notify func(result.Step)) (*result.Sweep, error) {
	rates, err := o.rates()
	if err != nil {
		return nil, err
	}
	s := &sweeper{options: o, run: run, notify: notify, found: &result.Sweep{
		Version: result.Version, Name: o.Load.Name, KneeFactor: o.KneeFactor,
	}}
	err = s.climb(ctx, rates)
	if err == nil && s.found.Knee != nil && s.found.Knee.Below > 0 {
		err = s.refine(ctx)
	}
	if err != nil && len(s.found.Steps) == 0 {
		return nil, err
	}
	if err != nil {
		s.found.Partial = err.Error()
	}
	return s.found, nil
}

// climb goes up the rates to the first that is past the knee.
func (s *sweeper) climb(ctx context.Context, rates []float64) error {
	below, invalid := 0.0, 0
	for _, rate := range rates {
		step, err := s.measure(ctx, rate)
		switch {
		case err != nil:
			return err
		case step.Past != "":
			s.found.Knee = &result.Knee{Below: below, Above: rate, Why: step.Past}
			return nil
		case step.Invalid != "":
			if invalid++; invalid == hopeless {
				return nil
			}
		default:
			below, invalid = rate, 0
		}
	}
	return nil
}

// refine halves the interval with the knee, on the logarithmic scale that the
// rates are on.
func (s *sweeper) refine(ctx context.Context) error {
	k := s.found.Knee
	for range s.options.Refine {
		middle := round(math.Sqrt(k.Below*k.Above), 3)
		if middle <= k.Below || middle >= k.Above {
			return nil
		}
		step, err := s.measure(ctx, middle)
		switch {
		case err != nil:
			return err
		case step.Invalid != "":
			return nil
		case step.Past != "":
			k.Above, k.Why = middle, step.Past
		default:
			k.Below = middle
		}
	}
	return nil
}

// measure takes one step, twice unless the first is before the knee, and puts
// it in its place.
func (s *sweeper) measure(ctx context.Context, rate float64) (result.Step, error) {
	step, err := s.once(ctx, rate)
	if err == nil && (step.Past != "" || step.Invalid != "") {
		step, err = s.once(ctx, rate)
	}
	if err != nil {
		return step, err
	}
	if step.Past == "" && step.Invalid == "" && (s.lowest == 0 || step.P99 < s.lowest) {
		s.lowest = step.P99
	}
	at, _ := slices.BinarySearchFunc(s.found.Steps, rate, func(e result.Step, r float64) int { return cmp.Compare(e.Rate, r) })
	s.found.Steps = slices.Insert(s.found.Steps, at, step)
	s.notify(step)
	return step, nil
}

func (s *sweeper) once(ctx context.Context, rate float64) (result.Step, error) {
	o := s.options.Load
	o.Rate = rate
	r, err := s.run(ctx, o)
	switch {
	case err != nil:
		return result.Step{}, err
	case ctx.Err() != nil:
		return result.Step{}, errors.New("interrupted")
	case r.Partial != "":
		return result.Step{}, fmt.Errorf("at %s: %s", result.PerSecond.Format(rate), r.Partial)
	}
	if len(s.found.Steps) == 0 {
		s.found.Started, s.found.Environment, s.found.Command = r.Started, r.Environment, r.Command
		s.found.Command.Rate = 0
		if s.found.Name == "" {
			s.found.Name = r.Name
		}
	}
	return s.judge(rate, r), nil
}

// judge tells on which side of the knee a run was.
func (s *sweeper) judge(rate float64, r *result.Result) result.Step {
	step := result.Step{
		Rate: rate, Achieved: r.Rate(), Errors: r.ErrorCount(),
		P50: r.Latency.At(50), P99: r.Latency.At(99), P999: r.Latency.At(99.9), Max: r.Latency.Max(),
		GeneratorBusy: r.Generator.Busy,
	}
	if len(r.Targets) > 0 {
		step.CPU = r.Targets[0].MicrosPerRequest
	}
	// One request may fall on either side of the end.
	due := rate * s.options.Load.Duration.Seconds()
	short := float64(r.Requests+1) < answered*due
	switch {
	// A target that does not keep up makes a run invalid too; that is a knee
	// as long as the generator could have done more.
	case r.Invalid != "" && (!short || step.GeneratorBusy > busy):
		step.Invalid = r.Invalid
	case short:
		step.Past = result.Share.Format(float64(r.Requests)/due) + " of the requests due were answered right"
		if r.Invalid != "" {
			step.Past += "; " + r.Invalid
		}
	case s.lowest > 0 && float64(step.P99) > s.options.KneeFactor*float64(s.lowest):
		step.Past = fmt.Sprintf("p99 is %s, over %g times the lowest of %s", result.Latency.Format(float64(step.P99)),
			s.options.KneeFactor, result.Latency.Format(float64(s.lowest)))
	}
	return step
}
