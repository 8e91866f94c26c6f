// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"slices"
	"time"
)

// Totals counts what happened to the hosts of a cluster.
type Totals struct {
	// Probes is those that ended, and the next three are those of them that
	// failed, by how.
	Probes, WrongAnswers, NetworkFailures, Timeouts uint64
	Ejections                                       uint64
	// Unenforced and Overflowed are ejections that were left out: by chance, as
	// configured, and because enough hosts were out of use already.
	Unenforced, Overflowed uint64
}

func (t *Totals) note(f FailureType) {
	switch f {
	case Active:
		t.WrongAnswers++
	case Network:
		t.NetworkFailures++
	case NetworkTimeout:
		t.Timeouts++
	}
}

// ClusterView is the health of a cluster's hosts at one moment.
type ClusterView struct {
	Name string
	// Service is MOSN's label of the cluster's health metrics.
	Service string
	Totals  Totals
	Hosts   []HostView // by address
}

// HostView is the health of a host.
type HostView struct {
	Address string
	Verdict
	// Probe is the last one; its time is zero where there was none.
	Probe Probe
	// Ejections is how often the host was ejected, EjectedBy why it was last,
	// and EjectedUntil when it returns; zero while it is not ejected.
	Ejections    int
	EjectedBy    string
	EjectedUntil time.Time
}

// View is a copy of what is known of all clusters, by name.
func (m *Monitor) View() []ClusterView {
	m.mu.Lock()
	defer m.mu.Unlock()
	views := make([]ClusterView, 0, len(m.clusters))
	for _, c := range m.clusters {
		v := ClusterView{Name: c.name, Totals: c.totals}
		if c.check != nil {
			v.Service = c.check.ServiceName
		}
		for _, h := range c.hosts {
			if !h.gone {
				v.Hosts = append(v.Hosts, h.view())
			}
		}
		slices.SortFunc(v.Hosts, func(a, b HostView) int { return cmp.Compare(a.Address, b.Address) })
		views = append(views, v)
	}
	slices.SortFunc(views, func(a, b ClusterView) int { return cmp.Compare(a.Name, b.Name) })
	return views
}

func (h *host) view() HostView {
	v := HostView{Address: h.Address, Verdict: h.verdict(), Probe: h.check.last}
	if o := h.outlier; o != nil && o.ejections > 0 {
		v.Ejections, v.EjectedBy = o.ejections, o.kind.String()
		if o.ejected {
			v.EjectedUntil = time.Now().Add(time.Duration(o.until - now()))
		}
	}
	return v
}
