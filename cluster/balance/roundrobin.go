// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/bytedance/gopkg/lang/fastrand"

// RoundRobin chooses hosts in turn. Each loop starts at an offset of its own,
// so that loops do not move in step.
type RoundRobin struct{ next uint32 }

// NewRoundRobin returns a policy that starts at a random host.
func NewRoundRobin() *RoundRobin { return &RoundRobin{next: fastrand.Uint32()} }

// Choose implements Policy.
func (p *RoundRobin) Choose(v View) int {
	n := v.Len()
	if n == 0 {
		return -1
	}
	i := firstUsable(v, int(p.next%uint32(n)))
	if i >= 0 {
		p.next = uint32(i) + 1
	}
	return i
}
