// SPDX-License-Identifier: Apache-2.0

package balance

import "math"

// Load is what a Least policy compares.
type Load uint8

const (
	// Requests are those in progress at a host.
	Requests Load = iota
	// Connections are those to a host.
	Connections
	// Cost is what a request is expected to wait for: the host's latency times
	// the requests in progress, more for hosts that fail.
	Cost
)

// Biases say how much each part of a host's load counts: they are its exponents.
type Biases struct {
	// Choices is how many hosts are compared, at least 1.
	Choices int
	// Active is the exponent of requests or connections in progress.
	Active float64
	// ClientErrors and ServerErrors are those of the parts of requests that
	// did not end with such an error; only Cost has them.
	ClientErrors, ServerErrors float64
}

// Least chooses the host with the least load. Where all weights are the same it
// compares some hosts, drawn at random ("the power of two choices"): that takes
// constant time, and many loops and proxies that see the same host idle do not
// all rush to it. Where weights differ, hosts take turns by weight / load, as in
// Envoy and MOSN.
type Least struct {
	shares *Shares
	load   Load
	biases Biases
	random source
	turns  turns
}

// NewLeast returns a policy for hosts with these shares.
func NewLeast(s *Shares, l Load, b Biases, seed uint64) *Least {
	p := &Least{shares: s, load: l, biases: b, random: source(seed)}
	p.biases.Choices = max(p.biases.Choices, 1)
	p.turns.weigh = p.weight
	return p
}

// Choose implements Policy.
func (p *Least) Choose(v View) int {
	n := v.Len()
	if n < 2 {
		return firstUsable(v, 0)
	}
	if !p.shares.Even() || v.Ramping() {
		return p.turns.choose(v, &p.random)
	}
	return p.byChoice(v, n)
}

func (p *Least) weight(i int) float64 {
	return rampedWeight(p.shares, p.turns.view, i) / p.score(p.turns.view, i)
}

// byChoice compares usable hosts that are drawn; no two in a row are the same. Of
// equals the first one drawn is taken, which is as good as any.
func (p *Least) byChoice(v View, n int) int {
	best, least := -1, math.Inf(1)
	wanted := min(p.biases.Choices, n)
	seen := 0
	at := p.random.below(n)
	for range drawLimit + wanted {
		if at != best && v.Usable(at) {
			if s := p.score(v, at); s < least {
				best, least = at, s
			}
			if seen++; seen >= wanted {
				return best
			}
		}
		at += 1 + p.random.below(n-1)
		if at >= n {
			at -= n
		}
	}
	if best >= 0 {
		return best
	}
	return p.search(v, n)
}

// search compares every usable host, beginning anywhere.
func (p *Least) search(v View, n int) int {
	best, least := -1, math.Inf(1)
	start := p.random.below(n)
	for k := range n {
		i := (start + k) % n
		if !v.Usable(i) {
			continue
		}
		if s := p.score(v, i); s < least {
			best, least = i, s
		}
	}
	return best
}

// score is the load of host i, greater than 0.
func (p *Least) score(v View, i int) float64 {
	n := v.Active(i)
	if p.load == Connections {
		n = v.Connections(i)
	}
	s := power(float64(n)+1, p.biases.Active)
	if p.load == Cost {
		s *= p.cost(v, i)
	}
	return s
}

const (
	// latencyFloor keeps a host whose latency is not known, or has decayed to
	// nothing, from being infinitely attractive: 1 µs is less than any reply
	// takes.
	latencyFloor = 1000
	// successFloor keeps a host that always fails from never being tried
	// again.
	successFloor = 0.01
)

// cost is the expected latency of host i, more where requests fail: a host that
// fails at once must not look like a fast one.
func (p *Least) cost(v View, i int) float64 {
	c := max(v.Latency(i), latencyFloor)
	if client, server := v.Errors(i); client > 0 || server > 0 {
		c /= power(max(1-client, successFloor), p.biases.ClientErrors)
		c /= power(max(1-server, successFloor), p.biases.ServerErrors)
	}
	return c
}

// power is x to the bias, which is most often 1.
func power(x, bias float64) float64 {
	switch bias {
	case 1:
		return x
	case 0:
		return 1
	}
	return math.Pow(x, bias)
}
