// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/bench/result"
)

// queue models a server with one queue (M/M/1): at rate r of capacity c the
// response time is exponential with mean 1/(c-r). Over its capacity it answers
// no more, and latency is what the queue has grown to.
type queue struct {
	capacity float64
	asked    []float64 // by run, in order

	// change, if not nil, is applied to the n-th run's result.
	change func(n int, r *result.Result)
}

func (q *queue) run(ctx context.Context, o load.Options) (*result.Result, error) {
	r := &result.Result{
		Version: result.Version, Name: "model", Elapsed: o.Duration.Seconds(), Latency: result.NewHistogram(),
		Command:   result.Command{Target: o.Target, Rate: o.Rate, Connections: o.Connections},
		Generator: result.Usage{Busy: o.Rate / 1e6},
	}
	answered := min(o.Rate, q.capacity)
	r.Requests = uint64(answered * r.Elapsed)
	mean := float64(time.Second)
	if o.Rate < q.capacity {
		mean = float64(time.Second) / (q.capacity - o.Rate)
	}
	const values = 2000
	for i := range values {
		r.Latency.Record(int64(-math.Log(1-(float64(i)+0.5)/values) * mean))
	}
	if ctx.Err() != nil {
		r.Partial = "interrupted"
	}
	q.asked = append(q.asked, o.Rate)
	if q.change != nil {
		q.change(len(q.asked)-1, r)
	}
	return r, nil
}

func options() Options {
	return Options{
		Load: load.Options{Target: "model", Duration: time.Second, Connections: 3},
		From: 1000, To: 1e6, Factor: 1.5, KneeFactor: 3, Refine: 2,
	}
}

func swept(t *testing.T, o Options, q *queue) *result.Sweep {
	t.Helper()
	var told []float64
	s, err := Run(t.Context(), o, q.run, func(step result.Step) { told = append(told, step.Rate) })
	if err != nil {
		t.Fatal(err)
	}
	rates := stepRates(s)
	if !slices.IsSorted(rates) {
		t.Error("the steps do not rise:", rates)
	}
	slices.Sort(told)
	if !slices.Equal(told, rates) {
		t.Errorf("told of %v, found %v", told, rates)
	}
	return s
}

func stepRates(s *result.Sweep) (rates []float64) {
	for _, step := range s.Steps {
		rates = append(rates, step.Rate)
	}
	return rates
}

// In the model p99 is three times its low-load value where the load is two
// thirds of the capacity, corrected for the load of the first step.
func TestFindsTheKnee(t *testing.T) {
	for _, capacity := range []float64{5000, 20_000, 77_777, 400_000} {
		q := &queue{capacity: capacity}
		s := swept(t, options(), q)
		if s.Knee == nil {
			t.Fatal("no knee")
		}
		knee := capacity - (capacity-1000)/3
		if s.Knee.Below >= knee*1.01 || s.Knee.Above <= knee*0.99 {
			t.Errorf("capacity %v: the knee is between %v and %v, the model has it at %v", capacity, s.Knee.Below, s.Knee.Above, knee)
		}
		// Two halvings of a step of 1.5 leave its fourth root, 1.107, and what
		// rounding to two digits adds.
		if ratio := s.Knee.Above / s.Knee.Below; ratio > 1.12 {
			t.Errorf("capacity %v: the knee is known to a factor of %v only", capacity, ratio)
		}
		if !strings.HasPrefix(s.Knee.Why, "p99 is ") || s.Partial != "" {
			t.Errorf("%+v, partial %q", s.Knee, s.Partial)
		}
	}
}

// Latency that stays on the ground until the server is full: the knee is where
// requests go unanswered.
func TestFindsSaturation(t *testing.T) {
	q := &queue{capacity: 10_000, change: func(_ int, r *result.Result) {
		r.Latency.Reset()
		r.Latency.Record(1e6)
		if r.Command.Rate > 10_000 {
			r.Invalid = "the rate is not kept"
			r.Schedule = &result.Schedule{Limit: result.LimitTarget}
		}
	}}
	o := options()
	o.Rates = []float64{5000, 9000, 12_000, 20_000}
	o.Refine = 0
	s := swept(t, o, q)
	want := &result.Knee{Below: 9000, Above: 12_000, Why: "the rate is not kept"}
	if diff := cmp.Diff(want, s.Knee); diff != "" {
		t.Error(diff)
	}
	if last := s.Steps[len(s.Steps)-1]; last.Invalid != "" || last.Past == "" {
		t.Errorf("%+v", last)
	}
	if want := []float64{5000, 9000, 12_000, 12_000}; !slices.Equal(q.asked, want) {
		t.Errorf("asked for %v, want %v", q.asked, want)
	}
	if s.KneeText() != "The knee is between 9,000/s and 12,000/s: the rate is not kept" {
		t.Error(s.KneeText())
	}
}

// A generator that is late now and then blurs the tail: the knee is where the
// percentiles say that are left, each against its own kind.
func TestKneeWithoutTail(t *testing.T) {
	for _, c := range []struct {
		late float64 // of all steps but the first
		want string
	}{
		{0, "p99 is "}, {0.005, "p99 is "}, {0.05, "p90 is "}, {0.15, "p50 is "},
	} {
		q := &queue{capacity: 20_000, change: func(n int, r *result.Result) {
			r.Schedule = &result.Schedule{LateShare: c.late}
			if n == 0 {
				r.Schedule.LateShare = 0
			}
		}}
		s := swept(t, options(), q)
		if s.Knee == nil || !strings.HasPrefix(s.Knee.Why, c.want) || s.Knee.Below > 14_000 || s.Knee.Above < 13_000 {
			t.Errorf("late share %v: %+v, want %q", c.late, s.Knee, c.want)
		}
	}
}

// Whoever does not trust the tail lets another percentile decide.
func TestKneeAt(t *testing.T) {
	for at, want := range map[float64]string{0: "p99 is ", 99: "p99 is ", 90: "p90 is ", 50: "p50 is "} {
		o := options()
		o.KneeAt = at
		if s := swept(t, o, &queue{capacity: 20_000}); s.Knee == nil || !strings.HasPrefix(s.Knee.Why, want) {
			t.Errorf("%v: %+v, want %q", at, s.Knee, want)
		}
	}
	o := options()
	o.KneeAt = 95
	if _, err := Run(t.Context(), o, (&queue{}).run, nil); err == nil || !strings.Contains(err.Error(), "percentile 99, 90 or 50, not 95") {
		t.Error(err)
	}
}

// Errors of a target that answers everything are a knee too.
func TestErrorsAreAKnee(t *testing.T) {
	q := &queue{capacity: 1e6, change: func(_ int, r *result.Result) {
		if r.Command.Rate > 2000 {
			r.Requests -= r.Requests / 50
		}
	}}
	o := options()
	o.Rates = []float64{1000, 3000}
	o.Refine = 0
	if s := swept(t, o, q); s.Knee == nil || s.Knee.Why != "98.0 % of the requests due were answered right" {
		t.Errorf("%+v", s.Knee)
	}
}

// Replies that come after the end of the measured time count: only their
// number tells whether the target keeps up.
func TestLateRepliesAreNoKnee(t *testing.T) {
	q := &queue{capacity: 1e6, change: func(_ int, r *result.Result) {
		r.Elapsed *= 1.05
		r.Requests--
	}}
	o := options()
	o.Rates = []float64{20, 2000}
	if s := swept(t, o, q); s.Knee != nil {
		t.Errorf("%+v", s.Knee)
	}
}

// One bad measurement is repeated and does not make a knee.
func TestHiccupIsNoKnee(t *testing.T) {
	q := &queue{capacity: 100_000, change: func(n int, r *result.Result) {
		if n == 1 {
			for range 100 {
				r.Latency.Record(int64(time.Second))
			}
		}
	}}
	o := options()
	o.Rates = []float64{1000, 2000, 3000}
	s := swept(t, o, q)
	if s.Knee != nil || len(s.Steps) != 3 || s.KneeText() != "No knee up to 3,000/s." {
		t.Errorf("%+v, %s", s, s.KneeText())
	}
	if want := []float64{1000, 2000, 2000, 3000}; !slices.Equal(q.asked, want) {
		t.Errorf("asked for %v, want %v", q.asked, want)
	}
}

// Where the generator is the limit there is no knee to be found.
func TestGeneratorIsTheLimit(t *testing.T) {
	q := &queue{capacity: 50_000, change: func(_ int, r *result.Result) {
		if r.Command.Rate > 4000 {
			r.Generator.Busy, r.Invalid = 0.95, "the generator was 95 % busy"
			r.Requests /= 2
		}
	}}
	s := swept(t, options(), q)
	last := s.Steps[len(s.Steps)-1]
	if s.Knee != nil || last.Rate != 7600 || last.Invalid == "" || last.Past != "" {
		t.Errorf("%+v, knee %+v", last, s.Knee)
	}
	if want := "No knee up to 3,400/s; beyond, the figures are the generator's: the generator was 95 % busy"; s.KneeText() != want {
		t.Error(s.KneeText())
	}
}

// One invalid step decides nothing, also as the first.
func TestInvalidStepIsPassedOver(t *testing.T) {
	q := &queue{capacity: 20_000, change: func(_ int, r *result.Result) {
		if r.Command.Rate == 1000 || r.Command.Rate == 5100 {
			r.Invalid = "noticed late"
		}
	}}
	s := swept(t, options(), q)
	if s.Knee == nil || s.Knee.Below < 11_000 || s.Steps[0].Invalid == "" || s.Steps[1].Invalid != "" || s.Steps[4].Invalid == "" {
		t.Errorf("%+v, knee %+v", s.Steps, s.Knee)
	}
	all := &queue{capacity: 20_000, change: func(_ int, r *result.Result) { r.Invalid = "noticed late" }}
	s = swept(t, options(), all)
	if len(s.Steps) != 2 || s.Knee != nil || s.KneeText() != "No knee: at every rate the figures are the generator's: noticed late" {
		t.Errorf("%+v, %s", s, s.KneeText())
	}
}

func TestFirstRateIsPastTheKnee(t *testing.T) {
	q := &queue{capacity: 500}
	s := swept(t, options(), q)
	if s.Knee == nil || s.Knee.Below != 0 || s.Knee.Above != 1000 || len(s.Steps) != 1 {
		t.Errorf("%+v", s)
	}
	if want := "Already 1,000/s is past the knee, and no lower rate was before it: 50.0 % of the requests due were answered right"; s.KneeText() != want {
		t.Error(s.KneeText())
	}
}

// A sweep that ends early keeps its steps; one without any is an error.
func TestEndsEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q := &queue{capacity: 1e6, change: func(n int, r *result.Result) {
		if n == 2 {
			cancel()
		}
	}}
	s, err := Run(ctx, options(), q.run, func(result.Step) {})
	if err != nil || s.Partial != "interrupted" || len(s.Steps) != 2 || s.Knee != nil {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Run(ctx, options(), q.run, func(result.Step) {}); err == nil || err.Error() != "interrupted" {
		t.Error(err)
	}

	dies := &queue{capacity: 1e6, change: func(n int, r *result.Result) {
		if n == 1 {
			r.Partial = "no connection for 3s"
		}
	}}
	s, err = Run(t.Context(), options(), dies.run, func(result.Step) {})
	if err != nil || s.Partial != "at 1,500/s: no connection for 3s" || len(s.Steps) != 1 {
		t.Errorf("%+v, %v", s, err)
	}

	refused := errors.New("connection refused")
	if _, err := Run(t.Context(), options(), func(context.Context, load.Options) (*result.Result, error) {
		return nil, refused
	}, func(result.Step) {}); !errors.Is(err, refused) {
		t.Error(err)
	}
}

// What the runs say of themselves is in the sweep, and survives its file.
func TestSweepFile(t *testing.T) {
	q := &queue{capacity: 20_000, change: func(_ int, r *result.Result) {
		r.Environment.CPU = "Some CPU"
		r.Errors = map[string]uint64{"timeout": 2}
		r.Targets = []result.Process{{MicrosPerRequest: 2.5}}
	}}
	s := swept(t, options(), q)
	if s.Name != "model" || s.Environment.CPU != "Some CPU" || s.Command.Connections != 3 || s.Command.Rate != 0 || s.KneeFactor != 3 {
		t.Errorf("%+v", s)
	}
	if step := s.Steps[0]; step.CPU != 2.5 || step.Errors != 2 || step.P50 == 0 || step.P999 <= step.P99 || step.Max < step.P999 {
		t.Errorf("%+v", step)
	}
	path := t.TempDir() + "/sweep.json"
	if err := s.Write(path); err != nil {
		t.Fatal(err)
	}
	back, err := result.ReadSweep(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Error(diff)
	}
	if _, err := result.Read(path); err == nil || !strings.Contains(err.Error(), "no latency histogram") {
		t.Error(err)
	}
}

func TestRates(t *testing.T) {
	o := options()
	o.From, o.To, o.Factor = 1000, 10_000, 1.5
	rates, err := o.rates()
	if want := []float64{1000, 1500, 2300, 3400, 5100, 7600}; err != nil || !slices.Equal(rates, want) {
		t.Errorf("%v, %v; want %v", rates, err, want)
	}
	o.To = 1000
	if rates, err := o.rates(); err != nil || len(rates) != 1 {
		t.Error(rates, err)
	}
}

func TestOptionsRefused(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"the knee factor 1 is not over 1":        func(o *Options) { o.KneeFactor = 1 },
		"the knee factor NaN is not over 1":      func(o *Options) { o.KneeFactor = math.NaN() },
		"-1 refinements are not between 0 and 8": func(o *Options) { o.Refine = -1 },
		"9 refinements are not between 0 and 8":  func(o *Options) { o.Refine = 9 },
		"a step needs a duration":                func(o *Options) { o.Load.Duration = 0 },
		"not by a count":                         func(o *Options) { o.Load.Count = 5 },
		"rates from 0 to 1e+06 do not rise":      func(o *Options) { o.From = 0 },
		"rates from 1000 to 10 do not rise":      func(o *Options) { o.To = 10 },
		"rates from 1000 to +Inf do not rise":    func(o *Options) { o.To = math.Inf(1) },
		"the factor 1.05 is under 1.1":           func(o *Options) { o.Factor = 1.05 },
		"are more than 100 steps":                func(o *Options) { o.From, o.Factor = 1e-3, 1.1 },
		"the rate 5 does not rise over 5":        func(o *Options) { o.Rates = []float64{5, 5} },
		"the rate -1 does not rise over 0":       func(o *Options) { o.Rates = []float64{-1} },
		"the rate NaN does not rise over 1":      func(o *Options) { o.Rates = []float64{1, math.NaN()} },
		"101 rates are more than 100":            func(o *Options) { o.Rates = make([]float64, 101) },
	} {
		o := options()
		change(&o)
		_, err := Run(t.Context(), o, func(context.Context, load.Options) (*result.Result, error) {
			t.Error(want, "was run")
			return nil, errors.New("run")
		}, func(result.Step) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
