// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/config"
)

const (
	// lookupsAtOnce bounds the questions of the process that are open, so that
	// a configuration of a thousand names does not flood its resolver.
	lookupsAtOnce = 16
	// retryFirst and retryLast are the waits after the first of several
	// failures in a row, where the refresh rate is not sooner, and the longest.
	retryFirst = time.Second
	retryLast  = 30 * time.Second
	// ttlMin and ttlMax bound the time to live that is respected: below it a
	// resolver would be asked all the time, above it a mistake would last.
	ttlMin = time.Second
	ttlMax = 24 * time.Hour
)

// Update changes one cluster by name, as server.Update does.
type Update func(name string, change func(*cluster.Cluster) *cluster.Cluster) error

// Watcher keeps the hosts of a configuration's clusters up to date.
type Watcher struct {
	update Update
	log    *slog.Logger
	slots  chan struct{}
	done   sync.WaitGroup

	mu       sync.Mutex
	clusters map[string]*watch
}

// watch is one cluster under a Watcher.
type watch struct {
	config *config.Cluster
	cancel context.CancelFunc
}

// NewWatcher returns a watcher without clusters.
func NewWatcher(u Update, log *slog.Logger) *Watcher {
	return &Watcher{update: u, log: log, slots: make(chan struct{}, lookupsAtOnce), clusters: make(map[string]*watch)}
}

// Watch resolves the names of all clusters that ask for it, and of no others any
// more. Where nothing has changed it goes on as it was.
func (w *Watcher) Watch(clusters []config.Cluster) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.clusters
	w.clusters = make(map[string]*watch)
	for i := range clusters {
		c := &clusters[i]
		if c.Type != config.StrictDNS && c.Type != config.LogicalDNS {
			continue
		}
		if was := before[c.Name]; was != nil && config.Equal(was.config, c) {
			w.clusters[c.Name] = was
			delete(before, c.Name)
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		w.clusters[c.Name] = &watch{config: c, cancel: cancel}
		w.start(ctx, c)
	}
	for _, gone := range before {
		gone.cancel()
	}
}

// Stop ends the watcher and waits until it has. Watch must not follow.
func (w *Watcher) Stop() {
	w.Watch(nil)
	w.done.Wait()
}

// start starts a goroutine for each name of a cluster.
func (w *Watcher) start(ctx context.Context, c *config.Cluster) {
	r, err := newResolver(&c.DNS)
	if err != nil {
		w.log.Error("dns: names are not resolved anew", "cluster", c.Name, "error", err)
		return
	}
	m := newMembership(c)
	names := make(map[string]bool)
	for i := range c.Hosts {
		name, _, err := net.SplitHostPort(c.Hosts[i].Address)
		if _, literal := netip.ParseAddr(name); err != nil || literal == nil || names[name] {
			continue
		}
		names[name] = true
		n := &watched{watcher: w, cluster: c, members: m, resolver: r, name: name}
		w.done.Go(func() { n.run(ctx) })
	}
}

// watched is one name of one cluster.
type watched struct {
	watcher  *Watcher
	cluster  *config.Cluster
	members  *membership
	resolver resolver
	name     string
	failures int // in a row
}

// run resolves until the watcher stops.
func (n *watched) run(ctx context.Context) {
	for {
		wait := n.resolve(ctx)
		timer := time.NewTimer(jitter(wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// jitter spreads d by a tenth either way, so that proxies that started together
// do not ask together.
func jitter(d time.Duration) time.Duration {
	return d*9/10 + rand.N(d/5+1)
}

// resolve asks once and returns when to ask again. A failure leaves the hosts as
// the last good answer made them.
func (n *watched) resolve(ctx context.Context) time.Duration {
	select {
	case n.watcher.slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	addresses, ttl, err := n.resolver.lookup(ctx, n.name)
	<-n.watcher.slots
	if ctx.Err() != nil {
		return 0
	}
	log := n.watcher.log.With("cluster", n.cluster.Name, "name", n.name)
	if err != nil {
		wait := n.retryIn()
		if n.failures++; n.failures == 1 || wait == retryLast {
			log.Warn("dns: no answer; the hosts stay as they are", "error", err, "failures", n.failures)
		}
		return wait
	}
	if n.failures > 0 {
		log.Info("dns: the name resolves again", "failures", n.failures)
		n.failures = 0
	}
	if n.members.found(n.name, addresses) {
		log.Info("dns: the addresses have changed", "addresses", addresses)
		if err := n.watcher.update(n.cluster.Name, n.apply(ctx)); err != nil {
			log.Error("dns: the change did not reach every loop", "error", err)
		}
	}
	if n.cluster.DNS.RespectTTL {
		return min(max(ttl, ttlMin), ttlMax)
	}
	return n.cluster.DNS.RefreshRate
}

// apply is the change of the cluster, which is none once another configuration
// counts.
func (n *watched) apply(ctx context.Context) func(*cluster.Cluster) *cluster.Cluster {
	return func(c *cluster.Cluster) *cluster.Cluster {
		if ctx.Err() != nil {
			return c
		}
		return n.members.apply(c)
	}
}

// retryIn is the wait after a failure: it doubles from a second, or from the
// refresh rate where that is less.
func (n *watched) retryIn() time.Duration {
	wait := min(n.cluster.DNS.RefreshRate, retryFirst)
	for range n.failures {
		if wait *= 2; wait >= retryLast {
			return retryLast
		}
	}
	return wait
}
