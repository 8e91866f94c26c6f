// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"testing"
	"time"
)

// A latency lies within its bucket, and the buckets follow each other by at
// most a quarter.
func TestBuckets(t *testing.T) {
	for d := time.Duration(1); d < 30*time.Minute; d += d/7 + 1 {
		b := bucketOf(d)
		if d < lowerBound(b) || d >= lowerBound(b+1) {
			t.Fatalf("%v is in bucket %d, from %v to %v", d, b, lowerBound(b), lowerBound(b+1))
		}
	}
	for b := 2; b < latencyBuckets; b++ {
		if low, high := lowerBound(b-1), lowerBound(b); high <= low || high > low*5/4 {
			t.Errorf("bucket %d is from %v to %v", b-1, low, high)
		}
	}
	if bucketOf(1000*time.Hour) != latencyBuckets-1 || bucketOf(-1) != 0 {
		t.Error("what is out of range is in the outer buckets")
	}
}

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
