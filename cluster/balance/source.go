// SPDX-License-Identifier: Apache-2.0

package balance

import "math/bits"

// source is a stream of random numbers (SplitMix64). It belongs to one policy of
// one loop, and two with the same seed give the same stream.
type source uint64

func (s *source) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	return mix(uint64(*s))
}

// mix makes every bit of the result depend on every bit of z.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number within [0, n).
func (s *source) below(n int) int {
	high, _ := bits.Mul64(s.next(), uint64(n))
	return int(high)
}

// unit is a number within [0, 1).
func (s *source) unit() float64 { return unit(s.next()) }

func unit(z uint64) float64 { return float64(z>>11) / (1 << 53) }
