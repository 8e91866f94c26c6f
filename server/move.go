// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/handover"
	"github.com/sideloop/sideloop/pipeline"
)

const (
	// movePoll is how often connections are looked at that are to go: two looks
	// are what one in use costs its client in latency.
	movePoll = 5 * time.Millisecond
	// verdictTime is how long the new process may take to say whether it has
	// taken a connection; it needs far less than a millisecond.
	verdictTime = 5 * time.Second
)

// mover hands connections over to the next process.
type mover struct {
	server *Server
	to     *handover.Successor

	mu        sync.Mutex // verdicts come on another goroutine
	pending   int
	moved     int
	refused   error // the latest reason
	refusals  int
	uncertain int
}

// Move gives the next process the connections that it can go on with, after
// Leave. It returns when there is none left to wait for, or ctx ends. Drain
// follows.
func (s *Server) Move(ctx context.Context, to *handover.Successor) {
	m := &mover{server: s, to: to}
	tick := time.NewTicker(movePoll)
	defer tick.Stop()
	for m.pass(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	s.tell((*pipeline.Worker).StopDeparting)
	late := time.AfterFunc(verdictTime, to.Close) // which brings a verdict on all
	defer late.Stop()
	for m.waiting() > 0 {
		<-tick.C
	}
	attributes := []any{"process", to.PID, "moved", m.moved, "left", s.connections()}
	if m.refusals > 0 {
		attributes = append(attributes, "refused", m.refusals, "error", m.refused)
	}
	if m.uncertain > 0 {
		attributes = append(attributes, "uncertain", m.uncertain)
	}
	s.log.Info("upgrade: connections", attributes...)
}

// pass looks at all connections once, and tells whether to go on.
func (m *mover) pass(ctx context.Context) bool {
	s := m.server
	known, left := 0, 0
	for i, w := range s.workers {
		d, err := askOne(s, i, (*pipeline.Worker).Depart)
		if err != nil {
			s.log.Error("upgrade: connections", "error", err)
			return false
		}
		known += d.Total
		left += d.Left
		for _, p := range d.Transfers {
			m.send(i, w, p)
		}
	}
	// Those on their way to a loop are not known yet.
	return ctx.Err() == nil && (left > 0 || m.waiting() > 0 || s.connections() > known)
}

// send gives the next process one connection.
func (m *mover) send(loop int, w *pipeline.Worker, p *pipeline.Transfer) {
	defer p.Close()
	told := func(err error) {
		moved := !errors.Is(err, handover.ErrRefused)
		m.server.reactor.Loops()[loop].Post(func() { w.Departed(p, moved) })
	}
	c := handover.Connection{Listener: p.Listener, Protocol: p.Protocol.String(), Early: p.Early}
	m.mu.Lock()
	m.pending++
	m.mu.Unlock()
	err := m.to.Move(c, p.FD, func(err error) {
		told(err)
		m.count(err)
	})
	if err != nil {
		err = fmt.Errorf("%w: %w", handover.ErrRefused, err)
		told(err)
		m.count(err)
	}
}

// waiting is the number of connections without a verdict.
func (m *mover) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pending
}

func (m *mover) count(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending--
	switch {
	case err == nil:
		m.moved++
	case errors.Is(err, handover.ErrRefused):
		m.refusals++
		m.refused = err
	default:
		m.uncertain++
	}
}

// Arrive takes a connection that the process before has accepted. An error is for
// that one, which keeps it. Arrive owns nc.
func (s *Server) Arrive(c handover.Connection, nc net.Conn) error {
	l, chain, protocol, err := s.destination(c)
	if err != nil {
		nc.Close()
		return err
	}
	return l.socket.Adopt(nc, c.Early, func(ec *eventloop.Conn) eventloop.Handler {
		return s.workers[ec.Loop().Index()].Arrive(ec, chain, protocol)
	})
}

// destination is where a connection belongs.
func (s *Server) destination(c handover.Connection) (*listener, *pipeline.Chain, codec.Protocol, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.stopping {
		return nil, nil, 0, errTerminates
	}
	protocol, known := codec.ParseProtocol(c.Protocol)
	if !known {
		return nil, nil, 0, fmt.Errorf("there is no protocol %q", c.Protocol)
	}
	for _, l := range s.listeners {
		if l.name != c.Listener {
			continue
		}
		if t := l.tls.Load().next(); t != nil && !t.Plaintext {
			return nil, nil, 0, fmt.Errorf("listener %q takes only TLS", c.Listener)
		}
		chain := l.chain.Load()
		if !chain.Serves(protocol) {
			return nil, nil, 0, fmt.Errorf("listener %q does not speak %s", c.Listener, protocol)
		}
		return l, chain, protocol, nil
	}
	return nil, nil, 0, fmt.Errorf("there is no listener %q", c.Listener)
}
