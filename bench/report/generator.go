// SPDX-License-Identifier: Apache-2.0

package report

import "github.com/sideloop/sideloop/bench/result"

// generatorFact is one line about how the load was made.
type generatorFact struct {
	name string
	open bool // only of an open loop
	text func(*result.Result) string
}

var generatorFacts = []generatorFact{
	{"due", true, func(r *result.Result) string { return result.Number.Format(float64(r.Schedule.Due)) }},
	{"sent", true, func(r *result.Result) string { return result.Number.Format(float64(r.Schedule.Sent)) }},
	{"noticed late", true, func(r *result.Result) string {
		return result.Share.Format(r.Schedule.LateShare) + " by over " + result.Latency.Format(float64(r.Schedule.LateBy))
	}},
	{"lateness p50", true, lateness(50)},
	{"lateness p99", true, lateness(99)},
	{"lateness max", true, lateness(100)},
	{"busy", false, func(r *result.Result) string { return result.Share.Format(r.Generator.Busy) }},
	{"CPU time the host gave to others (steal)", false, func(r *result.Result) string { return result.Share.Format(r.Steal) }},
}

func lateness(p float64) func(*result.Result) string {
	return func(r *result.Result) string {
		if p == 100 {
			return result.Latency.Format(float64(r.Schedule.Lateness.Max()))
		}
		return result.Latency.Format(float64(r.Schedule.Lateness.At(p)))
	}
}

// generatorSection is how well the load was made, a column per run.
func generatorSection(c *result.Comparison) section {
	t := table{Head: []string{""}}
	var runs []*result.Result
	open := false
	for _, s := range c.Series {
		for i, r := range s.Runs {
			t.Head = append(t.Head, s.RunName(i))
			runs = append(runs, r)
			open = open || scheduled(r)
		}
	}
	for _, f := range generatorFacts {
		if f.open && !open {
			continue
		}
		row := []cell{{Text: f.name}}
		for _, r := range runs {
			if f.open && !scheduled(r) {
				row = append(row, cell{Text: "–", Class: "none"})
				continue
			}
			row = append(row, cell{Text: f.text(r)})
		}
		t.Rows = append(t.Rows, row)
	}
	return section{ID: "generator", Title: "The generator", Tables: []table{t}}
}

// scheduled tells whether the run states how well its schedule was kept.
func scheduled(r *result.Result) bool { return r.Schedule != nil && r.Schedule.Lateness != nil }
