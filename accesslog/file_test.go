// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
)

// patience is how long a busy machine may take for anything.
const patience = 20 * time.Second

// journal is what is said of files.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) count(s string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), s)
}

// desk is a loop with the files of a process.
type desk struct {
	t       testing.TB
	reactor *eventloop.Reactor
	loop    *eventloop.Loop
	files   *Files
	journal journal
	n       int
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{t: t}
	var err error
	if d.reactor, err = eventloop.Start(eventloop.Options{Loops: 1}); err != nil {
		t.Fatal(err)
	}
	d.loop = d.reactor.Loops()[0]
	d.files = NewFiles(1, slog.New(slog.NewTextHandler(&d.journal, nil)))
	t.Cleanup(d.end)
	return d
}

// end ends the loop and then the files.
func (d *desk) end() {
	if d.files != nil {
		// Not the test's context, which has ended when this is a cleanup.
		if err := d.reactor.Stop(context.Background()); err != nil {
			d.t.Error(err)
		}
		d.files.Close(true)
		d.files = nil
	}
}

// open returns the loop's logger of a log with numbered lines.
func (d *desk) open(target string) *logger {
	d.t.Helper()
	f, err := d.files.Open(target)
	if err != nil {
		d.t.Fatal(err)
	}
	list, _ := config.ParseLogFormat("line %tries% %class%")
	c := &config.AccessLog{Line: list, Filter: config.LogFilter{Percent: 100}}
	return New(c, f).Observers(new(pipeline.Wanted), 1)[0].(*logger)
}

// write ends n requests on the loop.
func (d *desk) write(l *logger, n int) {
	done := make(chan struct{})
	d.loop.Post(func() {
		defer close(done)
		for range n {
			d.n++
			l.Ended(&pipeline.Ended{Timers: d.loop, Tries: d.n, Class: bytes.Repeat([]byte{'x'}, 200)})
		}
	})
	<-done
}

// until waits for something.
func (d *desk) until(what string, ok func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// numbers are the lines of files, whose numbers must rise by one but for those
// that are said to be missing. It returns how many there are, and are missing.
func numbers(t *testing.T, text string) (lines, missing int) {
	t.Helper()
	for line := range strings.Lines(text) {
		var n int
		if _, err := fmt.Sscanf(line, "dropped_lines=%d\n", &n); err == nil {
			missing += n
			continue
		}
		if _, err := fmt.Sscanf(line, "line %d xxx", &n); err != nil || !strings.HasSuffix(line, "xxx\n") {
			t.Fatalf("a line is %q", line)
		}
		if lines++; n != lines+missing {
			t.Fatalf("line %d comes behind %d with %d missing", n, lines-1, missing)
		}
	}
	return lines, missing
}

func read(t *testing.T, names ...string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

func TestLinesReachTheFile(t *testing.T) {
	d := newDesk(t)
	name := filepath.Join(t.TempDir(), "made", "access.log")
	l := d.open(name)
	if s, err := os.Stat(name); err != nil || s.Mode().Perm()&^fileMode != 0 {
		t.Errorf("the new file is %v, %v", s, err)
	}
	d.write(l, 1)
	d.until("one line of an idle loop", func() bool { return strings.Count(read(t, name), "\n") == 1 })
	d.write(l, 1000) // several blocks, and some left at the end
	d.end()
	if lines, missing := numbers(t, read(t, name)); lines != 1001 || missing != 0 {
		t.Errorf("%d lines, %d missing", lines, missing)
	}
}

// A file that is open is appended to by a process that begins.
func TestFileIsAppendedTo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(name, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDesk(t)
	d.write(d.open(name), 1)
	d.end()
	if text := read(t, name); !strings.HasPrefix(text, "before\nline 1 xxx") {
		t.Errorf("the file has %q", text)
	}
}

// TestStuckWriter has nobody read a FIFO: the loop goes on, what has no room is
// counted, and said as soon as there is room.
func TestStuckWriter(t *testing.T) {
	d := newDesk(t)
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	l := d.open(name)
	const first, after = 30000, 1000
	d.write(l, first)
	state := d.files.States()[0]
	made := make(chan int)
	d.loop.Post(func() { made <- l.blocks.made })
	if n := <-made; state.Dropped == 0 || n > blocksMax || n*blockFull > 4<<20 {
		t.Fatalf("%+v with %d blocks of %d bytes", state, n, blockFull)
	}
	reader, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	text := make(chan string)
	go func() {
		var all strings.Builder
		lines := bufio.NewReader(reader)
		for !strings.Contains(all.String()[max(all.Len()-300, 0):], fmt.Sprintf("line %d xxx", first+after)) {
			line, err := lines.ReadString('\n')
			all.WriteString(line)
			if err != nil {
				break
			}
		}
		text <- all.String()
	}()
	d.until("the writer catches up", func() bool { return d.files.States()[0].Lines+state.Dropped == first })
	d.write(l, after)
	lines, missing := numbers(t, <-text)
	if lines+missing != first+after || uint64(missing) != state.Dropped {
		t.Errorf("%d lines and %d missing of %d; %d were counted", lines, missing, first+after, state.Dropped)
	}
}

// What is dropped is said also when no request follows.
func TestDropsAreSaidWhenIdle(t *testing.T) {
	d := newDesk(t)
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	d.write(d.open(name), 30000)
	dropped := d.files.States()[0].Dropped
	reader, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "dropped_lines=") {
			break
		}
	}
	if want := fmt.Sprintf("dropped_lines=%d", dropped); lines.Text() != want {
		t.Errorf("said %q, want %q", lines.Text(), want)
	}
}

// A stuck writer does not hold up the end of the process for good, nor a reopen.
func TestStuckWriterAtTheEnd(t *testing.T) {
	d := newDesk(t)
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	d.write(d.open(name), 30000)
	if err := d.files.Reopen(); err == nil || !strings.Contains(err.Error(), "stuck") {
		t.Errorf("reopened with %v", err)
	}
	d.end()
	if d.journal.count("not written to its end") != 1 {
		t.Errorf("said at the end:\n%s", d.journal.text.String())
	}
}

// TestFullDisk writes to a device that is always full.
func TestFullDisk(t *testing.T) {
	d := newDesk(t)
	l := d.open("/dev/full")
	for range 3 {
		d.write(l, 500)
	}
	d.until("all is lost", func() bool {
		s := d.files.States()[0]
		return s.Dropped >= 1200 && s.Failures >= 3
	})
	d.end()
	if d.journal.count("cannot be written") != 1 || d.journal.count("no space left") != 1 {
		t.Errorf("said:\n%s", d.journal.text.String())
	}
}

// flaky is a file that takes only so many bytes until it is healed.
type flaky struct {
	text bytes.Buffer
	room int
}

func (f *flaky) Write(b []byte) (int, error) {
	n := min(len(b), f.room)
	f.room -= n
	f.text.Write(b[:n])
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *flaky) Close() error { return nil }

// A write that ended within a line does not spoil the next one, and what was lost
// is said.
func TestDiskFillsAndIsEmptied(t *testing.T) {
	out := &flaky{room: 10}
	var j journal
	f := &File{target: "t", out: out, log: slog.New(slog.NewTextHandler(&j, nil))}
	owner := newBlocks(f)
	put := func(s string) { f.write(block{bytes: []byte(s), lines: uint64(strings.Count(s, "\n")), owner: owner}) }
	put("one\n")
	put("two\nthree\nfour\n")
	put("five\n")
	out.room = 1000
	put("six\n")
	put("seven\n")
	if got, want := out.text.String(), "one\ntwo\nth\ndropped_lines=3\nsix\nseven\n"; got != want {
		t.Errorf("the file has\n%q, want\n%q", got, want)
	}
	if f.dropped.Load() != 3 || f.lines.Load() != 4 || j.count("cannot be written") != 1 || j.count("written again") != 1 {
		t.Errorf("%d dropped, %d lines, said\n%s", f.dropped.Load(), f.lines.Load(), j.text.String())
	}
}

// TestRotation renames the file again and again while lines are written.
func TestRotation(t *testing.T) {
	d := newDesk(t)
	name := filepath.Join(t.TempDir(), "access.log")
	l := d.open(name)
	var names []string
	for i := range 10 {
		d.write(l, 300)
		names = append(names, fmt.Sprintf("%s.%d", name, i))
		if err := os.Rename(name, names[i]); err != nil {
			t.Fatal(err)
		}
		d.write(l, 300)
		if err := d.files.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	d.end()
	lines, missing := numbers(t, read(t, append(names, name)...))
	if lines != 6000 || missing != 0 {
		t.Errorf("%d lines, %d missing", lines, missing)
	}
}

// A file that cannot be opened again stays open, and that is said.
func TestFileThatCannotBeOpenedAgain(t *testing.T) {
	d := newDesk(t)
	name := filepath.Join(t.TempDir(), "access.log")
	l := d.open(name)
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.files.Reopen(); err == nil {
		t.Error("a directory was opened")
	}
	d.write(l, 10)
	d.end()
	if lines, _ := numbers(t, read(t, name+".1")); lines != 10 || d.journal.count("not opened again") != 1 {
		t.Errorf("%d lines in the file that was open; said\n%s", lines, d.journal.text.String())
	}
	if _, err := NewFiles(1, slog.Default()).Open(name); err == nil {
		t.Error("a directory was opened at the start")
	}
}

// TestFilesAreKept: one that is named again within the wait stays, one that is not
// is closed with all it has.
func TestFilesAreKept(t *testing.T) {
	d := newDesk(t)
	dir := t.TempDir()
	gone, back := filepath.Join(dir, "gone"), filepath.Join(dir, "back")
	l := d.open(gone)
	d.open(back)
	was := d.files.byName[back]
	d.files.Keep(nil, time.Hour)
	d.files.Keep(map[string]bool{back: true}, time.Hour)
	if d.open(back); d.files.byName[back] != was {
		t.Error("a file was opened twice")
	}
	d.write(l, 1000)
	for _, f := range []*File{was, d.files.byName[gone]} {
		d.files.drop(f)
	}
	if list := d.files.list(); len(list) != 1 || list[0] != was {
		t.Errorf("%d files are left", len(list))
	}
	if n := strings.Count(read(t, gone), "\n"); n < 800 {
		t.Errorf("%d lines were written", n)
	}
	d.write(l, 30000) // of a connection that has outlived all waits
}

func TestStandardStreams(t *testing.T) {
	d := newDesk(t)
	for _, target := range []string{"stdout", "stderr"} {
		d.open(target)
	}
	if err := d.files.Reopen(); err != nil {
		t.Error(err)
	}
}
