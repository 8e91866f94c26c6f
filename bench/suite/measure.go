// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sideloop/sideloop/bench/peers"
	"github.com/sideloop/sideloop/bench/result"
)

// service is what Bolt requests name, for routes that match it.
const service = "com.example.Echo:1.0"

// maxErrors is the part of all requests that may fail in a measurement that
// counts: they are stated in a note.
const maxErrors = 0.001

// errInvalid marks a measurement in which the generator was the bottleneck.
var errInvalid = errors.New("not valid")

// sample is what one proxy did in one scenario and round.
type sample struct {
	round  int
	figure float64 // in the scenario's unit
	cpu    float64 // µs per request
	rss    float64 // peak, bytes, all processes together
	rate   float64 // requests per second; 0 where none are measured
	allocs float64 // objects per request, where the collector is looked at
	tail   string  // why one of the following is not a number: the generator was too late
	// Latencies in µs.
	p50, p90, p99, p999 float64
}

// over makes latency what the proxy adds to base.
func (s *sample) over(base sample) {
	s.p50 -= base.p50
	s.p90 -= base.p90
	s.p99 -= base.p99
	s.p999 -= base.p999
	if s.tail == "" && base.tail != "" {
		s.tail = "without a proxy, " + base.tail
	}
}

func (s *sample) text(sc *scenario) string {
	if sc.added {
		return fmt.Sprintf("p50 %s, p90 %s, p99 %s, p99.9 %s, %.2f µs CPU per request", told(s.p50), told(s.p90), told(s.p99), told(s.p999), s.cpu)
	}
	text := fmt.Sprintf("%.2f %s", s.figure, sc.figure.unit())
	if sc.figure == collectorPercent {
		text += fmt.Sprintf(", %.4f allocations per request", s.allocs)
	}
	if sc.figure == microsPerRequest {
		text += fmt.Sprintf(" at %s, p50 %s", result.PerSecond.Format(s.rate), told(s.p50))
	}
	return text
}

func told(micros float64) string {
	if math.IsNaN(micros) {
		return "not told"
	}
	return fmt.Sprintf("%.0f µs", micros)
}

func (f figure) unit() string {
	switch f {
	case millisPerTransfer:
		return "ms CPU per transfer"
	case bytesPerConnection:
		return "bytes of anonymous memory per connection"
	case microsPerConnection:
		return "µs CPU per connection"
	case peakMegabytes:
		return "MB peak RSS"
	case collectorPercent:
		return "% of the CPU time in the collector"
	}
	return "µs CPU per request"
}

// measure runs one scenario through newly started proxies, or directly.
func (r *runner) measure(ctx context.Context, round int, sc *scenario, c *contender) (sample, error) {
	conns := cmp.Or(c.size.connections, sc.connections)
	if need := uint64(2*conns + spareFiles); r.machine.files < need {
		return sample{}, fmt.Errorf("needs %d file descriptors and the limit is %d", need, r.machine.files)
	}
	w, err := r.build(ctx, sc, c)
	if err != nil {
		return sample{}, err
	}
	defer w.stop()
	got := sample{}
	switch sc.figure {
	case bytesPerConnection:
		return r.idle(ctx, sc, w)
	case peakMegabytes:
		return r.stall(ctx, sc, w)
	case collectorPercent:
		got, err = r.collect(ctx, round, sc, c.ID, w)
	default:
		got, err = r.load(ctx, round, sc, c.ID, conns, w)
	}
	if dead := w.alive(); dead != nil {
		return sample{}, dead
	}
	return got, err
}

// load runs the load generator against w.
func (r *runner) load(ctx context.Context, round int, sc *scenario, name string, conns int, w *way) (sample, error) {
	folder := r.JSON
	if folder == "" {
		folder = r.dir
	}
	file, err := filepath.Abs(filepath.Join(folder, fmt.Sprintf("%s.%s.%d.json", sc.id, name, round)))
	if err != nil {
		return sample{}, err
	}
	// What an earlier suite left there must not be taken for this one's.
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return sample{}, err
	}
	generator, err := r.start("loopbench run", exec.Command(r.Programs.Loopbench, r.arguments(sc, name, file, conns, w)...), onOtherCPUs)
	if err != nil {
		return sample{}, err
	}
	problem := generator.wait(ctx)
	if ctx.Err() != nil {
		return sample{}, ctx.Err()
	}
	found, err := result.Read(file)
	if err != nil {
		return sample{}, errors.Join(problem, err)
	}
	return r.judge(sc, name, found, len(w.proxies), problem)
}

func (r *runner) arguments(sc *scenario, name, file string, conns int, w *way) []string {
	args := []string{
		"run", w.address, "--name", name, "--protocol", string(sc.client()), "--json", file,
		"--connections", strconv.Itoa(conns), "--in-flight", strconv.Itoa(sc.inFlight),
		"--body", strconv.Itoa(sc.body), "--duration", r.duration(sc).String(), "--warm-up", warmUp.String(),
	}
	if sc.reply > 0 {
		args = append(args, "--reply", strconv.Itoa(sc.reply))
	}
	if sc.rate > 0 {
		args = append(args, "--rate", strconv.Itoa(sc.rate))
	}
	if sc.hops[0].downTLS {
		args = append(args, "--tls-ca", filepath.Join(r.secrets, peers.AuthorityFile))
	}
	if sc.resumed {
		args = append(args, "--tls-resume")
	}
	if sc.perConnection > 0 {
		args = append(args, "--per-connection", strconv.Itoa(sc.perConnection))
	}
	if sc.client() == peers.Bolt {
		args = append(args, "--service", service)
	}
	for _, p := range w.proxies {
		args = append(args, "--pid", strconv.Itoa(p.cmd.Process.Pid))
	}
	return args
}

// duration is the measured time of one run of sc.
func (r *runner) duration(sc *scenario) time.Duration {
	return r.Measure * time.Duration(max(sc.times, 1))
}

// judge turns a run into a sample if it may count.
func (r *runner) judge(sc *scenario, name string, found *result.Result, proxies int, problem error) (sample, error) {
	failed, why := uint64(0), []string(nil)
	for _, reason := range slices.Sorted(maps.Keys(found.Errors)) {
		failed += found.Errors[reason]
		why = append(why, fmt.Sprintf("%d %s", found.Errors[reason], reason))
	}
	switch {
	case found.Partial != "":
		return sample{}, errors.New(found.Partial)
	case found.Requests == 0:
		return sample{}, errors.Join(errors.New("no request was answered"), problem)
	case float64(failed) > maxErrors*float64(found.Requests):
		return sample{}, fmt.Errorf("%d of %d requests failed (%s)", failed, found.Requests+failed, strings.Join(why, ", "))
	case found.Invalid != "" && sc.rate > 0 && (sc.added || !keptRate(found)):
		return sample{}, fmt.Errorf("%w: %s", errInvalid, found.Invalid)
	case len(found.Targets) != proxies:
		return sample{}, fmt.Errorf("%d processes were measured instead of %d", len(found.Targets), proxies)
	}
	if failed > 0 {
		r.note("%s, %s: %d of %d requests failed (%s).", sc.name, name, failed, found.Requests+failed, strings.Join(why, ", "))
	}
	s := sample{
		rate: found.Rate(), tail: found.TailText(),
		p50: micros(found, 50), p90: micros(found, 90), p99: micros(found, 99), p999: micros(found, 99.9),
	}
	for _, t := range found.Targets {
		s.cpu += t.MicrosPerRequest
		s.rss += float64(t.PeakRSS)
	}
	s.figure = s.cpu
	if sc.figure == millisPerTransfer {
		s.figure = s.cpu / 1000
	}
	return s, nil
}

// micros is a percentile of the latency, not a number where it cannot be told.
func micros(r *result.Result, p float64) float64 {
	if !r.Tells(p) {
		return math.NaN()
	}
	return float64(r.Latency.At(p)) / 1000
}

// keptRate tells that the generator, late or not, sent what was due: a figure of
// CPU time is the proxy's then.
func keptRate(r *result.Result) bool {
	return r.Schedule != nil && r.Schedule.Due > 0 && r.Schedule.Limit == ""
}
