// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/bench/report"
	"github.com/sideloop/sideloop/bench/result"
)

type runCommand struct {
	loadFlags
	Duration time.Duration `help:"How long to measure; 10s unless there is a --count."`
	Count    uint64        `help:"How many requests to measure." short:"n"`
	Rate     float64       `help:"Requests per second that are due, whatever the target does (open loop). Without it each connection sends when a reply has come (closed loop)."`
	JSON     string        `name:"json" help:"Write the result here." placeholder:"FILE"`
	HTML     string        `name:"html" help:"Write a report here." placeholder:"FILE"`
	FailIf   []string      `help:"Fail when this is true, such as 'p99>2ms' or 'errors>0'; may be repeated." placeholder:"EXPRESSION" sep:"none"`
}

// defaultDuration holds where neither a duration nor a count is given.
const defaultDuration = 10 * time.Second

// Run measures, prints what was found and keeps it in files. Everything that
// can be known to fail is found before anything is sent.
func (r *runCommand) Run(ctx context.Context, o output) error {
	options, err := r.options()
	if err != nil {
		return err
	}
	options.Duration, options.Count, options.Rate = r.Duration, r.Count, r.Rate
	if r.Duration == 0 && r.Count == 0 {
		options.Duration = defaultDuration
	}
	thresholds, err := r.thresholds()
	if err != nil {
		return err
	}
	for _, file := range []string{r.JSON, r.HTML} {
		if file == "" {
			continue
		}
		if err := result.CheckWritable(file); err != nil {
			return err
		}
	}
	live := newLiveView(o.err, options.Count)
	res, err := load.Run(ctx, options, live.show)
	live.clear()
	if err != nil {
		return err
	}
	printSummary(o.out, res)
	return errors.Join(r.keep(res), verdict(o.out, res, thresholds))
}

func (r *runCommand) thresholds() ([]result.Threshold, error) {
	var list []result.Threshold
	for _, text := range r.FailIf {
		t, err := result.ParseThreshold(text)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// keep writes the files that were asked for. One that cannot be written does not
// keep the other from it.
func (r *runCommand) keep(res *result.Result) error {
	var problems []error
	if r.JSON != "" {
		problems = append(problems, res.Write(r.JSON))
	}
	if r.HTML != "" {
		problems = append(problems, result.WriteFile(r.HTML, func(w io.Writer) error {
			return report.Write(w, res.Name, res)
		}))
	}
	return errors.Join(problems...)
}

// verdict says why a run is not a success: it was cut short, nothing was right,
// the rate was not kept, or a threshold was crossed. A closed loop that was
// bound by the generator is only marked, as its replies are right all the same.
func verdict(w io.Writer, res *result.Result, thresholds []result.Threshold) error {
	var problems []string
	if res.Partial != "" {
		problems = append(problems, "the result is partial: "+res.Partial)
	}
	if res.Invalid != "" && res.Command.Rate > 0 {
		problems = append(problems, "the result is invalid: "+res.Invalid)
	}
	if res.Requests == 0 && res.Partial == "" {
		problems = append(problems, "no request was answered right")
	}
	for _, t := range thresholds {
		ok, text := t.Check(res)
		_, _ = fmt.Fprintln(w, text)
		if !ok {
			problems = append(problems, "--fail-if "+text)
		}
	}
	if problems == nil {
		return nil
	}
	return errors.New(strings.Join(problems, "; "))
}
