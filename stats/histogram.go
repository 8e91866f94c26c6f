// SPDX-License-Identifier: Apache-2.0

package stats

import "time"

// The buckets of a Histogram are log-linear: eight of equal width for each
// doubling between 2^13 ns (8 µs) and 2^37 ns (137 s), one for what is shorter
// and one for what is longer. A quantile is known within an eighth.
const (
	firstDoubling = 13
	lastDoubling  = 37
	perDoubling   = 1 << subBits
	subBits       = 3
	bucketCount   = (lastDoubling-firstDoubling)*perDoubling + 2
)

var durations = LogLinear{firstDoubling, lastDoubling, subBits}

// Histogram counts durations. The zero value is ready.
type Histogram struct {
	buckets [bucketCount]uint64
	sum     uint64 // ns
}

// Observe counts one duration in nanoseconds; a negative one counts as none.
func (h *Histogram) Observe(ns int64) {
	h.sum += uint64(max(ns, 0))
	h.buckets[LogLinear{firstDoubling, lastDoubling, subBits}.Bucket(ns)]++
}

// AddTo adds the histogram to sum, which belongs to the reader.
func (h *Histogram) AddTo(sum *Histogram) {
	for i, n := range h.buckets {
		sum.buckets[i] += n
	}
	sum.sum += h.sum
}

// Count is the number of durations.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.buckets {
		n += c
	}
	return n
}

// Sum is all durations together.
func (h *Histogram) Sum() time.Duration { return time.Duration(h.sum) }

// Below is the number of durations shorter than 2^doubling nanoseconds, exactly,
// for a doubling of Doublings.
func (h *Histogram) Below(doubling int) (n uint64) {
	for _, c := range h.buckets[:(doubling-firstDoubling)*perDoubling+1] {
		n += c
	}
	return n
}

// Doublings are the first and the last power of two that Below knows.
func Doublings() (first, last int) { return firstDoubling, lastDoubling }

// Each calls f for every bucket that has counted anything, with the least duration
// of it in nanoseconds, in ascending order. The next bucket begins at 8192 after 0,
// and else an eighth of the power of two at or below it higher.
func (h *Histogram) Each(f func(from, n uint64)) {
	for i, n := range h.buckets {
		if n > 0 {
			f(durations.Lower(i), n)
		}
	}
}

// Quantile is a duration that the part q of all is shorter than, within an
// eighth; 0 without any.
func (h *Histogram) Quantile(q float64) time.Duration {
	count := h.Count()
	if count == 0 {
		return 0
	}
	rank := min(uint64(q*float64(count)), count-1)
	for i, c := range h.buckets {
		if rank < c {
			if i == bucketCount-1 {
				return time.Duration(durations.Lower(i))
			}
			return time.Duration(durations.Lower(i+1)+durations.Lower(i)) / 2
		}
		rank -= c
	}
	return 0 // not reached: the ranks are fewer than the count
}
