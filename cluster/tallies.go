// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"time"

	"github.com/sideloop/sideloop/cluster/tally"
)

// watch gives the host h of c the tally that it needs. Failures in a row from
// before an ejection are forgotten when it begins and when it ends.
func (s *hostState) watch(j *Judge, c *Cluster, h *Host) {
	if j == nil || c.Outlier == nil {
		s.tally = nil
		return
	}
	if s.tally == nil {
		s.tally = new(Tally)
	}
	s.tally.fit(c.Outlier, h.Down&Ejected != 0)
}

// Tallies calls visit with the tally of each host of a cluster.
func (m *Manager) Tallies(cluster string, visit func(address string, t *Tally)) {
	s := m.members[cluster]
	if s == nil {
		return
	}
	for i, h := range s.cluster.Hosts {
		if t := s.states[i].tally; t != nil {
			visit(h.Address, t)
		}
	}
}

// Tally is that of one host, nil where there is none.
func (m *Manager) Tally(cluster, address string) (found *Tally) {
	m.Tallies(cluster, func(a string, t *Tally) {
		if a == address {
			found = t
		}
	})
	return found
}

// tally counts a try of h and raises the alarm where that is due.
func (s *Members) tally(h *Host, t *Tally, o Outcome, latency time.Duration) {
	m := s.manager
	if !t.note(o, latency, m.loop.Now(), s.cluster.Outlier, m.judge.Loops) {
		return
	}
	select {
	case m.judge.Alarms <- tally.Alarm{Cluster: s.cluster.Name, Address: h.Address}:
		t.alarmed = true
	default:
	}
}
