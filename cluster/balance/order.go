// SPDX-License-Identifier: Apache-2.0

package balance

// Ordered is LB_REQUEST_ROUNDROBIN: every request tries the first host of the
// list first, and each further try of the same request the next one. Weights
// mean nothing to it.
type Ordered struct{}

// Choose implements Policy.
func (Ordered) Choose(v View) int {
	start := v.Last() + 1
	if start >= v.Len() {
		start = 0
	}
	return firstUsable(v, start)
}
