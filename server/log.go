// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// logQueue is how many lines may wait for a slow disk. More are dropped and
// counted: a log never holds up a loop.
const logQueue = 1024

// Logs opens the files that a configuration names, each once.
type Logs struct {
	mu      sync.Mutex
	outputs map[string]*output
}

// Logger returns a logger that writes to path ("stdout", "stderr" or a file,
// which is appended to) lines of at least the level, a name of MOSN's.
func (l *Logs) Logger(path, level string) (*slog.Logger, error) {
	o, err := l.output(path)
	if err != nil {
		return nil, err
	}
	return slog.New(slog.NewTextHandler(o, &slog.HandlerOptions{Level: threshold{o, logLevel(level)}})), nil
}

// threshold is the least level that a logger writes: its own, unless that of its
// output was set since.
type threshold struct {
	to  *output
	own slog.Level
}

// Level implements slog.Leveler.
func (t threshold) Level() slog.Level {
	if set := t.to.level.Load(); set != nil {
		return *set
	}
	return t.own
}

// SetLevel makes every logger of an output, or of all for an empty path, write
// from a level on, whatever the configuration says; an empty level leaves it to
// the configuration again.
func (l *Logs) SetLevel(path, level string) error {
	var set *slog.Level
	if level != "" {
		n, known := logLevels[strings.ToUpper(level)]
		if !known {
			return fmt.Errorf("expected one of the levels TRACE, DEBUG, INFO, WARN, ERROR and FATAL, found %q", level)
		}
		set = &n
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if path != "" && l.outputs[path] == nil {
		return fmt.Errorf("nothing is logged to %q", path)
	}
	for p, o := range l.outputs {
		if path == "" || p == path {
			o.level.Store(set)
		}
	}
	return nil
}

// Levels are the outputs and the level that was set for each; empty where the
// configuration's counts.
func (l *Logs) Levels() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	levels := make(map[string]string, len(l.outputs))
	for p, o := range l.outputs {
		levels[p] = ""
		for name, n := range logLevels {
			if set := o.level.Load(); set != nil && *set == n {
				levels[p] = name
			}
		}
	}
	return levels
}

// events returns the file at path as a log whose lines are JSON objects.
func (l *Logs) events(path string) (io.Writer, error) {
	o, err := l.output(path)
	if err != nil {
		return nil, err
	}
	o.json.Store(true)
	return o, nil
}

func (l *Logs) output(path string) (*output, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.outputs[path]; o != nil {
		return o, nil
	}
	w, err := openLog(path)
	if err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	o := newOutput(w)
	if l.outputs == nil {
		l.outputs = make(map[string]*output)
	}
	l.outputs[path] = o
	return o, nil
}

// Reopen opens the files again, as after a rename. One that cannot be opened goes
// on as it is.
func (l *Logs) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all error
	for path, o := range l.outputs {
		if path == "" || path == "stdout" || path == "stderr" {
			continue
		}
		w, err := openLog(path)
		if err != nil {
			all = errors.Join(all, fmt.Errorf("log file: %w", err))
			continue
		}
		if old := o.fresh.Swap(&w); old != nil {
			_ = (*old).Close() // never written to
		}
		if _, err := o.Write(nil); err != nil { // wakes it
			all = errors.Join(all, err)
		}
	}
	return all
}

// Close writes what is queued and closes the files. Loggers drop lines from
// then on.
func (l *Logs) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.outputs {
		o.close()
	}
	l.outputs = nil
}

func openLog(path string) (io.WriteCloser, error) {
	switch path {
	case "", "stdout":
		return keepOpen{os.Stdout}, nil
	case "stderr":
		return keepOpen{os.Stderr}, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// keepOpen is a standard stream, which is not ours to close.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// logLevels maps MOSN's names; TRACE and FATAL lie outside of slog's.
var logLevels = map[string]slog.Level{
	"TRACE": slog.LevelDebug - 4,
	"DEBUG": slog.LevelDebug,
	"INFO":  slog.LevelInfo,
	"WARN":  slog.LevelWarn,
	"ERROR": slog.LevelError,
	"FATAL": slog.LevelError + 4,
}

// logLevel is INFO for a name that is none.
func logLevel(name string) slog.Level { return logLevels[strings.ToUpper(name)] }

// output is one log file, written by a goroutine of its own.
type output struct {
	to      io.WriteCloser
	lines   chan []byte
	done    chan struct{}
	mu      sync.RWMutex // closed against sends
	closed  bool
	dropped atomic.Uint64
	json    atomic.Bool // lines are JSON objects
	// fresh is to be written to from the next line on, in place of to.
	fresh atomic.Pointer[io.WriteCloser]
	level atomic.Pointer[slog.Level] // nil where each logger has its own
}

func newOutput(w io.WriteCloser) *output {
	o := &output{to: w, lines: make(chan []byte, logQueue), done: make(chan struct{})}
	go o.run()
	return o
}

// Write implements io.Writer for one line. It never blocks on the file.
func (o *output) Write(line []byte) (int, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.closed {
		return len(line), nil
	}
	select {
	case o.lines <- append([]byte(nil), line...):
	default:
		o.dropped.Add(1)
	}
	return len(line), nil
}

func (o *output) run() {
	defer close(o.done)
	for line := range o.lines {
		if w := o.fresh.Swap(nil); w != nil {
			_ = o.to.Close()
			o.to = *w
		}
		// A log that cannot be written has nowhere to say so.
		_, _ = o.to.Write(line)
		if n := o.dropped.Swap(0); n > 0 {
			format := "level=WARN msg=\"log lines dropped\" count=%d\n"
			if o.json.Load() {
				format = "{\"dropped_events\":%d}\n"
			}
			_, _ = fmt.Fprintf(o.to, format, n)
		}
	}
}

func (o *output) close() {
	o.mu.Lock()
	o.closed = true
	close(o.lines)
	o.mu.Unlock()
	<-o.done
	_ = o.to.Close()
}
