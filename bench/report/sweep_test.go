// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/bench/result"
)

// threeSteps is a sweep of three steps, the last past the knee.
func threeSteps() *result.Sweep {
	return &result.Sweep{
		Version: result.Version, Name: "sideloop", KneeFactor: 3, Command: run("", 1).Command,
		Steps: []result.Step{
			{Rate: 1000, Achieved: 1000, ToldTo: 100, P50: 100_000, P90: 150_000, P99: 200_000, P999: 300_000, Max: 400_000, GeneratorBusy: 0.1, CPU: 2},
			{Rate: 2000, Achieved: 2000, ToldTo: 100, P50: 110_000, P90: 160_000, P99: 250_000, P999: 900_000, Max: 2_000_000, GeneratorBusy: 0.2, CPU: 2.1},
			{Rate: 4000, Achieved: 3500, Errors: 12, ToldTo: 92.5, P50: 10e6, P90: 20e6, P99: 30e6, P999: 40e6, Max: 50e6, GeneratorBusy: 0.4, CPU: 2.2, Past: "too slow"},
		},
		Knee: &result.Knee{Below: 2000, Above: 4000, Why: "too slow"},
	}
}

func TestWriteSweep(t *testing.T) {
	s := threeSteps()
	s.Partial = "interrupted"
	var b bytes.Buffer
	if err := WriteSweep(&b, s); err != nil {
		t.Fatal(err)
	}
	d := parse(t, b.Bytes())
	d.has(t, "Latency against load: sideloop", "KNEE The knee is between 2,000/s and 4,000/s: too slow", "knee: 4,000/s",
		"PARTIAL The sweep ended before its time: interrupted", "p90 20.0 ms at 4,000/s", "p99 250 µs at 2,000/s",
		"marked with ? and not drawn", "4,000/s past the knee: too slow")
	if row := d.row("load", "4,000/s"); row != "4,000/s 3,500/s 10.0 ms 20.0 ms 30.0 ms? 40.0 ms? 50.0 ms? 12 40.0 % 2.20 µs" {
		t.Error(row)
	}
	for class, points := range map[string]int{"s0": 3, "s1": 3, "s2": 2, "s3": 2} {
		if n := d.count("latency-against-load", "circle", class); n != points {
			t.Errorf("%d points of %s, want %d", n, class, points)
		}
	}
}

// An invalid step has its figures in the table, its reason below and nothing in
// the chart, and a percentile that no step tells has no line.
func TestWriteSweepInvalidStep(t *testing.T) {
	s := threeSteps()
	for i := range s.Steps {
		s.Steps[i].ToldTo = 95
	}
	s.Steps[1].Invalid = "too late"
	var b bytes.Buffer
	if err := WriteSweep(&b, s); err != nil {
		t.Fatal(err)
	}
	d := parse(t, b.Bytes())
	d.has(t, "2,000/s INVALID: too late")
	if row := d.row("load", "2,000/s"); !strings.Contains(row, "110 µs") {
		t.Error(row)
	}
	for class, points := range map[string]int{"s0": 2, "s1": 2, "s2": 0, "s3": 0} {
		if n := d.count("latency-against-load", "circle", class); n != points {
			t.Errorf("%d points of %s, want %d", n, class, points)
		}
	}
	if n := d.count("latency-against-load", "li", ""); n != 2 { // p50 and p90
		t.Errorf("%d entries of the legend", n)
	}
}

func TestWriteSweepWithLittle(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSweep(&b, &result.Sweep{}); err == nil || !strings.Contains(err.Error(), "without steps") {
		t.Error(err)
	}
	for _, step := range []result.Step{{}, {Rate: 5, Errors: 5}, {Rate: 5, Invalid: "busy"}, {Rate: 5, P50: 1, P99: 1, P999: 1}} {
		b.Reset()
		if err := WriteSweep(&b, &result.Sweep{Steps: []result.Step{step}}); err != nil {
			t.Fatal(err)
		}
		parse(t, b.Bytes())
	}
}
