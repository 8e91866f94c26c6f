// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// fileMode is that of a new file: lines have addresses and paths of users.
	fileMode = 0o640
	// answerTime is how long a writer may take to open its file again, or to
	// write what is left at the end: a disk that hangs must not hold up either.
	answerTime = 2 * time.Second
)

// File is where lines go: one goroutine writes to it, whatever number of logs and
// loops have lines for it.
type File struct {
	target string
	log    *slog.Logger
	loops  []*blocks
	queue  chan block
	reopen chan chan error
	ending chan struct{}
	ended  chan struct{}
	unused bool // under Files.mu

	lines, dropped, failures atomic.Uint64

	// The rest is the goroutine's.
	out     io.WriteCloser
	failing bool   // the last write did
	torn    bool   // it ended within a line
	lost    uint64 // lines that it should have written
	how     escaping
	scratch []byte
}

func newFile(target string, loops int, log *slog.Logger) (*File, error) {
	out, err := open(target)
	if err != nil {
		return nil, err
	}
	f := &File{
		target: target, log: log, out: out, loops: make([]*blocks, loops),
		queue: make(chan block, loops*blocksMax), reopen: make(chan chan error),
		ending: make(chan struct{}), ended: make(chan struct{}),
	}
	for i := range f.loops {
		f.loops[i] = newBlocks(f)
	}
	go f.run()
	return f, nil
}

// open opens a target to append to. A FIFO is opened whether or not anybody reads
// it.
func open(target string) (io.WriteCloser, error) {
	switch target {
	case "stdout":
		return standard(unix.Stdout)
	case "stderr":
		return standard(unix.Stderr)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	flags := os.O_APPEND | os.O_CREATE | os.O_WRONLY
	if s, err := os.Stat(target); err == nil && s.Mode()&os.ModeNamedPipe != 0 {
		flags = os.O_RDWR
	}
	out, err := os.OpenFile(target, flags, fileMode)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	return out, nil
}

// standard is a copy of a standard stream: one that can be closed, and whose
// reader may leave without ending the process.
func standard(fd int) (io.WriteCloser, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	return os.NewFile(uintptr(own), "standard stream"), nil
}

// run writes what the loops hand over.
func (f *File) run() {
	defer close(f.ended)
	for {
		select {
		case b := <-f.queue:
			f.write(b)
		case answer := <-f.reopen:
			answer <- f.openAgain()
		case <-f.ending:
			for len(f.queue) > 0 {
				f.write(<-f.queue)
			}
			if f.lost > 0 {
				_, _ = f.put(appendDropped(nil, f.how, f.lost))
			}
			if err := f.out.Close(); err != nil {
				f.log.Warn("access log", "path", f.target, "error", err)
			}
			return
		}
	}
}

func (f *File) openAgain() error {
	out, err := open(f.target)
	if err != nil {
		f.log.Error("access log: not opened again; lines go on to the file that is open", "path", f.target, "error", err)
		return err
	}
	err = f.out.Close()
	f.out, f.torn = out, false
	f.log.Info("access log: opened again", "path", f.target)
	return err
}

// write writes a block and gives it back.
func (f *File) write(b block) {
	if missing := f.lost + b.dropped; missing > 0 {
		f.lost = missing
		f.scratch = appendDropped(f.scratch[:0], b.how, missing)
		if _, err := f.put(f.scratch); err == nil {
			f.lost = 0
		}
	}
	f.how = b.how
	n, err := f.put(b.bytes)
	if err == nil {
		f.lines.Add(b.lines)
	} else {
		rest := count(b.bytes[n:])
		f.lines.Add(b.lines - rest)
		f.lost += rest
		f.dropped.Add(rest)
	}
	b.owner.free <- b.bytes
}

var newline = []byte{'\n'}

// count is how many lines end in b.
func count(b []byte) uint64 { return uint64(bytes.Count(b, newline)) }

// put writes whole lines, behind the end of one that was written in part. The
// first failure in a row is reported.
func (f *File) put(lines []byte) (n int, err error) {
	if f.torn {
		_, err = f.out.Write(newline)
		f.torn = err != nil
	}
	if err == nil {
		n, err = f.out.Write(lines)
		f.torn = err != nil && n > 0 && lines[n-1] != '\n'
	}
	switch {
	case err != nil:
		f.failures.Add(1)
		if !f.failing {
			f.log.Error("access log: cannot be written; lines are lost and counted", "path", f.target, "error", err)
		}
	case f.failing:
		f.log.Info("access log: written again", "path", f.target)
	}
	f.failing = err != nil
	return n, err
}

// errStuck is a writer that waits for its disk.
var errStuck = errors.New("the writer is stuck")

// openNew has the writer open the file again, as after a rename. The one that is
// open goes on where the new one cannot be opened.
func (f *File) openNew() error {
	answer := make(chan error, 1)
	late := time.After(answerTime)
	select {
	case f.reopen <- answer:
		return <-answer
	case <-f.ended:
		return nil
	case <-late:
		return fmt.Errorf("access log %q: %w", f.target, errStuck)
	}
}

// end writes what is queued and closes the file. It waits for a stuck writer for
// a while only.
func (f *File) end() {
	close(f.ending)
	select {
	case <-f.ended:
	case <-time.After(answerTime):
		f.log.Error("access log: not written to its end", "path", f.target, "error", errStuck)
	}
}
