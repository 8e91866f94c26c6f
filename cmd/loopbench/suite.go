// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/sideloop/sideloop/bench/peers"
	"github.com/sideloop/sideloop/bench/report"
	"github.com/sideloop/sideloop/bench/result"
	"github.com/sideloop/sideloop/bench/suite"
)

type suiteCommand struct {
	Rounds   int      `help:"How often each proxy runs each scenario." default:"3"`
	Seconds  float64  `help:"How long it runs it; open loops take twice that." default:"1.5"`
	Scenario []string `help:"Only these scenarios; an unknown one lists them." placeholder:"ID"`
	Peer     []string `aliases:"ways" help:"Only these proxies; an unknown one lists them." placeholder:"ID"`
	Sideloop string   `help:"The proxy's binary. Default: sideloop beside loopbench." placeholder:"FILE"`
	Second   string   `name:"sideloop-b" help:"Another build of it, to set beside it as sideloop-b." placeholder:"FILE"`
	Mosn     string   `help:"MOSN's binary, if it is to take part." env:"MOSN_BIN" placeholder:"FILE"`
	HTML     string   `name:"html" help:"Write the report here." placeholder:"FILE"`
	Markdown string   `help:"Write the table here. Default: standard output." placeholder:"FILE"`
	JSON     string   `name:"json" help:"Keep the result of every run here." placeholder:"DIR"`
}

// Run measures and writes what was found, also when it is interrupted or fails.
func (s *suiteCommand) Run(ctx context.Context, o output) error {
	loopbench, err := os.Executable()
	if err != nil {
		return err
	}
	for _, program := range []string{s.Sideloop, s.Second} {
		if program == "" {
			continue
		}
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	if s.Sideloop == "" {
		s.Sideloop = filepath.Join(filepath.Dir(loopbench), "sideloop")
	}
	for _, file := range []string{s.HTML, s.Markdown} {
		if file == "" {
			continue
		}
		if err := result.CheckWritable(file); err != nil {
			return err
		}
	}
	found, err := suite.Run(ctx, suite.Options{
		Rounds: s.Rounds, Measure: time.Duration(s.Seconds * float64(time.Second)),
		Scenarios: s.Scenario, Peers: s.Peer, JSON: s.JSON, Log: o.err,
		Programs: peers.Programs{Loopbench: loopbench, Sideloop: s.Sideloop, SideloopB: s.Second, MOSN: s.Mosn},
	})
	if suite.Interrupted(err) {
		err = errors.New("interrupted; the report has what was measured until then")
	}
	if len(found.Scenarios) == 0 {
		return err
	}
	if err == nil && !found.Measured() {
		err = errors.New("nothing was measured; the report says why")
	}
	return errors.Join(err, s.write(o, found))
}

// write writes the report in the forms that were asked for.
func (s *suiteCommand) write(o output, found report.Suite) error {
	markdown := func(w io.Writer) error { return report.Markdown(w, found) }
	var problems []error
	if s.HTML != "" {
		err := result.WriteFile(s.HTML, func(w io.Writer) error { return report.WriteSuite(w, found) })
		if err == nil {
			_, err = fmt.Fprintln(o.err, "the report is", s.HTML)
		}
		problems = append(problems, err)
	}
	if s.Markdown == "" {
		return errors.Join(append(problems, markdown(o.out))...)
	}
	return errors.Join(append(problems, result.WriteFile(s.Markdown, markdown))...)
}
