// SPDX-License-Identifier: Apache-2.0

package overload

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// world is a machine whose readings the test sets.
type world struct {
	memory, descriptors, garbage float64
	collections                  int
	held                         bool
	monitor                      *Monitor
	now                          time.Time
}

func newWorld(l Limits) *world {
	w := &world{now: time.Unix(1000, 0)}
	w.monitor = &Monitor{limits: l, pressure: new(Pressure), log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		hold: func(hold bool) { w.held = hold },
		sources: sources{
			memory:      func() float64 { return w.memory + w.garbage },
			descriptors: func() float64 { return w.descriptors },
			shrink:      func() { w.garbage = 0; w.collections++ },
		}}
	return w
}

// step lets a second pass.
func (w *world) step() {
	w.now = w.now.Add(readEvery)
	w.monitor.look(w.now)
}

func (w *world) want(t *testing.T, what string, refuses, held bool) {
	t.Helper()
	w.step()
	if got := w.monitor.pressure.RefuseRequests(); got != refuses || w.held != held {
		t.Errorf("%s: refuses %v, holds %v; want %v, %v", what, got, w.held, refuses, held)
	}
}

var usual = Limits{ShrinkHeap: 0.90, RefuseRequests: 0.95, RefuseConnections: 0.98}

func TestMonitorDecidesByShares(t *testing.T) {
	w := newWorld(usual)
	w.memory = 0.5
	w.want(t, "half of the memory", false, false)
	w.memory = 0.96
	w.want(t, "memory over the first limit", true, false)
	w.memory = 0.99
	w.want(t, "memory over both limits", true, true)
	w.memory = 0.5
	w.want(t, "memory is there again", false, false)
	w.descriptors = 0.99
	w.want(t, "no descriptors", false, true)
	w.descriptors = 0.1
	w.want(t, "descriptors are there again", false, false)
}

// Requests are not refused for the sake of garbage, and a heap that is really in
// use is not searched for it every second.
func TestMonitorCollectsGarbageFirst(t *testing.T) {
	w := newWorld(usual)
	w.memory, w.garbage = 0.3, 0.68
	w.want(t, "garbage over both limits", false, false)
	if w.collections != 1 {
		t.Errorf("%d collections", w.collections)
	}
	w.memory = 0.92
	for range 40 {
		w.want(t, "between the limits", false, false)
	}
	if w.collections < 4 || w.collections > 6 {
		t.Errorf("%d collections within 41 seconds", w.collections)
	}
}

func TestMonitorWithoutLimits(t *testing.T) {
	w := newWorld(Limits{ShrinkHeap: 1, RefuseRequests: 1, RefuseConnections: 1})
	w.memory, w.descriptors = 0.999, 0.999
	w.want(t, "limits of 1", false, false)
}

func TestMonitorStops(t *testing.T) {
	m := Start(usual, new(Pressure), func(bool) {}, slog.Default())
	m.Stop()
	w := newWorld(usual)
	w.memory = 1
	w.want(t, "no memory", true, true)
	w.monitor.quit = make(chan struct{})
	w.monitor.Stop()
	if w.held || w.monitor.pressure.RefuseRequests() {
		t.Error("a monitor that was stopped goes on refusing")
	}
}

func TestReadings(t *testing.T) {
	if n := residentBytes(); n < 1<<20 || n > 1<<40 {
		t.Errorf("resident: %d bytes", n)
	}
	if n := share(residentBytes, 1); n < 1 {
		t.Errorf("one byte of memory is used to %v", n)
	}
	if n := share(residentBytes, 0); n != 0 {
		t.Errorf("no limit is used to %v", n)
	}
	if n := descriptorShare(); n <= 0 || n >= 1 {
		t.Errorf("descriptors: %v", n)
	}
	if n := softLimit(); n != 0 && os.Getenv("GOMEMLIMIT") == "" {
		t.Errorf("GOMEMLIMIT is %d", n)
	}
	if m := machine(1 << 50); m.memory() <= 0 {
		t.Error("nothing of a petabyte is used")
	}
}

// files writes a tree of groups and returns its root.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range content {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestGroups(t *testing.T) {
	for _, c := range []struct {
		name, self string
		files      map[string]string
		share      float64
	}{
		{"none", "", nil, 0},
		{"version 2", "0::/pod/app\n", map[string]string{
			"pod/app/memory.max": "1000\n", "pod/app/memory.current": "800\n", "pod/app/memory.stat": "anon 500\ninactive_file 300\nfile 9\n"}, 0.5},
		{"version 2 without a limit", "0::/app\n", map[string]string{"app/memory.max": "max\n", "app/memory.current": "800\n"}, 0},
		{"the limit of the group above", "0::/pod/app\n", map[string]string{
			"pod/app/memory.max": "max\n", "pod/memory.max": "2000\n", "pod/memory.current": "500\n"}, 0.25},
		{"a path of outside", "0::/kubepods/pod1/ctr\n", map[string]string{"memory.max": "1000\n", "memory.current": "900\n"}, 0.9},
		{"version 1", "3:cpu,cpuacct:/x\n4:memory:/app\n", map[string]string{
			"memory/app/memory.limit_in_bytes": "1000\n", "memory/app/memory.usage_in_bytes": "700\n", "memory/app/memory.stat": "total_inactive_file 100\n"}, 0.6},
		{"version 1 without a limit", "4:memory:/app\n", map[string]string{"memory/app/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		{"more inactive than used", "0::/\n", map[string]string{"memory.max": "10", "memory.current": "5", "memory.stat": "inactive_file 6\n"}, 0},
		{"not numbers", "0::/\nx\n", map[string]string{"memory.max": "ten"}, 0},
	} {
		g := findGroup(files(t, c.files), c.self)
		if got := g.share(); got != c.share {
			t.Errorf("%s: %v of the limit, want %v", c.name, got, c.share)
		}
	}
}
