// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"

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
	// malformed is what hosts sent.
	malformed codec.Specimens
	judge     *Judge // nil where nobody judges hosts by their requests

	numbered uint64 // connections so far
}

// numberConn is the next number of a connection, in which the loop has its part.
func (m *Manager) numberConn() uint64 {
	m.numbered++
	return m.numbered<<8 | uint64(m.loop.Index()&0xff)
}

// NewManager returns a manager without clusters.
func NewManager(l *eventloop.Loop, m *codec.Memory, b *stats.Block, s Sessions) *Manager {
	return &Manager{loop: l, mem: m, stats: b, sessions: s}
}

// ReportTo names who is told of hosts that fail, before the first Adopt.
func (m *Manager) ReportTo(j *Judge) { m.judge = j }

// Malformed is the malformed messages of hosts.
func (m *Manager) Malformed() *codec.Specimens { return &m.malformed }

// Adopt takes the clusters of a new configuration. What is known of hosts that
// are still there lives on, as do their connections, with the new limits; those
// of others finish what they carry.
func (m *Manager) Adopt(s Set) {
	old := m.members
	m.members = make(map[string]*Members, len(s))
	for name, c := range s {
		if same := old[name]; same != nil && same.cluster == c {
			m.members[name] = same
		} else {
			m.members[name] = m.adopt(old[name], c)
		}
	}
	for name, members := range old {
		if n := m.members[name]; n != members {
			members.leave(n)
		}
	}
}

// adopt makes the members of c, which takes the place of old unless that is nil.
func (m *Manager) adopt(old *Members, c *Cluster) *Members {
	n := newMembers(m, c)
	n.traffic = c.Meter.Loop(m.loop.Index())
	if old == nil {
		for i := range c.Hosts {
			n.states[i] = &hostState{usual: n.usual, down: c.Hosts[i].Down != 0}
			n.states[i].watch(m.judge, c, c.Hosts[i])
		}
		return n
	}
	n.usual, n.targets, n.budget = old.usual, old.targets, old.budget
	if !slices.EqualFunc(old.cluster.Hosts, c.Hosts, sameAddress) {
		n.inherit(old)
	} else {
		n.states = old.states
	}
	now := m.loop.Now()
	for i, h := range c.Hosts {
		n.states[i].adopt(c, h, now)
		n.states[i].watch(m.judge, c, h)
		n.rampUntil = max(n.rampUntil, n.rampEnd(i))
	}
	n.targets.adopt(c)
	return n
}

func sameAddress(a, b *Host) bool { return a.Address == b.Address }

// Cluster returns a cluster's members by name, nil when there is none. They may
// be used as long as the caller likes, also after another Adopt.
func (m *Manager) Cluster(name string) *Members { return m.members[name] }

// Named is Cluster for a name that a request has.
func (m *Manager) Named(name []byte) *Members { return m.members[string(name)] }
