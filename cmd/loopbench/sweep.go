// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/bench/result"
	"github.com/sideloop/sideloop/bench/sweep"
)

type sweepCommand struct {
	loadFlags
	Duration time.Duration `help:"How long each step measures." default:"5s"`
	From     float64       `help:"The first rate, in requests per second." default:"1000"`
	To       float64       `help:"The last rate, if there is no knee before." default:"1000000"`
	Factor   float64       `help:"What each rate is of the one before." default:"1.5"`
	Rates    []float64     `help:"These rates instead, rising and separated by commas." placeholder:"RATE"`
	Knee     float64       `help:"A p99 over this many times the lowest is past the knee; where the generator was too late to tell it, a p90 or p50." default:"3"`
	KneeAt   float64       `help:"The highest percentile that may decide: 99, 90 or 50." default:"99"`
	Refine   int           `help:"How often to halve the interval with the knee." default:"2"`
	JSON     string        `name:"json" help:"Write the result here." placeholder:"FILE"`
	HTML     string        `name:"html" help:"Write a report here." placeholder:"FILE"`
}

// Run sweeps, printing each step when it is done.
func (s *sweepCommand) Run(ctx context.Context, o output) error {
	options, err := s.options()
	if err != nil {
		return err
	}
	options.Duration = s.Duration
	for _, file := range []string{s.JSON, s.HTML} {
		if file == "" {
			continue
		}
		if err := result.CheckWritable(file); err != nil {
			return err
		}
	}
	steps := stepPrinter{w: o.out}
	found, err := sweep.Run(ctx, sweep.Options{
		Load: options, Rates: s.Rates, From: s.From, To: s.To, Factor: s.Factor, KneeFactor: s.Knee, KneeAt: s.KneeAt, Refine: s.Refine,
	}, liveRunner(o.err), steps.print)
	if err != nil {
		return err
	}
	if blurred(found) {
		_, _ = fmt.Fprintln(o.out, "? marks what is not the target's alone, because the generator was late.")
	}
	_, _ = fmt.Fprintln(o.out, found.KneeText())
	return errors.Join(s.keep(found), sweepVerdict(found))
}

// blurred tells whether a percentile of the table is marked.
func blurred(s *result.Sweep) bool {
	return slices.ContainsFunc(s.Steps, func(step result.Step) bool { return !step.Tells(99.9) })
}

// liveRunner shows each step while it goes on, in a terminal only: elsewhere
// the steps themselves are the lines.
func liveRunner(w io.Writer) sweep.Runner {
	return func(ctx context.Context, o load.Options) (*result.Result, error) {
		live := newLiveView(w, 0)
		if live.terminal == nil {
			return load.Run(ctx, o, nil)
		}
		defer live.clear()
		return load.Run(ctx, o, live.show)
	}
}

// sweepVerdict is the error of a sweep that did not show what it was for.
func sweepVerdict(s *result.Sweep) error {
	last := s.Steps[len(s.Steps)-1]
	switch {
	case s.Partial != "":
		return errors.New("the result is partial: " + s.Partial)
	case s.Knee == nil && last.Invalid != "":
		return errors.New("the result is invalid from " + result.PerSecond.Format(last.Rate) + ": " + last.Invalid)
	}
	return nil
}

// keep writes the files that were asked for.
func (s *sweepCommand) keep(found *result.Sweep) error {
	var problems []error
	if s.JSON != "" {
		problems = append(problems, found.Write(s.JSON))
	}
	if s.HTML != "" {
		problems = append(problems, writeSweep(s.HTML, found))
	}
	return errors.Join(problems...)
}

// stepPrinter prints a table as it grows.
type stepPrinter struct {
	w      io.Writer
	headed bool
}

const stepForm = "%12s %12s %9s %9s %9s %9s %7s  %s\n"

func (p *stepPrinter) print(step result.Step) {
	if !p.headed {
		p.headed = true
		_, _ = fmt.Fprintf(p.w, stepForm, "asked for", "achieved", "p50", "p90", "p99", "p99.9", "busy", "")
	}
	note := step.Past
	if step.Invalid != "" {
		note = "INVALID: " + step.Invalid
	}
	ns := func(v int64, percent float64) string {
		if !step.Tells(percent) {
			return result.Latency.Format(float64(v)) + "?"
		}
		return result.Latency.Format(float64(v))
	}
	_, _ = fmt.Fprintf(p.w, stepForm, result.PerSecond.Format(step.Rate), result.PerSecond.Format(step.Achieved),
		ns(step.P50, 50), ns(step.P90, 90), ns(step.P99, 99), ns(step.P999, 99.9), fmt.Sprintf("%.0f %%", 100*step.GeneratorBusy), note)
}
