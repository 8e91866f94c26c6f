// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/bench/result"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

func TestInvalid(t *testing.T) {
	const due = 1000
	for _, c := range []struct {
		name         string
		rate, busy   float64
		late, unsent uint64
		steal        uint64 // percent
		want         string // empty is valid
		limit        result.Limit
	}{
		{name: "idle closed loop", busy: 0.2},
		{name: "closed loop near its limit", busy: 0.94},
		{name: "closed loop at its limit", busy: 0.96, want: "96 % busy, so the rate is its own"},
		{name: "open loop", rate: 100, busy: 0.79, late: 10, unsent: 10},
		{name: "busy open loop", rate: 100, busy: 0.81, want: "81 % busy, so latencies are partly its own"},
		{name: "somewhat late", rate: 100, late: 200},
		{name: "late", rate: 100, late: 201, want: "the generator noticed 20.1 % of the requests more than 1.00 ms after they were due"},
		{name: "robbed", rate: 100, late: 400, steal: 9, want: "were due, while the host took 9.00 % of the machine's CPU time away (steal)"},
		{name: "slow target", rate: 100, unsent: 11, limit: result.LimitTarget,
			want: "1.1 % of the requests due had not been sent at the end: the rate is not kept, as replies take so long"},
		{name: "slow generator", rate: 100, busy: 0.9, unsent: 500, limit: result.LimitGenerator, want: "as the generator is too slow"},
		{name: "late generator", rate: 100, late: 300, unsent: 500, limit: result.LimitGenerator, want: "as the generator is too slow"},
	} {
		o := Options{Rate: c.rate, Loops: 2, Connections: 1}
		col := &collector{run: &run{options: &o, schedule: newSchedule(&o, 0)}, late: c.late, unsent: c.unsent, lateness: result.NewHistogram()}
		for range due {
			col.lateness.Record(1)
		}
		r := &result.Result{Generator: result.Usage{Busy: c.busy}, Steal: machineTime{100, c.steal}.share()}
		r.Schedule = col.schedule(c.busy)
		got := col.invalid(r)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if s := r.Schedule; (s != nil) != (c.rate > 0) || s != nil && (s.Limit != c.limit || s.Due != due || s.Sent != due-c.unsent) {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
	o := Options{Rate: 1, Connections: 1}
	col := &collector{run: &run{options: &o, schedule: newSchedule(&o, 0)}, lateness: result.NewHistogram()}
	r := &result.Result{Schedule: col.schedule(0)}
	if got := col.invalid(r); got != "nothing was due in the measured time" {
		t.Error("nothing due:", got)
	}
}

func TestParseMachine(t *testing.T) {
	m := parseMachine([]byte("cpu  10 20 30 40 50 60 70 80 1000 1000\ncpu0 1 1 1 1 1 1 1 1 1 1\n"))
	if m != (machineTime{all: 360, steal: 80}) || m.share() != 80.0/360 {
		t.Errorf("%+v", m)
	}
	if d := m.since(machineTime{300, 60}); d != (machineTime{60, 20}) {
		t.Errorf("%+v", d)
	}
	// An old kernel has no steal, and a counter may run back.
	if m := parseMachine([]byte("cpu 1 2 3 4\n")); m != (machineTime{all: 10}) {
		t.Errorf("%+v", m)
	}
	for _, bad := range []string{"", "cpu", "cpu x", "intr 5"} {
		if m := parseMachine([]byte(bad)); m != (machineTime{}) || m.share() != 0 {
			t.Errorf("%q: %+v", bad, m)
		}
	}
	if d := (machineTime{1, 1}).since(m); d != (machineTime{}) {
		t.Errorf("%+v", d)
	}
	if readMachine().all == 0 {
		t.Error("this machine has no CPU time")
	}
}

func TestParseStat(t *testing.T) {
	name, u, err := parseStat([]byte("12 (a) b (c) S 1 12 12 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 1 0 100 0 0"))
	if err != nil || name != "a) b (c" || u.User != 1.5 || u.System != 0.25 {
		t.Errorf("%q %+v %v", name, u, err)
	}
	for _, bad := range []string{"", "12 a S 1", "12 (a) S 1 2 3", "12 (a) S 1 12 12 0 -1 4194560 100 0 0 0 x 25 0", ")("} {
		if _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is a stat", bad)
		}
	}
	if n := peakRSS([]byte("Name:\tx\nVmHWM:\t    2048 kB\n")); n != 2<<20 {
		t.Errorf("peak RSS %d", n)
	}
}

// A process's own children are found and counted with it.
func TestChildren(t *testing.T) {
	child, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Kill()
		_, _ = child.Wait()
	}()
	found := false
	for _, pid := range children(fmt.Sprintf("/proc/%d", os.Getpid())) {
		found = found || pid == child.Pid
	}
	if !found {
		t.Error("the child was not found")
	}
	with, err := readProcess(os.Getpid())
	if err != nil || with.usage.PeakRSS == 0 || with.name == "" {
		t.Errorf("%+v, %v", with, err)
	}
}

// A target cannot make up reasons without end.
func TestWordsAreBounded(t *testing.T) {
	w := &worker{block: newBlock(0, false)}
	for i := range 1000 {
		w.count(fmt.Sprint("word", i))
	}
	if n := w.block.errors[wordOther]; len(w.block.errors) != maxWords+1 || n != 1000-maxWords {
		t.Errorf("%d words, %d others", len(w.block.errors), n)
	}
	long := &bolt.Head{Map: bolt.AppendPair(nil, []byte(codec.ReasonHeader), []byte(strings.Repeat("a", maxWord+1)))}
	if got := failureWord(long, "x"); got != "x" {
		t.Errorf("a reason of %d bytes became %q", maxWord+1, got)
	}
}

func TestResetWords(t *testing.T) {
	for r, want := range map[codec.Reason]string{
		codec.ReasonNone: "connection_lost", codec.UpstreamClosed: "connection_lost", codec.UpstreamReset: "stream_reset",
		codec.UpstreamRefused: "stream_refused", codec.UpstreamProtocolError: "protocol_error", codec.BodyTooLarge: "body_too_large",
	} {
		if got := resetWord(r); got != want {
			t.Errorf("%d is %q, want %q", r, got, want)
		}
	}
}
