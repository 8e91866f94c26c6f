// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/sideloop/sideloop/bench/report"
	"github.com/sideloop/sideloop/bench/result"
)

type compareCommand struct {
	Files []string `arg:"" help:"Results that 'run --json' wrote; the first is the base. Files of the same name are rounds of one series, unless all have the same." placeholder:"FILE"`
	HTML  string   `name:"html" help:"Write a report with charts here." placeholder:"FILE"`
}

// Run prints the comparison as a table.
func (c *compareCommand) Run(o output) error {
	if len(c.Files) < 2 {
		return errors.New("a comparison needs two results or more")
	}
	if c.HTML != "" {
		if err := result.CheckWritable(c.HTML); err != nil {
			return err
		}
	}
	results, err := readResults(c.Files)
	if err != nil {
		return err
	}
	if err := printComparison(o.out, result.Compare(results[0], results[1:]...)); err != nil {
		return err
	}
	if c.HTML == "" {
		return nil
	}
	return writeReport(c.HTML, "", results)
}

// readResults reads files. Where all have one name it tells nothing, and each
// is named by its file instead.
func readResults(files []string) ([]*result.Result, error) {
	results := make([]*result.Result, len(files))
	same := true
	for i, file := range files {
		r, err := result.Read(file)
		if err != nil {
			return nil, err
		}
		results[i] = r
		same = same && r.Name == results[0].Name
	}
	if same && len(files) > 1 {
		for i, name := range fileNames(files) {
			results[i].Name = name
		}
	}
	return results, nil
}

// fileNames are the files without folder and extension, or as they were given
// where that makes two of them the same.
func fileNames(files []string) []string {
	names := make([]string, len(files))
	seen := make(map[string]bool)
	for i, file := range files {
		names[i] = strings.TrimSuffix(filepath.Base(file), ".json")
		if seen[names[i]] {
			return files
		}
		seen[names[i]] = true
	}
	return names
}

// writeReport writes the page of several results; without a title it is named
// by what it shows.
func writeReport(path, title string, results []*result.Result) error {
	if title == "" {
		var names []string
		for _, s := range result.Compare(results[0], results[1:]...).Series {
			names = append(names, s.Name)
		}
		title = strings.Join(names, ", ")
	}
	return result.WriteFile(path, func(w io.Writer) error { return report.Write(w, title, results...) })
}

// printComparison prints a row per metric: the median, its ratio to the base,
// and the range of several runs.
func printComparison(w io.Writer, c *result.Comparison) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, s := range c.Series {
		_, _ = fmt.Fprintf(t, "\t%s", s.Name)
		if len(s.Runs) > 1 {
			_, _ = fmt.Fprintf(t, " (%d runs)", len(s.Runs))
		}
	}
	_, _ = fmt.Fprintln(t)
	for _, row := range c.Rows {
		_, _ = fmt.Fprint(t, row.Metric)
		for i, v := range row.Cells {
			_, _ = fmt.Fprintf(t, "\t%s", comparedText(row.Unit, v, i > 0))
		}
		_, _ = fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range c.Series {
		for i, r := range s.Runs {
			if r.Invalid != "" {
				_, _ = fmt.Fprintf(w, "INVALID: %s: %s\n", s.RunName(i), r.Invalid)
			}
			if text := r.TailText(); text != "" {
				_, _ = fmt.Fprintf(w, "TAIL: %s: %s\n", s.RunName(i), text)
			}
			if r.Partial != "" {
				_, _ = fmt.Fprintf(w, "PARTIAL: %s: %s\n", s.RunName(i), r.Partial)
			}
		}
	}
	for _, d := range c.Differences {
		_, _ = fmt.Fprintln(w, "note:", d)
	}
	if c.Repeated() {
		_, _ = fmt.Fprintln(w, "Figures are medians (smallest to largest). ~ marks ranges that meet: the difference may be chance.")
	}
	return nil
}

// comparedText is one cell of the table.
func comparedText(u result.Unit, v result.Cell, ratio bool) string {
	switch {
	case v.Runs == 0 && v.Untold > 0:
		return "not told"
	case v.Runs == 0:
		return "-"
	}
	text := u.Format(v.Median)
	if ratio && v.Ratio > 0 {
		text += fmt.Sprintf("  %.2fx", v.Ratio)
		if v.RatioMax > v.RatioMin {
			text += fmt.Sprintf(" [%.2f to %.2f]", v.RatioMin, v.RatioMax)
		}
		if v.Overlaps {
			text += " ~"
		}
	}
	if v.Max > v.Min {
		text += fmt.Sprintf("  (%s to %s)", u.Format(v.Min), u.Format(v.Max))
	}
	if v.Untold > 0 {
		text += fmt.Sprintf("  not told by %d", v.Untold)
	}
	return text
}
