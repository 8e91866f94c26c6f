// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

// upgradeLoad is clients that ask all the time.
type upgradeLoad struct {
	seen  outcomes
	calls atomic.Int64
	stop  atomic.Bool
	wg    sync.WaitGroup
}

// run calls until the load is stopped, in a goroutine of its own.
func (l *upgradeLoad) run(call func(i int) string) {
	l.wg.Go(func() {
		for i := 0; !l.stop.Load(); i++ {
			l.seen.add(call(i))
			l.calls.Add(1)
		}
	})
}

// more waits for n further calls, so that what is done next meets connections in
// use.
func (l *upgradeLoad) more(t testing.TB, n int64) {
	t.Helper()
	n += l.calls.Load()
	eventually(t, "the load moves on", func() bool { return l.calls.Load() >= n })
}

// wantAllOK ends the load.
func (l *upgradeLoad) wantAllOK(t testing.TB) {
	t.Helper()
	l.stop.Store(true)
	l.wg.Wait()
	if l.seen.counts["ok"] != int(l.calls.Load()) {
		t.Errorf("%v", l.seen.counts)
	}
}

// callOnce makes one call on a connection of its own.
func callOnce(address string) string {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "dial: " + err.Error()
	}
	defer c.Close()
	f := newBoltRequest(service, []byte("once"))
	if _, err := c.Write(f.encode()); err != nil {
		return "write: " + err.Error()
	}
	c.SetDeadline(time.Now().Add(callTimeout))
	r, err := readBolt(newReader(c))
	if err != nil {
		return "read: " + err.Error()
	}
	return echoOutcome(f, r)
}

func echoOutcome(f, r boltFrame) string {
	if r.status != 0 || string(r.content) != string(f.content) {
		return fmt.Sprintf("status %d, %d bytes", r.status, len(r.content))
	}
	return "ok"
}

// upgradeHops is a listener of each protocol with a service behind it.
func upgradeHops(t testing.TB) (bolt, h2 hop) {
	t.Helper()
	bolt = hop{name: "bolt", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc", hosts: []string{startBoltService(t, "127.0.0.1:0", echoBolt).address()}}
	h2 = hop{name: "h2", listen: freeAddress(t), down: "Http2", up: "Http2", hosts: []string{startH2Service(t, "127.0.0.1:0", echoH2).address()}, match: anyRequest}
	return bolt, h2
}

// Process after process takes over from under clients: no request fails, no
// connection and no scrape is refused, and no descriptor is left behind.
func TestUpgradesUnderLoad(t *testing.T) {
	bolt, h2 := upgradeHops(t)
	l := startLineage(t, configOf(bolt, h2))
	client := newH2Client(t)
	var load upgradeLoad
	load.run(func(int) string { return callOnce(bolt.listen) })
	c := dialBolt(t, bolt.listen)
	for range 3 {
		load.run(func(i int) string {
			f := newBoltRequest(service, fmt.Appendf(nil, "call %d", i))
			r, err := c.call(f)
			if err != nil {
				return err.Error()
			}
			return echoOutcome(f, r)
		})
	}
	load.run(func(i int) string {
		b := fmt.Appendf(nil, "call %d", i)
		r, err := tryH2(client, h2.listen, b, true, nil)
		if err != nil || r.status != 200 || string(r.body) != string(b) {
			return fmt.Sprintf("HTTP/2: status %d, %v", r.status, err)
		}
		return "ok"
	})
	scraper := &http.Client{Timeout: callTimeout} // which keeps its connection
	t.Cleanup(scraper.CloseIdleConnections)
	load.run(func(int) string {
		r, err := scraper.Get("http://" + l.admin + "/ready")
		if err != nil {
			return "scrape: " + err.Error()
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return "scrape: " + r.Status
		}
		return "ok"
	})
	for range 3 {
		load.more(t, 100)
		old := l.current()
		l.upgrade()
		l.wantGone(old)
	}
	load.more(t, 100)
	load.wantAllOK(t)
	client.CloseIdleConnections()
	scraper.CloseIdleConnections()
	t.Logf("%d calls", load.calls.Load())
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

func TestUpgradeLeavesNoDescriptors(t *testing.T) {
	bolt, h2 := upgradeHops(t)
	l := startLineage(t, configOf(bolt, h2))
	before := l.idleDescriptors()
	for range 3 {
		old := l.current()
		l.upgrade()
		l.wantGone(old)
	}
	if now := l.idleDescriptors(); now != before {
		t.Errorf("%d descriptors after three upgrades, %d before", now, before)
	}
}

// script is an executable file.
func script(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever is wrong with the new process, the old one goes on as if nothing had
// been.
func TestUpgradesThatFail(t *testing.T) {
	bolt := echoThrough(t, freeAddress(t))
	text := configOf(bolt)
	l := startLineage(t, text, "--upgrade-time", "2s")
	c := dialBolt(t, bolt.listen)
	wantServed := func() {
		t.Helper()
		f := newBoltRequest(service, []byte("x"))
		wantBoltEcho(t, f, c.mustCall(t, f))
		if out := callOnce(bolt.listen); out != "ok" {
			t.Errorf("a new connection: %s", out)
		}
		eventually(t, "the failed process is gone", func() bool { return children(t, l.current()) == "" })
	}
	wantServed()
	before := l.idleDescriptors()
	for name, tt := range map[string]struct{ program, reason string }{
		"there is none":          {"/nonexistent/sideloop", "no such file"},
		"it is no program":       {l.config, "permission denied"},
		"it ends with an error":  {script(t, "#!/bin/sh\nexit 3\n"), "exit status 3"},
		"it ends without one":    {script(t, "#!/bin/sh\nexit 0\n"), "ended by itself"},
		"it does nothing":        {script(t, "#!/bin/sh\nexec sleep 60\n"), "was not ready within 2s"},
		"it says something else": {script(t, "#!/bin/sh\necho nonsense nonsense nonsense >&3\nexec sleep 60\n"), "a message of"},
	} {
		t.Run(name, func(t *testing.T) {
			l.wantNoUpgrade(tt.reason, "--binary", tt.program)
			wantServed()
		})
	}
	for name, tt := range map[string]struct{ config, reason string }{
		"its configuration is no JSON":  {"{", "error"},
		"its configuration is wrong":    {strings.Replace(text, `"SofaRpc"`, `"SofaRcp"`, 1), `did you mean "SofaRpc"?`},
		"a further address is taken":    {configOf(bolt, hop{name: "more", listen: bolt.hosts[0], down: "SofaRpc", up: "SofaRpc", hosts: bolt.hosts}), "in use"},
		"its log file cannot be opened": {strings.Replace(text, `"stderr"`, `"/dev/null/log"`, 1), "log file"},
	} {
		t.Run(name, func(t *testing.T) {
			l.rewrite(tt.config)
			defer l.rewrite(text)
			l.wantNoUpgrade(tt.reason)
			wantServed()
		})
	}
	if now := l.idleDescriptors(); now != before {
		t.Errorf("%d descriptors after failed upgrades, %d before", now, before)
	}
	l.upgrade()
}

// While one upgrade is under way there is no other, and no reload; a signal to end
// ends it as well.
func TestUpgradeExcludes(t *testing.T) {
	bolt := echoThrough(t, freeAddress(t))
	l := startLineage(t, configOf(bolt), "--upgrade-time", "1h")
	old := l.current()
	hung := sideloopCommand(t, "upgrade", "--admin", l.admin, "--binary", script(t, "#!/bin/sh\nexec sleep 60\n"))
	if err := hung.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new process has started", func() bool { return children(t, old) != "" })
	child, _ := strconv.Atoi(children(t, old))
	l.wantNoUpgrade("an upgrade is in progress")
	out, err := sideloopCommand(t, "reload", "--admin", l.admin).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "an upgrade is in progress") {
		t.Errorf("reload: %v: %s", err, out)
	}
	syscall.Kill(old, syscall.SIGTERM)
	l.wantGone(old)
	if err := hung.Wait(); err == nil {
		t.Error("the command succeeds though its process has ended")
	}
	if alive(child) {
		t.Error("the new process has outlived the old one")
	}
}

func TestUpgradeOfADrainingProcess(t *testing.T) {
	l := startLineage(t, configOf(echoThrough(t, freeAddress(t))))
	out, err := adminClient.Post("http://"+l.admin+"/drain", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	out.Body.Close()
	eventually(t, "it drains", func() bool {
		r, err := adminClient.Get("http://" + l.admin + "/ready")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusServiceUnavailable
	})
	l.wantNoUpgrade("shutting down")
}

// The commands find the new process, however the old one was named, and take the
// file of the program as it is then.
func TestUpgradeByPidAndOfAReplacedFile(t *testing.T) {
	bolt := echoThrough(t, freeAddress(t))
	program := filepath.Join(t.TempDir(), "sideloop")
	install := func() os.FileInfo {
		t.Helper()
		b, err := os.ReadFile(sideloop(t).Path)
		if err == nil {
			err = os.WriteFile(program+".new", b, 0o755)
		}
		if err == nil {
			err = os.Rename(program+".new", program)
		}
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Stat(program)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	install()
	l := startLineageOf(t, program, configOf(bolt))
	for _, by := range [][]string{{"--pid", l.pid}, {"-c", l.config}} {
		old := l.current()
		file := install()
		tell(t, append([]string{"upgrade"}, by...)...)
		if now, err := os.Stat(fmt.Sprintf("/proc/%d/exe", l.current())); err != nil || !os.SameFile(file, now) {
			t.Errorf("the new process is not of the new file: %v", err)
		}
		l.wantGone(old)
		l.waitReady()
	}
	if out, err := sideloopCommand(t, "upgrade", "--pid", l.pid, "--binary", "/bin/true").CombinedOutput(); err == nil {
		t.Errorf("a program is named by a signal: %s", out)
	}
	tell(t, "reload", "--pid", l.pid)
	eventually(t, "the new process reloads", func() bool { return strings.Contains(l.words(), "reload: 0 changes") })
	last := l.current()
	tell(t, "stop", "--pid", l.pid)
	if alive(last) || l.current() != 0 {
		t.Error("the latest process is not the one that was stopped")
	}
}

// A Unix socket goes from one process to the next, and its path with it: the last
// one removes it.
func TestUpgradeOfAUnixSocket(t *testing.T) {
	in := echoThrough(t, filepath.Join(t.TempDir(), "socket"))
	l := startLineage(t, configOf(in))
	wantServed := func() {
		t.Helper()
		c, err := net.Dial("unix", in.listen)
		if err != nil {
			t.Fatal(err)
		}
		f := newBoltRequest(service, []byte("x"))
		wantBoltEcho(t, f, newBoltClient(t, c).mustCall(t, f))
	}
	wantServed()
	text, _ := os.ReadFile(l.config)
	if err := os.WriteFile(l.config, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	l.wantNoUpgrade("error")
	wantServed()
	if err := os.WriteFile(l.config, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		old := l.current()
		l.upgrade()
		l.wantGone(old)
		wantServed()
	}
	last := l.current()
	syscall.Kill(last, syscall.SIGTERM)
	l.wantGone(last)
	if _, err := os.Lstat(in.listen); err == nil {
		t.Error("the socket's path is left behind")
	}
}
