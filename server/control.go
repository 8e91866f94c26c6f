// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"time"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/tracing"
)

// Control is what an operator may see and do while the proxy runs. *Server is
// one. All of it may be called from any goroutine but a loop, and costs a loop at
// most the one task of Sample, however many ask.
type Control interface {
	// Sample is the counters of all loops, at most a second old.
	Sample() *Sample
	// Config is the configuration in force.
	Config() *config.Config
	Reload(*config.Config) (Changes, error)
	// Drain refuses new connections and returns when none is left or ctx ends.
	// Draining is true from then on.
	Drain(ctx context.Context)
	Draining() bool
	Listeners() []ListenerState
	Clusters() []*cluster.Cluster
	// Certificates are the proxy's own.
	Certificates() []Certificate
	// EachHandshake calls f for every way in which TLS handshakes with clients
	// have ended.
	EachHandshake(f func(result string, n uint64))
	// SetLogLevel overrides the configured level of one output, or of all for
	// an empty path; an empty level ends that.
	SetLogLevel(path, level string) error
	// LogLevels are the outputs and what was set for each, empty for nothing.
	LogLevels() map[string]string
	// ReopenLogs opens the files of all logs again, as after logrotate has
	// renamed them. One that cannot be opened goes on as it is.
	ReopenLogs() error
	// AccessLogs are the files of access logs.
	AccessLogs() []AccessLogState
	// Began is when the proxy was started, Reloads what became of changes.
	Began() time.Time
	Reloads() Reloads
	// Spans is what became of spans; not on while none were ever made.
	Spans() (c tracing.Counts, on bool)
}

var _ Control = (*Server)(nil)

// ListenerState is one listener at this moment.
type ListenerState struct {
	Name, Network, Address string
	Connections            int
	// Leaving listeners accept nothing; their connections finish.
	Leaving bool
}

// AccessLogState is the counters of one file of access logs.
type AccessLogState struct {
	Path string
	// Lines were written, Dropped lines were not, because the disk did not keep
	// up or because of Failures of writes.
	Lines, Dropped, Failures uint64
}

// Reloads counts changes of the configuration.
type Reloads struct {
	Applied, Refused uint64
	// Latest is when the configuration in force was taken.
	Latest time.Time
}

// Config implements Control.
func (s *Server) Config() *config.Config {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	return s.config
}

// Draining implements Control. It is false once another process accepts in this
// one's place.
func (s *Server) Draining() bool {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	return s.stopping && s.succession != successionDone
}

// Listeners implements Control.
func (s *Server) Listeners() []ListenerState {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var all []ListenerState
	for i, list := range [][]*listener{s.listeners, s.leaving} {
		for _, l := range list {
			a := l.socket.Addr()
			all = append(all, ListenerState{
				Name: l.name, Network: a.Network(), Address: a.String(),
				Connections: l.socket.Conns(), Leaving: i == 1 || s.stopping || s.succession == successionDone,
			})
		}
	}
	return all
}

// Clusters implements Control. They are in the order of the configuration.
func (s *Server) Clusters() []*cluster.Cluster {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var all []*cluster.Cluster
	for i := range s.config.Clusters {
		if c := s.snapshot.Clusters[s.config.Clusters[i].Name]; c != nil {
			all = append(all, c)
		}
	}
	return all
}

// SetLogLevel implements Control.
func (s *Server) SetLogLevel(path, level string) error { return s.logs.SetLevel(path, level) }

// LogLevels implements Control.
func (s *Server) LogLevels() map[string]string { return s.logs.Levels() }

// Began implements Control.
func (s *Server) Began() time.Time { return s.began }

// Reloads implements Control.
func (s *Server) Reloads() Reloads {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	return s.reloads
}

// refused counts a configuration with errors.
func (s *Server) refused() {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.reloads.Refused++
}
