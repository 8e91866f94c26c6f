// SPDX-License-Identifier: Apache-2.0

package result

import (
	"cmp"
	"fmt"
	"slices"
)

// Comparison is several series of runs side by side; the first is the base.
type Comparison struct {
	Series []Series
	Rows   []Row
	// Differences are what of the work and the machine was not the base's.
	Differences []string
}

// Series is the runs of one name.
type Series struct {
	Name string
	Runs []*Result
}

// RunName tells runs of one series apart.
func (s Series) RunName(i int) string {
	if len(s.Runs) == 1 {
		return s.Name
	}
	return fmt.Sprintf("%s, run %d", s.Name, i+1)
}

// Row is one metric. It has one cell per series.
type Row struct {
	Metric string
	Unit   Unit
	Cells  []Cell
}

// Cell is one metric of one series.
type Cell struct {
	Runs             int // that have the figure; without any all else is 0
	Median, Min, Max float64
	// Ratio is the median over the base's, RatioMin and RatioMax what the
	// extremes of both allow; 0 where there is nothing to divide by.
	Ratio, RatioMin, RatioMax float64
	// Overlaps says that the runs' range meets the base's, so that the
	// difference may be chance. It is false where either has one run only.
	Overlaps bool
	// Untold is how many runs more have the figure, but not as the target's:
	// the generator was too late. Blurred is their median, 0 without any.
	Untold  int
	Blurred float64
}

// Compare sets runs against the base. Runs of the same name are one series.
func Compare(base *Result, others ...*Result) *Comparison {
	c := &Comparison{}
	for _, r := range append([]*Result{base}, others...) {
		i := slices.IndexFunc(c.Series, func(s Series) bool { return s.Name == r.Name })
		if i < 0 {
			i = len(c.Series)
			c.Series = append(c.Series, Series{Name: r.Name})
		}
		c.Series[i].Runs = append(c.Series[i].Runs, r)
	}
	for _, m := range metrics {
		if row, known := c.row(m); known {
			c.Rows = append(c.Rows, row)
		}
	}
	c.differ()
	return c
}

// row is known if any series has the figure.
func (c *Comparison) row(m metric) (row Row, known bool) {
	row = Row{Metric: m.name, Unit: m.unit, Cells: make([]Cell, len(c.Series))}
	for i, s := range c.Series {
		row.Cells[i] = s.cell(m)
		if i > 0 {
			row.Cells[i].relate(row.Cells[0])
		}
		known = known || row.Cells[i].Runs+row.Cells[i].Untold > 0
	}
	if base := &row.Cells[0]; base.Median > 0 {
		base.Ratio, base.RatioMin, base.RatioMax = 1, 1, 1
	}
	return row, known
}

func (s Series) cell(m metric) Cell {
	var values, blurred []float64
	for _, r := range s.Runs {
		switch v, ok := m.value(r); {
		case ok && m.told(r):
			values = append(values, v)
		case ok:
			blurred = append(blurred, v)
		}
	}
	slices.Sort(blurred)
	c := Cell{Untold: len(blurred), Blurred: Median(blurred)}
	if len(values) == 0 {
		return c
	}
	slices.Sort(values)
	c.Runs, c.Median, c.Min, c.Max = len(values), Median(values), values[0], values[len(values)-1]
	return c
}

// Median of sorted values; of an even number the mean of the middle two.
func Median(sorted []float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func (c *Cell) relate(base Cell) {
	if c.Runs == 0 || base.Runs == 0 {
		return
	}
	c.Overlaps = c.Runs > 1 && base.Runs > 1 && c.Min <= base.Max && base.Min <= c.Max
	if base.Median > 0 {
		c.Ratio = c.Median / base.Median
	}
	if base.Min > 0 {
		c.RatioMin, c.RatioMax = c.Min/base.Max, c.Max/base.Min
	}
}

// Repeated tells whether any series has several runs.
func (c *Comparison) Repeated() bool {
	return slices.ContainsFunc(c.Series, func(s Series) bool { return len(s.Runs) > 1 })
}

// differ notes each difference of a series once.
func (c *Comparison) differ() {
	base := c.Series[0].Runs[0]
	for _, s := range c.Series {
		for _, r := range s.Runs {
			for _, d := range differences(base, r) {
				if d = s.Name + " had another " + d; !slices.Contains(c.Differences, d) {
					c.Differences = append(c.Differences, d)
				}
			}
		}
	}
}

// differences names what of the work and the machine was not the same.
func differences(a, b *Result) []string {
	var d []string
	note := func(name string, equal bool, was, is any) {
		if !equal {
			d = append(d, fmt.Sprintf("%s (%v, the base %v)", name, is, was))
		}
	}
	x, y := &a.Command, &b.Command
	note("protocol", x.Protocol == y.Protocol, x.Protocol, y.Protocol)
	note("number of connections", x.Connections == y.Connections, x.Connections, y.Connections)
	note("number in flight", x.InFlight == y.InFlight, x.InFlight, y.InFlight)
	note("body size", x.BodyBytes == y.BodyBytes, x.BodyBytes, y.BodyBytes)
	note("rate", cmp.Compare(x.Rate, y.Rate) == 0, loop(x.Rate), loop(y.Rate))
	m, n := &a.Environment, &b.Environment
	note("CPU", m.CPU == n.CPU && m.CPUs == n.CPUs, processors(m), processors(n))
	note("kernel", m.Kernel == n.Kernel, m.Kernel, n.Kernel)
	return d
}

func loop(rate float64) string {
	if rate == 0 {
		return "a closed loop"
	}
	return PerSecond.Format(rate)
}

func processors(e *Environment) string { return fmt.Sprintf("%d × %s", e.CPUs, e.CPU) }
