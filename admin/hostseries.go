// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/server"
)

// hostLimit bounds the hosts that have series of their own: what a scrape has to
// send, and its reader to keep, within a second.
const hostLimit = 50_000

// hostRow is one host and what it is doing.
type hostRow struct {
	cluster, address string
	server.HostSample
	healthy bool
}

// idle hosts are those of which there is nothing to tell.
func (h *hostRow) idle() bool { return h.Connections == 0 && h.InFlight == 0 && h.healthy }

// eachHost tells f every host of a cluster once. seen is room to work in.
func eachHost(c *cluster.Cluster, s *server.Sample, seen map[string]bool, f func(*hostRow)) {
	clear(seen)
	for _, h := range c.Hosts {
		if seen[h.Address] {
			continue
		}
		seen[h.Address] = true
		f(&hostRow{c.Name, h.Address, s.Hosts[server.HostKey{Cluster: c.Name, Address: h.Address}], h.Down == 0})
	}
}

// shownHosts are the hosts that have series, of at most limit, and how many have
// none. Those that do something come before those that do not, so that a host that
// is not used any more makes room.
func shownHosts(clusters []*cluster.Cluster, s *server.Sample, limit int) (shown []hostRow, omitted int) {
	seen := make(map[string]bool)
	each := func(f func(*hostRow)) {
		for _, c := range clusters {
			eachHost(c, s, seen, f)
		}
	}
	all, busy := 0, 0
	each(func(h *hostRow) {
		all++
		if !h.idle() {
			busy++
		}
	})
	shown = make([]hostRow, 0, min(all, limit))
	idle := max(limit-busy, 0)
	each(func(h *hostRow) {
		if len(shown) == limit || h.idle() && idle == 0 {
			omitted++
			return
		}
		if h.idle() {
			idle--
		}
		shown = append(shown, *h)
	})
	return shown, omitted
}

// visitHosts tells v the series of hosts, family by family.
func (a *admin) visitHosts(s *server.Sample, v visitor) {
	m := newMatcher(&a.control.Config().Metrics)
	rows, omitted := shownHosts(a.control.Clusters(), s, hostLimit)
	if !m.rejects(hostsOmitted) {
		v(hostsOmitted, float64(omitted), nil)
	}
	for _, one := range []struct {
		family *family
		value  func(h *hostRow) float64
	}{
		{hostConns, func(h *hostRow) float64 { return float64(h.Connections) }},
		{hostActive, func(h *hostRow) float64 { return float64(h.InFlight) }},
		{hostHealthy, func(h *hostRow) float64 { return number(h.healthy) }},
	} {
		if m.rejects(one.family) {
			continue
		}
		for i := range rows {
			v(one.family, one.value(&rows[i]), nil, rows[i].cluster, rows[i].address)
		}
	}
}
