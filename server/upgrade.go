// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/handover"
)

// succession is how far an upgrade is.
type succession uint8

const (
	successionNone succession = iota
	// successionBegun keeps the configuration as it is, since the next process
	// gets the listeners of now.
	successionBegun
	// successionDone: another process accepts connections.
	successionDone
)

// Why a change of the proxy or of its process has to wait.
var (
	ErrUpgrading  = errors.New("an upgrade is in progress")
	ErrReplaced   = errors.New("another process has taken over")
	errReloading  = errors.New("a reload is in progress")
	errTerminates = errors.New("the proxy is shutting down")
)

// BeginUpgrade refuses changes of the configuration until EndUpgrade or Leave. An
// error says why there can be no upgrade now.
func (s *Server) BeginUpgrade() error {
	if s.reloading.Load() > 0 {
		return errReloading
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if err := s.unchangeable(); err != nil {
		return err
	}
	s.succession = successionBegun
	return nil
}

// unchangeable says why the configuration cannot be replaced now, nil if it can.
// It is called with publishing held.
func (s *Server) unchangeable() error {
	switch {
	case s.succession == successionDone:
		return ErrReplaced
	case s.stopping:
		return errTerminates
	case s.succession == successionBegun:
		return ErrUpgrading
	}
	return nil
}

// EndUpgrade follows BeginUpgrade when nothing came of it.
func (s *Server) EndUpgrade() {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.succession = successionNone
}

// Offers are the listening sockets for the next process, between BeginUpgrade and
// EndUpgrade or Leave.
func (s *Server) Offers() []handover.Offer {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var all []handover.Offer
	for _, l := range s.listeners {
		i := l.socket.Share()
		all = append(all, handover.Offer{Key: l.key, Shared: i.Shared, OwnsPath: i.OwnsPath, Socket: l.socket})
	}
	return all
}

// Leave accepts no more connections once another process does. Sockets that it
// has kept live on there, with what waits in their queues; the others are closed.
// Connections are served until Drain.
func (s *Server) Leave(kept func(key string) bool) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.succession = successionDone
	for _, l := range s.listeners {
		end := l.socket.Close
		if kept(l.key) {
			end = l.socket.Leave
		}
		if err := end(); err != nil {
			s.log.Warn("close listener", "listener", l.name, "error", err)
		}
	}
}

// inherited is the socket of a listener that the process was given, nil where
// there is none.
func (s *Server) inherited(lc *config.Listener) *eventloop.Inherited {
	g := s.given.Take(handover.Want{Key: listenerKey(lc), Name: lc.Name, Network: lc.Network, Address: lc.Address})
	if g == nil {
		return nil
	}
	s.log.Info("the socket was given", "listener", lc.Name, "socket", g.String())
	return &eventloop.Inherited{Listener: g.Listener, Shared: g.Shared, OwnsPath: g.OwnsPath}
}
