// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"
	"time"

	"github.com/sideloop/sideloop/cluster/tally"
	"github.com/sideloop/sideloop/config"
)

// What each outcome adds to, of 5xx, gateway and local failures in a row.
func TestTallyRuns(t *testing.T) {
	for _, tt := range []struct {
		outcome       Outcome
		joined, split [tally.RunKinds]int // after one failure of every kind before it
	}{
		{Succeeded, [tally.RunKinds]int{0, 0, 0}, [tally.RunKinds]int{0, 0, 0}},
		{ServerError, [tally.RunKinds]int{2, 0, 0}, [tally.RunKinds]int{2, 0, 0}},
		{GatewayError, [tally.RunKinds]int{2, 2, 0}, [tally.RunKinds]int{2, 2, 0}},
		{ConnectFailure, [tally.RunKinds]int{2, 2, 0}, [tally.RunKinds]int{1, 1, 2}},
		{TimedOut, [tally.RunKinds]int{2, 2, 0}, [tally.RunKinds]int{1, 1, 2}},
		{Broken, [tally.RunKinds]int{2, 2, 0}, [tally.RunKinds]int{1, 1, 2}},
		{Unjudged, [tally.RunKinds]int{1, 1, 0}, [tally.RunKinds]int{1, 1, 1}},
	} {
		for _, split := range []bool{false, true} {
			d, want := &config.OutlierDetection{SplitLocal: split}, tt.joined
			var c Tally
			c.note(GatewayError, 0, 1, d, 1)
			if split {
				c.note(Broken, 0, 2, d, 1)
				want = tt.split
			}
			c.note(tt.outcome, 0, 3, d, 1)
			for k, r := range c.Runs([tally.RunKinds]int64{}) {
				if r.Length != want[k] {
					t.Errorf("outcome %d, split %v: %d of kind %d, want %d", tt.outcome, split, r.Length, k, want[k])
				}
			}
		}
	}
}

// An alarm is due at this loop's share of the threshold, and not again before it
// was looked into.
func TestTallyAlarms(t *testing.T) {
	d := &config.OutlierDetection{Consecutive5xx: 5}
	for loops, want := range map[int]int{1: 5, 2: 3, 4: 2, 8: 1} {
		var c Tally
		n := 1
		for !c.note(ServerError, 0, int64(n), d, loops) {
			n++
		}
		if n != want {
			t.Errorf("%d loops: alarm at %d failures, want %d", loops, n, want)
		}
		c.alarmed = true
		if c.note(ServerError, 0, 100, d, loops) {
			t.Error("an alarm on top of one that is on its way")
		}
		c.Runs([tally.RunKinds]int64{})
		if !c.note(ServerError, 0, 101, d, loops) {
			t.Error("no alarm after the last one was looked into")
		}
		c.fit(d, true)
		if c.Runs([tally.RunKinds]int64{})[config.Outlier5xx].Length != 0 {
			t.Error("an ejection forgets failures")
		}
	}
	off := new(Tally)
	for range 100 {
		if off.note(ServerError, 0, 1, &config.OutlierDetection{}, 1) {
			t.Fatal("an alarm without a threshold")
		}
	}
}

// Counts and latencies, and what is taken is gone.
func TestTallyCounts(t *testing.T) {
	d := &config.OutlierDetection{LatencyFactor: 2000}
	var c Tally
	c.fit(d, false)
	for _, o := range []Outcome{Succeeded, Succeeded, ServerError, GatewayError, ConnectFailure, TimedOut, Broken, Unjudged} {
		c.note(o, time.Second, 1, d, 1)
	}
	var sum tally.Counts
	c.Take(&sum)
	if sum.Replies != 2 || sum.ServerErrors != 2 || sum.Unreached != 3 || sum.Latency.Count() != 5 {
		t.Errorf("%+v, %d latencies", sum, sum.Latency.Count())
	}
	var rest tally.Counts
	c.Take(&rest)
	if rest.Replies+rest.ServerErrors+rest.Unreached != 0 || rest.Latency.Count() != 0 {
		t.Errorf("left %+v", rest)
	}
}

// Every request passes here.
func TestTallyAllocatesNothing(t *testing.T) {
	d := &config.OutlierDetection{Consecutive5xx: 5, ConsecutiveGateway: 5, LatencyFactor: 2000}
	var c Tally
	c.fit(d, false)
	if n := testing.AllocsPerRun(1000, func() { c.note(GatewayError, time.Millisecond, 1, d, 2) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
