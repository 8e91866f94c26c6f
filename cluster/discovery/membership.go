// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"bytes"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/config"
)

// membership is what the names of one cluster are known to resolve to.
type membership struct {
	config  *config.Cluster
	mu      sync.Mutex
	answers map[string][]netip.Addr
}

func newMembership(c *config.Cluster) *membership {
	return &membership{config: c, answers: make(map[string][]netip.Addr)}
}

// found takes the answer for a name and tells whether it changes anything.
func (m *membership) found(name string, addresses []netip.Addr) bool {
	if m.config.Type == config.LogicalDNS {
		addresses = addresses[:1]
	} else {
		// Resolvers rotate their answers; the order means nothing.
		addresses = slices.Clone(addresses)
		slices.SortFunc(addresses, netip.Addr.Compare)
		addresses = slices.Compact(addresses)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Equal(m.answers[name], addresses) {
		return false
	}
	m.answers[name] = addresses
	return true
}

// apply returns the cluster with the hosts as they are known now, and c itself
// if those are its hosts.
func (m *membership) apply(c *cluster.Cluster) *cluster.Cluster {
	m.mu.Lock()
	hosts := m.hosts()
	m.mu.Unlock()
	old := make(map[string]*cluster.Host, len(c.Hosts))
	for _, h := range c.Hosts {
		old[h.Address] = h
	}
	for i, h := range hosts {
		if was := old[h.Address]; was != nil {
			h.Down = was.Down
			if same(was, h) {
				hosts[i] = was
			}
		}
	}
	if slices.Equal(hosts, c.Hosts) {
		return c
	}
	return c.With(hosts)
}

func same(a, b *cluster.Host) bool {
	return a.Network == b.Network && a.Address == b.Address && a.Dial == b.Dial && a.Weight == b.Weight &&
		bytes.Equal(a.Name, b.Name) && a.ServerName == b.ServerName && a.Plain == b.Plain &&
		a.Down == b.Down && bytes.Equal(a.Authority, b.Authority) && maps.Equal(a.Labels, b.Labels)
}

// hosts are those of the file with their names replaced by what is known of them.
// A name that was never resolved stays: it is resolved when it is connected to. An
// address that several names have is one host, with the settings of the first.
func (m *membership) hosts() []*cluster.Host {
	var hosts []*cluster.Host
	seen := make(map[string]bool)
	add := func(h *cluster.Host) {
		if !seen[h.Address] {
			seen[h.Address] = true
			hosts = append(hosts, h)
		}
	}
	for i := range m.config.Hosts {
		stated := cluster.NewHost(&m.config.Hosts[i])
		name, port, _ := net.SplitHostPort(stated.Address)
		answer := m.answers[name]
		if len(answer) == 0 {
			add(stated)
			continue
		}
		if m.config.Type == config.LogicalDNS {
			stated.Dial = net.JoinHostPort(answer[0].String(), port)
			add(stated)
			continue
		}
		for _, a := range answer {
			h := *stated
			h.Address = net.JoinHostPort(a.String(), port)
			add(&h)
		}
	}
	return hosts
}
