// SPDX-License-Identifier: Apache-2.0

package stats

import "math/bits"

// LogLinear is a row of buckets for durations in nanoseconds: 1<<SubBits of equal
// width for each doubling from 2^First to 2^Last, one before them and one behind.
type LogLinear struct{ First, Last, SubBits int }

// Buckets is how many there are.
func (l LogLinear) Buckets() int { return (l.Last-l.First)<<l.SubBits + 2 }

// Bucket is the one that ns lies in; a negative duration counts as none.
func (l LogLinear) Bucket(ns int64) int {
	// Short enough for the compiler to put it where the row is a constant.
	v := uint64(min(max(ns, 0), 1<<l.Last))
	n := bits.Len64(v >> l.First)
	if n == 0 {
		return 0
	}
	return (n-2)<<l.SubBits + int(v>>(n+l.First-1-l.SubBits)) + 1
}

// Lower is the least duration of a bucket, in nanoseconds.
func (l LogLinear) Lower(bucket int) uint64 {
	if bucket == 0 {
		return 0
	}
	n, sub := (bucket-1)>>l.SubBits, (bucket-1)&(1<<l.SubBits-1)
	return uint64(1<<l.SubBits+sub) << (n + l.First - l.SubBits)
}
