// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"time"

	"github.com/sideloop/sideloop/config"
)

const (
	// maxProbes bounds the probes under way, and with them goroutines and
	// descriptors: 2,000 hosts that all let probes run into a timeout of 1 s
	// are still asked within 8 s.
	maxProbes = 256
	// maxKept bounds the connections kept between probes. Hosts beyond it are
	// probed on a new connection each time.
	maxKept = 512
)

// checkState is what active checks know of a host.
type checkState struct {
	next   int64 // when it is probed
	index  int   // in the queue
	kept   session
	down   bool
	probed bool // a probe has ended
	edge   bool // the last one turned the verdict
	streak uint32
	last   Probe
}

// Probe is the result of one probe.
type Probe struct {
	// At is the end of the probe, zero before the first.
	At time.Time
	// Failure is empty for a good probe.
	Failure FailureType
	// Reason says in words what was wrong.
	Reason string
}

// schedule starts probes as they become due.
func (m *Monitor) schedule() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(m.launch())
		select {
		case <-m.ctx.Done():
			return
		case <-timer.C:
		case <-m.scheduled:
		}
	}
}

// idleWait is how long the schedule sleeps where nothing is due; what changes
// that wakes it.
const idleWait = time.Hour

// launch starts the probes that are due and returns how long it is to the next.
func (m *Monitor) launch() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		h := m.queue.first()
		if h == nil || m.probes == maxProbes || m.ctx.Err() != nil {
			return idleWait
		}
		if wait := h.check.next - now(); wait > 0 {
			return time.Duration(wait)
		}
		m.queue.pop()
		h.probing = true
		m.probes++
		p := probe{host: h, asker: h.cluster.asker, session: h.check.kept}
		if h.check.kept != nil {
			h.check.kept = nil
			m.kept--
		}
		m.running.Go(func() { m.probe(p) })
	}
}

// probe is one probe of a host under way.
type probe struct {
	host    *host
	asker   *asker
	session session // of the last probe, nil for none
}

// probe asks a host and takes the result.
func (m *Monitor) probe(p probe) {
	ctx, cancel := context.WithTimeout(m.ctx, p.asker.check.Timeout)
	s, err := p.asker.ask(ctx, &m.dialer, p.host.Host, p.session)
	cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.probes--
	m.scheduled.raise()
	h := p.host
	h.probing = false
	current := !h.gone && h.cluster.asker == p.asker && m.ctx.Err() == nil
	if s != nil && current && m.kept < maxKept {
		h.check.kept = s
		m.kept++
	} else if s != nil {
		s.close()
	}
	switch {
	case h.gone:
		if h.cluster.hosts[h.Address] == h {
			delete(h.cluster.hosts, h.Address)
		}
	case h.cluster.check == nil || m.ctx.Err() != nil:
	default:
		if current {
			m.settle(h, err)
		}
		h.check.next = now() + h.interval()
		m.queue.push(h)
	}
}

// settle takes the result of a probe, nil for a good one.
func (m *Monitor) settle(h *host, err error) {
	c, s := h.cluster, &h.check
	first := !s.probed
	s.probed = true
	s.last = Probe{At: time.Now()}
	c.totals.Probes++
	good := err == nil
	if !good {
		s.last.Failure, s.last.Reason = describe(err)
		c.totals.note(s.last.Failure)
	}
	if s.streak++; good != s.down {
		s.streak = 0 // it confirms the verdict
	}
	turned := s.streak >= s.threshold(c.check) || first && good && s.down
	if s.edge = turned; turned {
		s.down, s.streak = !s.down, 0
		m.flip(c)
	}
	if !good && (turned || first || c.check.LogFailures) {
		c.logFailure(h, first)
	}
	if turned {
		if s.down {
			m.options.Log.Warn("host failed its health check", "cluster", c.name, "host", h.Address, "reason", s.last.Reason)
		} else {
			m.options.Log.Info("host passed its health check", "cluster", c.name, "host", h.Address)
		}
		c.logTurn(h, first)
	}
	if good && !s.down && c.outlier != nil && c.outlier.UnejectByCheck && h.outlier != nil && h.outlier.ejected {
		m.uneject(h)
	}
}

// threshold is how many probes against the present verdict turn it.
func (s *checkState) threshold(c *config.HealthCheck) uint32 {
	if s.down {
		return c.HealthyThreshold
	}
	return c.UnhealthyThreshold
}

// interval is the time to the next probe.
func (h *host) interval() int64 {
	c, s := h.cluster.check, &h.check
	d := c.Interval
	switch {
	case s.down && s.edge:
		d = c.UnhealthyEdge
	case s.down:
		d = c.Unhealthy
	case s.edge:
		d = c.HealthyEdge
	}
	return jittered(d, c.Jitter)
}
