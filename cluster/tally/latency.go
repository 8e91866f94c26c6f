// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"math/bits"
	"time"
)

// Latency counts requests by how long they took. Its buckets cover 64 us to an
// hour, four for each doubling, so that a percentile is known within a fifth.
type Latency [latencyBuckets]uint32

const (
	latencyBuckets = 104
	// latencyShift makes the first bucket end at 2^16 ns.
	latencyShift = 16
)

// Note counts a request that took d.
func (l *Latency) Note(d time.Duration) { l[bucketOf(d)]++ }

// Count is the number of requests.
func (l *Latency) Count() (n uint64) {
	for _, c := range l {
		n += uint64(c)
	}
	return n
}

// Percentile is the lower bound of the bucket that the percentile p lies in, 0
// without requests.
func (l *Latency) Percentile(p int) time.Duration {
	rank := (l.Count()*uint64(p) + 99) / 100
	if rank == 0 {
		return 0
	}
	var seen uint64
	for i, c := range l {
		if seen += uint64(c); seen >= rank {
			return lowerBound(i)
		}
	}
	return 0
}

func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0)) >> latencyShift
	if n == 0 {
		return 0
	}
	doubling := bits.Len64(n) - 1
	quarter := int(uint64(d)>>(doubling+latencyShift-2)) & 3
	return min(4*doubling+quarter+1, latencyBuckets-1)
}

func lowerBound(bucket int) time.Duration {
	if bucket == 0 {
		return 0
	}
	doubling, quarter := (bucket-1)/4, (bucket-1)%4
	return time.Duration(4+quarter) << (doubling + latencyShift - 2)
}
