// SPDX-License-Identifier: Apache-2.0

package balance

// RoundRobin chooses hosts in turn, as often as their weights say. Each loop
// starts at an offset of its own, so that loops do not move in step.
type RoundRobin struct {
	shares *Shares
	random source
	next   uint32
	turns  turns
}

// NewRoundRobin returns a policy for hosts with these shares that starts at a
// random host.
func NewRoundRobin(s *Shares, seed uint64) *RoundRobin {
	p := &RoundRobin{shares: s, random: source(seed)}
	p.next = uint32(p.random.next())
	p.turns.weigh = p.weight
	return p
}

// Choose implements Policy.
func (p *RoundRobin) Choose(v View) int {
	n := v.Len()
	if n < 2 {
		return firstUsable(v, 0)
	}
	if !p.shares.Even() || v.Ramping() {
		return p.turns.choose(v, &p.random)
	}
	i := firstUsable(v, int(p.next%uint32(n)))
	if i >= 0 {
		p.next = uint32(i) + 1
	}
	return i
}

func (p *RoundRobin) weight(i int) float64 { return rampedWeight(p.shares, p.turns.view, i) }

// rampedWeight is host i's weight as slow start leaves it.
func rampedWeight(s *Shares, v View, i int) float64 {
	w := float64(s.weights[i])
	if v.Ramping() {
		w *= v.Ramp(i)
	}
	return w
}
