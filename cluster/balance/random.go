// SPDX-License-Identifier: Apache-2.0

package balance

// drawLimit is how often a host is drawn before all are looked at: often enough
// that this happens to one choice in 256 while half of the hosts are usable.
const drawLimit = 8

// Random chooses by weight and at random.
type Random struct {
	shares *Shares
	random source
}

// NewRandom returns a policy for hosts with these shares.
func NewRandom(s *Shares, seed uint64) *Random { return &Random{shares: s, random: source(seed)} }

// Choose implements Policy.
func (p *Random) Choose(v View) int {
	if v.Len() < 2 {
		return firstUsable(v, 0)
	}
	ramping := v.Ramping()
	for range drawLimit {
		i := p.shares.draw(&p.random)
		if v.Usable(i) && (!ramping || p.random.unit() < v.Ramp(i)) {
			return i
		}
	}
	return p.search(v, ramping)
}

// search looks at every host and chooses among the usable ones with the same
// odds as draw: each takes the place of the one before it as likely as its part
// of the weight so far.
func (p *Random) search(v View, ramping bool) int {
	found, total := -1, 0.0
	for i := range v.Len() {
		if !v.Usable(i) {
			continue
		}
		w := float64(p.shares.weights[i])
		if ramping {
			w *= v.Ramp(i)
		}
		total += w
		if p.random.unit()*total < w {
			found = i
		}
	}
	return found
}
