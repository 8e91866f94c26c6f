// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lineage is a proxy whose process may be replaced by another, known by its pid
// file and its admin address. What all of its processes print goes to one file:
// a pipe of the first one would outlive it.
type lineage struct {
	t                testing.TB
	first            *exec.Cmd
	admin, pid, said string
	config           string
}

// startLineage runs the proxy on a configuration, to which it adds an admin server
// and a pid file, until it is ready.
func startLineage(t testing.TB, text string, flags ...string) *lineage {
	t.Helper()
	program, err := builtBinary()
	if err != nil {
		t.Fatalf("%v: %s", err, program)
	}
	return startLineageOf(t, program, text, flags...)
}

// startLineageOf is startLineage with a program of the test's own.
func startLineageOf(t testing.TB, program, text string, flags ...string) *lineage {
	t.Helper()
	dir := t.TempDir()
	l := &lineage{t: t, admin: freeAddress(t), pid: filepath.Join(dir, "run", "pid"), said: filepath.Join(dir, "said"), config: filepath.Join(dir, "config.json")}
	l.rewrite(text)
	l.first = exec.Command(program, append([]string{"start", "-c", l.config}, flags...)...)
	out, err := os.Create(l.said)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	l.first.Stdout, l.first.Stderr = out, out
	if err := l.first.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.kill)
	l.waitReady()
	return l
}

func (l *lineage) rewrite(text string) {
	l.t.Helper()
	if err := os.WriteFile(l.config, []byte(withAdmin(text, l.admin, l.pid)), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lineage) waitReady() {
	l.t.Helper()
	eventually(l.t, "the proxy is ready", func() bool {
		r, err := adminClient.Get("http://" + l.admin + "/ready")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// kill leaves nothing behind.
func (l *lineage) kill() {
	if pid := l.current(); pid > 0 {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	if l.first.ProcessState == nil {
		l.first.Process.Kill()
		l.first.Wait()
	}
	if l.t.Failed() {
		l.t.Logf("the processes said:\n%s", l.words())
	}
}

// current is the process that the pid file names, 0 if there is none.
func (l *lineage) current() int {
	text, _ := os.ReadFile(l.pid)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

func (l *lineage) words() string {
	text, _ := os.ReadFile(l.said)
	return string(text)
}

// upgrade has the next process take over and returns its id.
func (l *lineage) upgrade(args ...string) int {
	l.t.Helper()
	old := l.current()
	out, err := sideloopCommand(l.t, append([]string{"upgrade", "--admin", l.admin}, args...)...).CombinedOutput()
	now := l.current()
	if err != nil || now == old || !strings.Contains(string(out), fmt.Sprintf("process %d has taken over", now)) {
		l.t.Fatalf("upgrade from %d to %d: %v: %s", old, now, err, out)
	}
	return now
}

// wantNoUpgrade asks for an upgrade that has to fail, and say why.
func (l *lineage) wantNoUpgrade(reason string, args ...string) {
	l.t.Helper()
	old := l.current()
	out, err := sideloopCommand(l.t, append([]string{"upgrade", "--admin", l.admin}, args...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), reason) {
		l.t.Errorf("upgrade %v: %v: %s; want %q", args, err, out, reason)
	}
	if now := l.current(); now != old {
		l.t.Errorf("the pid file names %d after a failure, and %d before", now, old)
	}
}

// wantGone waits until a process has ended.
func (l *lineage) wantGone(pid int) {
	l.t.Helper()
	if pid == l.first.Process.Pid {
		done := make(chan error, 1)
		go func() { done <- l.first.Wait() }()
		select {
		case err := <-done:
			if err != nil {
				l.t.Errorf("process %d: %v", pid, err)
			}
		case <-time.After(waitLimit):
			l.t.Fatalf("process %d does not end", pid)
		}
		return
	}
	eventually(l.t, fmt.Sprintf("process %d ends", pid), func() bool { return !alive(pid) })
}

// alive tells whether a process runs; one that nobody has waited for does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return state[0] != 'Z' && state[0] != 'X'
}

// children are the processes that a process has started.
func children(t testing.TB, pid int) string {
	t.Helper()
	var all []string
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range tasks {
		text, _ := os.ReadFile(f)
		all = append(all, strings.Fields(string(text))...)
	}
	return strings.Join(all, " ")
}

// descriptors counts what a process has open.
func descriptors(t testing.TB, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func sideloopCommand(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatalf("%v: %s", err, path)
	}
	return exec.Command(path, args...)
}

// idleDescriptors is what a process has open that has served nobody for a while.
func (l *lineage) idleDescriptors() int {
	l.t.Helper()
	var n, again int
	eventually(l.t, "the number of open descriptors settles", func() bool {
		again, n = n, descriptors(l.t, l.current())
		time.Sleep(20 * time.Millisecond)
		return n == again
	})
	return n
}
