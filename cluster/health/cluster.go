// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/sideloop/sideloop/config"
)

// cluster is a followed cluster. The Monitor's lock guards it.
type cluster struct {
	name      string
	transport string
	check     *config.HealthCheck
	outlier   *config.OutlierDetection
	asker     *asker // makes the probes of check

	checkEvents, outlierEvents io.Writer // nil for none

	hosts   map[string]*host
	present int // hosts that are not gone
	sweepAt int64
	totals  Totals
}

// host is a host of a followed cluster.
type host struct {
	cluster *cluster
	Host
	gone    bool // not in the cluster any more; its probe has not ended yet
	probing bool
	check   checkState
	outlier *outlierState // nil before its first failure that counts
}

func (h *host) verdict() Verdict {
	return Verdict{FailedCheck: h.check.down, Ejected: h.outlier != nil && h.outlier.ejected}
}

func (h *host) healthy() bool { return h.verdict() == Verdict{} }

// Follow takes a new cluster, or the present state of one that it follows. What
// is known of hosts that are still there is kept. It tells of no change:
// whoever calls asks for the Verdicts. On an error nothing has happened.
func (m *Monitor) Follow(n Cluster) error {
	l, err := m.open(&n)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n.Check == nil && n.Outlier == nil {
		m.forget(n.Name)
		return nil
	}
	c := m.clusters[n.Name]
	if c == nil {
		c = &cluster{name: n.Name, hosts: make(map[string]*host)}
	}
	m.configure(c, &n, l)
	m.clusters[n.Name] = c
	m.populate(c, n.Hosts)
	m.scheduled.raise()
	m.judging.raise()
	return nil
}

// FollowAll takes all clusters of a configuration. Those that it has not are
// not followed any more. On an error nothing has happened.
func (m *Monitor) FollowAll(all []Cluster) error {
	for i := range all {
		if _, err := m.open(&all[i]); err != nil {
			return err
		}
	}
	present := make(map[string]bool, len(all))
	for i := range all {
		present[all[i].Name] = true
		if err := m.Follow(all[i]); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.clusters {
		if !present[name] {
			m.forget(name)
		}
	}
	return nil
}

func (m *Monitor) forget(name string) {
	c := m.clusters[name]
	if c == nil {
		return
	}
	delete(m.clusters, name)
	for _, h := range c.hosts {
		m.remove(h)
	}
}

// configure takes the settings of n. What changes of them starts anew.
func (m *Monitor) configure(c *cluster, n *Cluster, logs logs) {
	if !reflect.DeepEqual(c.check, n.Check) || c.check != nil && c.transport != n.Transport {
		c.check, c.checkEvents = n.Check, logs.check
		c.transport = n.Transport
		if c.asker = newAsker(n.Check, n.HTTP2); c.asker != nil {
			c.asker.secure = n.Secure
		}
		for _, h := range c.hosts {
			m.drop(h)
			m.queue.remove(h)
			if c.check == nil {
				h.check = checkState{index: unqueued}
			}
		}
	}
	if !reflect.DeepEqual(c.outlier, n.Outlier) {
		c.outlier, c.outlierEvents = n.Outlier, logs.outlier
		if c.outlier == nil {
			for _, h := range c.hosts {
				h.outlier = nil
			}
			return
		}
		c.sweepAt = now() + jittered(c.outlier.Interval, c.outlier.Interval/sweepJitter)
	}
}

// logs are the logs of a cluster's events, nil for none.
type logs struct{ check, outlier io.Writer }

// open opens the logs that n names. One that is open already is the same.
func (m *Monitor) open(n *Cluster) (l logs, err error) {
	if n.Check != nil && n.Check.EventLog != "" {
		if l.check, err = m.options.EventLog(n.Check.EventLog); err != nil {
			return l, fmt.Errorf("cluster %q: %w", n.Name, err)
		}
	}
	if n.Outlier != nil && n.Outlier.EventLog != "" {
		if l.outlier, err = m.options.EventLog(n.Outlier.EventLog); err != nil {
			return l, fmt.Errorf("cluster %q: %w", n.Name, err)
		}
	}
	return l, nil
}

// populate takes the hosts of c.
func (m *Monitor) populate(c *cluster, hosts []Host) {
	for _, h := range c.hosts {
		h.gone = true
	}
	c.present = 0
	for _, n := range hosts {
		h := c.hosts[n.Address]
		if h == nil {
			h = &host{cluster: c, Host: n}
			h.check = checkState{index: unqueued, down: c.check != nil && c.check.InitiallyUnhealthy}
			c.hosts[n.Address] = h
		}
		if h.Dial != n.Dial || h.Network != n.Network {
			m.drop(h)
			h.Host = n
		}
		h.gone = false
		c.present++
		if c.check != nil && !h.probing && h.check.index == unqueued {
			h.check.next = now() + firstProbe(c.check.InitialDelay)
			m.queue.push(h)
		}
	}
	for _, h := range c.hosts {
		if h.gone {
			m.remove(h)
		}
	}
}

// firstProbe is when a new host is probed: within the second half of the delay,
// so that many new ones are not probed at once.
func firstProbe(delay time.Duration) int64 { return jittered(delay/2, delay/2) }

// jittered is d and a random time of up to more.
func jittered(d, more time.Duration) int64 { return int64(d) + rand.Int64N(int64(more)+1) }

// remove forgets a host. One that is being probed stays until that has ended,
// so that it is not probed twice at a time should it come back before.
func (m *Monitor) remove(h *host) {
	h.gone = true
	m.queue.remove(h)
	m.drop(h)
	if !h.probing {
		delete(h.cluster.hosts, h.Address)
	}
}

// drop closes the connection that is kept for the next probe.
func (m *Monitor) drop(h *host) {
	if h.check.kept != nil {
		h.check.kept.close()
		h.check.kept = nil
		m.kept--
	}
}
