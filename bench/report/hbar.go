// SPDX-License-Identifier: Apache-2.0

package report

import "strconv"

// barGroup is horizontal bars that share a scale from 0.
type barGroup struct {
	Title, Unit string
	Bars        []hbar
}

// hbar is one bar with the range of its runs.
type hbar struct {
	Name    string
	Class   string
	Aside   string // beside the figure
	Missing string // instead of the bar

	median, min, max float64
	format           label

	// Set by lay, in percent of the width.
	Width, From, To string
	Spread          bool
}

// lay scales the bars of a group to the widest.
func (g *barGroup) lay() {
	widest := 0.0
	for _, b := range g.Bars {
		widest = max(widest, b.median, b.max)
	}
	if widest <= 0 {
		widest = 1
	}
	percent := func(v float64) string {
		return strconv.FormatFloat(100*clamp(v/widest), 'f', 2, 64) + "%"
	}
	for i := range g.Bars {
		b := &g.Bars[i]
		b.Width, b.From, b.To = percent(b.median), percent(b.min), percent(b.max)
		b.Spread = b.max > b.min
	}
}

// Figure is the value beside the bar.
func (b hbar) Figure() string { return b.format(b.median) }

// Range is the spread in words, empty when there is none.
func (b hbar) Range() string {
	if !b.Spread {
		return ""
	}
	return rangeText(b.format, b.min, b.max)
}
