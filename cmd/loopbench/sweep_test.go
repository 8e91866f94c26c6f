// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/bench/result"
)

// A sweep against a real service leaves its files, whatever it finds: a busy
// machine may put the knee anywhere.
func TestSweep(t *testing.T) {
	address := startServe(t, "127.0.0.1:0")
	dir := t.TempDir()
	file, page, again := filepath.Join(dir, "s.json"), filepath.Join(dir, "s.html"), filepath.Join(dir, "again.html")
	code, out, problem := loopbench(t, "sweep", address, "--rates", "200,400", "--duration", "200ms", "--warm-up", "50ms",
		"--connections", "2", "--knee", "1000000", "--json", file, "--html", page)
	s, err := result.ReadSweep(file)
	if err != nil {
		t.Fatal(err, code, out, problem)
	}
	last := s.Steps[len(s.Steps)-1]
	if invalid := s.Knee == nil && last.Invalid != ""; (code != exitOK) != invalid || (problem != "") != invalid {
		t.Errorf("exit code %d, %q, %+v", code, problem, s)
	}
	if s.Command.Target != address || s.Command.Connections != 2 || s.Steps[0].Rate != 200 {
		t.Errorf("%+v", s)
	}
	lines := slices.Collect(strings.Lines(out))
	extra := 0
	if blurred(s) {
		extra = 1
	}
	if len(lines) != len(s.Steps)+2+extra || !strings.HasPrefix(squeezed(out), "asked for achieved p50 p90 p99 p99.9 busy\n200/s ") || lines[len(lines)-1] != s.KneeText()+"\n" {
		t.Errorf("printed:\n%s", out)
	}
	if code, out, problem := loopbench(t, "report", file, "-o", again); code != exitOK {
		t.Fatal(code, out, problem)
	}
	drawn, err1 := os.ReadFile(page)
	redrawn, err2 := os.ReadFile(again)
	if err1 != nil || err2 != nil || !bytes.Equal(drawn, redrawn) || !bytes.Contains(drawn, []byte("Latency against load: "+address)) {
		t.Error("the pages differ or are not there:", err1, err2)
	}
}

func TestSweepRefuses(t *testing.T) {
	dir := t.TempDir()
	nowhere := filepath.Join(dir, "none", "x")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--json", nowhere}, "cannot write " + nowhere},
		{[]string{"--html", nowhere}, "cannot write " + nowhere},
		{[]string{"--rates", "2,1"}, "the rate 1 does not rise over 2"},
		{[]string{"--knee", "1"}, "the knee factor 1 is not over 1"},
		{[]string{"--duration", "0s"}, "a step needs a duration"},
		{[]string{"--duration", "50ms", "--timeout", "100ms", "--json", filepath.Join(dir, "x.json")}, "connection"},
	} {
		// Port 1 of this machine is nobody's.
		code, out, problem := loopbench(t, append([]string{"sweep", "127.0.0.1:1"}, c.args...)...)
		if code != exitFail || out != "" || !strings.Contains(problem, c.want) {
			t.Errorf("%q: %d, %s%s; want %q", c.args, code, out, problem, c.want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Error("left behind:", entries)
	}
}

// What a step does not tell is marked, and the mark is explained.
func TestSweepMarksWhatIsNotTold(t *testing.T) {
	step := result.Step{Rate: 1000, Achieved: 1000, P50: 1e5, P90: 2e5, P99: 3e5, P999: 4e5, ToldTo: 95}
	var b bytes.Buffer
	(&stepPrinter{w: &b, headed: true}).print(step)
	if got := squeezed(b.String()); !strings.HasPrefix(got, "1,000/s 1,000/s 100 µs 200 µs 300 µs? 400 µs? 0 %") {
		t.Errorf("%q", got)
	}
	if !blurred(&result.Sweep{Steps: []result.Step{{ToldTo: 100}, step}}) || blurred(&result.Sweep{Steps: []result.Step{{ToldTo: 100}}}) {
		t.Error("the mark is not explained where it stands")
	}
}

// What a sweep that shows nothing says, and with which exit code.
func TestSweepVerdict(t *testing.T) {
	good, invalid := result.Step{Rate: 1000}, result.Step{Rate: 2000, Invalid: "busy"}
	for _, c := range []struct {
		sweep result.Sweep
		want  string
	}{
		{result.Sweep{Steps: []result.Step{good}}, ""},
		{result.Sweep{Steps: []result.Step{good, invalid}, Knee: &result.Knee{Below: 1000, Above: 1500}}, ""},
		{result.Sweep{Steps: []result.Step{good, invalid}}, "the result is invalid from 2,000/s: busy"},
		{result.Sweep{Steps: []result.Step{good}, Partial: "interrupted"}, "the result is partial: interrupted"},
	} {
		err := sweepVerdict(&c.sweep)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
