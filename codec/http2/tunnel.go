// SPDX-License-Identifier: Apache-2.0

package http2

import "github.com/sideloop/sideloop/codec"

// tunnel is what a stream carries instead of a message.
type tunnel uint8

const (
	noTunnel tunnel = iota
	// plainTunnel is CONNECT (RFC 9113, 8.5).
	plainTunnel
	// extendedTunnel is CONNECT with :protocol (RFC 8441).
	extendedTunnel
)

// tunnel is what a request asks for.
func (h *Head) tunnel() tunnel {
	switch {
	case !h.isConnect():
		return noTunnel
	case len(h.ConnectProto) == 0:
		return plainTunnel
	}
	return extendedTunnel
}

// accepts tells that a reply to CONNECT opens the tunnel.
func accepts(status int) bool { return status >= 200 && status < 300 }

// connected notes the status of a final reply. One that refuses the tunnel is a
// message like any other.
func (s *stream) connected(status int) {
	if !accepts(status) {
		s.tunnel = noTunnel
	}
}

// deferred is the head of an extended CONNECT, which must not be sent before the
// server has said that it takes any (RFC 8441, 3).
type deferred struct {
	arena codec.Arena
	head  *Head
}

// deferHead keeps the head until the server's SETTINGS have come. What follows
// it is held. Where they have come the stream ends as soon as its receiver may
// be told.
func (s *stream) deferHead(h *Head) {
	c := s.conn
	s.deferred = new(deferred)
	s.deferred.head = h.Copy(&s.deferred.arena).(*Head)
	s.held.waiting = true
	c.deferring = true
	c.mem.Hold(&s.held.holding, s.deferred.arena.Size())
	if c.settled {
		c.set(alarmTunnel, sweepDelay)
	}
}

// settleTunnels sends the tunnels that wait for the server's SETTINGS, or ends
// them if it takes none.
func (c *conn) settleTunnels() {
	if !c.deferring {
		return
	}
	c.deferring = false
	for _, s := range c.table.all() {
		switch {
		case c.dead:
			return
		case s.deferred == nil:
		case c.peerConnect:
			c.sendDeferred(s)
		default:
			c.lose(s, codec.TunnelUnsupported)
		}
	}
}

// sendDeferred sends a head that waited, under a new id where higher ones have
// been used since.
func (c *conn) sendDeferred(s *stream) {
	if s.id < c.maxID {
		if c.maxID >= maxStreamID {
			c.lose(s, codec.UpstreamRefused)
			return
		}
		c.table.remove(s.id)
		c.maxID += 2
		s.id = c.maxID
		c.table.put(s)
	}
	d := s.deferred
	s.deferred, s.begun = nil, true
	c.mem.Unhold(&s.held.holding, d.arena.Size())
	c.writeMessageHead(s.id, d.head, false)
	c.enqueue(s)
}
