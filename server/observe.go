// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"time"

	"github.com/sideloop/sideloop/accesslog"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
)

// observers are those of a listener l of c; nil where nobody observes.
func (s *Server) observers(c *config.Config, l *config.Listener) (*pipeline.Observers, error) {
	var list []pipeline.Observing
	if c.Tracing != nil {
		list = append(list, s.tracer.Observing())
	}
	for i := range l.AccessLogs {
		log := &l.AccessLogs[i]
		file, err := s.access.Open(log.Target)
		if err != nil {
			return nil, err
		}
		list = append(list, accesslog.New(log, file))
	}
	return pipeline.NewObservers(len(s.workers), list...), nil
}

// keepAccessLogs closes the files of access logs that the configuration in force
// does not name, when connections that may still have lines are gone.
func (s *Server) keepAccessLogs(wait time.Duration) {
	named := make(map[string]bool)
	for i := range s.config.Server.Listeners {
		for _, l := range s.config.Server.Listeners[i].AccessLogs {
			named[l.Target] = true
		}
	}
	s.access.Keep(named, wait)
}

// AccessLogs implements Control.
func (s *Server) AccessLogs() []AccessLogState {
	var all []AccessLogState
	for _, f := range s.access.States() {
		all = append(all, AccessLogState(f))
	}
	return all
}

// ReopenLogs implements Control.
func (s *Server) ReopenLogs() error { return errors.Join(s.access.Reopen(), s.logs.Reopen()) }
