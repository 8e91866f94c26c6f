// SPDX-License-Identifier: Apache-2.0

package adaptive

import "math/bits"

const (
	// subBits makes 32 steps per doubling, so that a percentile is off by 3 %.
	subBits = 5
	// lowest and highest are the latencies told apart, as powers of two of
	// nanoseconds: 1 µs, and a minute.
	lowest, highest = 10, 36
	slots           = (highest - lowest) << subBits
)

// histogram counts latencies on a logarithmic scale.
type histogram struct {
	counts [slots]uint32
	total  uint32
}

func slot(ns int64) int {
	if ns < 1<<lowest {
		return 0
	}
	exponent := bits.Len64(uint64(ns)) - 1
	if exponent >= highest {
		return slots - 1
	}
	sub := int(ns>>(exponent-subBits)) & (1<<subBits - 1)
	return (exponent-lowest)<<subBits + sub
}

// value is the least latency of a slot.
func value(slot int) int64 {
	exponent := slot>>subBits + lowest
	return (1<<subBits + int64(slot&(1<<subBits-1))) << (exponent - subBits)
}

func (h *histogram) add(ns int64) {
	h.counts[slot(ns)]++
	h.total++
}

// take adds what is in other, and empties it.
func (h *histogram) take(other *histogram) {
	if other.total == 0 {
		return
	}
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	*other = histogram{}
}

// percentile is the latency that percent of those counted do not exceed. There
// is at least one.
func (h *histogram) percentile(percent float64) int64 {
	rank := max(uint32(float64(h.total)*percent/100+0.5), 1)
	seen := uint32(0)
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return value(i)
		}
	}
	return value(slots - 1)
}
