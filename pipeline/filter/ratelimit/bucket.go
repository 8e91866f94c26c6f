// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"math"
	"sync/atomic"
	"time"
)

// rate is how a bucket fills. It never changes.
type rate struct {
	// step is the time that a token takes to come, in nanoseconds, 0 where none
	// ever comes.
	step int64
	// room is the time that a full bucket has taken to fill.
	room int64
}

// newRate is for buckets of max tokens that get fill more in each interval.
func newRate(max, fill float64, interval time.Duration) rate {
	if max <= 0 || fill <= 0 {
		return rate{}
	}
	step := float64(interval) / fill
	return rate{step: bounded(step), room: bounded(step * max)}
}

// bounded keeps times a century from overflow.
func bounded(ns float64) int64 { return int64(math.Max(1, math.Min(ns, 1<<61))) }

// bucket is a token bucket in one word: the loop time at which it will be full.
// The zero value is full. All loops use it, and none ever waits for another.
type bucket struct {
	full atomic.Int64
}

// paddedBucket is one that has its cache lines for itself.
type paddedBucket struct {
	_ [64]byte
	bucket
	_ [56]byte
}

// take takes a token at loop time now. Where there is none, it may take one that
// comes within patience, and tells how long to wait for it. ok is false where
// there is none, and then none was taken.
func (b *bucket) take(r rate, now, patience int64) (wait int64, ok bool) {
	if r.step == 0 {
		return 0, false
	}
	for {
		before := b.full.Load()
		after := max(before, now) + r.step
		wait = max(after-now-r.room, 0)
		if wait > patience {
			return 0, false
		}
		if b.full.CompareAndSwap(before, after) {
			return wait, true
		}
	}
}
