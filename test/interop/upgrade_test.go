// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/test/traffic"
)

// lineage is a proxy whose process is replaced again and again, known by its pid
// file.
type lineage struct {
	t          *testing.T
	program    string
	admin, pid string
}

// startLineage runs the proxy until it is ready. It prints to a file, since a pipe
// would be open until the last process ends.
func startLineage(t *testing.T, config, admin string) *lineage {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatal(err, program)
	}
	dir := t.TempDir()
	l := &lineage{t, program, admin, filepath.Join(dir, "pid")}
	file, said := filepath.Join(dir, "c.json"), filepath.Join(dir, "said")
	if err := os.WriteFile(file, []byte(strings.Replace(config, "{", fmt.Sprintf("{%q: %q,", "pid", l.pid), 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(said)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(program, "start", "-c", file)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(l.current(), syscall.SIGKILL)
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(said)
			t.Logf("the processes said:\n%s", text)
		}
	})
	go cmd.Wait()
	if out, err := exec.Command(program, "wait", "--admin", admin).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return l
}

// current is the process that the pid file names. Without one it is none that could
// be signalled by mistake.
func (l *lineage) current() int {
	text, _ := os.ReadFile(l.pid)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		l.t.Fatal(err)
	}
	return pid
}

// upgrade returns when the old process has ended.
func (l *lineage) upgrade() {
	l.t.Helper()
	old := l.current()
	if out, err := exec.Command(l.program, "upgrade", "--admin", l.admin).CombinedOutput(); err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	for deadline := time.Now().Add(startLimit); syscall.Kill(old, 0) == nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("process %d does not end", old)
		}
	}
}

func (l *lineage) descriptors() int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.current()))
	if err != nil {
		l.t.Fatal(err)
	}
	return len(list)
}

// Process after process takes over while sofa-rpc-node calls, on the one connection
// that it has made at the beginning, and load is beside it: no call fails.
func TestUpgrades(t *testing.T) {
	startNode(t, "server.js", "8080")
	const admin = "127.0.0.1:34901"
	l := startLineage(t, reloadConfig(admin, startEchoes(t)[0]), admin)
	client := startNode(t, "steady.js", near)
	client.wantLine(t, "ok") // from here on every line has to be
	upgrades, rate := 3, 200.0
	if os.Getenv("SIDELOOP_SOAK") != "" {
		upgrades, rate = 20, 2500 // of each protocol
	}
	o := load.Options{Connections: 8, InFlight: 64, Body: 100, Service: "x", Rate: rate}
	bolt, h2 := o, o
	bolt.Target, bolt.Protocol = "127.0.0.1:2047", load.Bolt
	h2.Target, h2.Protocol = "127.0.0.1:2048", load.HTTP2
	calls, before, after := 0, 0, 0
	results := traffic.During(t, func() {
		before = l.descriptors()
		for i := range upgrades {
			l.upgrade()
			for n := len(client.lines) + 1; n > 0; n-- {
				if line := <-client.lines; line != "ok" {
					t.Errorf("sofa-rpc-node after %d upgrades: %s", i+1, line)
				}
				calls++
			}
		}
		after = l.descriptors()
	}, bolt, h2)
	for _, r := range results {
		t.Logf("%d upgrades, %d calls of sofa-rpc-node; %s: %d requests in %.0f s, p50 %v, p99 %v, max %v", upgrades, calls, r.Command.Protocol, r.Requests, r.Elapsed,
			time.Duration(r.Latency.At(50)), time.Duration(r.Latency.At(99)), time.Duration(r.Latency.Max()))
		if len(r.Errors) > 0 {
			t.Errorf("%s: %v", r.Command.Protocol, r.Errors)
		}
	}
	t.Logf("descriptors: %d before, %d after", before, after)
	if after > before+4 { // connections to hosts come and go
		t.Errorf("%d descriptors after the upgrades, %d before", after, before)
	}
}
