// SPDX-License-Identifier: Apache-2.0

package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stuck is a log file that takes nothing until it is let go.
type stuck struct {
	let   chan struct{}
	began chan struct{}
	lines []string
}

func (s *stuck) Write(b []byte) (int, error) {
	if len(s.lines) == 0 {
		close(s.began)
	}
	<-s.let
	s.lines = append(s.lines, string(b))
	return len(b), nil
}

func (s *stuck) Close() error { return nil }

// A disk that hangs holds up nobody: lines are dropped, and their number told.
func TestStuckLogDropsLines(t *testing.T) {
	s := &stuck{let: make(chan struct{}), began: make(chan struct{})}
	o := newOutput(s)
	o.Write([]byte("first\n"))
	<-s.began
	const extra = 10
	for range logQueue + extra {
		o.Write([]byte("more\n"))
	}
	close(s.let)
	o.close()
	text := strings.Join(s.lines, "")
	if n := strings.Count(text, "more\n"); n != logQueue {
		t.Errorf("%d lines were kept, %d fit in the queue", n, logQueue)
	}
	if !strings.Contains(text, `msg="log lines dropped" count=10`) {
		t.Errorf("the loss is not told:\n%s", text[len(text)-200:])
	}
	if _, err := o.Write([]byte("late\n")); err != nil {
		t.Errorf("a write after the end: %v", err)
	}
}

func TestLogsShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "x.log")
	var logs Logs
	quiet, err := logs.Logger(path, "ERROR")
	if err != nil {
		t.Fatal(err)
	}
	chatty, err := logs.Logger(path, "trace")
	if err != nil {
		t.Fatal(err)
	}
	quiet.Warn("hidden")
	quiet.Error("shown")
	chatty.Debug("detail")
	logs.Close()
	b, err := os.ReadFile(path)
	text := string(b)
	if err != nil || strings.Contains(text, "hidden") || !strings.Contains(text, "shown") || !strings.Contains(text, "detail") {
		t.Errorf("%v:\n%s", err, text)
	}
	if _, err := logs.Logger(path+"/below", "INFO"); err == nil {
		t.Error("a file below a file was opened")
	}
}

func TestLogLevels(t *testing.T) {
	last := slog.Level(-100)
	for _, name := range []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"} {
		if l := logLevel(name); l <= last || l != logLevel(strings.ToLower(name)) {
			t.Errorf("%s is %v, after %v", name, l, last)
		} else {
			last = l
		}
	}
}

func TestConcurrency(t *testing.T) {
	t.Setenv("GOMAXPROCS", "5")
	for _, tt := range []struct{ asked, processor, want int }{{3, 7, 3}, {0, 7, 5}, {0, 0, 5}} {
		if got := concurrency(tt.asked, tt.processor); got != tt.want {
			t.Errorf("asked %d, processor %d: %d loops", tt.asked, tt.processor, got)
		}
	}
	t.Setenv("GOMAXPROCS", "")
	if got := concurrency(0, 7); got != 7 {
		t.Errorf("the configuration asks for 7, got %d", got)
	}
	if got := concurrency(0, 0); got < 1 || got > 2 {
		t.Errorf("by default there are %d loops", got)
	}
}
