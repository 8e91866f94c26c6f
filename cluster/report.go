// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// HostReport is what one loop knows of one host of a cluster.
type HostReport struct {
	Cluster, Address string
	// Connections take requests or finish what they carry; Dialing are being
	// made.
	Connections, Dialing int
	// InFlight is requests under way, Waiting those of them that have no
	// connection yet.
	InFlight, Waiting int
	// Tries have ended, Failed of them other than by success, after Spent in all:
	// each counts until its reply's head, or until its end without one.
	Tries, Failed uint64
	Spent         time.Duration
	// Latency is what a reply is expected to take, where the balancing looks at
	// it; 0 where it is not known.
	Latency time.Duration
	// Failure is why the last dial failed, ReasonNone where it did not.
	Failure codec.Reason
}

// Report calls f for every host that has been used on the loop.
func (m *Manager) Report(f func(HostReport)) {
	now := m.loop.Now()
	for name, s := range m.members {
		for i, state := range s.states {
			state.report(name, s.cluster.Hosts[i].Address, now, f)
		}
		for address, t := range s.targets.byName {
			t.state.report(name, address, now, f)
		}
	}
}

func (s *hostState) report(cluster, address string, now int64, f func(HostReport)) {
	used := false
	r := HostReport{
		Cluster: cluster, Address: address, InFlight: s.active,
		Tries: s.tried, Failed: s.failed, Spent: time.Duration(s.spent),
	}
	for _, p := range s.pools {
		if p == nil {
			continue
		}
		used = true
		r.Connections += len(p.conns) + p.leaving
		r.Dialing += p.dialing
		r.Waiting += p.waiting.length
		if p.failures > 0 {
			r.Failure = p.failure
		}
	}
	if s.latency.at > 0 {
		r.Latency = time.Duration(s.latency.now(now))
	}
	if used {
		f(r)
	}
}

// Meter counts the requests to the cluster on this loop.
func (s *Members) Meter() *stats.Traffic { return s.traffic }
