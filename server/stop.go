// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"time"

	"github.com/sideloop/sideloop/pipeline"
)

// drainPoll is how often a drain looks whether connections are left.
const drainPoll = 10 * time.Millisecond

// Drain refuses new connections and lets those that are open finish what is in
// flight, until none is left or ctx ends; it closes none of the rest. Stop may
// follow.
func (s *Server) Drain(ctx context.Context) {
	s.end()
	_, err := ask(s, func(w *pipeline.Worker) struct{} {
		w.Drain()
		return struct{}{}
	})
	if err != nil {
		s.log.Error("drain", "error", err)
		return
	}
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for s.connections() > 0 {
		select {
		case <-ctx.Done():
			// Whether they are closed now is for whoever asked for the drain.
			if n := s.connections(); n > 0 {
				s.log.Warn("drain: its time is over and connections are still open", "connections", n)
			}
			return
		case <-tick.C:
		}
	}
}

// Stop ends the proxy at once: what is in flight fails with the reason
// draining. It may be called more than once.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() {
		s.end()
		s.stopDiscovery()
		s.health.Stop()
		close(s.stopped)
		s.watcher.Wait()
		if s.reactor != nil {
			if s.stopErr = s.reactor.Stop(ctx); s.stopErr == nil {
				s.lastSpans()
			}
		}
		if s.access != nil {
			s.access.Close(s.stopErr == nil)
		}
		s.logs.Close()
	})
	return s.stopErr
}

// end closes the listeners and refuses further changes.
func (s *Server) end() {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.stopping = true
	if s.monitor != nil {
		s.monitor.Stop()
		s.monitor = nil
	}
	for _, l := range s.listeners {
		if err := l.socket.Close(); err != nil {
			s.log.Warn("close listener", "listener", l.name, "error", err)
		}
	}
}

// connections is the number of downstream connections, those on their way to a
// loop among them.
func (s *Server) connections() int {
	n := 0
	for _, list := range [][]*listener{s.listeners, s.leaving} {
		for _, l := range list {
			n += l.socket.Conns()
		}
	}
	return n
}
