// SPDX-License-Identifier: Apache-2.0

package server

import (
	"time"

	"github.com/sideloop/sideloop/eventloop"
)

// certificatePoll is how often files of certificates are read again: soon enough
// for those who replace them, whose old ones still hold for hours, and seldom
// enough to cost nothing.
const certificatePoll = 5 * time.Second

// Certificate is one of the proxy's own and how it fares.
type Certificate struct {
	// Owner is the listener or cluster that it belongs to.
	Owner    string
	Subject  string
	Names    []string
	NotAfter time.Time
	Loaded   time.Time
	// Failure is why what its files say now was not taken, empty if it was.
	Failure string
}

// Certificates are those in use. It may be called from any goroutine but a loop.
func (s *Server) Certificates() []Certificate {
	var all []Certificate
	for _, c := range s.credentials() {
		m := c.current.Load()
		one := Certificate{Owner: c.owner, Loaded: m.loaded}
		if m.own != nil {
			one.Subject, one.NotAfter = m.own.Leaf.Subject.String(), m.own.Leaf.NotAfter
			one.Names = m.own.Leaf.DNSNames
			for _, u := range m.own.Leaf.URIs {
				one.Names = append(one.Names, u.String())
			}
		}
		if failure := c.failure.Load(); failure != nil {
			one.Failure = *failure
		}
		all = append(all, one)
	}
	return all
}

// credentials are those of all listeners and clusters in force.
func (s *Server) credentials() []*credentials {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	return s.inForce()
}

// inForce is credentials for those who hold publishing.
func (s *Server) inForce() []*credentials {
	var all []*credentials
	for _, l := range s.listeners {
		if t := l.tls.Load(); t != nil {
			all = append(all, t.contexts...)
		}
	}
	for i := range s.config.Clusters {
		if c := s.snapshot.Clusters[s.config.Clusters[i].Name]; c != nil {
			if t, ok := c.Security.(*clientTLS); ok {
				all = append(all, t.credentials)
			}
		}
	}
	return all
}

// RefreshCertificates reads all certificates' files again. What is new is used
// by the handshakes that begin afterwards; what is wrong is logged, once, and
// leaves what was there before. It may be called from any goroutine but a loop.
func (s *Server) RefreshCertificates() {
	s.watching.Lock()
	defer s.watching.Unlock()
	for _, c := range s.credentials() {
		news, err := c.refresh()
		m := c.current.Load()
		switch {
		case !news:
		case err != nil:
			s.log.Error("a new certificate was not taken; the one before stays", "of", c.owner, "error", err)
		case m.own != nil:
			s.log.Info("new certificate", "of", c.owner, "subject", m.own.Leaf.Subject.String(), "not_after", m.own.Leaf.NotAfter)
		default:
			s.log.Info("new trusted certificates", "of", c.owner)
		}
	}
}

// startRenewal begins to watch certificates once there are any.
func (s *Server) startRenewal() {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if !s.stopping && len(s.inForce()) > 0 {
		s.renewal.Do(func() { s.watcher.Go(s.watchCertificates) })
	}
}

// watchCertificates refreshes them until the server stops. Reading the files
// finds every way to replace one: in place, by a rename, and by the symbolic link
// of a Kubernetes volume.
func (s *Server) watchCertificates() {
	tick := time.NewTicker(certificatePoll)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.RefreshCertificates()
		case <-s.stopped:
			return
		}
	}
}

// Handshakes counts the TLS handshakes with clients that ended in a way.
func (s *Server) Handshakes(o eventloop.HandshakeOutcome) uint64 {
	return s.reactor.Handshakes(o)
}

// EachHandshake implements Control.
func (s *Server) EachHandshake(f func(result string, n uint64)) {
	for _, o := range eventloop.HandshakeOutcomes() {
		if n := s.reactor.Handshakes(o); n > 0 {
			f(o.String(), n)
		}
	}
}
