// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/sideloop/sideloop/cluster/balance"
	"github.com/sideloop/sideloop/config"
)

// index is the groups of hosts that requests of one Cluster choose from. It is
// made off the loops, never changes, and all loops share it.
type index struct {
	all *group
	// narrow tells that requests choose from subsets, which are keyed by
	// appendLabel of their labels in order.
	narrow  bool
	subsets map[string]*group
	// fallback is for requests that no subset is for, nil for no host.
	fallback *group
}

// group is hosts that serve the same requests: all of them, or a subset.
type group struct {
	// panicked tells that too few hosts are healthy to tell them apart by it.
	panicked bool
	// parts are those in our zone and the others; without a preference there
	// is only the first. share is how much of the requests is the first's.
	parts [2]*part
	share float64
}

// part is hosts that one policy chooses among.
type part struct {
	hosts  []int32 // numbers within Cluster.Hosts
	shares *balance.Shares
	table  *balance.Table // for Maglev
}

// newIndex groups the hosts of c. old is the index of the same hosts at the same
// weights, whose tables are taken over, or nil.
func newIndex(c *Cluster, old *index) *index {
	every := make([]int32, len(c.Hosts))
	for i := range every {
		every[i] = int32(i)
	}
	if old == nil {
		old = new(index)
	}
	n := &index{all: c.newGroup(every, old.all)}
	subsets := c.Balancing.Subsets
	if n.narrow = len(subsets.Selectors) > 0; !n.narrow {
		return n
	}
	n.subsets = make(map[string]*group)
	for key, hosts := range c.bySelector(every) {
		n.subsets[key] = c.newGroup(hosts, old.subsets[key])
	}
	switch subsets.Fallback {
	case config.AnyHost:
		n.fallback = n.all
	case config.DefaultSubset:
		n.fallback = c.newGroup(c.labelled(every, subsets.Default), old.fallback)
	}
	return n
}

// bySelector is the hosts by the labels that each selector asks for. A host that
// lacks one is in no subset of that selector.
func (c *Cluster) bySelector(every []int32) map[string][]int32 {
	subsets := make(map[string][]int32)
	for _, names := range c.Balancing.Subsets.Selectors {
		for _, i := range every {
			var key []byte
			complete := true
			for _, name := range names {
				value, ok := c.Hosts[i].Labels[name]
				complete = complete && ok
				key = appendLabel(key, name, value)
			}
			if complete {
				subsets[string(key)] = append(subsets[string(key)], i)
			}
		}
	}
	return subsets
}

// labelled is the hosts that have all these labels.
func (c *Cluster) labelled(every []int32, labels map[string]string) []int32 {
	return slices.DeleteFunc(slices.Clone(every), func(i int32) bool {
		for name, value := range maps.All(labels) {
			if has, ok := c.Hosts[i].Labels[name]; !ok || has != value {
				return true
			}
		}
		return false
	})
}

// appendLabel appends a label so that no two lists of labels read the same.
func appendLabel(key []byte, name, value string) []byte {
	key = append(binary.AppendUvarint(key, uint64(len(name))), name...)
	return append(binary.AppendUvarint(key, uint64(len(value))), value...)
}

// group returns the group that serves requests with these criteria, nil for none.
func (x *index) group(criteria *Criteria) *group {
	if !x.narrow {
		return x.all
	}
	if criteria != nil {
		var key []byte
		for _, p := range criteria.Pairs {
			key = appendLabel(key, p.Key, p.Value)
		}
		if g := x.subsets[string(key)]; g != nil {
			return g
		}
	}
	return x.fallback
}

// newGroup prepares the choice among hosts.
func (c *Cluster) newGroup(hosts []int32, old *group) *group {
	if old == nil {
		old = new(group)
	}
	n := &group{share: 1}
	up := 0
	for _, i := range hosts {
		if c.Hosts[i].Down == 0 {
			up++
		}
	}
	n.panicked = float64(up)*100 < c.Balancing.PanicThreshold*float64(len(hosts))
	local, remote := c.byZone(hosts)
	if len(local) == 0 || len(remote) == 0 || n.panicked {
		n.parts[0] = c.newPart(hosts, n.panicked, old.parts[0])
		return n
	}
	n.parts[0] = c.newPart(local, false, old.parts[0])
	n.parts[1] = c.newPart(remote, false, old.parts[1])
	n.share = c.localShare(local)
	return n
}

// byZone parts hosts into those in our zone and the others, where that counts.
func (c *Cluster) byZone(hosts []int32) (local, remote []int32) {
	if !c.Balancing.PreferLocalZone || c.Zone == "" {
		return nil, hosts
	}
	for _, i := range hosts {
		if c.Hosts[i].Labels[ZoneLabel] == c.Zone {
			local = append(local, i)
		} else {
			remote = append(remote, i)
		}
	}
	return local, remote
}

// localShare is the part of the requests that the hosts of our zone can take:
// all, unless so many of them are down that the rest, each with as much more as
// the overprovisioning allows for, cannot.
func (c *Cluster) localShare(local []int32) float64 {
	up, all := 0.0, 0.0
	for _, i := range local {
		w := float64(c.Hosts[i].weight())
		all += w
		if c.Hosts[i].Down == 0 {
			up += w
		}
	}
	return min(1, up/all*c.Balancing.Overprovisioning/100)
}

// newPart prepares one policy's hosts. Those that are down are left out, unless
// the group panics; policies in which a host's place means something keep them
// and pass them by.
func (c *Cluster) newPart(hosts []int32, panicked bool, old *part) *part {
	keep := panicked || c.Balancing.Policy == config.Maglev || c.Balancing.Policy == config.RequestRoundRobin
	n := new(part)
	var weights []uint32
	for _, i := range hosts {
		if h := c.Hosts[i]; keep || h.Down == 0 {
			n.hosts = append(n.hosts, i)
			weights = append(weights, h.weight())
		}
	}
	n.shares = balance.NewShares(weights)
	switch {
	case c.Balancing.Policy != config.Maglev:
	case old != nil && slices.Equal(old.hosts, n.hosts):
		n.table = old.table
	default:
		names := make([]string, len(n.hosts))
		for k, i := range n.hosts {
			names[k] = c.Hosts[i].Address
		}
		n.table = balance.NewTable(names, weights)
	}
	return n
}

func (h *Host) weight() uint32 { return max(h.Weight, 1) }
