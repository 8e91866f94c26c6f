// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sideloop/sideloop/bench/result"
)

// MaxSeries is how many series one page compares: more cannot be told apart in
// a chart.
const MaxSeries = 8

// Write writes the page of one run, or of several side by side. Runs of the
// same name are one series; the first is the base.
func Write(w io.Writer, title string, results ...*result.Result) error {
	if len(results) == 0 {
		return errors.New("a report needs a result")
	}
	named := make([]*result.Result, len(results))
	for i, r := range results {
		named[i] = withName(r)
	}
	c := result.Compare(named[0], named[1:]...)
	if len(c.Series) > MaxSeries {
		return fmt.Errorf("a report has at most %d series, these are %d", MaxSeries, len(c.Series))
	}
	p := page{Title: title, Subtitle: startedText(results[0].Started), Banners: banners(c)}
	if len(c.Series) == 1 {
		p.Tiles = tiles(c)
	}
	if len(named) > 1 {
		p.Sections = append(p.Sections, comparisonSection(c))
	}
	p.Sections = append(p.Sections, latencySection(c), throughputSection(c))
	if s, any := cpuSection(c); any {
		p.Sections = append(p.Sections, s)
	}
	if s, any := errorSection(c); any {
		p.Sections = append(p.Sections, s)
	}
	p.Sections = append(p.Sections, generatorSection(c), commandSection(c), environmentSection(results[0].Environment))
	return p.write(w)
}

// withName names a run that has no name by what it did.
func withName(r *result.Result) *result.Result {
	if r.Name != "" {
		return r
	}
	named := *r
	named.Name = strings.TrimSpace(r.Command.Protocol + " " + r.Command.Target)
	return &named
}

// banners are the runs' faults and the comparison's differences.
func banners(c *result.Comparison) []banner {
	var b []banner
	for _, s := range c.Series {
		for i, r := range s.Runs {
			invalid, tail, partial := s.RunName(i), s.RunName(i), s.RunName(i)
			if len(c.Series) == 1 && len(s.Runs) == 1 {
				invalid, partial = "The figures measure the generator rather than the target", "The run ended before its time"
				tail = "Of the latency a part is the generator's"
			}
			if r.Invalid != "" {
				b = append(b, banner{"INVALID", invalid + ": " + r.Invalid})
			}
			if text := r.TailText(); text != "" {
				b = append(b, banner{"TAIL", tail + ": " + text})
			}
			if r.Partial != "" {
				b = append(b, banner{"PARTIAL", partial + ": " + r.Partial})
			}
		}
	}
	for _, d := range c.Differences {
		b = append(b, banner{"NOTE", d})
	}
	return b
}

// tiles are the figures of a single series that are read first.
func tiles(c *result.Comparison) []tile {
	var t []tile
	for _, row := range c.Rows {
		cell := row.Cells[0]
		value, small := row.Unit.Format(cell.Median), ""
		switch {
		case cell.Runs == 0:
			value, small = NotTold, row.Unit.Format(cell.Blurred)+" with the generator's part"
		case cell.Runs > 1:
			small = rangeText(row.Unit.Format, cell.Min, cell.Max)
		}
		t = append(t, tile{metricLabel(row.Metric), value, small})
	}
	return t
}

// metricLabel is how a page names a metric.
func metricLabel(metric string) string {
	switch metric {
	case "cpu":
		return "CPU per request"
	case "rss":
		return "peak RSS"
	case "error_rate":
		return "error rate"
	case "late":
		return "late requests"
	case "steal":
		return "steal of the machine"
	}
	return metric
}

func comparisonSection(c *result.Comparison) section {
	t := table{Head: []string{""}}
	for _, s := range c.Series {
		t.Head = append(t.Head, s.Name)
	}
	for _, row := range c.Rows {
		cells := []cell{{Text: metricLabel(row.Metric)}}
		for i, value := range row.Cells {
			cells = append(cells, comparisonCell(row.Unit, value, i > 0))
		}
		t.Rows = append(t.Rows, cells)
	}
	text := "The ratio is to " + c.Series[0].Name + "."
	if len(c.Series) == 1 {
		text = ""
	}
	if c.Repeated() {
		text += " Of several runs: the median, and the smallest and largest in brackets; ≈ means that the ranges meet, so that the difference may be chance."
	}
	return section{ID: "comparison", Title: "Comparison", Text: strings.TrimSpace(text), Tables: []table{t}}
}

func comparisonCell(u result.Unit, v result.Cell, ratio bool) cell {
	switch {
	case v.Runs == 0 && v.Untold > 0:
		return cell{Text: NotTold, Class: "none", Small: u.Format(v.Blurred) + " with the generator's part"}
	case v.Runs == 0:
		return cell{Text: "–", Class: "none"}
	}
	c := cell{Text: u.Format(v.Median)}
	if spread := rangeText(u.Format, v.Min, v.Max); spread != c.Text {
		c.Small = "(" + spread + ")"
	}
	if ratio && v.Ratio > 0 {
		c.Text += " · " + ratioText(v.Ratio)
		if v.Overlaps {
			c.Text += " ≈"
		}
	}
	if v.Untold > 0 {
		c.Small += fmt.Sprintf(" not told by %d", v.Untold)
	}
	return c
}

// cpuSection is bars of what each watched process used per request, and the
// generator beside it.
func cpuSection(c *result.Comparison) (s section, any bool) {
	g := barGroup{Title: "CPU per request", Unit: "µs of CPU time (user and system) per right reply"}
	for i, series := range c.Series {
		class, _ := style(i)
		for t := range series.Runs[0].Targets {
			target := series.Runs[0].Targets[t]
			g.add(fmt.Sprintf("%s: %s (%d)", series.Name, target.Name, target.PID), class, series.Runs,
				func(r *result.Result) (float64, bool) {
					return targetCPU(r, t), t < len(r.Targets) && r.Requests > 0
				})
		}
		g.add(series.Name+": generator", "s6", series.Runs, func(r *result.Result) (float64, bool) {
			return (r.Generator.User + r.Generator.System) * 1e6 / float64(r.Requests), r.Requests > 0
		})
	}
	g.lay()
	return section{ID: "cpu", Title: "CPU per request", Bars: []barGroup{g}}, len(g.Bars) > 0
}

func targetCPU(r *result.Result, i int) float64 {
	if i >= len(r.Targets) {
		return 0
	}
	return r.Targets[i].MicrosPerRequest
}

// add adds the median and range of one figure over several runs, if any has it.
func (g *barGroup) add(name, class string, runs []*result.Result, value func(*result.Result) (float64, bool)) {
	var values []float64
	for _, r := range runs {
		if v, ok := value(r); ok {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return
	}
	slices.Sort(values)
	g.Bars = append(g.Bars, hbar{
		Name: name, Class: class, format: result.CPU.Format,
		median: result.Median(values), min: values[0], max: values[len(values)-1],
	})
}

// errorSection is the errors by reason, all runs of a series together.
func errorSection(c *result.Comparison) (s section, any bool) {
	t := table{Head: []string{"reason"}}
	reasons := map[string]bool{}
	for _, series := range c.Series {
		t.Head = append(t.Head, series.Name)
		for _, r := range series.Runs {
			for reason := range r.Errors {
				reasons[reason] = true
			}
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		row := []cell{{Text: reason}}
		for _, series := range c.Series {
			n := uint64(0)
			for _, r := range series.Runs {
				n += r.Errors[reason]
			}
			row = append(row, cell{Text: result.Number.Format(float64(n))})
		}
		t.Rows = append(t.Rows, row)
	}
	return section{ID: "errors", Title: "Errors", Tables: []table{t}}, len(reasons) > 0
}

func commandSection(c *result.Comparison) section {
	t := table{Head: []string{""}, Prose: true}
	rows := make(map[string][]cell)
	var order []string
	for i, s := range c.Series {
		t.Head = append(t.Head, s.Name)
		for _, f := range commandFields(s.Runs[0].Command) {
			if i == 0 {
				order = append(order, f[0])
			}
			rows[f[0]] = append(rows[f[0]], cell{Text: f[1]})
		}
	}
	for _, name := range order {
		t.Rows = append(t.Rows, append([]cell{{Text: name}}, rows[name]...))
	}
	return section{ID: "command", Title: "What was asked for", Tables: []table{t}}
}

// commandFields always has the same names in the same order.
func commandFields(c result.Command) [][2]string {
	rate := "closed loop"
	if c.Rate > 0 {
		rate = "open loop, " + result.PerSecond.Format(c.Rate)
	}
	length := secondsLabel(c.Seconds)
	if c.Count > 0 {
		length = result.Number.Format(float64(c.Count)) + " requests"
	}
	return [][2]string{
		{"target", c.Target}, {"protocol", c.Protocol},
		{"connections", result.Number.Format(float64(c.Connections))},
		{"in flight each", result.Number.Format(float64(c.InFlight))},
		{"body", result.Number.Format(float64(c.BodyBytes)) + " bytes"},
		{"headers", cmp.Or(strings.Join(c.Headers, "; "), "none")},
		{"load", rate}, {"length", length}, {"warm-up", secondsLabel(c.WarmUp)},
	}
}
