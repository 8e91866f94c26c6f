// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/pipeline/router"
)

// listener is one bound address, with the chain that the next connection is
// bound to.
type listener struct {
	key    string
	name   string
	socket *eventloop.Listener
	chain  atomic.Pointer[pipeline.Chain]
	tls    atomic.Pointer[serverTLS] // nil in plain text
}

// listenerKey tells whether a listener of another configuration is the same
// socket: by its address or, where the kernel chose the port, by its name.
func listenerKey(l *config.Listener) string {
	if strings.HasSuffix(l.Address, ":0") {
		return "name " + l.Name
	}
	return l.Network + " " + l.Address
}

// bind takes the address of a listener, which accepts nothing yet; nil where it
// has no socket.
func (s *Server) bind(c *config.Config, lc *config.Listener) (*listener, error) {
	if !lc.BindPort {
		s.log.Info("listener without a port", "listener", lc.Name)
		return nil, nil
	}
	chain, err := s.chain(c, lc)
	if err != nil {
		return nil, err
	}
	secure, err := newServerTLS(lc)
	if err != nil {
		return nil, err
	}
	l := &listener{key: listenerKey(lc), name: lc.Name}
	l.chain.Store(chain)
	l.tls.Store(secure)
	l.socket, err = s.reactor.Bind(eventloop.ListenConfig{
		Network:   lc.Network,
		Address:   lc.Address,
		Inherited: s.inherited(lc),
		Accept: func(ec *eventloop.Conn) eventloop.Handler {
			return s.workers[ec.Loop().Index()].Accept(ec, l.chain.Load())
		},
		TLS: func() *eventloop.ServerTLS { return l.tls.Load().next() },
	})
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", lc.Name, err)
	}
	return l, nil
}

// serve accepts connections from now on.
func (s *Server) serve(l *listener) {
	l.socket.Start()
	s.log.Info("listening", "listener", l.name, "address", l.socket.Addr().String())
}

func (s *Server) chain(c *config.Config, l *config.Listener) (*pipeline.Chain, error) {
	path, level := l.LogPath, l.LogLevel
	if path == "" {
		path = c.Server.LogPath
	}
	if level == "" {
		level = c.Server.LogLevel
	}
	log, err := s.logs.Logger(path, level)
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", l.Name, err)
	}
	filters, err := s.registry().Compile(l.StreamFilters, len(s.workers))
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", l.Name, err)
	}
	observers, err := s.observers(c, l)
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", l.Name, err)
	}
	chain := &pipeline.Chain{
		Listener:    l.Name,
		Servers:     downstreamServers(&l.Proxy),
		Upstream:    router.UpstreamProtocol(l.Proxy.Upstream),
		Connect:     l.Proxy.HTTP2.Limits.Connect,
		OriginalDst: l.OriginalDst,
		ClientCert:  l.Proxy.ClientCert,
		Router:      l.Proxy.RouterName,
		Filters:     filters,
		Observers:   observers,
		Fault:       pipeline.ConnectionFault(l.ConnectionFault),
		IdleTimeout: l.IdleTimeout,
		DetectTime:  l.Proxy.HTTP2.Limits.SetupTime,
		Meter:       s.meters.listener(l.Name, len(s.workers)),
		Log:         log,
	}
	if chain.IdleTimeout == 0 {
		chain.IdleTimeout = DefaultIdleTimeout
	}
	return chain, nil
}

// Addr is the address that a listener is bound to, nil when there is none of
// that name.
func (s *Server) Addr(name string) net.Addr {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	for _, l := range s.listeners {
		if l.name == name {
			return l.socket.Addr()
		}
	}
	return nil
}
