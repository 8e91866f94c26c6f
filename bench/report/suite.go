// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/sideloop/sideloop/bench/result"
)

// Suite is proxies side by side on the same work.
type Suite struct {
	Title       string
	Environment result.Environment
	Started     time.Time
	Scenarios   []Scenario
	Verdicts    []Verdict
	Notes       []string // versions, methods, caveats: one paragraph each
}

// Scenario is one kind of work. Less is better in each.
type Scenario struct {
	Name string
	Unit string // of the bars' figures, such as "µs CPU per request"
	What string // one sentence: what is sent and what is measured
	Bars []Bar
}

// NotTold stands in place of a figure that the generator's lateness is a part of;
// the notes of a suite say more.
const NotTold = "not told"

// Bar is one proxy in one scenario.
type Bar struct {
	Name             string
	Median, Min, Max float64 // over the rounds
	Ours             bool    // others are stated as a ratio to this one
	Missing          string  // why there is no figure, NotTold or empty
	PeakRSS          float64 // bytes, 0 when it was not measured
	// P50 to P999 are the latency added over direct in µs; all 0 when not
	// measured, not a number where the generator was too late to tell.
	P50, P90, P99, P999 float64
	// Ratio is to ours: the median of the rounds' ratios, and their spread; 0
	// where there is none.
	Ratio, RatioMin, RatioMax float64
}

// ratio is the bar's in words, empty where it has none or is the measure itself.
// It is marked where some rounds say more and others less.
func (b *Bar) ratio() string {
	if b.Ratio <= 0 || b.Ours || b.Missing != "" {
		return ""
	}
	text := ratioText(b.Ratio)
	if b.RatioMin < b.RatioMax {
		text += " [" + rangeText(ratioText, b.RatioMin, b.RatioMax) + "]"
	}
	if b.RatioMin < 1 && b.RatioMax > 1 {
		text += " ≈"
	}
	return text
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

func (b *Bar) added() bool { return b.P50 != 0 || b.P90 != 0 || b.P99 != 0 || b.P999 != 0 }

func (b *Bar) latencies() []float64 { return []float64{b.P50, b.P90, b.P99, b.P999} }

// Measured tells whether there is a figure at all.
func (s *Suite) Measured() bool {
	for _, sc := range s.Scenarios {
		for _, b := range sc.Bars {
			if b.Missing == "" {
				return true
			}
		}
	}
	return false
}

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
func (s *Scenario) find(name string) *Bar {
	for i := range s.Bars {
		if s.Bars[i].Name == name {
			return &s.Bars[i]
		}
	}
	return nil
}

// WriteSuite writes the page of a suite: all ratios at a glance, then bars per
// scenario.
func WriteSuite(w io.Writer, s Suite) error {
	p := page{Title: s.Title, Subtitle: startedText(s.Started), Notes: s.Notes}
	p.Sections = append(p.Sections, s.glance())
	for i := range s.Scenarios {
		p.Sections = append(p.Sections, s.Scenarios[i].section(fmt.Sprintf("scenario-%d", i+1)))
	}
	if len(s.Verdicts) > 0 {
		p.Sections = append(p.Sections, s.judged())
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
			row = append(row, glanceCell(sc.find(name)))
		}
		t.Rows = append(t.Rows, row)
	}
	return section{
		ID: "glance", Title: "At a glance",
		Text:   "Median of the rounds; the ratio is to ours, the median of the rounds' with its spread, and less is better. Where it is marked ≈, some rounds say more and others less.",
		Tables: []table{t},
	}
}

func glanceCell(bar *Bar) cell {
	switch {
	case bar == nil:
		return cell{Text: "–", Class: "none", Small: "not part of it"}
	case bar.Missing == NotTold:
		return cell{Text: NotTold, Class: "none"}
	case bar.Missing != "":
		return cell{Text: "missing", Class: "none", Small: bar.Missing}
	case bar.Ours:
		return cell{Text: figure(bar.Median), Class: "ours"}
	}
	c := cell{Text: figure(bar.Median), Small: bar.ratio()}
	if c.Small != "" && bar.RatioMax < 1 {
		c.Class = "better"
	}
	return c
}

// section is one scenario's bars, and what else was measured.
func (s *Scenario) section(id string) section {
	group := barGroup{Title: s.Name, Unit: s.Unit}
	for _, b := range s.Bars {
		h := hbar{Name: b.Name, Class: "s6", median: b.Median, min: b.Min, max: b.Max, format: figure}
		switch b.Missing {
		case "", NotTold:
			h.Missing = b.Missing
		default:
			h.Missing = "missing: " + b.Missing
		}
		if b.Ours {
			h.Class = "s0"
		}
		h.Aside = b.ratio()
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
		t.Head = append(t.Head, "added p50", "added p90", "added p99", "added p99.9")
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
		for _, v := range b.latencies() {
			switch {
			case added && math.IsNaN(v):
				row = append(row, cell{Text: NotTold, Class: "none"})
			case added && b.added():
				row = append(row, cell{Text: result.CPU.Format(v)})
			case added:
				row = append(row, none)
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
