// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// A pool of goroutines of the event loop lives as long as the process.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

// patience bounds what should happen soon.
const patience = 20 * time.Second

// newRunner starts processes on this goroutine's thread, as Run does.
func newRunner(t *testing.T) *runner {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	m, err := newMachine()
	if err != nil {
		t.Fatal(err)
	}
	return &runner{machine: m}
}

// shell starts a script that is stopped at the test's end.
func (r *runner) shell(t *testing.T, script string, at place) *process {
	t.Helper()
	p, err := r.start("script", exec.Command("/bin/sh", "-c", script), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// The proxy has one CPU and the others have the rest.
func TestPlaces(t *testing.T) {
	r := newRunner(t)
	allowed := func(at place) string {
		p := r.shell(t, "grep Cpus_allowed_list /proc/self/status", at)
		if err := p.wait(soon(t)); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(strings.TrimPrefix(p.output.String(), "Cpus_allowed_list:"))
	}
	proxy, others := allowed(onProxyCPU), allowed(onOtherCPUs)
	if !r.machine.pinned {
		if proxy != others {
			t.Fatalf("one CPU, but the proxy has %s and the others have %s", proxy, others)
		}
		return
	}
	if proxy != strconv.Itoa(r.machine.cpu) || strings.HasPrefix(others, proxy) {
		t.Fatalf("the proxy has %s and the others have %s", proxy, others)
	}
}

func TestStopKillsTheGroup(t *testing.T) {
	r := newRunner(t)
	p := r.shell(t, "sleep 1000 & echo $!; wait", onOtherCPUs)
	child := 0
	for ctx := soon(t); child == 0; runtime.Gosched() {
		child, _ = strconv.Atoi(p.output.String()) // not yet printed is 0
		if ctx.Err() != nil {
			t.Fatal("the script printed nothing")
		}
	}
	p.stop()
	for ctx := soon(t); syscall.Kill(child, 0) == nil && running(child); runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatalf("process %d outlives its group", child)
		}
	}
	if err := p.alive(); err == nil {
		t.Error("a stopped process is alive")
	}
}

// running is false for what has ended and only waits for its parent to notice.
func running(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func TestProcessThatFails(t *testing.T) {
	r := newRunner(t)
	p := r.shell(t, "echo starting; echo cannot bind >&2; exit 3", onOtherCPUs)
	if err := p.listening(soon(t), "127.0.0.1:1"); err == nil || err.Error() != "script: ended: exit status 3: cannot bind" {
		t.Errorf("not listening: %v", err)
	}
	if err := p.wait(soon(t)); err == nil || err.Error() != "script: exit status 3: cannot bind" {
		t.Errorf("waiting: %v", err)
	}
	if _, err := r.start("nothing", exec.Command("/nowhere/nothing"), onProxyCPU); err == nil || !strings.Contains(err.Error(), "start nothing") {
		t.Errorf("starting nothing: %v", err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	r := newRunner(t)
	p := r.shell(t, "exec sleep 1000", onOtherCPUs)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if p.alive() == nil {
		t.Error("the process is still there")
	}
}

func TestTail(t *testing.T) {
	var out tail
	for range 100 {
		_, _ = out.Write([]byte(strings.Repeat("x", 100) + "\n"))
	}
	_, _ = out.Write([]byte("the end\n\n"))
	if len(out.buf) > tailSize || out.String() != "the end" {
		t.Errorf("%d bytes are kept, the last line is %q", len(out.buf), out.String())
	}
}

func TestFreeAddress(t *testing.T) {
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(strings.TrimPrefix(address, "127.0.0.1:"))
	if port < lowestPort || port >= highestPort {
		t.Errorf("the address is %s", address)
	}
}

func TestMemory(t *testing.T) {
	rss, peak, err := memory(os.Getpid())
	if err != nil || rss < 1<<20 || peak < rss {
		t.Errorf("%d now, %d at the peak, %v", rss, peak, err)
	}
	if _, _, err := memory(0); err == nil {
		t.Error("process 0 has memory")
	}
	for text, want := range map[string]int64{
		"Name:\tx\nVmRSS:\t   12 kB\nVmHWM:\t 1 kB\n": 12 << 10,
		"Name:\tx\n":               0,
		"Name:\tx\nVmRSS:\tx kB\n": 0,
	} {
		if got := field(text, "VmRSS:"); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}
