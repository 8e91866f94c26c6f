// SPDX-License-Identifier: Apache-2.0

// Package sweep measures latency against load: it steps the rate of an open
// loop until latency leaves the ground, and narrows down where.
//
// A step is past the knee when its p99 is over a multiple of the lowest p99
// before it, when the target keeps the rate from being kept, or when under 99 % of
// the requests due were answered right. Where the generator was too late for the
// p99 to be the target's, the p90 decides in the same way, or the p50. A step that
// is not clearly before the knee is measured once more and the second measurement
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
	// hopeless is how many invalid steps in a row end a sweep: one may be the
	// machine's mood, and at higher rates the generator does no better.
	hopeless = 2
)

// watch is a percentile that may decide.
type watch struct {
	percent float64
	of      func(*result.Step) int64
}

// watched are the percentiles that tell where the knee is, the most telling
// first.
var watched = [...]watch{
	{99, func(s *result.Step) int64 { return s.P99 }},
	{90, func(s *result.Step) int64 { return s.P90 }},
	{50, func(s *result.Step) int64 { return s.P50 }},
}

// sweeper is a sweep under way.
type sweeper struct {
	options Options
	run     Runner
	notify  func(result.Step)
	found   *result.Sweep
	lowest  [len(watched)]int64 // of the steps before the knee; 0 where none tells
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
	if step.Past == "" && step.Invalid == "" {
		s.learn(&step)
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
		P50: r.Latency.At(50), P90: r.Latency.At(90), P99: r.Latency.At(99), P999: r.Latency.At(99.9), Max: r.Latency.Max(),
		GeneratorBusy: r.Generator.Busy, ToldTo: r.ToldTo(),
	}
	if len(r.Targets) > 0 {
		step.CPU = r.Targets[0].MicrosPerRequest
	}
	// One request may fall on either side of the end.
	due := rate * s.options.Load.Duration.Seconds()
	limited := r.Schedule != nil && r.Schedule.Limit == result.LimitTarget
	switch {
	case limited:
		step.Past = r.Invalid
	case r.Invalid != "":
		step.Invalid = r.Invalid
	case float64(r.Requests+1) < answered*due:
		step.Past = result.Share.Format(float64(r.Requests)/due) + " of the requests due were answered right"
	default:
		step.Past = s.slow(&step)
	}
	return step
}

// learn takes in the latencies of a step before the knee.
func (s *sweeper) learn(step *result.Step) {
	for i, w := range watched {
		if v := w.of(step); step.Tells(w.percent) && (s.lowest[i] == 0 || v < s.lowest[i]) {
			s.lowest[i] = v
		}
	}
}

// slow says why a step's latency is past the knee; empty when it is not. The
// first percentile decides that this step tells and one before it told.
func (s *sweeper) slow(step *result.Step) string {
	for i, w := range watched {
		if s.lowest[i] == 0 || !step.Tells(w.percent) || s.options.KneeAt > 0 && w.percent > s.options.KneeAt {
			continue
		}
		if v := w.of(step); float64(v) > s.options.KneeFactor*float64(s.lowest[i]) {
			return fmt.Sprintf("p%g is %s, over %g times the lowest of %s", w.percent, result.Latency.Format(float64(v)),
				s.options.KneeFactor, result.Latency.Format(float64(s.lowest[i])))
		}
		return ""
	}
	return ""
}
