// SPDX-License-Identifier: Apache-2.0

package balance

// Shares are the weights of hosts, prepared for drawing a host by its weight in
// constant time (Walker's alias method, as Vose builds it). They never change.
type Shares struct {
	weights []uint32
	total   uint64
	// keep[i] is how likely slot i is itself and not other[i]; both are nil
	// where all weights are the same.
	keep  []float64
	other []int32
}

// NewShares prepares weights, each of which is at least 1. It keeps the slice.
func NewShares(weights []uint32) *Shares {
	s := &Shares{weights: weights}
	even := true
	for _, w := range weights {
		s.total += uint64(w)
		even = even && w == weights[0]
	}
	if !even {
		s.build()
	}
	return s
}

// build fills each slot with one host that has too little for it and the rest
// of one that has too much.
func (s *Shares) build() {
	n := len(s.weights)
	s.keep, s.other = make([]float64, n), make([]int32, n)
	var little, much []int32
	for i, w := range s.weights {
		s.keep[i] = float64(w) * float64(n) / float64(s.total)
		if s.keep[i] < 1 {
			little = append(little, int32(i))
		} else {
			much = append(much, int32(i))
		}
	}
	for len(little) > 0 && len(much) > 0 {
		l, m := little[len(little)-1], much[len(much)-1]
		little = little[:len(little)-1]
		s.other[l] = m
		s.keep[m] -= 1 - s.keep[l]
		if s.keep[m] < 1 {
			much = much[:len(much)-1]
			little = append(little, m)
		}
	}
	// What is left differs from 1 by rounding only.
	for _, i := range append(little, much...) {
		s.keep[i] = 1
	}
}

// Len is the number of hosts.
func (s *Shares) Len() int { return len(s.weights) }

// Total is the sum of the weights.
func (s *Shares) Total() uint64 { return s.total }

// Even tells that all weights are the same.
func (s *Shares) Even() bool { return s.keep == nil }

// draw is a host, each as often as its weight says.
func (s *Shares) draw(r *source) int {
	i := r.below(len(s.weights))
	if s.keep != nil && r.unit() >= s.keep[i] {
		return int(s.other[i])
	}
	return i
}
