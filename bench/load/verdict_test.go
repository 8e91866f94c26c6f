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
	for _, c := range []struct {
		name               string
		rate, busy         float64
		due, late, backlog uint64
		want               string // empty is valid
	}{
		{"idle closed loop", 0, 0.2, 0, 0, 0, ""},
		{"closed loop near its limit", 0, 0.94, 0, 0, 0, ""},
		{"closed loop at its limit", 0, 0.96, 0, 0, 0, "96 % busy, so the rate is its own"},
		{"open loop", 100, 0.79, 1000, 10, 10, ""},
		{"busy open loop", 100, 0.81, 1000, 0, 0, "81 % busy, so latencies are partly its own"},
		{"late", 100, 0.1, 1000, 11, 0, "noticed 1.1 % of the requests more than 2ms after"},
		{"slow target", 100, 0.1, 1000, 0, 11, "1.1 % of the requests due had not been sent at the end: the rate is not kept, as replies take so long"},
		{"slow generator", 100, 0.9, 1000, 0, 500, "as the generator is too slow"},
		{"nothing due", 100, 0, 0, 0, 0, "nothing was due"},
	} {
		o := Options{Rate: c.rate, Loops: 2, Connections: 1}
		col := &collector{run: &run{options: &o, schedule: newSchedule(&o, 0)}, due: c.due, late: c.late, backlog: c.backlog}
		col.after = result.Usage{User: c.busy * 20}
		got := col.invalid(10)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
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
