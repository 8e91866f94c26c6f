// SPDX-License-Identifier: Apache-2.0

package result

import (
	"fmt"
	"slices"
	"testing"
)

// run has a rate, a CPU figure and a latency that is the same for all requests.
func run(name string, requests uint64, cpu float64, micros int64) *Result {
	r := &Result{
		Version: Version, Name: name, Elapsed: 10, Requests: requests, Latency: NewHistogram(),
		Targets: []Process{{MicrosPerRequest: cpu}},
	}
	for range 10 {
		r.Latency.Record(micros * 1000)
	}
	return r
}

// The expected figures were computed by hand.
func TestCompare(t *testing.T) {
	c := Compare(
		run("a", 1000, 2.0, 1000), run("b", 1500, 3.0, 500),
		run("a", 1200, 2.5, 3000), run("b", 1100, 4.0, 700),
		run("a", 1100, 2.2, 2000), run("b", 1300, 3.5, 600), run("b", 1400, 3.3, 800),
		run("c", 5000, 9.0, 100),
	)
	if names := seriesNames(c); !slices.Equal(names, []string{"a 3", "b 4", "c 1"}) {
		t.Fatal(names)
	}
	for metric, want := range map[string][3]Cell{
		"rate": {
			{Runs: 3, Median: 110, Min: 100, Max: 120, Ratio: 1, RatioMin: 1, RatioMax: 1},
			{Runs: 4, Median: 135, Min: 110, Max: 150, Ratio: 135.0 / 110, RatioMin: 110.0 / 120, RatioMax: 1.5, Overlaps: true},
			{Runs: 1, Median: 500, Min: 500, Max: 500, Ratio: 500.0 / 110, RatioMin: 500.0 / 120, RatioMax: 5},
		},
		"cpu": {
			{Runs: 3, Median: 2.2, Min: 2, Max: 2.5, Ratio: 1, RatioMin: 1, RatioMax: 1},
			{Runs: 4, Median: 3.4, Min: 3, Max: 4, Ratio: 3.4 / 2.2, RatioMin: 1.2, RatioMax: 2},
			{Runs: 1, Median: 9, Min: 9, Max: 9, Ratio: 9 / 2.2, RatioMin: 3.6, RatioMax: 4.5},
		},
		"errors": {{Runs: 3}, {Runs: 4, Overlaps: true}, {Runs: 1}},
	} {
		row := c.Rows[slices.IndexFunc(c.Rows, func(r Row) bool { return r.Metric == metric })]
		for i, w := range want {
			if got := row.Cells[i]; !near(got, w) {
				t.Errorf("%s of series %d:\n got %+v\nwant %+v", metric, i, got, w)
			}
		}
	}
	p50 := c.Rows[1]
	if p50.Metric != "p50" || p50.Cells[0].Median < 1.99e6 || p50.Cells[0].Median > 2.01e6 || p50.Cells[1].Median < 0.64e6 || p50.Cells[1].Median > 0.66e6 {
		t.Errorf("%+v", p50)
	}
	if !c.Repeated() {
		t.Error("not repeated")
	}
}

func seriesNames(c *Comparison) (names []string) {
	for _, s := range c.Series {
		names = append(names, fmt.Sprint(s.Name, " ", len(s.Runs)))
	}
	return names
}

func near(a, b Cell) bool {
	close := func(x, y float64) bool { return x-y < 1e-9 && y-x < 1e-9 }
	return a.Runs == b.Runs && a.Overlaps == b.Overlaps && close(a.Median, b.Median) && close(a.Min, b.Min) && close(a.Max, b.Max) &&
		close(a.Ratio, b.Ratio) && close(a.RatioMin, b.RatioMin) && close(a.RatioMax, b.RatioMax)
}

// A run without replies has no latency; one without a watched process no CPU.
func TestCompareMissingFigures(t *testing.T) {
	silent := &Result{Name: "silent", Elapsed: 1, Latency: NewHistogram(), Errors: map[string]uint64{"connect_failed": 3}}
	c := Compare(silent, run("a", 1000, 2, 1000))
	for _, row := range c.Rows {
		base, other := row.Cells[0], row.Cells[1]
		switch row.Metric {
		case "p50", "max", "cpu", "rss":
			if base.Runs != 0 || other.Runs != 1 || other.Ratio != 0 {
				t.Errorf("%s: %+v", row.Metric, row.Cells)
			}
		case "error_rate":
			if base.Median != 1 || other.Median != 0 {
				t.Errorf("%+v", row.Cells)
			}
		}
	}
	if c.Repeated() {
		t.Error("repeated")
	}
	// No series has them: no row.
	for _, row := range Compare(silent, silent).Rows {
		if row.Metric == "p99" || row.Metric == "cpu" {
			t.Errorf("%+v", row)
		}
	}
}

func TestCompareNamesDifferences(t *testing.T) {
	a, b := sample(), sample()
	if d := Compare(a, b).Differences; len(d) != 0 {
		t.Error(d)
	}
	b.Name = "b"
	b.Command.Protocol, b.Command.Connections, b.Command.InFlight, b.Command.BodyBytes, b.Command.Rate = "http2", 1, 1, 5, 0
	b.Environment.CPU, b.Environment.Kernel = "Other", "7"
	want := []string{
		"b had another protocol (http2, the base boltv2)",
		"b had another number of connections (1, the base 32)",
		"b had another number in flight (1, the base 16)",
		"b had another body size (5, the base 1024)",
		"b had another rate (a closed loop, the base 1,000/s)",
		"b had another CPU (2 × Other, the base 2 × Some CPU)",
		"b had another kernel (7, the base 6.1.0)",
	}
	if d := Compare(a, b, b).Differences; !slices.Equal(d, want) {
		t.Errorf("%q", d)
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{0: nil, 1: {1}, 2: {1, 3}, 5: {1, 5, 100}, 6: {1, 5, 7, 100}} {
		if got := Median(values); got != want {
			t.Errorf("%v of %v", got, values)
		}
	}
}
