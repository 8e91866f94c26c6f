// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// Members is one cluster's hosts as one loop sees them.
type Members struct {
	manager *Manager
	cluster *Cluster
	traffic *stats.Traffic // of the cluster on this loop
	index   *index
	states  []*hostState // by host
	usual   *usually
	budget  *budget
	targets *targets // of a cluster of original destinations
	// left tells that others have taken these members' place.
	left bool
	// rampUntil is when the last host leaves slow start.
	rampUntil int64

	choices map[*group]*choice
	memo    memo
	// chosen is the number, from 1, of the host that Express chose last and had
	// no room at, 0 for none; chosenAt the loop time.
	chosen   int
	chosenAt int64
	view     view // of the choice under way; here it costs no allocation
}

// memo remembers what criteria lead to; equal pointers are equal criteria. Most
// clusters see a few, one for each route.
type memo struct {
	latest   *Criteria
	choice   *choice
	choices  map[*Criteria]*choice
	answered bool // latest and choice are set
}

// memoLimit bounds the criteria that are remembered, should a router make ever
// new ones.
const memoLimit = 1024

func newMembers(m *Manager, c *Cluster) *Members {
	x := c.index
	if x == nil {
		x = newIndex(c, nil)
	}
	return &Members{
		manager: m, cluster: c, index: x,
		states:  make([]*hostState, len(c.Hosts)),
		usual:   new(usually),
		budget:  newBudget(&c.Limits.Budget),
		targets: newTargets(m),
		choices: make(map[*group]*choice),
	}
}

// inherit takes over what is known of those hosts that old had, too. The others
// are new.
func (s *Members) inherit(old *Members) {
	known := make(map[string]*hostState, len(old.states))
	for i, h := range old.cluster.Hosts {
		known[h.Address] = old.states[i]
	}
	now := s.manager.loop.Now()
	for i, h := range s.cluster.Hosts {
		state := known[h.Address]
		if state == nil {
			state = &hostState{usual: s.usual, since: now}
			known[h.Address] = state
		}
		s.states[i] = state
	}
}

// leave ends the members: n has taken their place, or nil where there is none.
// Hosts that are not there any more finish what they carry.
func (s *Members) leave(n *Members) {
	s.left = true
	if n == nil {
		s.targets.retire()
	}
	kept := make(map[*hostState]bool)
	if n != nil {
		if len(s.states) > 0 && len(n.states) > 0 && &s.states[0] == &n.states[0] {
			return // the same hosts
		}
		for _, state := range n.states {
			kept[state] = true
		}
	}
	for _, state := range s.states {
		if !kept[state] {
			state.retire()
		}
	}
}

// rampEnd is the loop time at which host i leaves slow start.
func (s *Members) rampEnd(i int) int64 {
	d := int64(s.cluster.Balancing.SlowStart.Duration)
	if d == 0 || s.states[i].since == 0 {
		return 0
	}
	return s.states[i].since + d
}

// Name is the cluster's name.
func (s *Members) Name() string { return s.cluster.Name }

// Acquire finds a stream for r. It returns the stream, on which SendHeaders must
// follow at once; or nil with ReasonNone when r waits and its Waiter will be
// called; or nil with why there is none.
func (s *Members) Acquire(r *Request) (codec.Stream, codec.Reason) {
	if s.left {
		now := s.manager.members[s.cluster.Name]
		if now == nil {
			return nil, codec.NoHealthyUpstream
		}
		return now.Acquire(r)
	}
	if s.manager.sessions[r.Protocol] == nil {
		return nil, codec.Internal
	}
	if r.host == nil {
		s.budget.pay(&s.cluster.Limits.Budget, s.manager.loop.Now())
	}
	if s.cluster.Balancing.Original.Set {
		if r.target == nil {
			return nil, codec.NoHealthyUpstream
		}
		return s.acquire(r.target.host, r.target.state, r)
	}
	c := s.choice(r.Subset)
	if c == nil || len(s.states) == 0 {
		return nil, codec.NoHealthyUpstream
	}
	v := &s.view
	v.members, v.request, v.now, v.avoid = s, r, s.manager.loop.Now(), r.host
	i := s.foreseen(r)
	if i < 0 {
		i = c.choose(&s.view)
	}
	if i < 0 && r.host != nil {
		s.view.avoid = nil
		i = c.choose(&s.view)
	}
	if i < 0 {
		return nil, s.refusal(c.group, r.Protocol)
	}
	return s.acquire(s.cluster.Hosts[i], s.states[i], r)
}

// foreseen is the host that Express has chosen for r, -1 for none.
func (s *Members) foreseen(r *Request) int {
	i := s.chosen - 1
	s.chosen = 0
	if r.host != nil || r.Subset != nil || r.Hashed || s.chosenAt != s.view.now {
		return -1
	}
	return i
}

// acquire finds a stream for r at the host that was chosen.
func (s *Members) acquire(h *Host, state *hostState, r *Request) (codec.Stream, codec.Reason) {
	t := &r.try // in place: see Tried
	if !s.begin(t) {
		return nil, codec.Overflow
	}
	r.host = h
	p := state.pools[r.Protocol]
	if p == nil || p.retired {
		p = newPool(s.manager, s.cluster, h, r.Protocol)
		state.pools[r.Protocol] = p
	}
	stream, reason := p.acquire(r)
	if reason != codec.ReasonNone {
		s.end(t)
		t.counted = false
		return nil, reason
	}
	state.active++
	t.members, t.state, t.began = s, state, s.manager.loop.Now()
	return stream, codec.ReasonNone
}

// refusal is why no host of the group can be chosen: the last failure of one that
// is held for healthy, or that none is.
func (s *Members) refusal(g *group, protocol codec.Protocol) codec.Reason {
	for _, part := range g.parts {
		if part == nil {
			continue
		}
		for _, i := range part.hosts {
			p := s.states[i].pools[protocol]
			if (g.panicked || s.cluster.Hosts[i].Down == 0) && p != nil && p.failure != codec.ReasonNone {
				return p.failure
			}
		}
	}
	return codec.NoHealthyUpstream
}

// choice returns what requests with these criteria choose from, nil for nothing.
func (s *Members) choice(criteria *Criteria) *choice {
	if criteria == s.memo.latest && s.memo.answered {
		return s.memo.choice
	}
	found, ok := s.memo.choices[criteria]
	if !ok {
		found = s.newChoice(criteria)
		if s.memo.choices == nil || len(s.memo.choices) >= memoLimit {
			s.memo.choices = make(map[*Criteria]*choice)
		}
		s.memo.choices[criteria] = found
	}
	s.memo.latest, s.memo.choice, s.memo.answered = criteria, found, true
	return found
}

func (s *Members) newChoice(criteria *Criteria) *choice {
	g := s.index.group(criteria)
	if g == nil {
		return nil
	}
	c := s.choices[g]
	if c == nil {
		c = newChoice(g, &s.cluster.Balancing)
		s.choices[g] = c
	}
	return c
}
