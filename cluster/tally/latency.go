// SPDX-License-Identifier: Apache-2.0

package tally

import (
	"time"

	"github.com/sideloop/sideloop/stats"
)

// Latency counts requests by how long they took. Its buckets cover 64 us to an
// hour, four for each doubling, so that a percentile is known within a fifth.
type Latency [latencyBuckets]uint32

const (
	firstDoubling, lastDoubling, subBits = 16, 42, 2

	latencyBuckets = (lastDoubling-firstDoubling)<<subBits + 2
)

// latencies is coarser than stats.Histogram, and a quarter of its size: each loop
// has one for each host.
var latencies = stats.LogLinear{First: firstDoubling, Last: lastDoubling, SubBits: subBits}

// Note counts a request that took d.
func (l *Latency) Note(d time.Duration) { l[latencies.Bucket(int64(d))]++ }

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
			return time.Duration(latencies.Lower(i))
		}
	}
	return 0
}
