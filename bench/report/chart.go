// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"strconv"
	"strings"
)

// The plot within a drawing of 480 by 290, which page.html states. It is narrow
// and its text large, since it is scaled down to the width of a phone.
const (
	plotLeft   = 64
	plotRight  = 452
	plotTop    = 12
	plotBottom = 246
)

// chart is one line chart, ready to be drawn.
type chart struct {
	ID, Title, Note string
	XLabel          string
	X, Y            scale
	Lines           []line
	Marks           []mark
	Empty           string // why there is nothing to draw
}

// line is one series of points of 0..1 both ways. A point that is not a number
// is a gap.
type line struct {
	Name   string
	Class  string // colour: s0 to s7
	Dash   string // pattern, so that colour is not the only difference
	Hidden bool   // from the legend
	Dotted bool   // with a dot per point
	points []point
}

type point struct {
	x, y float64
	text string // shown when pointed at
}

// mark is a dashed line across the plot at 0..1 of one axis.
type mark struct {
	Label      string
	horizontal bool
	at         float64
}

var gap = point{x: math.NaN()}

func plotX(x float64) float64 { return plotLeft + x*(plotRight-plotLeft) }
func plotY(y float64) float64 { return plotBottom - y*(plotBottom-plotTop) }

// coordinate is short: a tenth of a unit is finer than any screen.
func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// Path is the SVG path of a line. A single point between gaps is a short dash.
func (l line) Path() string {
	var b strings.Builder
	pen := false
	for i, p := range l.points {
		if math.IsNaN(p.x) {
			pen = false
			continue
		}
		x, y := coordinate(plotX(p.x)), coordinate(plotY(p.y))
		switch {
		case pen:
			b.WriteString("L" + x + " " + y)
		default:
			b.WriteString("M" + x + " " + y)
			if i+1 == len(l.points) || math.IsNaN(l.points[i+1].x) {
				b.WriteString("h1")
			}
		}
		pen = true
	}
	return b.String()
}

// Crowded tells that the lines are to be thin.
func (c *chart) Crowded() bool { return len(c.Lines) > MaxSeries }

// placed is a text or a line of the drawing.
type placed struct {
	X1, Y1, X2, Y2 string
	Text           string
}

// XTicks are the vertical grid lines and their labels.
func (c *chart) XTicks() []placed {
	ticks := make([]placed, len(c.X.ticks))
	for i, t := range c.X.ticks {
		x := coordinate(plotX(t.at))
		ticks[i] = placed{x, coordinate(plotTop), x, coordinate(plotBottom), t.label}
	}
	return ticks
}

// YTicks are the horizontal grid lines and their labels.
func (c *chart) YTicks() []placed {
	ticks := make([]placed, len(c.Y.ticks))
	for i, t := range c.Y.ticks {
		y := coordinate(plotY(t.at))
		ticks[i] = placed{coordinate(plotLeft), y, coordinate(plotRight), y, t.label}
	}
	return ticks
}

// MarkLines are the marks across the plot.
func (c *chart) MarkLines() []placed {
	lines := make([]placed, len(c.Marks))
	for i, m := range c.Marks {
		if m.horizontal {
			y := coordinate(plotY(m.at))
			lines[i] = placed{coordinate(plotLeft), y, coordinate(plotRight), y, m.Label}
			continue
		}
		x := coordinate(plotX(m.at))
		lines[i] = placed{x, coordinate(plotTop), x, coordinate(plotBottom), m.Label}
	}
	return lines
}

// Dots are the points of a dotted line.
func (l line) Dots() []placed {
	if !l.Dotted {
		return nil
	}
	var dots []placed
	for _, p := range l.points {
		if !math.IsNaN(p.x) {
			dots = append(dots, placed{X1: coordinate(plotX(p.x)), Y1: coordinate(plotY(p.y)), Text: p.text})
		}
	}
	return dots
}

// style gives each series its colour and, from the second on, a dash pattern.
func style(i int) (class, dash string) {
	dashes := []string{"", "9 4", "3 3", "12 4 3 4", "1 4", "6 3 1 3 1 3", "14 5", "5 2"}
	return "s" + strconv.Itoa(i%MaxSeries), dashes[i%MaxSeries]
}
