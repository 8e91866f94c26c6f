// SPDX-License-Identifier: Apache-2.0

package health

import (
	"math/rand/v2"
	"time"

	"github.com/sideloop/sideloop/cluster/tally"
	"github.com/sideloop/sideloop/config"
)

// sweepJitter is the part of an interval that is random, so that clusters and
// proxies do not look at their hosts in step.
const sweepJitter = 10

// outlierState is what outlier detection knows of a host.
type outlierState struct {
	ejected bool
	kind    config.OutlierKind // of the last ejection
	until   int64              // the end of that
	// recent is what multiplies the time of an ejection: one more with each,
	// one less with each interval without.
	recent    int
	ejections int
	changed   time.Time // of the last ejection or its end; zero before
	returned  int64     // when the last ejection ended
	// ended is the loop time before which failures in a row are forgotten.
	ended [tally.RunKinds]int64
}

func (h *host) outliers() *outlierState {
	if h.outlier == nil {
		h.outlier = new(outlierState)
	}
	return h.outlier
}

// detect looks into alarms as they come, and at all clusters every interval.
func (m *Monitor) detect(alarms <-chan tally.Alarm) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(m.untilDue())
		select {
		case <-m.ctx.Done():
			return
		case a := <-alarms:
			m.examine(a)
		case <-timer.C:
		case <-m.judging:
		}
		m.endEjections()
		for c := m.dueSweep(); c != nil && m.ctx.Err() == nil; c = m.dueSweep() {
			m.sweep(c)
		}
	}
}

// untilDue is how long it is to the next sweep or the end of an ejection.
func (m *Monitor) untilDue() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	due := now() + int64(idleWait)
	for _, c := range m.clusters {
		if c.outlier == nil {
			continue
		}
		due = min(due, c.sweepAt)
		for _, h := range c.hosts {
			if h.outlier != nil && h.outlier.ejected {
				due = min(due, h.outlier.until)
			}
		}
	}
	return time.Duration(due - now())
}

// endEjections lets those hosts back whose time is over.
func (m *Monitor) endEjections() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.clusters {
		for _, h := range c.hosts {
			if h.outlier != nil && h.outlier.ejected && h.outlier.until <= now() {
				m.uneject(h)
			}
		}
	}
}

// dueSweep is a cluster whose interval is over, nil for none. The next one has
// begun.
func (m *Monitor) dueSweep() *cluster {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.clusters {
		if c.outlier != nil && c.sweepAt <= now() {
			c.sweepAt = now() + jittered(c.outlier.Interval, c.outlier.Interval/sweepJitter)
			return c
		}
	}
	return nil
}

// sweep compares the hosts of c by what the loops counted in the interval.
func (m *Monitor) sweep(c *cluster) {
	counts, err := m.options.Loops.Counts(c.name)
	if err != nil {
		m.options.Log.Warn("outlier detection", "cluster", c.name, "error", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.clusters[c.name] != c || c.outlier == nil {
		return
	}
	var list []sample
	for address, n := range counts {
		if h := c.hosts[address]; h != nil && !h.gone && !h.verdict().Ejected {
			list = append(list, sample{h, n})
		}
	}
	for _, f := range findings(c.outlier, list) {
		m.eject(c, f)
	}
	for _, h := range c.hosts {
		// It has been without fault for a whole interval.
		if o := h.outlier; o != nil && !o.ejected && o.recent > 0 && now()-o.returned >= int64(c.outlier.Interval) {
			o.recent--
		}
	}
}

// examine asks the loops for a host's failures in a row. A request that went
// well on one loop ends what began before it on the others.
func (m *Monitor) examine(a tally.Alarm) {
	m.mu.Lock()
	h := m.watched(a)
	if h == nil {
		m.mu.Unlock()
		return
	}
	ended := h.outliers().ended
	m.mu.Unlock()
	loops, err := m.options.Loops.Runs(a.Cluster, a.Address, ended)
	if err != nil {
		m.options.Log.Warn("outlier detection", "cluster", a.Cluster, "host", a.Address, "error", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watched(a) != h {
		return
	}
	d := h.cluster.outlier
	for k, threshold := range [tally.RunKinds]int{d.Consecutive5xx, d.ConsecutiveGateway, d.ConsecutiveLocal} {
		n, since := inARow(loops, k, &h.outliers().ended[k])
		if threshold == 0 || n < threshold {
			continue
		}
		h.outlier.ended[k] = since // counted: what comes starts anew
		m.eject(h.cluster, finding{of: h, kind: config.OutlierKind(k)})
	}
}

// watched is the host that an alarm is about, nil where it is not judged any
// more.
func (m *Monitor) watched(a tally.Alarm) *host {
	c := m.clusters[a.Cluster]
	if c == nil || c.outlier == nil {
		return nil
	}
	h := c.hosts[a.Address]
	if h == nil || h.gone {
		return nil
	}
	return h
}

// inARow sums up the failures of all loops since the latest end of a run on any
// of them, which ended is set to. since is when the last of the runs began.
func inARow(loops []tally.Runs, k int, ended *int64) (n int, since int64) {
	for i := range loops {
		*ended = max(*ended, loops[i][k].Ended)
	}
	since = *ended
	for i := range loops {
		if r := &loops[i][k]; r.Length > 0 && r.Since > *ended {
			n += r.Length
			since = max(since, r.Since)
		}
	}
	return n, since
}

// eject takes a host out of use for a while, as far as that is allowed. The lock
// is held.
func (m *Monitor) eject(c *cluster, f finding) {
	h := f.of
	d, o := c.outlier, h.outliers()
	if !h.healthy() {
		return
	}
	if enforce := d.Enforce[f.kind]; enforce < 100 && rand.IntN(100) >= enforce {
		c.totals.Unenforced++
		c.logEjection(h, f, false)
		return
	}
	if !c.spares() {
		c.totals.Overflowed++
		return
	}
	o.recent++
	o.ejections++
	c.totals.Ejections++
	c.logEjection(h, f, true)
	lasts := min(d.BaseEjection*time.Duration(o.recent), d.MaxEjection)
	if lasts >= d.MaxEjection {
		// The multiplier need not grow beyond where it has an effect.
		o.recent = int((d.MaxEjection + d.BaseEjection - 1) / d.BaseEjection)
	}
	o.ejected, o.kind, o.changed = true, f.kind, time.Now()
	o.until = now() + jittered(lasts, d.MaxExtra)
	m.flip(c)
	m.options.Log.Warn("host ejected", "cluster", c.name, "host", h.Address, "type", f.kind.String(), "for", lasts)
	m.judging.raise()
}

// spares tells whether one more host may be out of use. The last one never is.
func (c *cluster) spares() bool {
	down, ejected := 1, 0
	for _, h := range c.hosts {
		if h.gone {
			continue
		}
		v := h.verdict()
		if v != (Verdict{}) {
			down++
		}
		if v.Ejected {
			ejected++
		}
	}
	if down >= c.present {
		return false
	}
	return down*100 <= c.present*c.outlier.MaxEjectionPercent || c.outlier.AlwaysEjectOne && ejected == 0
}

// uneject lets a host back. The lock is held.
func (m *Monitor) uneject(h *host) {
	c, o := h.cluster, h.outlier
	c.logReturn(h)
	o.ejected, o.changed, o.returned = false, time.Now(), now()
	m.flip(c)
	m.options.Log.Info("host returned from ejection", "cluster", c.name, "host", h.Address)
}
