// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"github.com/sideloop/sideloop/cluster/balance"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/stats"
)

// NewSession makes the client session of one connection to a host of a cluster.
type NewSession func(*Cluster, codec.Sink, codec.Owner, *codec.Memory) codec.ClientSession

// Sessions is the constructors by protocol; nil where a protocol is not spoken.
type Sessions [codec.ProtocolCount]NewSession

// Manager is the clusters as one loop has them. All its methods are called on
// that loop.
type Manager struct {
	loop     *eventloop.Loop
	mem      *codec.Memory
	stats    *stats.Block
	sessions Sessions

	members map[string]*Members
	pools   map[poolKey]*pool
}

type poolKey struct {
	cluster, network, address string
	protocol                  codec.Protocol
}

// NewManager returns a manager without clusters.
func NewManager(l *eventloop.Loop, m *codec.Memory, b *stats.Block, s Sessions) *Manager {
	return &Manager{loop: l, mem: m, stats: b, sessions: s, pools: make(map[poolKey]*pool)}
}

// Adopt takes the clusters of a new configuration. Pools of hosts that are still
// there live on with the new limits; those of others finish what they carry.
func (m *Manager) Adopt(s Set) {
	members := make(map[string]*Members, len(s))
	used := make(map[poolKey]*Cluster)
	for name, c := range s {
		if old := m.members[name]; old != nil && old.cluster == c {
			members[name] = old
		} else {
			members[name] = &Members{manager: m, cluster: c, policy: c.policy()}
		}
		for _, h := range c.Hosts {
			for p := range codec.ProtocolCount {
				used[poolKey{name, h.Network, h.Address, p}] = c
			}
		}
	}
	m.members = members
	for key, p := range m.pools {
		if c := used[key]; c != nil {
			p.adopt(c)
			continue
		}
		delete(m.pools, key)
		p.retire()
	}
}

// Cluster returns a cluster's members by name, nil when there is none. They may
// be used as long as the caller likes, also after another Adopt.
func (m *Manager) Cluster(name string) *Members { return m.members[name] }

// Members is one cluster's hosts as one loop sees them.
type Members struct {
	manager *Manager
	cluster *Cluster
	policy  balance.Policy
	pools   [codec.ProtocolCount][]*pool // by host, filled on first use
	view    view                         // of the choice under way; here it costs no allocation
}

// Acquire finds a stream for r. It returns the stream, on which SendHeaders must
// follow at once; or nil with ReasonNone when r waits and its Waiter will be
// called; or nil with why there is none.
func (s *Members) Acquire(r *Request) (codec.Stream, codec.Reason) {
	hosts := s.cluster.Hosts
	if len(hosts) == 0 {
		return nil, codec.NoHealthyUpstream
	}
	if s.manager.sessions[r.Protocol] == nil {
		return nil, codec.Internal
	}
	if s.pools[r.Protocol] == nil {
		s.pools[r.Protocol] = make([]*pool, len(hosts))
	}
	s.view = view{members: s, protocol: r.Protocol, avoid: r.host, now: s.manager.loop.Now()}
	i := s.policy.Choose(&s.view)
	if i < 0 && r.host != nil {
		s.view.avoid = nil
		i = s.policy.Choose(&s.view)
	}
	if i < 0 {
		return nil, s.refusal(r.Protocol)
	}
	r.host = hosts[i]
	stream, reason := s.pool(r.Protocol, i).acquire(r)
	if reason == codec.ReasonNone {
		r.try = try{members: s, began: s.view.now}
	}
	return stream, reason
}

// refusal is why no host can be chosen: the first one's last failure.
func (s *Members) refusal(p codec.Protocol) codec.Reason {
	if found := s.pools[p][0]; found != nil && found.failure != codec.ReasonNone {
		return found.failure
	}
	return codec.ConnectFailed
}

// pool returns the pool of host i, making it when there is none.
func (s *Members) pool(p codec.Protocol, i int) *pool {
	if found := s.pools[p][i]; found != nil && !found.retired {
		return found
	}
	h := s.cluster.Hosts[i]
	key := poolKey{s.cluster.Name, h.Network, h.Address, p}
	found := s.manager.pools[key]
	if found == nil {
		found = newPool(s.manager, s.cluster, h, p)
		s.manager.pools[key] = found
	}
	s.pools[p][i] = found
	return found
}

// view is what the policy sees: hosts that a connection can be had of.
type view struct {
	members  *Members
	protocol codec.Protocol
	avoid    *Host
	now      int64
}

// Len implements balance.View.
func (v *view) Len() int { return len(v.members.cluster.Hosts) }

// Usable implements balance.View.
func (v *view) Usable(i int) bool {
	h := v.members.cluster.Hosts[i]
	if h.Down != 0 || v.avoid != nil && h.Address == v.avoid.Address {
		return false
	}
	p := v.members.pools[v.protocol][i]
	return p == nil || !p.refuses(v.now)
}
