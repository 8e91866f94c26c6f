// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
)

// Reload replaces the configuration by c and returns what changed. Requests that
// begin afterwards are routed by it; connections live on, except those of
// listeners that are gone or have another filter chain, which drain, and are
// closed after graceful_timeout. An error means that nothing was changed, and
// says why. It may be called from any goroutine but a loop.
//
// Files of certificates are read again, also when the configuration is the same.
func (s *Server) Reload(c *config.Config) (Changes, error) {
	changes, err := s.replace(c)
	if err == nil {
		s.RefreshCertificates()
		s.startRenewal()
	}
	return changes, err
}

func (s *Server) replace(c *config.Config) (Changes, error) {
	s.reloading.Add(1)
	defer s.reloading.Add(-1)
	s.publishing.Lock()
	defer s.publishing.Unlock()
	changes, err := s.reload(c)
	if err != nil {
		s.reloads.Refused++
		return nil, err
	}
	s.reloads.Applied++
	s.reloads.Latest = time.Now()
	return changes, nil
}

// reload is called with publishing held.
func (s *Server) reload(c *config.Config) (Changes, error) {
	if err := s.unchangeable(); err != nil {
		return nil, err
	}
	changes := compare(s.config, c)
	if len(changes) == 0 {
		s.config = c
		return nil, nil
	}
	snapshot, err := newSnapshot(c, s.config, s.snapshot, s.zone)
	if err != nil {
		return nil, err
	}
	s.trace(c)
	wait := max(s.config.Server.GracefulTimeout, c.Server.GracefulTimeout)
	defer func() { s.keepAccessLogs(wait) }()
	next, err := s.planListeners(c)
	if err != nil {
		return nil, err
	}
	if err := s.followAll(snapshot.Clusters); err != nil {
		return nil, errors.Join(err, closeAll(next.fresh))
	}
	s.meters.attach(snapshot, len(s.workers))
	// A loop that takes longer than publish waits adopts it all the same.
	if err := s.publish(snapshot); err != nil {
		s.log.Error("reload", "error", err)
	}
	if !config.Equal(&s.config.Server.Overload, &c.Server.Overload) {
		s.watch(&c.Server.Overload)
	}
	s.config = c
	s.aim(c)
	s.discover()
	s.adopt(next)
	s.meters.prune(c)
	for _, change := range changes {
		s.log.Info("reload", "change", change.String())
	}
	return changes, nil
}

// listenerPlan is the listeners that a configuration asks for.
type listenerPlan struct {
	all   []*listener
	fresh []*listener // of all, those that do not accept yet
	// chains are what listeners that stay get instead of what they have.
	chains  map[*listener]*pipeline.Chain
	tls     map[*listener]*serverTLS
	names   map[*listener]string
	leaving []*listener
	wait    time.Duration
}

// planListeners binds what is new and compiles what is different. On an error
// nothing has happened.
func (s *Server) planListeners(c *config.Config) (*listenerPlan, error) {
	p := &listenerPlan{
		chains: make(map[*listener]*pipeline.Chain), tls: make(map[*listener]*serverTLS), names: make(map[*listener]string),
		wait: c.Server.GracefulTimeout,
	}
	before := byName(s.config.Server.Listeners, listenerKey)
	logMoved := s.config.Server.LogPath != c.Server.LogPath || s.config.Server.LogLevel != c.Server.LogLevel
	left := make(map[string]*listener, len(s.listeners))
	for _, l := range s.listeners {
		left[l.key] = l
	}
	for i := range c.Server.Listeners {
		lc := &c.Server.Listeners[i]
		l := left[listenerKey(lc)]
		if l == nil || !lc.BindPort {
			fresh, err := s.bind(c, lc)
			if err != nil {
				return nil, errors.Join(err, closeAll(p.fresh))
			}
			if fresh != nil {
				p.all, p.fresh = append(p.all, fresh), append(p.fresh, fresh)
			}
			continue
		}
		delete(left, l.key)
		p.all = append(p.all, l)
		if was := before[l.key]; logMoved || !config.Equal(was, lc) {
			chain, err := s.chain(c, lc)
			if err != nil {
				return nil, errors.Join(err, closeAll(p.fresh))
			}
			secure, err := newServerTLS(lc)
			if err != nil {
				return nil, errors.Join(err, closeAll(p.fresh))
			}
			p.chains[l], p.tls[l], p.names[l] = chain, secure, lc.Name
		}
	}
	for _, l := range left {
		p.leaving = append(p.leaving, l)
	}
	return p, nil
}

func closeAll(list []*listener) error {
	var all error
	for _, l := range list {
		if err := l.socket.Close(); err != nil {
			all = errors.Join(all, fmt.Errorf("listener %q: %w", l.name, err))
		}
	}
	return all
}

// adopt carries a plan out.
func (s *Server) adopt(p *listenerPlan) {
	var retired []*pipeline.Chain
	for l, chain := range p.chains {
		l.tls.Store(p.tls[l])
		retired = append(retired, l.chain.Swap(chain))
		l.name = p.names[l]
	}
	for _, l := range p.leaving {
		retired = append(retired, l.chain.Load())
		if err := l.socket.Close(); err != nil {
			s.log.Warn("close listener", "listener", l.name, "error", err)
		}
	}
	s.listeners = p.all
	s.leaving = slices.DeleteFunc(append(s.leaving, p.leaving...), func(l *listener) bool { return l.socket.Conns() == 0 })
	for _, l := range p.fresh {
		s.serve(l)
	}
	s.retire(retired, p.wait)
}

// retire drains the connections of chains that are no more, and closes after a
// while those that still have not finished.
func (s *Server) retire(chains []*pipeline.Chain, wait time.Duration) {
	if len(chains) == 0 {
		return
	}
	for _, chain := range chains {
		chain.Retired.Store(true)
	}
	s.tell(func(w *pipeline.Worker) {
		for _, chain := range chains {
			w.Retire(chain)
		}
	})
	time.AfterFunc(wait, func() {
		s.tell(func(w *pipeline.Worker) {
			for _, chain := range chains {
				w.Expel(chain)
			}
		})
	})
}

// tell runs f for every worker on its loop, without waiting for it. Loops that
// have stopped do nothing.
func (s *Server) tell(f func(*pipeline.Worker)) {
	for i, w := range s.workers {
		s.reactor.Loops()[i].Post(func() { f(w) })
	}
}
