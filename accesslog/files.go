// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"cmp"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Files are the files of all access logs, each open once. Its methods may be
// called from any goroutine but a loop.
type Files struct {
	loops int
	log   *slog.Logger

	mu     sync.Mutex
	closed bool
	byName map[string]*File
}

// NewFiles returns the files of a process with that many loops, without any.
func NewFiles(loops int, log *slog.Logger) *Files {
	return &Files{loops: loops, log: log, byName: make(map[string]*File)}
}

// Open returns the file of that name, which is opened if it is not yet.
func (s *Files) Open(target string) (*File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.byName[target]; f != nil {
		f.unused = false
		return f, nil
	}
	f, err := newFile(target, s.loops, s.log)
	if err == nil {
		s.byName[target] = f
	}
	return f, err
}

// Keep closes the files that are not among the targets, when the connections that
// may still have lines for them are gone, after wait.
func (s *Files) Keep(targets map[string]bool, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for target, f := range s.byName {
		if was := f.unused; targets[target] || was {
			f.unused = was && !targets[target]
			continue
		}
		f.unused = true
		time.AfterFunc(wait+flushInterval+answerTime, func() { s.drop(f) })
	}
}

// drop closes a file that is still unused.
func (s *Files) drop(f *File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.unused && s.byName[f.target] == f && !s.closed {
		delete(s.byName, f.target)
		f.end()
	}
}

// Reopen opens all files again, as logrotate wants it. What cannot be opened stays
// as it is.
func (s *Files) Reopen() error {
	var all error
	for _, f := range s.list() {
		if f.target != "stdout" && f.target != "stderr" {
			all = errors.Join(all, f.openNew())
		}
	}
	return all
}

// State is the counters of a file.
type State struct {
	Path string
	// Lines were written, Dropped lines were not, because the writer lagged or
	// because of Failures of writes.
	Lines, Dropped, Failures uint64
}

// States are the files by name.
func (s *Files) States() []State {
	var all []State
	for _, f := range s.list() {
		all = append(all, State{f.target, f.lines.Load(), f.dropped.Load(), f.failures.Load()})
	}
	return all
}

func (s *Files) list() []*File {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*File, 0, len(s.byName))
	for _, f := range s.byName {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b *File) int { return cmp.Compare(a.target, b.target) })
	return list
}

// Close writes what is queued, and what the loops have if those have ended, and
// closes the files.
func (s *Files) Close(loopsEnded bool) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, f := range s.list() {
		for _, b := range f.loops {
			if loopsEnded {
				b.OnTimer(0)
			}
		}
		f.end()
	}
}
