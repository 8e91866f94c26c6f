// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/sideloop/sideloop/bench/result"
)

// WriteSweep writes the page of a sweep: latency against load, with the knee.
func WriteSweep(w io.Writer, s *result.Sweep) error {
	if len(s.Steps) == 0 {
		return errors.New("a sweep without steps has nothing to draw")
	}
	title := s.Name
	if title == "" {
		title = s.Command.Protocol + " " + s.Command.Target
	}
	p := page{Title: "Latency against load: " + title, Subtitle: startedText(s.Started)}
	if s.Partial != "" {
		p.Banners = append(p.Banners, banner{"PARTIAL", "The sweep ended before its time: " + s.Partial})
	}
	p.Banners = append(p.Banners, banner{"KNEE", s.KneeText()})
	command := s.Command
	command.Rate = 0
	p.Sections = append(p.Sections,
		section{
			ID: "load", Title: "Latency against load",
			Text:   sweepText(s),
			Charts: sweepCharts(s), Tables: sweepTables(s),
		},
		sweepCommand(command), environmentSection(s.Environment))
	return p.write(w)
}

// sweepText explains the charts.
func sweepText(s *result.Sweep) string {
	text := "Latency counts from the moment each request was due, in an open loop."
	for i := range s.Steps {
		if !s.Steps[i].Tells(99.9) {
			return text + " Where the generator was late the percentiles that this reaches into are not the target's alone: they are marked with ? and not drawn, nor is a step that is invalid."
		}
	}
	return text
}

// sweepLatencies are the percentiles of a step that are drawn and listed.
var sweepLatencies = []struct {
	name    string
	percent float64
	value   func(*result.Step) int64
}{
	{"p50", 50, func(r *result.Step) int64 { return r.P50 }},
	{"p90", 90, func(r *result.Step) int64 { return r.P90 }},
	{"p99", 99, func(r *result.Step) int64 { return r.P99 }},
	{"p99.9", 99.9, func(r *result.Step) int64 { return r.P999 }},
}

// drawn tells whether a latency of a step is the target's.
func drawn(step *result.Step, ns int64, percent float64) bool {
	return ns > 0 && step.Invalid == "" && step.Tells(percent)
}

func sweepCharts(s *result.Sweep) []chart {
	latency := chart{ID: "latency-against-load", Title: "Latency", XLabel: "requests per second asked for"}
	achieved := chart{ID: "achieved-against-load", Title: "Right replies per second", XLabel: latency.XLabel}
	most, highest, lowest := 0.0, floor, math.Inf(1)
	for _, step := range s.Steps {
		most = max(most, step.Rate, step.Achieved)
		for _, of := range sweepLatencies {
			if v := of.value(&step); drawn(&step, v, of.percent) {
				lowest, highest = min(lowest, max(float64(v), floor)), max(highest, float64(v))
			}
		}
	}
	achieved.X, achieved.Y = linearScale(most, rateLabel), linearScale(most, rateLabel)
	achieved.Lines = []line{
		sweepLine(s, "achieved", 0, achieved.X, func(r result.Step) (float64, bool) { return achieved.Y.at(r.Achieved), true },
			func(r result.Step) string { return result.PerSecond.Format(r.Achieved) }),
		{Name: "asked for", Class: "s6", Dash: "2 5", points: []point{{x: 0, y: 0}, {x: achieved.X.at(most), y: achieved.Y.at(most)}}},
	}
	if math.IsInf(lowest, 1) {
		latency.Empty = "No reply was measured."
		return []chart{latency, achieved}
	}
	latency.X, latency.Y = linearScale(most, rateLabel), latencyScale(lowest, highest)
	for i, of := range sweepLatencies {
		any := slices.ContainsFunc(s.Steps, func(r result.Step) bool { return drawn(&r, of.value(&r), of.percent) })
		if !any {
			continue
		}
		latency.Lines = append(latency.Lines, sweepLine(s, of.name, i, latency.X,
			func(r result.Step) (float64, bool) {
				v := of.value(&r)
				return latency.Y.at(float64(v)), drawn(&r, v, of.percent)
			},
			func(r result.Step) string { return of.name + " " + result.Latency.Format(float64(of.value(&r))) }))
	}
	if s.Knee != nil {
		latency.Marks = []mark{{Label: "knee: " + result.PerSecond.Format(s.Knee.Above), at: latency.X.at(s.Knee.Above)}}
	}
	return []chart{latency, achieved}
}

func sweepLine(s *result.Sweep, name string, i int, x scale, y func(result.Step) (float64, bool), text func(result.Step) string) line {
	l := line{Name: name, Dotted: true}
	l.Class, l.Dash = style(i)
	for _, step := range s.Steps {
		at, known := y(step)
		if !known {
			l.points = append(l.points, gap)
			continue
		}
		l.points = append(l.points, point{x.at(step.Rate), at, fmt.Sprintf("%s at %s", text(step), result.PerSecond.Format(step.Rate))})
	}
	return l
}

// sweepTables are the steps' figures, and below in words what is to be said of
// some of them.
func sweepTables(s *result.Sweep) []table {
	why := table{Head: []string{"", ""}, Prose: true}
	for _, step := range s.Steps {
		text := ""
		switch {
		case step.Invalid != "":
			text = "INVALID: " + step.Invalid
		case step.Past != "":
			text = "past the knee: " + step.Past
		}
		if text != "" {
			why.Rows = append(why.Rows, []cell{{Text: result.PerSecond.Format(step.Rate)}, {Text: text}})
		}
	}
	tables := []table{sweepTable(s)}
	if len(why.Rows) > 0 {
		tables = append(tables, why)
	}
	return tables
}

func sweepTable(s *result.Sweep) table {
	t := table{Head: []string{"asked for", "achieved", "p50", "p90", "p99", "p99.9", "max", "errors", "generator busy"}}
	cpu := false
	for _, step := range s.Steps {
		cpu = cpu || step.CPU > 0
	}
	if cpu {
		t.Head = append(t.Head, "CPU per request")
	}
	for _, step := range s.Steps {
		row := []cell{{Text: result.PerSecond.Format(step.Rate)}, {Text: result.PerSecond.Format(step.Achieved)}}
		for _, of := range sweepLatencies {
			row = append(row, latencyCell(&step, of.value(&step), of.percent))
		}
		row = append(row, latencyCell(&step, step.Max, 100),
			cell{Text: result.Number.Format(float64(step.Errors))}, cell{Text: result.Share.Format(step.GeneratorBusy)})
		if cpu {
			row = append(row, cell{Text: result.CPU.Format(step.CPU)})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// latencyCell marks what the step does not tell.
func latencyCell(step *result.Step, ns int64, percent float64) cell {
	c := cell{Text: result.Latency.Format(float64(ns))}
	if !step.Tells(percent) {
		c.Text, c.Class = c.Text+"?", "none"
	}
	return c
}

func sweepCommand(c result.Command) section {
	t := table{Head: []string{"", "each step"}, Prose: true}
	for _, f := range commandFields(c) {
		if f[0] != "load" {
			t.Rows = append(t.Rows, []cell{{Text: f[0]}, {Text: f[1]}})
		}
	}
	return section{ID: "command", Title: "What was asked for", Tables: []table{t}}
}
