// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/cluster/tally"
	"github.com/sideloop/sideloop/config"
)

// detection ejects for failures in a row, without chance.
func detection() *config.OutlierDetection {
	d := &config.OutlierDetection{
		Consecutive5xx: 5, ConsecutiveGateway: 5, ConsecutiveLocal: 5,
		Interval: time.Hour, BaseEjection: time.Hour, MaxEjection: 10 * time.Hour, MaxEjectionPercent: 50, UnejectByCheck: true,
		SuccessRateHosts: 3, SuccessRateVolume: 10, SuccessRateStdev: 1000,
		FailureThreshold: 50, FailureHosts: 3, FailureVolume: 10,
		LatencyPercentile: 90, LatencyFloor: time.Millisecond, LatencyHosts: 3, LatencyVolume: 10,
		EventLog: "log",
	}
	for k := range d.Enforce {
		d.Enforce[k] = 100
	}
	return d
}

// run is failures in a row on one loop.
func run(length int, since, ended int64) tally.Runs {
	r := tally.Run{Length: length, Since: since, Ended: ended}
	return tally.Runs{r}
}

// Failures in a row are those of all loops since the last request on any of
// them that went well.
func TestFailuresInARow(t *testing.T) {
	for name, tt := range map[string]struct {
		loops []tally.Runs
		eject bool
	}{
		"one loop":               {[]tally.Runs{run(5, 100, 90), run(0, 0, 50)}, true},
		"too few":                {[]tally.Runs{run(4, 100, 90), run(0, 0, 50)}, false},
		"two loops":              {[]tally.Runs{run(3, 100, 90), run(2, 110, 95)}, true},
		"ended by the other one": {[]tally.Runs{run(9, 100, 90), run(0, 0, 120)}, false},
		"began before the end":   {[]tally.Runs{run(3, 100, 90), run(2, 110, 105)}, false},
		"never a good one":       {[]tally.Runs{run(3, 1, 0), run(2, 1, 0)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.loops.runs = tt.loops
			b.follow(t, Cluster{Name: "c", Hosts: hosts("127.0.0.1:1", "127.0.0.1:2"), Outlier: detection()})
			b.examine(tally.Alarm{Cluster: "c", Address: "127.0.0.1:1"})
			if got := b.Verdicts("c")["127.0.0.1:1"].Ejected; got != tt.eject {
				t.Errorf("ejected %v", got)
			}
			// What was counted, or has ended, is not counted again.
			b.clusters["c"].hosts["127.0.0.1:1"].outlier.ejected = false
			b.examine(tally.Alarm{Cluster: "c", Address: "127.0.0.1:1"})
			if b.Verdicts("c")["127.0.0.1:1"].Ejected {
				t.Error("ejected twice by the same failures")
			}
		})
	}
}

// Alarms about what is not judged any more come to nothing.
func TestAlarmsAboutNobody(t *testing.T) {
	b := newBench(t)
	b.follow(t, Cluster{Name: "c", Hosts: hosts("127.0.0.1:1"), Outlier: detection()})
	b.follow(t, Cluster{Name: "d", Hosts: hosts("127.0.0.1:1"), Check: often(config.HealthTCP)})
	for _, a := range []tally.Alarm{{Cluster: "x", Address: "127.0.0.1:1"}, {Cluster: "c", Address: "127.0.0.1:2"}, {Cluster: "d", Address: "127.0.0.1:1"}} {
		b.examine(a)
	}
	if b.loops.asked != 0 {
		t.Errorf("the loops were asked %d times", b.loops.asked)
	}
}

// How many of n hosts may be out of use.
func TestMaxEjectionPercent(t *testing.T) {
	for _, tt := range []struct {
		hosts, percent, failed int
		one                    bool
		want                   int // ejected
	}{
		{10, 10, 0, false, 1},
		{10, 29, 0, false, 2},
		{10, 100, 0, false, 9}, // the last one never
		{3, 10, 0, false, 0},
		{3, 10, 0, true, 1},
		{3, 0, 0, true, 1},
		{1, 100, 0, true, 0},
		{10, 50, 3, false, 2}, // hosts that fail their checks are out, too
		{10, 50, 5, false, 0},
		{10, 50, 6, true, 1},
		{2, 50, 1, true, 0},
	} {
		b := newBench(t)
		d := detection()
		d.MaxEjectionPercent, d.AlwaysEjectOne = tt.percent, tt.one
		c := Cluster{Name: "c", Check: often(config.HealthTCP), Outlier: d}
		for i := range tt.hosts {
			c.Hosts = append(c.Hosts, hosts(fmt.Sprintf("127.0.0.1:%d", i+1))...)
		}
		b.follow(t, c)
		for i := range c.Hosts {
			h := b.clusters["c"].hosts[c.Hosts[i].Address]
			if h.check.down = i < tt.failed; !h.check.down {
				b.eject(b.clusters["c"], finding{of: h})
			}
		}
		got := 0
		for _, v := range b.Verdicts("c") {
			if v.Ejected {
				got++
			}
		}
		if got != tt.want {
			t.Errorf("%+v: %d ejected", tt, got)
		}
	}
}

// Each ejection is longer than the last, up to the longest; intervals without
// fault make the next one shorter.
func TestEjectionTimes(t *testing.T) {
	b := newBench(t)
	d := detection()
	d.MaxEjection = 3*time.Hour + time.Minute
	b.follow(t, Cluster{Name: "c", Hosts: hosts("127.0.0.1:1", "127.0.0.1:2"), Outlier: d})
	c := b.clusters["c"]
	h := c.hosts["127.0.0.1:1"]
	lasts := func() time.Duration {
		b.eject(c, finding{of: h})
		left := time.Duration(h.outlier.until - now())
		h.outlier.until = now()
		b.endEjections()
		if h.verdict().Ejected {
			t.Fatal("the ejection has not ended")
		}
		return left.Round(time.Minute)
	}
	for i, want := range []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour, 3*time.Hour + time.Minute, 3*time.Hour + time.Minute} {
		if got := lasts(); got != want {
			t.Errorf("ejection %d lasts %v, want %v", i+1, got, want)
		}
	}
	for range 3 {
		h.outlier.returned = now() - int64(2*time.Hour)
		b.sweep(c)
	}
	if got := lasts(); got != 2*time.Hour {
		t.Errorf("after three good intervals an ejection lasts %v", got)
	}
	if n := strings.Count(b.events.String(), `"action":"UNEJECT"`); n != 6 {
		t.Errorf("%d returns were logged", n)
	}
}

// What chance leaves out is logged all the same.
func TestUnenforced(t *testing.T) {
	b := newBench(t)
	d := detection()
	d.Enforce[config.Outlier5xx] = 0
	b.follow(t, Cluster{Name: "c", Hosts: hosts("127.0.0.1:1", "127.0.0.1:2"), Outlier: d})
	b.eject(b.clusters["c"], finding{of: b.clusters["c"].hosts["127.0.0.1:1"]})
	if len(b.Verdicts("c")) != 0 || b.totals().Unenforced != 1 || !strings.Contains(b.events.String(), `"enforced":false`) {
		t.Errorf("%v, %+v, %s", b.Verdicts("c"), b.totals(), b.events)
	}
}

// counts is good, bad and unreached requests, all of which took d.
func counts(good, bad, unreached uint64, d time.Duration) *tally.Counts {
	c := &tally.Counts{Replies: good, ServerErrors: bad, Unreached: unreached, Latency: new(tally.Latency)}
	for range good {
		c.Latency.Note(d)
	}
	return c
}

// Who stands out, and by what.
func TestFindings(t *testing.T) {
	same := func(d *config.OutlierDetection) {}
	split := func(d *config.OutlierDetection) { d.SplitLocal = true }
	latency := func(d *config.OutlierDetection) { d.LatencyFactor = 3000 }
	ok := counts(100, 0, 0, time.Millisecond)
	for name, tt := range map[string]struct {
		set   func(*config.OutlierDetection)
		hosts []*tally.Counts
		want  string
	}{
		"all well":                {same, []*tally.Counts{ok, ok, ok}, ""},
		"all equally bad":         {func(d *config.OutlierDetection) { d.FailureThreshold = 100 }, []*tally.Counts{counts(50, 50, 0, 0), counts(50, 50, 0, 0), counts(50, 50, 0, 0)}, ""},
		"one of three":            {same, []*tally.Counts{ok, counts(60, 20, 20, 0), ok}, "SUCCESS_RATE 1"},
		"too few hosts":           {same, []*tally.Counts{ok, counts(0, 100, 0, 0)}, ""},
		"too few requests":        {same, []*tally.Counts{ok, counts(0, 9, 0, 0), ok}, ""},
		"half of them":            {same, []*tally.Counts{ok, ok, ok, counts(50, 50, 0, 0)}, "SUCCESS_RATE 3 FAILURE_PERCENTAGE 3"},
		"the worst first":         {func(d *config.OutlierDetection) { d.SuccessRateStdev = 100000 }, []*tally.Counts{counts(40, 60, 0, 0), ok, counts(10, 90, 0, 0)}, "FAILURE_PERCENTAGE 2 FAILURE_PERCENTAGE 0"},
		"unreached apart":         {split, []*tally.Counts{ok, ok, counts(100, 0, 30, 0)}, "SUCCESS_RATE_LOCAL_ORIGIN 2"},
		"errors apart":            {split, []*tally.Counts{ok, ok, counts(70, 30, 0, 0)}, "SUCCESS_RATE 2"},
		"mostly unreached":        {split, []*tally.Counts{ok, ok, counts(20, 0, 80, 0)}, "SUCCESS_RATE_LOCAL_ORIGIN 2 FAILURE_PERCENTAGE_LOCAL_ORIGIN 2"},
		"slow":                    {latency, []*tally.Counts{ok, counts(100, 0, 0, 5*time.Millisecond), ok}, "LATENCY 1"},
		"not slow enough":         {latency, []*tally.Counts{ok, counts(100, 0, 0, 2*time.Millisecond), ok}, ""},
		"slow below the floor":    {latency, []*tally.Counts{counts(100, 0, 0, 200*time.Microsecond), counts(100, 0, 0, 900*time.Microsecond), counts(100, 0, 0, 200*time.Microsecond)}, ""},
		"slow where nobody looks": {same, []*tally.Counts{ok, counts(100, 0, 0, time.Second), ok}, ""},
		"slow among two":          {latency, []*tally.Counts{ok, counts(100, 0, 0, time.Second)}, ""},
	} {
		d := detection()
		tt.set(d)
		var list []sample
		for i, c := range tt.hosts {
			list = append(list, sample{&host{Host: Host{Address: fmt.Sprint(i)}}, c})
		}
		var got []string
		for _, f := range findings(d, list) {
			got = append(got, f.kind.String(), f.of.Address)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %q, want %q", name, s, tt.want)
		}
	}
}

// A sweep ejects those who stand out, the worst of them if not all may be.
func TestSweep(t *testing.T) {
	b := newBench(t)
	d := detection()
	d.MaxEjectionPercent, d.SuccessRateStdev = 25, 100000
	b.follow(t, Cluster{Name: "c", Hosts: hosts("a:1", "b:1", "c:1", "d:1"), Outlier: d})
	b.loops.counts = map[string]*tally.Counts{"a:1": counts(100, 0, 0, 0), "b:1": counts(40, 60, 0, 0), "c:1": counts(10, 90, 0, 0), "x:1": counts(0, 100, 0, 0)}
	b.sweep(b.clusters["c"])
	if got := fmt.Sprint(b.Verdicts("c")); got != "map[c:1:{false true}]" {
		t.Errorf("verdicts %s", got)
	}
	if b.totals().Overflowed != 1 {
		t.Errorf("%+v", b.totals())
	}
}

// The detector runs on its own: alarms are looked into and ejections end.
func TestDetectorRuns(t *testing.T) {
	b := newBench(t)
	d := detection()
	d.BaseEjection, d.MaxEjection, d.Interval = 20*time.Millisecond, time.Hour, 20*time.Millisecond
	b.loops.runs = []tally.Runs{run(5, 100, 90)}
	b.follow(t, Cluster{Name: "c", Hosts: hosts("a:1", "b:1"), Outlier: d})
	b.Run(b.alarms)
	b.alarms <- tally.Alarm{Cluster: "c", Address: "a:1"}
	eventually(t, "the host was ejected", func() bool { return b.totals().Ejections == 1 })
	eventually(t, "it has returned", func() bool { return len(b.Verdicts("c")) == 0 })
	eventually(t, "both are told", func() bool { return b.changed() >= 1 })
}
