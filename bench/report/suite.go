// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"time"

	"github.com/sideloop/sideloop/bench/result"
)

// Suite is proxies side by side on the same work.
type Suite struct {
	Title       string
	Environment result.Environment
	Started     time.Time
	Scenarios   []Scenario
	Notes       []string // versions, methods, caveats: one paragraph each
}

// Scenario is one kind of work. Less is better in each.
type Scenario struct {
	Name string
	Unit string // of the bars' figures, such as "µs CPU per request"
	What string // one sentence: what is sent and what is measured
	Bars []Bar
}

// Bar is one proxy in one scenario.
type Bar struct {
	Name             string
	Median, Min, Max float64 // over the rounds
	Ours             bool    // others are stated as a ratio to this one
	Missing          string  // why there is no figure; empty when there is one
	PeakRSS          float64 // bytes, 0 when it was not measured
	P50, P99, P999   float64 // latency added over direct in µs; all 0 when not measured
}

// ratios are what each bar's median is of ours, 0 where one of them has no
// figure.
func (s *Scenario) ratios() []float64 {
	ratios := make([]float64, len(s.Bars))
	ours := 0.0
	for _, b := range s.Bars {
		if b.Ours && b.Missing == "" {
			ours = b.Median
			break
		}
	}
	for i, b := range s.Bars {
		if b.Missing == "" && ours > 0 {
			ratios[i] = b.Median / ours
		}
	}
	return ratios
}

func (s *Scenario) anyRSS() bool {
	for _, b := range s.Bars {
		if b.PeakRSS != 0 {
			return true
		}
	}
	return false
}

func (s *Scenario) anyAdded() bool {
	for _, b := range s.Bars {
		if b.added() {
			return true
		}
	}
	return false
}

func (b *Bar) added() bool { return b.P50 != 0 || b.P99 != 0 || b.P999 != 0 }

// peers are the names of all bars, in order of their first appearance.
func (s *Suite) peers() []string {
	var names []string
	seen := map[string]bool{}
	for _, sc := range s.Scenarios {
		for _, b := range sc.Bars {
			if !seen[b.Name] {
				seen[b.Name] = true
				names = append(names, b.Name)
			}
		}
	}
	return names
}

// find is nil when the scenario was not for that peer.
func (s *Scenario) find(name string) (bar *Bar, ratio float64) {
	for i, ratio := range s.ratios() {
		if s.Bars[i].Name == name {
			return &s.Bars[i], ratio
		}
	}
	return nil, 0
}

// WriteSuite writes the page of a suite: all ratios at a glance, then bars per
// scenario.
func WriteSuite(w io.Writer, s Suite) error {
	p := page{Title: s.Title, Subtitle: startedText(s.Started), Notes: s.Notes}
	p.Sections = append(p.Sections, s.glance())
	for i := range s.Scenarios {
		p.Sections = append(p.Sections, s.Scenarios[i].section(fmt.Sprintf("scenario-%d", i+1)))
	}
	p.Sections = append(p.Sections, environmentSection(s.Environment))
	return p.write(w)
}

// glance is the table of medians and ratios, peers by scenario.
func (s *Suite) glance() section {
	peers := s.peers()
	t := table{Head: append([]string{"scenario"}, peers...)}
	for i := range s.Scenarios {
		sc := &s.Scenarios[i]
		row := []cell{{Text: sc.Name, Small: sc.Unit}}
		for _, name := range peers {
			bar, ratio := sc.find(name)
			row = append(row, glanceCell(bar, ratio))
		}
		t.Rows = append(t.Rows, row)
	}
	return section{
		ID: "glance", Title: "At a glance",
		Text:   "Median of the rounds; the ratio is to ours, and less is better.",
		Tables: []table{t},
	}
}

func glanceCell(bar *Bar, ratio float64) cell {
	switch {
	case bar == nil:
		return cell{Text: "–", Class: "none", Small: "not part of it"}
	case bar.Missing != "":
		return cell{Text: "missing", Class: "none", Small: bar.Missing}
	case ratio == 0:
		return cell{Text: figure(bar.Median)}
	case bar.Ours:
		return cell{Text: figure(bar.Median), Small: ratioText(ratio), Class: "ours"}
	case ratio < 1:
		return cell{Text: figure(bar.Median), Small: ratioText(ratio), Class: "better"}
	}
	return cell{Text: figure(bar.Median), Small: ratioText(ratio)}
}

// section is one scenario's bars, and what else was measured.
func (s *Scenario) section(id string) section {
	ratios := s.ratios()
	group := barGroup{Title: s.Name, Unit: s.Unit}
	for i, b := range s.Bars {
		h := hbar{Name: b.Name, Class: "s6", Missing: b.Missing, median: b.Median, min: b.Min, max: b.Max, format: figure}
		if b.Ours {
			h.Class = "s0"
		}
		if ratios[i] > 0 && !b.Ours {
			h.Aside = ratioText(ratios[i])
		}
		group.Bars = append(group.Bars, h)
	}
	group.lay()
	part := section{ID: id, Title: s.Name, Text: s.What, Bars: []barGroup{group}}
	if s.anyRSS() || s.anyAdded() {
		part.Tables = []table{s.others()}
	}
	return part
}

// others is the table of peak memory and added latency.
func (s *Scenario) others() table {
	t := table{Head: []string{""}}
	rss, added := s.anyRSS(), s.anyAdded()
	if rss {
		t.Head = append(t.Head, "peak RSS")
	}
	if added {
		t.Head = append(t.Head, "added p50", "added p99", "added p99.9")
	}
	none := cell{Text: "–", Class: "none"}
	for _, b := range s.Bars {
		if b.Missing != "" {
			continue
		}
		row := []cell{{Text: b.Name}}
		if rss && b.PeakRSS != 0 {
			row = append(row, cell{Text: result.Bytes.Format(b.PeakRSS)})
		} else if rss {
			row = append(row, none)
		}
		for _, v := range []float64{b.P50, b.P99, b.P999} {
			if added && b.added() {
				row = append(row, cell{Text: result.CPU.Format(v)})
			} else if added {
				row = append(row, none)
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
