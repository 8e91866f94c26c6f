// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"

	"github.com/sideloop/sideloop/bench/report"
	"github.com/sideloop/sideloop/bench/result"
)

type reportCommand struct {
	Files  []string `arg:"" help:"Results that 'run --json' wrote, or one that 'sweep --json' wrote." placeholder:"FILE"`
	Output string   `short:"o" required:"" help:"Write the HTML here." placeholder:"FILE"`
	Title  string   `help:"The page's title; the names of the runs by default."`
}

// Run writes the page.
func (r *reportCommand) Run() error {
	if err := result.CheckWritable(r.Output); err != nil {
		return err
	}
	if len(r.Files) == 1 {
		if s, err := result.ReadSweep(r.Files[0]); err == nil {
			return writeSweep(r.Output, s)
		}
	}
	results, err := readResults(r.Files)
	if err != nil {
		return err
	}
	return writeReport(r.Output, r.Title, results)
}

func writeSweep(path string, s *result.Sweep) error {
	return result.WriteFile(path, func(w io.Writer) error { return report.WriteSweep(w, s) })
}
