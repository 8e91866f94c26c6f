// SPDX-License-Identifier: Apache-2.0

package result

import (
	"strings"
	"testing"
)

func late(share float64) *Result {
	r := sample()
	r.Schedule = &Schedule{LateShare: share, LateBy: 1e6}
	return r
}

func TestToldTo(t *testing.T) {
	for _, c := range []struct {
		share       float64
		beyond      string
		told, blurs []float64
	}{
		{0, "", []float64{50, 99.999, 100}, nil},
		{1.0 / 80_000, "p99.9987", []float64{99.99}, []float64{99.9999, 100}},
		{0.001, "p99.9", []float64{99.9}, []float64{99.99, 100}},
		{0.0101, "p98.9", []float64{50, 90}, []float64{99, 99.9}},
		{0.075, "p92.5", []float64{50, 92.5}, []float64{93, 99}},
		{0.2, "p80", []float64{50, 80}, []float64{90}},
		{1, "p0", nil, []float64{1, 50, 100}},
	} {
		r := late(c.share)
		for _, p := range c.told {
			if !r.Tells(p) {
				t.Errorf("with %v late p%v is not told", c.share, p)
			}
		}
		for _, p := range c.blurs {
			if r.Tells(p) {
				t.Errorf("with %v late p%v is told", c.share, p)
			}
		}
		if text := r.TailText(); (text == "") != (c.beyond == "") || !strings.HasSuffix(text, c.beyond+" is not the target's alone") && text != "" {
			t.Errorf("with %v late: %q, want %q", c.share, text, c.beyond)
		}
	}
	if !(&Result{}).Tells(100) {
		t.Error("a closed loop tells nothing")
	}
}

// A threshold on what cannot be told fails, whatever the figure is.
func TestThresholdThatCannotBeTold(t *testing.T) {
	r := late(0.05)
	r.Steal = 0.031
	for text, fails := range map[string]bool{
		"p99>1000s": true, "p99<1ns": true, "max>1000s": true, "mean>1000s": true, "p95.1>1000s": true,
		"p95>1000s": false, "p50>1000s": false, "rate<1": false, "cpu>1s": false, "errors>11": false,
	} {
		threshold, err := ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		ok, why := threshold.Check(r)
		if ok == fails || strings.Contains(why, "cannot be told") != fails {
			t.Errorf("%s: %v, %s", text, ok, why)
		}
	}
	threshold, _ := ParseThreshold("p99>2ms")
	const want = "p99>2ms cannot be told: p99 is 2.07 ms, but the generator noticed 5.00 % of the requests more than 1.00 ms after they were due, " +
		"while the host took 3.10 % of the machine's CPU time away (steal): what is beyond p95 is not the target's alone"
	if _, why := threshold.Check(r); why != want {
		t.Error(why)
	}
}

// A comparison takes from each run what it tells.
func TestCompareUntold(t *testing.T) {
	slow := func(name string, share float64, micros int64) *Result {
		r := run(name, 1000, 2, micros)
		r.Schedule = &Schedule{LateShare: share}
		return r
	}
	c := Compare(slow("a", 0, 1000), slow("a", 0.05, 9000), slow("b", 0.05, 5000), slow("b", 0.05, 7000))
	for _, row := range c.Rows {
		a, b := row.Cells[0], row.Cells[1]
		switch row.Metric {
		case "p50", "p90", "cpu", "rate":
			if a.Runs != 2 || b.Runs != 2 || a.Untold+b.Untold != 0 {
				t.Errorf("%s: %+v", row.Metric, row.Cells)
			}
		case "p99", "p99.9", "max", "mean":
			if a.Runs != 1 || a.Untold != 1 || a.Median > 1.01e6 || b.Runs != 0 || b.Untold != 2 || b.Blurred < 5.9e6 || b.Ratio != 0 || b.Overlaps {
				t.Errorf("%s: %+v", row.Metric, row.Cells)
			}
		}
	}
}
