// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench/result"
)

// run is ten seconds of 1,000 requests each, of 1 to 2 ms times a factor.
func run(name string, factor float64) *result.Result {
	r := &result.Result{
		Version: result.Version, Name: name, Started: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
		Environment: result.Environment{OS: "linux", Kernel: "6.1", CPU: "Some CPU", CPUs: 2, Memory: 8 << 30, Go: "go1.26"},
		Command:     result.Command{Target: "127.0.0.1:2045", Protocol: "bolt", Connections: 32, InFlight: 16, BodyBytes: 1024, Seconds: 10},
		Elapsed:     10, Requests: 10_000, Latency: result.NewHistogram(),
		Generator: result.Usage{User: 0.1, System: 0.2},
		Targets:   []result.Process{{PID: 42, Name: "proxy", MicrosPerRequest: 2 * factor}},
	}
	for i := range 10_000 {
		r.Latency.Record(int64(factor * (1e6 + 100*float64(i))))
	}
	for at := range 10 {
		r.Seconds = append(r.Seconds, result.Second{
			At: at, Requests: 1000, P50: int64(factor * 1.5e6), P99: int64(factor * 2e6), Max: int64(factor * 2e6),
		})
	}
	return r
}

func written(t *testing.T, title string, results ...*result.Result) *document {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, title, results...); err != nil {
		t.Fatal(err)
	}
	return parse(t, b.Bytes())
}

func TestWriteOne(t *testing.T) {
	r := run("sideloop", 1)
	r.Command.Rate, r.Service, r.Delay = 1000, r.Latency.Clone(), result.NewHistogram()
	r.Delay.Record(5000)
	r.Errors = map[string]uint64{"timeout": 1234, "wrong_body": 1}
	r.Partial, r.Invalid = "interrupted", "the generator was 91 % busy"
	r.Steal = 0.07
	r.Schedule = &result.Schedule{Due: 1000, Sent: 999, LateShare: 0.075, LateBy: 1e6, Lateness: result.NewHistogram()}
	r.Schedule.Lateness.Record(20_000)
	d := written(t, "Bolt 1 KB", r)
	d.has(t, "TAIL Of the latency a part is the generator's: the generator noticed 7.50 % of the requests more than 1.00 ms after they were due, "+
		"while the host took 7.00 % of the machine's CPU time away (steal): what is beyond p92.5 is not the target's alone",
		"p90 1.90 ms", "p99 not told 1.99 ms with the generator's part", "beyond: not the target's alone")
	for head, want := range map[string]string{
		"noticed late": "noticed late 7.50 % by over 1.00 ms", "sent": "sent 999", "lateness p50": "lateness p50 20.0 µs",
		"CPU time the host gave to others (steal)": "CPU time the host gave to others (steal) 7.00 %",
	} {
		if row := d.row("generator", head); row != want {
			t.Errorf("%q, want %q", row, want)
		}
	}
	d.has(t, "Bolt 1 KB", "22 November 2026", "INVALID The figures measure the generator rather than the target: the generator was 91 % busy",
		"PARTIAL The run ended before its time: interrupted", "rate 1,000/s", "CPU per request 2.00 µs",
		"sideloop: proxy (42) 2.00 µs", "sideloop: generator 30.0 µs", "open loop, 1,000/s", "2 × Some CPU", "asked for: 1,000/s")
	for id, lines := range map[string]int{"by-percentile": 3, "over-time": 3, "throughput-over-time": 1, "errors-over-time": 1} {
		if n := d.count(id, "path", "") - d.count(id, "li", "") - d.count(id, "p", "quiet"); n != lines {
			t.Errorf("%s has %d lines, want %d", id, n, lines)
		}
	}
	if row := d.row("errors", "timeout"); row != "timeout 1,234" {
		t.Error(row)
	}
	if d.ids["comparison"] != nil {
		t.Error("one run is compared")
	}
}

func TestWriteSeveral(t *testing.T) {
	other := run("other", 3)
	other.Command.BodyBytes = 5
	other.Invalid = "busy"
	other.Schedule = &result.Schedule{LateShare: 0.05}
	d := written(t, "A and B", run("base", 1), other, run("base", 1.5), run("base", 2))
	if row := d.row("comparison", "p99"); row != "p99 2.98 ms (1.99 – 3.97 ms) not told 5.96 ms with the generator's part" &&
		!strings.Contains(row, "not told") {
		t.Errorf("%q", row)
	}
	for head, want := range map[string]string{
		"p50":             "p50 2.25 ms (1.50 – 3.00 ms) 4.50 ms · 2.00×",
		"CPU per request": "CPU per request 3.00 µs (2.00 – 4.00 µs) 6.00 µs · 2.00×",
		"errors":          "errors 0 0",
	} {
		if row := d.row("comparison", head); row != want {
			t.Errorf("%q, want %q", row, want)
		}
	}
	d.has(t, "INVALID other: busy",
		"NOTE other had another body size (5, the base 1024)", "base: proxy (42)", "other: proxy (42)")
	// One curve per series, one line per run over time.
	if n := d.count("by-percentile", "path", "s0"); n != 2 {
		t.Error("curves and legends of the base:", n)
	}
	if n := d.count("p99-over-time", "path", "s0"); n != 4 {
		t.Error("lines and legends of the base:", n)
	}
}

func TestWriteMarksChance(t *testing.T) {
	d := written(t, "", run("a", 1), run("a", 2), run("b", 1.5), run("b", 3))
	if row := d.row("comparison", "p50"); row != "p50 2.25 ms (1.50 – 3.00 ms) 3.38 ms · 1.50× ≈ (2.25 – 4.50 ms)" {
		t.Error(row)
	}
}

func TestWriteBounds(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, "none"); err == nil || err.Error() != "a report needs a result" {
		t.Error(err)
	}
	var many []*result.Result
	for i := range MaxSeries {
		many = append(many, run(fmt.Sprint("run ", i), 1))
	}
	d := written(t, "eight", many...)
	if n := d.count("by-percentile", "path", "s7"); n != 2 {
		t.Error("curves and legends of the eighth:", n)
	}
	if err := Write(&b, "nine", append(many, run("run 8", 1))...); err == nil || !strings.Contains(err.Error(), "at most 8 series, these are 9") {
		t.Error(err)
	}
	for _, room := range []int{0, 5000} {
		if err := Write(&full{room}, "full", many...); err == nil || err.Error() != "full disk" {
			t.Error(err)
		}
	}
}

// A run that got nothing, and one too short for a second, are drawn too.
func TestWriteWithLittle(t *testing.T) {
	nothing := &result.Result{Latency: result.NewHistogram(), Errors: map[string]uint64{"connect_failed": 3}, Partial: "no connection for 3s"}
	d := written(t, "", nothing)
	d.has(t, "PARTIAL", "No reply was measured.", "The run was too short.", "connect_failed 3")

	short := run("short", 1)
	short.Elapsed, short.Seconds = 0.1, short.Seconds[:1]
	written(t, "short", short).has(t, "The run was too short.", "p50 1.50 ms")

	silent := run("silent", 1)
	for i := range silent.Seconds {
		silent.Seconds[i] = result.Second{At: i}
	}
	d = written(t, "silent", silent, nothing)
	d.has(t, "No reply was measured.")
	if n := d.count("throughput-over-time", "path", "s0"); n != 2 {
		t.Error("lines and legends of the throughput:", n)
	}
}

// Names, headers, errors and titles come from files: none of it is markup.
func TestWriteEscapes(t *testing.T) {
	const evil = `</title></style><script>alert(1)</script><img src=x onerror="alert(2)">{{.}}' "`
	r := run(evil, 1)
	r.Invalid, r.Partial, r.Command.Target, r.Command.Protocol, r.Command.Headers = evil, evil, evil, evil, []string{evil}
	r.Errors = map[string]uint64{evil: 1}
	r.Targets[0].Name, r.Environment.CPU, r.Environment.Kernel, r.Environment.Loopbench = evil, evil, evil, evil
	other := run("b"+evil, 1)
	d := written(t, evil, r, other)
	if n := strings.Count(d.visible, "<script>alert(1)</script>"); n < 10 {
		t.Error("the text is shown", n, "times")
	}

	var b bytes.Buffer
	bar := Bar{Name: evil, Missing: evil}
	if err := WriteSuite(&b, Suite{
		Title: evil, Notes: []string{evil}, Scenarios: []Scenario{{Name: evil, Unit: evil, What: evil, Bars: []Bar{bar}}},
	}); err != nil {
		t.Fatal(err)
	}
	parse(t, b.Bytes())

	b.Reset()
	sweep := threeSteps()
	sweep.Name, sweep.Partial, sweep.Knee.Why, sweep.Steps[0].Past = evil, evil, evil, evil
	if err := WriteSweep(&b, sweep); err != nil {
		t.Fatal(err)
	}
	parse(t, b.Bytes())
}
