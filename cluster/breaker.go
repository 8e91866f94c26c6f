// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"sync"
	"sync/atomic"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/stats"
)

// Limits are a cluster's circuit breakers as stated, 0 where nothing is.
type Limits struct {
	Connections, Pending, Requests, Retries int64
	Budget                                  config.RetryBudget
}

func newLimits(b *config.Breakers) Limits {
	l := Limits{
		Connections: int64(b.MaxConnections),
		Pending:     int64(b.MaxPending),
		Requests:    int64(b.MaxRequests),
		Retries:     int64(b.MaxRetries),
		Budget:      config.UsualRetryBudget,
	}
	if b.RetryBudget != nil {
		l.Budget = *b.RetryBudget
	}
	return l
}

// cacheLine keeps words that different loops write on different lines.
const cacheLine = 64

// word counts what all loops have of one thing. It is touched only where the
// configuration states a limit.
type word struct {
	n atomic.Int64
	_ [cacheLine - 8]byte
}

// take takes one unless there are limit already.
func (w *word) take(limit int64) bool {
	if w.n.Add(1) <= limit {
		return true
	}
	w.n.Add(-1)
	return false
}

func (w *word) release() { w.n.Add(-1) }

// usage is what all loops use of one cluster's limits. It outlives changes of
// the cluster's hosts and limits. What was taken while there was a limit is
// given back when there is none any more, too.
type usage struct {
	_                                 [cacheLine]byte
	requests, pending, retries, floor word

	mu    sync.Mutex
	hosts map[string]*word // connections by address
}

// connections is the word of a host. It takes a lock, and is asked for once per
// pool.
func (u *usage) connections(address string) *word {
	u.mu.Lock()
	defer u.mu.Unlock()
	w := u.hosts[address]
	if w == nil {
		if u.hosts == nil {
			u.hosts = make(map[string]*word)
		}
		w = new(word)
		u.hosts[address] = w
	}
	return w
}

// prune forgets hosts that are gone and to which there is no connection.
func (u *usage) prune(hosts []*Host) {
	u.mu.Lock()
	defer u.mu.Unlock()
	kept := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		kept[h.Address] = true
	}
	for a, w := range u.hosts {
		if !kept[a] && w.n.Load() == 0 {
			delete(u.hosts, a)
		}
	}
}

// Inherit makes the clusters of a new configuration count on from what the
// requests of the old one have in use. It is called before s is published.
func (s Set) Inherit(old Set) {
	for name, c := range s {
		if before := old[name]; before != nil && before != c {
			c.usage = before.usage
			c.usage.prune(c.Hosts)
		}
	}
}

// begin counts a request in, unless the cluster has all that it may.
func (s *Members) begin(t *try) bool {
	if limit := s.cluster.Limits.Requests; limit > 0 {
		if !s.cluster.usage.requests.take(limit) {
			s.manager.stats.Add(stats.UpstreamOverflowRequests)
			return false
		}
		t.counted = true
	}
	return true
}

// end counts a request out.
func (s *Members) end(t *try) {
	if t.counted {
		s.cluster.usage.requests.release()
	}
}

// wait lets r wait in the pool, unless there are as many as may.
func (p *pool) wait(r *Request) codec.Reason {
	limit := p.cluster.Limits.Pending
	switch {
	case limit > 0 && !p.cluster.usage.pending.take(limit), limit == 0 && p.waiting.length >= maxPending:
		p.manager.stats.Add(stats.UpstreamOverflowPending)
		return codec.Overflow
	case limit > 0:
		r.counted = true
	}
	r.pool = p
	p.waiting.push(r)
	return codec.ReasonNone
}

// takeConnection counts in one more connection to the host of p, if it may have
// one: any pool may have one that takes requests, else others would starve it.
func (p *pool) takeConnection() bool {
	limit := p.cluster.Limits.Connections
	switch serving := len(p.conns) + p.dialing; {
	case limit == 0:
		if serving+p.leaving >= maxConnections {
			return false
		}
		p.total.n.Add(1)
	case serving == 0:
		p.total.n.Add(1)
	case !p.total.take(limit):
		p.manager.stats.Add(stats.UpstreamOverflowConnections)
		return false
	}
	return true
}
