// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var l Latency
	if l.Percentile(50) != 0 {
		t.Error("a percentile of nothing")
	}
	for range 90 {
		l.Note(time.Millisecond)
	}
	for range 10 {
		l.Note(time.Second)
	}
	for p, want := range map[int]time.Duration{1: time.Millisecond, 50: time.Millisecond, 90: time.Millisecond, 91: time.Second, 99: time.Second} {
		if got := l.Percentile(p); got > want || got < want*4/5 {
			t.Errorf("percentile %d is %v, want about %v", p, got, want)
		}
	}
}

func TestMoveTo(t *testing.T) {
	c, sum := Counts{Replies: 1, ServerErrors: 2, Unreached: 3, Latency: new(Latency)}, Counts{Replies: 10}
	c.Latency.Note(time.Millisecond)
	c.MoveTo(&sum)
	if sum.Replies != 11 || sum.ServerErrors != 2 || sum.Unreached != 3 || sum.Latency.Count() != 1 {
		t.Errorf("sum %+v", sum)
	}
	if c.Replies != 0 || c.ServerErrors != 0 || c.Unreached != 0 || c.Latency.Count() != 0 {
		t.Errorf("left %+v", c)
	}
}
