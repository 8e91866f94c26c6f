// SPDX-License-Identifier: Apache-2.0

//go:build peers

package suite

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench/peers"
	"github.com/sideloop/sideloop/bench/report"
)

// build builds both commands.
func build(t *testing.T) peers.Programs {
	t.Helper()
	dir := t.TempDir()
	c := exec.Command("go", "build", "-o", dir+"/", "./cmd/...")
	c.Dir = "../.."
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return peers.Programs{Loopbench: filepath.Join(dir, "loopbench"), Sideloop: filepath.Join(dir, "sideloop")}
}

// wantNoTrace checks that neither processes nor files are left.
func wantNoTrace(t *testing.T, tmp string) {
	t.Helper()
	entries, err := os.ReadDir(tmp)
	if err != nil || len(entries) > 0 {
		t.Errorf("files are left: %v, %v", entries, err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	parent := " " + strconv.Itoa(os.Getpid()) + " "
	for _, file := range all {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		// After the name: state, parent.
		_, rest, _ := bytes.Cut(b, []byte(") "))
		if len(rest) > 2 && strings.HasPrefix(string(rest[1:]), parent) {
			t.Errorf("a process is left: %s", b)
		}
	}
}

func TestSuite(t *testing.T) {
	programs, tmp, kept := build(t), t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var log bytes.Buffer
	s, err := Run(t.Context(), Options{
		Rounds: 1, Measure: time.Second, Programs: programs, JSON: kept, Log: &log,
		Scenarios: []string{"bolt-1k", "h2-get", "idle-bolt", "idle-h2", "stall-h2", "low-bolt", "gc-chain", "tls-bolt", "tls-resumed"}, Peers: []string{"sideloop", "relay"},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	// Those at low load and of garbage are five and two figures.
	if len(s.Scenarios) != 7+5+2 {
		t.Fatalf("%d scenarios", len(s.Scenarios))
	}
	for _, sc := range s.Scenarios {
		want := 2
		if strings.Contains(sc.Name, "TLS") || strings.HasPrefix(sc.Name, "Stalled") || strings.HasPrefix(sc.Name, "Garbage") {
			want = 1
		}
		if len(sc.Bars) != want {
			t.Errorf("%s: %+v", sc.Name, sc.Bars)
		}
		for _, b := range sc.Bars {
			// What is added, and what the collector takes, may be nothing, and a
			// busy machine may let the generator tell nothing of an open loop.
			small := strings.Contains(sc.Name, "low load") || strings.HasPrefix(sc.Name, "Garbage")
			untold := b.Missing == report.NotTold || strings.Contains(b.Missing, errInvalid.Error())
			if b.Missing != "" && !(small && untold) || !small && (b.Median <= 0 || b.PeakRSS < 1<<20) {
				t.Errorf("%s: %+v\n%s", sc.Name, b, &log)
			}
		}
	}
	known := 0
	for _, v := range s.Verdicts {
		if v.Outcome != report.Unknown {
			known++
		}
	}
	// Of low load's percentiles, all that the machine lets the generator tell.
	if len(s.Verdicts) != 1+1+2+2 || known < len(s.Verdicts)-1 {
		t.Errorf("%+v", s.Verdicts)
	}
	for _, name := range []string{"bolt-1k.relay.1.json", "h2-get.sideloop.1.json"} {
		if _, err := os.Stat(filepath.Join(kept, name)); err != nil {
			t.Error(err)
		}
	}
	wantNoTrace(t, tmp)
}

// cancelAt ends a context when a line with the word is logged.
type cancelAt struct {
	word   string
	cancel context.CancelFunc
}

func (c cancelAt) Write(b []byte) (int, error) {
	if strings.Contains(string(b), c.word) {
		c.cancel()
	}
	return len(b), nil
}

func TestInterruptedSuiteKeepsWhatItHas(t *testing.T) {
	programs, tmp := build(t), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := Run(ctx, Options{
		Rounds: 2, Measure: time.Second, Programs: programs, Log: cancelAt{"µs CPU", cancel},
		Scenarios: []string{"bolt-1k"}, Peers: []string{"sideloop", "relay"},
	})
	if !Interrupted(err) || len(s.Scenarios) != 1 {
		t.Fatalf("%d scenarios, %v", len(s.Scenarios), err)
	}
	bars := s.Scenarios[0].Bars
	if bars[0].Median <= 0 || bars[1].Missing != "not measured before the end" || !strings.HasPrefix(s.Notes[0], "Incomplete: interrupted") {
		t.Errorf("%+v, %q", bars, s.Notes)
	}
	wantNoTrace(t, tmp)
}

// A proxy that cannot start is no figure, and no reason to stop.
func TestSuiteWithABrokenProxy(t *testing.T) {
	programs, tmp := build(t), t.TempDir()
	programs.Sideloop = "/bin/false"
	t.Setenv("TMPDIR", tmp)
	s, err := Run(t.Context(), Options{
		Rounds: 1, Measure: time.Second, Programs: programs, Log: &bytes.Buffer{},
		Scenarios: []string{"bolt-1k"}, Peers: []string{"sideloop", "relay"},
	})
	if err != nil {
		t.Fatal(err)
	}
	bars := s.Scenarios[0].Bars
	if !strings.Contains(bars[0].Missing, "Sideloop: ended: exit status 1") || bars[1].Median <= 0 {
		t.Errorf("%+v", bars)
	}
	wantNoTrace(t, tmp)
}
