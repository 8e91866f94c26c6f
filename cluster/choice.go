// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"github.com/bytedance/gopkg/lang/fastrand"

	"github.com/sideloop/sideloop/cluster/balance"
	"github.com/sideloop/sideloop/config"
)

// choice is a group as one loop chooses from it.
type choice struct {
	group    *group
	policies [2]balance.Policy
	// due grows by the group's share with each request; at 1 one is due to the
	// first part.
	due float64
}

func newChoice(g *group, b *config.Balancing) *choice {
	c := &choice{group: g, due: float64(fastrand.Uint32()) / (1 << 32)}
	for k, p := range g.parts {
		if p != nil {
			c.policies[k] = newPolicy(p, b)
		}
	}
	return c
}

func newPolicy(p *part, b *config.Balancing) balance.Policy {
	seed := fastrand.Uint64()
	biases := balance.Biases{
		Choices: b.ChoiceCount, Active: b.ActiveRequestBias,
		ClientErrors: b.ClientErrorBias, ServerErrors: b.ServerErrorBias,
	}
	switch b.Policy {
	case config.Random:
		return balance.NewRandom(p.shares, seed)
	case config.LeastRequest:
		return balance.NewLeast(p.shares, balance.Requests, biases, seed)
	case config.LeastConnection:
		return balance.NewLeast(p.shares, balance.Connections, biases, seed)
	case config.PeakEWMA:
		return balance.NewLeast(p.shares, balance.Cost, biases, seed)
	case config.Maglev:
		return balance.NewMaglev(p.table, p.shares, seed)
	case config.RequestRoundRobin:
		return balance.Ordered{}
	}
	return balance.NewRoundRobin(p.shares, seed)
}

// choose returns the number of a host within the cluster, or -1. Where the part
// whose turn it is has none, the other part steps in.
func (c *choice) choose(v *view) int {
	first := 0
	if c.group.parts[1] != nil && !c.local(v) {
		first = 1
	}
	if i := c.from(first, v); i >= 0 || c.group.parts[1] == nil {
		return i
	}
	return c.from(1-first, v)
}

// local tells whether this request is one for our zone. Where like is kept with
// like, it is so for all requests with one hash.
func (c *choice) local(v *view) bool {
	if c.group.share >= 1 {
		return true
	}
	if h, ok := v.Hash(); ok {
		const fraction = 0x9e3779b97f4a7c15 // spreads hashes whose high bits are alike
		return float64(h*fraction>>11)/(1<<53) < c.group.share
	}
	c.due += c.group.share
	if c.due < 1 {
		return false
	}
	c.due--
	return true
}

func (c *choice) from(k int, v *view) int {
	v.part, v.panicked = c.group.parts[k], c.group.panicked
	if len(v.part.hosts) == 1 {
		// As a sidecar has it: no policy has anything to choose.
		if !v.Usable(0) {
			return -1
		}
		return int(v.part.hosts[0])
	}
	if i := c.policies[k].Choose(v); i >= 0 {
		return int(v.part.hosts[i])
	}
	return -1
}

// view is what a policy sees: hosts that a connection can be had of.
type view struct {
	members  *Members
	part     *part
	request  *Request
	avoid    *Host
	now      int64
	panicked bool
}

func (v *view) host(i int) *Host       { return v.members.cluster.Hosts[v.part.hosts[i]] }
func (v *view) state(i int) *hostState { return v.members.states[v.part.hosts[i]] }

// Len implements balance.View.
func (v *view) Len() int { return len(v.part.hosts) }

// Usable implements balance.View.
func (v *view) Usable(i int) bool {
	if h := v.host(i); h.Down != 0 && !v.panicked || v.avoid != nil && h.Address == v.avoid.Address {
		return false
	}
	return !v.state(i).refuses(v.request.Protocol, v.now)
}

// Ramping implements balance.View.
func (v *view) Ramping() bool { return v.now < v.members.rampUntil }

// Ramp implements balance.View.
func (v *view) Ramp(i int) float64 {
	since := v.state(i).since
	if since == 0 {
		return 1
	}
	return ramp(&v.members.cluster.Balancing.SlowStart, v.now-since)
}

// Active implements balance.View.
func (v *view) Active(i int) int { return v.state(i).active }

// Connections implements balance.View.
func (v *view) Connections(i int) int { return v.state(i).connections() }

// Latency implements balance.View.
func (v *view) Latency(i int) float64 { return v.state(i).expected(v.now) }

// Errors implements balance.View.
func (v *view) Errors(i int) (client, server float64) {
	s := v.state(i)
	return s.client.now(v.now), s.server.now(v.now)
}

// Hash implements balance.View.
func (v *view) Hash() (h uint64, ok bool) { return v.request.Hash, v.request.Hashed }

// Last implements balance.View.
func (v *view) Last() int {
	if v.request.host != nil {
		for k, i := range v.part.hosts {
			if v.members.cluster.Hosts[i].Address == v.request.host.Address {
				return k
			}
		}
	}
	return -1
}
