// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"net/netip"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/stats"
)

// connection is one downstream connection: the handler of its bytes, the owner
// of its session and the acceptor of its requests.
type connection struct {
	worker   *Worker
	chain    *Chain
	conn     *eventloop.Conn
	session  codec.ServerSession // nil until the protocol is known
	protocol codec.Protocol
	// traffic is the chain's of this loop.
	traffic *stats.Traffic
	// filters are nil where the listener has none.
	filters *filter.Instances
	// observers are nil where nobody observes; number is for them.
	observers *observers
	number    uint64
	cert      clientCert
	// streamIdle is the protocol's bound on exchanges without progress.
	streamIdle time.Duration
	// parcels is the session where its requests may take the lane, else nil.
	parcels codec.ParcelServer
	rare    *rarely // nil while there is nothing in it

	active   int64 // loop time of the last bytes
	draining bool
	shut     bool // the session asked to be closed
	closed   bool // the session has been closed
	reason   codec.Reason

	departure *departure // nil unless the process is being replaced

	timer      eventloop.Timer // of the session's tick and the idle timeout
	tickAt     int64           // when the session is to be ticked, or has to be known; 0 for never
	task       eventloop.Task
	prev, next *connection
}

// rarely is what few connections need, or need for long.
type rarely struct {
	prefix   []byte     // first bytes that do not tell the protocol yet
	original []byte     // see originalDst
	peer     netip.Addr // for filters
	names    []string   // for filters
}

// rarely returns the connection's own.
func (c *connection) rarely() *rarely {
	if c.rare == nil {
		c.rare = new(rarely)
	}
	return c.rare
}

// connections is a worker's downstream connections.
type connections struct {
	first *connection
}

func (l *connections) add(c *connection) {
	c.next = l.first
	if c.next != nil {
		c.next.prev = c
	}
	l.first = c
}

func (l *connections) remove(c *connection) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}

// newConnection serves a connection; known is nil unless another process has served
// it before.
func newConnection(w *Worker, ec *eventloop.Conn, chain *Chain, known *Server) *connection {
	c := &connection{worker: w, chain: chain, conn: ec, active: w.loop.Now()}
	c.timer.Expire = c
	c.task.Runner = c
	c.traffic = chain.Meter.Loop(w.loop.Index())
	if c.filters = chain.Filters.Loop(w.loop.Index()); c.filters != nil {
		r := c.rarely()
		r.peer, r.names = peerOf(ec), provenNames(ec.Hello())
	}
	if c.observers = chain.Observers.loop(w.loop.Index()); c.observers != nil {
		c.number = w.numberConnection()
	}
	c.cert = newClientCert(&chain.ClientCert, ec.Hello())
	if known == nil {
		chain.Fault.inject(ec)
	}
	w.conns.add(c)
	w.stats.Add(stats.DownstreamConnections)
	w.loop.Schedule(&c.timer, chain.IdleTimeout)
	if known != nil {
		c.serve(known)
	} else if len(chain.Servers) == 1 {
		c.serve(&chain.Servers[0])
	} else if s := chain.negotiated(ec.Hello()); s != nil {
		c.serve(s)
	} else {
		c.TickIn(chain.DetectTime)
	}
	if w.draining || chain.Retired.Load() {
		c.drain()
	}
	return c
}

func (c *connection) serve(s *Server) {
	c.protocol, c.streamIdle = s.Protocol, s.StreamIdle
	c.session = s.New(c.conn, c, c, c.worker.mem)
	if c.filters == nil && c.upstream() == c.protocol {
		c.parcels, _ = c.session.(codec.ParcelServer)
	}
}

// upstream is the protocol toward upstreams where the route does not say another.
func (c *connection) upstream() codec.Protocol {
	if p := c.chain.Upstream; p != codec.ProtocolUnknown {
		return p
	}
	return c.protocol
}

// OnData implements eventloop.Handler.
func (c *connection) OnData(_ *eventloop.Conn, b []byte) int {
	c.active = c.worker.loop.Now()
	if c.shut || c.closed || c.session == nil && !c.detect(b) {
		return len(b)
	}
	n := c.session.Feed(b, c.active)
	if c.shut {
		return len(b)
	}
	return n
}

// detect picks the session by the first bytes. It is false while they do not
// suffice, in which case they are kept, and when no protocol claims them.
func (c *connection) detect(b []byte) bool {
	first := c.rarely()
	kept := len(first.prefix)
	first.prefix = append(first.prefix, b[:min(len(b), detectLimit-kept)]...)
	more := false
	for i := range c.chain.Servers {
		switch c.chain.Servers[i].Detect(first.prefix) {
		case Yes:
			c.tickAt = 0
			c.serve(&c.chain.Servers[i])
			// Fewer bytes than any frame has: nothing that could pause.
			c.session.Feed(first.prefix[:kept], c.active)
			if first.prefix = nil; c.filters == nil {
				c.rare = nil
			}
			return true
		case More:
			more = true
		}
	}
	if !more {
		const word = "unknown_protocol"
		c.Glitch(word)
		if kept > 0 {
			b = first.prefix
		}
		c.Malformed(word, b, 0, detectLimit)
		c.Shut(codec.ProtocolError)
	}
	return false
}

// detectLimit is the most bytes that telling the protocol may take: the HTTP/2
// preface is the longest. A verdict on that many is never More.
const detectLimit = 24

// OnWritable implements eventloop.Handler.
func (c *connection) OnWritable(*eventloop.Conn) {
	if c.session != nil && !c.closed {
		c.session.Writable()
	}
}

// OnPeerClosed implements eventloop.Handler.
func (c *connection) OnPeerClosed(*eventloop.Conn) {
	if c.session == nil {
		c.Shut(codec.ReasonNone)
	} else if !c.closed {
		c.session.PeerClosed()
	}
}

// OnPeerLeft implements eventloop.LeaveHandler.
func (c *connection) OnPeerLeft(_ *eventloop.Conn, unread int) {
	if s, ok := c.session.(codec.LeaveSession); ok && !c.closed && !c.shut {
		s.PeerLeft(unread)
	}
}

// OnClose implements eventloop.Handler.
func (c *connection) OnClose(_ *eventloop.Conn, cause eventloop.Cause) {
	c.worker.stats.Add(stats.DownstreamConnectionsClosed)
	c.worker.conns.remove(c)
	r := codec.DownstreamClosed
	switch {
	case c.shut && c.reason != codec.ReasonNone:
		r = c.reason
	case cause == eventloop.CauseTLS:
		c.Glitch(cause.String())
	case cause == eventloop.CausePanic:
		r = codec.Internal
	case cause == eventloop.CauseStopped:
		r = codec.Draining
	}
	c.close(r)
}

// close ends the session and with it every request in flight.
func (c *connection) close(r codec.Reason) {
	if c.closed {
		return
	}
	c.closed = true
	c.timer.Stop()
	if c.session != nil {
		c.session.Close(r)
	}
}

// drain ends the connection in an orderly way.
func (c *connection) drain() {
	if c.draining || c.away() {
		return
	}
	c.draining = true
	c.worker.loop.Queue(&c.task)
}

// Run implements eventloop.Runner: what a callback decided, after it has
// returned.
func (c *connection) Run() {
	switch {
	case c.closed:
	case c.shut:
		c.close(c.reason)
		c.conn.Close()
	case c.session == nil:
		c.Shut(codec.ReasonNone)
	default:
		c.session.Drain()
	}
}

// OnRequest implements codec.Acceptor.
func (c *connection) OnRequest(s codec.Stream) codec.Receiver {
	e := c.worker.newExchange()
	e.begin(c, s)
	return (*downstream)(e)
}

// Shut implements codec.Owner.
func (c *connection) Shut(r codec.Reason) {
	if c.shut || c.away() {
		return
	}
	c.shut, c.reason = true, r
	c.worker.loop.Queue(&c.task)
}

// Released implements codec.Owner.
func (c *connection) Released() {}

// TickIn implements codec.Owner.
func (c *connection) TickIn(d time.Duration) {
	if at := c.worker.loop.Now() + int64(d); c.tickAt == 0 || at < c.tickAt {
		c.tickAt = at
	}
	c.worker.loop.ScheduleSooner(&c.timer, d)
}

// Glitch implements codec.Owner.
func (c *connection) Glitch(word string) { c.worker.stats.Glitch(word) }

// Malformed implements codec.Witness.
func (c *connection) Malformed(word string, message []byte, at, clear int) {
	w := c.worker
	s := w.malformed.Of(c.protocol)
	s.Take(w.loop.Now(), word, message, at, clear)
	s.Listener, s.Peer = c.chain.Listener, c.conn.RemoteAddr()
}

// OnTimer implements eventloop.Expirer: whichever of tick and idle timeout is due,
// and the timer for the next.
func (c *connection) OnTimer(now int64) {
	if c.tickAt != 0 && now >= c.tickAt {
		c.tickAt = 0
		c.sessionTick(now)
	}
	if c.closed {
		return
	}
	if !c.draining {
		if left := c.idleFor(now); left > 0 {
			c.worker.loop.ScheduleSooner(&c.timer, time.Duration(left))
		} else {
			c.drain()
		}
	}
	if c.tickAt != 0 {
		c.worker.loop.ScheduleSooner(&c.timer, time.Duration(c.tickAt-now))
	}
}

// idleFor is what is left of the time that the connection may have nothing to do.
func (c *connection) idleFor(now int64) int64 {
	limit := int64(c.chain.IdleTimeout)
	if left := c.active + limit - now; left > 0 {
		return left
	}
	if c.session != nil && c.session.Active() > 0 {
		c.active = now
	}
	return c.active + limit - now
}

// sessionTick is what the session asked for, or before there is one the end of the
// time that the connection has to show its protocol.
func (c *connection) sessionTick(now int64) {
	switch {
	case c.closed || c.shut:
	case c.session == nil:
		c.Glitch("unknown_protocol")
		c.Shut(codec.IdleTimeout)
	default:
		c.session.Tick(now)
	}
}
