// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/sideloop/sideloop/bench/peers"
	"github.com/sideloop/sideloop/bench/report"
	"github.com/sideloop/sideloop/bench/result"
)

// Options say what to measure, and with what.
type Options struct {
	Rounds    int
	Measure   time.Duration // of one proxy in one scenario and round; open loops take twice that
	Scenarios []string      // by id; none is all
	Peers     []string      // by id; none is all
	Programs  peers.Programs
	JSON      string    // folder for the results of every run; empty for none
	Log       io.Writer // one line per measurement
}

const (
	// warmUp lets connections open, windows grow and heaps settle.
	warmUp = 500 * time.Millisecond
	// maxRounds and maxMeasure are far over what makes a difference.
	maxRounds  = 100
	maxMeasure = 10 * time.Minute
)

// contender is a peer of this run.
type contender struct {
	*peers.Peer
	program string
	missing string // why it cannot take part
	size    size   // in a scenario of growth
}

// direct stands for no proxy at all: clients call the echo service.
var direct = &contender{Peer: &peers.Peer{ID: "direct", Name: "direct"}}

// runner is the state of one run of the suite. Processes are started by the
// goroutine that called Run, which stays on its thread.
type runner struct {
	Options
	machine    *machine
	dir        string // for configurations and results, removed at the end
	secrets    string // folder of it with what TLS needs
	scenarios  []*scenario
	contenders []contender
	record     record
	notes      []string
	repeated   int // measurements that had to be
}

// Run measures until everything asked for is measured or ctx ends. The suite has
// what was found until then, also with an error.
func Run(ctx context.Context, o Options) (report.Suite, error) {
	r := &runner{Options: o}
	s := report.Suite{Title: "Sideloop and its peers", Environment: result.DetectEnvironment(), Started: time.Now()}
	if err := r.prepare(ctx); err != nil {
		return s, err
	}
	defer func() { _ = os.RemoveAll(r.dir) }()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := r.rounds(ctx)
	s.Scenarios = r.report()
	s.Verdicts = r.verdicts()
	s.Notes = append(r.method(), r.notes...)
	switch {
	case Interrupted(err):
		s.Notes = append([]string{"Incomplete: interrupted."}, s.Notes...)
	case err != nil:
		s.Notes = append([]string{"Incomplete: " + err.Error()}, s.Notes...)
	}
	return s, err
}

// prepare checks the options and finds the programs.
func (r *runner) prepare(ctx context.Context) error {
	switch {
	case r.Rounds < 1 || r.Rounds > maxRounds:
		return fmt.Errorf("the number of rounds is not between 1 and %d", maxRounds)
	case r.Measure < time.Second || r.Measure > maxMeasure:
		return fmt.Errorf("the time of a measurement is not between 1s and %v", maxMeasure)
	}
	var err error
	if r.scenarios, err = selectScenarios(r.Scenarios); err != nil {
		return err
	}
	chosen, err := peers.Select(r.Peers, r.Programs)
	if err != nil {
		return err
	}
	for _, p := range []*string{&r.Programs.Loopbench, &r.Programs.Sideloop, &r.Programs.SideloopB, &r.Programs.MOSN} {
		if *p == "" {
			continue
		}
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
	}
	for _, p := range chosen {
		c := contender{Peer: p}
		c.program, c.missing = p.Find(r.Programs)
		r.contenders = append(r.contenders, c)
		r.describe(ctx, &c)
	}
	if r.JSON != "" {
		if err := os.MkdirAll(r.JSON, 0o755); err != nil {
			return err
		}
	}
	if r.machine, err = newMachine(); err != nil {
		return err
	}
	if r.dir, err = os.MkdirTemp("", "loopbench"); err != nil {
		return err
	}
	if slices.ContainsFunc(r.scenarios, (*scenario).encrypted) {
		r.secrets = filepath.Join(r.dir, "tls")
		if err = os.Mkdir(r.secrets, 0o700); err == nil {
			err = makeCertificates(r.secrets)
		}
	}
	return err
}

// describe notes a peer's version and what it does differently.
func (r *runner) describe(ctx context.Context, c *contender) {
	if c.missing != "" {
		return // the report says so
	}
	if version := c.Version(ctx, c.program); version != "" {
		r.note("%s: %s.", c.Name, version)
	}
	if c.Note != "" {
		r.notes = append(r.notes, c.Note)
	}
}

func (r *runner) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// method says how the figures came about.
func (r *runner) method() []string {
	rounds := "one round"
	if r.Rounds > 1 {
		rounds = fmt.Sprintf("%d rounds", r.Rounds)
	}
	notes := []string{
		fmt.Sprintf("Median of %s with minimum and maximum; in a round each proxy runs each scenario once, newly started, for %v (open loops: %v) after %v of warm-up. A ratio is the median of the ratios of the rounds, with the smallest and the largest.",
			rounds, r.Measure, openTimes*r.Measure, warmUp),
		r.machine.describe(),
		"CPU is the proxy's user and system time by the kernel's account, over requests whose replies were verified. All traffic is on the loopback interface, without access logs and, but where a scenario says so, without TLS.",
	}
	if r.repeated > 0 {
		notes = append(notes, fmt.Sprintf("%d open-loop measurements were repeated because the load generator could not keep its schedule, as when the machine has other work.", r.repeated))
	}
	return notes
}

// rounds measures everything, round by round.
func (r *runner) rounds(ctx context.Context) error {
	for round := 1; round <= r.Rounds; round++ {
		for _, sc := range r.scenarios {
			if err := r.turn(ctx, round, sc); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn lets every contender run one scenario. One that fails has the failure
// instead of a figure and does not keep the others from running.
func (r *runner) turn(ctx context.Context, round int, sc *scenario) error {
	var base sample
	var baseless error
	if sc.share > 0 && sc.rate == 0 {
		baseless = r.saturate(ctx, round, sc)
	}
	if sc.added && baseless == nil {
		base, baseless = r.attempt(ctx, round, sc, direct)
		if baseless != nil {
			baseless = fmt.Errorf("without a proxy: %w", baseless)
		}
	}
	for _, c := range r.order(round, sc) {
		if c.missing != "" {
			continue
		}
		got, err := sample{}, baseless
		if err == nil {
			got, err = r.attempt(ctx, round, sc, c)
		}
		switch {
		case err == nil:
			got.over(base)
			got.round = round
			r.record.add(sc.id, c.ID, got)
		case ctx.Err() == nil:
			r.record.fail(sc.id, c.ID, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// taking returns who takes part in sc: who serves it, or Sideloop at each size.
func (r *runner) taking(sc *scenario) []*contender {
	var all []*contender
	for i := range r.contenders {
		c := &r.contenders[i]
		switch {
		case !sc.serves(c.Peer), sc.alone && !c.Admin:
		case len(sc.sizes) == 0:
			all = append(all, c)
		case c.Ours:
			for n, s := range sc.sizes {
				p := *c.Peer
				p.ID, p.Name, p.Ours = fmt.Sprintf("%s-%d", c.ID, n+1), s.name, n == 0
				all = append(all, &contender{Peer: &p, program: c.program, missing: c.missing, size: s})
			}
		}
	}
	return all
}

// order is who runs after whom. Every other round runs backwards: whoever always
// came second would have what the first leaves behind.
func (r *runner) order(round int, sc *scenario) []*contender {
	all := r.taking(sc)
	if round%2 == 0 {
		slices.Reverse(all)
	}
	return all
}

// attempts is how often a measurement is tried in which not the proxy but the
// load generator was at fault, as when something else needs its CPU.
const attempts = 2

// attempt measures until the measurement is valid.
func (r *runner) attempt(ctx context.Context, round int, sc *scenario, c *contender) (sample, error) {
	for try := 1; ; try++ {
		got, err := r.measure(ctx, round, sc, c)
		switch {
		case err == nil:
			r.log(round, sc, c, got.text(sc))
			return got, nil
		case ctx.Err() != nil:
			return sample{}, ctx.Err()
		}
		r.log(round, sc, c, "failed: "+oneLine(err))
		if try == attempts || !errors.Is(err, errInvalid) {
			return sample{}, err
		}
		r.repeated++
	}
}

func (r *runner) log(round int, sc *scenario, c *contender, what string) {
	// A log that cannot be written does not end a measurement.
	_, _ = fmt.Fprintf(r.Log, "round %d/%d  %-12s %-12s %s\n", round, r.Rounds, sc.id, c.ID, what)
}

// Interrupted reports whether err is the end of the context that Run was given.
func Interrupted(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
