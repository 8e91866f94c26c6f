// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/bench/result"
)

// writeResult writes a run whose replies all took the same time.
func writeResult(t *testing.T, path, name string, requests uint64, millis int64) string {
	t.Helper()
	r := &result.Result{
		Version: result.Version, Name: name, Elapsed: 10, Requests: requests, Latency: result.NewHistogram(),
		Command:   result.Command{Target: "127.0.0.1:1", Protocol: "bolt", Connections: 1, InFlight: 1},
		Generator: result.Usage{User: 1},
	}
	r.Latency.Record(millis * 1e6)
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// squeezed has single spaces, so that tests do not depend on the columns.
func squeezed(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	a := writeResult(t, filepath.Join(dir, "a.json"), "before", 1000, 2)
	b := writeResult(t, filepath.Join(dir, "b.json"), "after", 4000, 1)
	page := filepath.Join(dir, "c.html")
	code, out, problem := loopbench(t, "compare", a, b, "--html", page)
	if code != exitOK || problem != "" {
		t.Fatal(code, problem)
	}
	const want = `before after
rate 100/s 400/s 4.00x
p50 2.00 ms 1.00 ms 0.50x
p90 2.00 ms 1.00 ms 0.50x
p99 2.00 ms 1.00 ms 0.50x
p99.9 2.00 ms 1.00 ms 0.50x
p99.99 2.00 ms 1.00 ms 0.50x
max 2.00 ms 1.00 ms 0.50x
mean 2.00 ms 1.00 ms 0.50x
requests 1,000 4,000 4.00x
errors 0 0
error_rate 0 % 0 %
steal 0 % 0 %
`
	if got := squeezed(out); got != want {
		t.Errorf("got:\n%s", got)
	}
	if html, err := os.ReadFile(page); err != nil || !bytes.Contains(html, []byte("<title>before, after</title>")) {
		t.Error(err)
	}
}

// What a run does not tell is not compared, and why is said.
func TestCompareUntold(t *testing.T) {
	dir := t.TempDir()
	a := writeResult(t, filepath.Join(dir, "a.json"), "before", 1000, 2)
	b := writeResult(t, filepath.Join(dir, "b.json"), "after", 4000, 1)
	r, err := result.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	r.Schedule = &result.Schedule{LateShare: 0.03, LateBy: 1e6, Lateness: result.NewHistogram()}
	if err := r.Write(b); err != nil {
		t.Fatal(err)
	}
	code, out, problem := loopbench(t, "compare", a, b)
	if code != exitOK || problem != "" {
		t.Fatal(code, problem)
	}
	for _, want := range []string{
		"p90 2.00 ms 1.00 ms 0.50x\n", "p99 2.00 ms not told\n", "max 2.00 ms not told\n", "mean 2.00 ms not told\n",
		"TAIL: after: the generator noticed 3.00 % of the requests more than 1.00 ms after they were due: what is beyond p97 is not the target's alone\n",
	} {
		if got := squeezed(out); !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

// Rounds of one name are a series with its spread.
func TestCompareRounds(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for i, requests := range []uint64{1000, 2000, 1100, 2200, 1200, 1150} {
		name := []string{"a", "b"}[i%2]
		files = append(files, writeResult(t, filepath.Join(dir, string(rune('0'+i))+".json"), name, requests, 1))
	}
	code, out, problem := loopbench(t, append([]string{"compare"}, files...)...)
	if code != exitOK || problem != "" {
		t.Fatal(code, problem)
	}
	for _, want := range []string{
		"a (3 runs) b (3 runs)\n",
		"rate 110/s (100/s to 120/s) 200/s 1.82x [0.96 to 2.20] ~ (115/s to 220/s)\n",
		"p99 1.00 ms 1.00 ms 1.00x ~\n",
		"~ marks ranges that meet",
	} {
		if got := squeezed(out); !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

// Where all names are the same, each file is on its own and named by itself.
func TestCompareFilesOfOneName(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	a := writeResult(t, filepath.Join(dir, "a.json"), "x", 1, 1)
	b := writeResult(t, filepath.Join(dir, "b.json"), "x", 1, 1)
	c := writeResult(t, filepath.Join(dir, "old", "a.json"), "x", 1, 1)
	if _, out, _ := loopbench(t, "compare", a, b); !strings.HasPrefix(squeezed(out), "a b\n") {
		t.Error(out)
	}
	if _, out, _ := loopbench(t, "compare", a, c); !strings.HasPrefix(squeezed(out), a+" "+c+"\n") {
		t.Error(out)
	}
}

func TestCompareWarns(t *testing.T) {
	dir := t.TempDir()
	a := writeResult(t, filepath.Join(dir, "a.json"), "a", 1, 1)
	path := writeResult(t, filepath.Join(dir, "b.json"), "b", 1, 1)
	r, err := result.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	r.Invalid, r.Partial, r.Command.Connections = "busy", "interrupted", 5
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	_, out, _ := loopbench(t, "compare", a, path)
	if want := "INVALID: b: busy\nPARTIAL: b: interrupted\nnote: b had another number of connections (5, the base 1)\n"; !strings.HasSuffix(out, want) {
		t.Error(out)
	}
}

func TestCompareAndReportRefuse(t *testing.T) {
	dir := t.TempDir()
	good := writeResult(t, filepath.Join(dir, "a.json"), "a", 1, 1)
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(dir, "none", "x.html")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"compare", good}, "needs two results or more"},
		{[]string{"compare", good, bad}, bad + " is not a loopbench result"},
		{[]string{"compare", good, filepath.Join(dir, "none")}, "no such file"},
		{[]string{"compare", good, good, "--html", nowhere}, "cannot write " + nowhere},
		{[]string{"report", good, "-o", nowhere}, "cannot write " + nowhere},
		{[]string{"report", bad, "-o", filepath.Join(dir, "x.html")}, bad + " is not a loopbench result"},
		{[]string{"report", good}, "missing flags: --output"},
	} {
		code, out, problem := loopbench(t, c.args...)
		if code == exitOK || out != "" || !strings.Contains(problem, c.want) {
			t.Errorf("%q: %d, %s%s; want %q", c.args, code, out, problem, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x.html")); err == nil {
		t.Error("a report of nothing was written")
	}
}

func TestReport(t *testing.T) {
	dir := t.TempDir()
	a := writeResult(t, filepath.Join(dir, "a.json"), "first", 1, 1)
	b := writeResult(t, filepath.Join(dir, "b.json"), "second", 1, 1)
	page := filepath.Join(dir, "x.html")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{a}, "<title>first</title>"},
		{[]string{a, b}, "<title>first, second</title>"},
		{[]string{a, "--title", "5 < 6"}, "<title>5 &lt; 6</title>"},
	} {
		if code, out, problem := loopbench(t, append([]string{"report", "-o", page}, c.args...)...); code != exitOK || out+problem != "" {
			t.Fatal(code, out, problem)
		}
		if html, err := os.ReadFile(page); err != nil || !bytes.Contains(html, []byte(c.want)) {
			t.Errorf("%q: no %s, %v", c.args, c.want, err)
		}
	}
}
