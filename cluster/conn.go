// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
)

// conn is one upstream connection: the handler of its bytes and the owner of
// its session.
type conn struct {
	pool    *pool
	conn    *eventloop.Conn
	session codec.ClientSession
	parcels codec.ParcelClient // the session, if it takes parcels

	number   uint64       // within the process
	opened   uint32       // requests so far
	heard    bool         // the peer has said something, such as its limits
	limit    int          // the streams it allows, as last stated
	replaced bool         // a successor has been asked for
	draining bool         // no more requests
	reserved bool         // for an exclusive request that waits
	shut     bool         // the session asked to be closed
	closed   bool         // the session has been closed
	reason   codec.Reason // why
	idleFrom int64        // loop time since which nothing is in flight
	spoke    bool         // the peer has sent anything
	trial    bool         // not in service before its host gives a sign of life
	life     life

	tick, idle, beat eventloop.Timer
	task             eventloop.Task
}

func newConn(p *pool, ec *eventloop.Conn) *conn {
	c := &conn{pool: p, conn: ec, number: p.manager.numberConn(), idleFrom: p.manager.loop.Now()}
	c.tick.Expire, c.idle.Expire, c.beat.Expire = (*ticker)(c), c, (*heartbeat)(c)
	c.task.Runner = c
	if p.cluster.BufferLimit > 0 {
		ec.SetWatermarks(p.cluster.BufferLimit, p.cluster.BufferLimit/2)
	}
	c.session = p.manager.sessions[p.protocol](p.cluster, ec, c, p.manager.mem)
	c.parcels, _ = c.session.(codec.ParcelClient)
	p.manager.loop.Schedule(&c.idle, p.cluster.IdleTimeout)
	c.watch()
	return c
}

// open starts a stream for r.
func (c *conn) open(r *Request) codec.Stream {
	r.conn = c
	if r.Exclusive {
		c.reserved = false
	}
	c.count()
	return c.session.Open(r.Receiver)
}

// count counts a request and keeps the connection's limit of them.
func (c *conn) count() {
	c.opened++
	if limit := c.pool.cluster.MaxRequestsPerConn; limit > 0 {
		if c.opened >= limit {
			c.drain()
			c.pool.worn = len(c.pool.conns) == 0
		} else if !c.replaced && uint64(c.opened)*4 >= uint64(limit)*3 {
			c.replaced = true
			c.pool.replace()
		}
	}
}

// drain takes the connection out of service.
func (c *conn) drain() {
	c.pool.leave(c)
	c.draining = true
	c.pool.manager.loop.Queue(&c.task)
}

// Run implements eventloop.Runner: what a callback decided, after it has
// returned.
func (c *conn) Run() {
	switch {
	case c.closed:
	case c.shut:
		c.close(c.reason)
		if c.reason == codec.UpstreamUnresponsive {
			c.conn.Abort() // nobody takes what is left to send
		} else {
			c.conn.Close()
		}
	case c.draining:
		c.session.Drain()
	}
}

// close ends the session and with it every stream.
func (c *conn) close(r codec.Reason) {
	c.closed = true
	c.tick.Stop()
	c.idle.Stop()
	c.beat.Stop()
	c.pool.leave(c)
	c.session.Close(r)
	c.pool.changed()
}

// OnData implements eventloop.Handler.
func (c *conn) OnData(_ *eventloop.Conn, b []byte) int {
	if c.shut || c.closed {
		return len(b)
	}
	c.alive()
	c.spoke = true
	n := c.session.Feed(b, c.pool.manager.loop.Now())
	if c.shut {
		return len(b)
	}
	if limit, stated := c.session.Limit(); stated && (limit != c.limit || !c.heard) {
		c.hear(limit)
	}
	return n
}

// hear follows what the peer states of its limits, where its protocol has any:
// first of all, and every change.
func (c *conn) hear(limit int) {
	c.heard, c.limit = true, limit
	c.pool.streams = limit
	c.pool.changed()
}

// capacity is how many streams may be opened now.
func (c *conn) capacity() int {
	n := c.session.Capacity()
	if _, stated := c.session.Limit(); stated || n == 0 {
		return n
	}
	return min(n, c.allowed()-c.session.Active())
}

// allowed is how many streams the peer takes at once. Until it has stated that,
// what it last stated on another connection holds; before it has on any, one
// request goes ahead and the others wait a round trip for its word, rather than
// be refused and retried.
func (c *conn) allowed() int {
	limit, stated := c.session.Limit()
	switch {
	case stated:
		return limit
	case c.pool.streams == unstated:
		return 1
	}
	return min(limit, c.pool.streams)
}

// OnWritable implements eventloop.Handler.
func (c *conn) OnWritable(*eventloop.Conn) {
	if !c.closed {
		c.alive()
		c.session.Writable()
	}
}

// OnPeerClosed implements eventloop.Handler.
func (c *conn) OnPeerClosed(*eventloop.Conn) {
	if !c.closed {
		c.session.PeerClosed()
	}
}

// OnClose implements eventloop.Handler.
func (c *conn) OnClose(_ *eventloop.Conn, cause eventloop.Cause) {
	if cause == eventloop.CauseTLS {
		c.Glitch(cause.String())
	}
	if !c.closed {
		r := codec.UpstreamClosed
		if cause == eventloop.CauseTLS && !c.spoke {
			r = codec.UpstreamTLSFailed
			c.pool.rejected()
		}
		if c.shut && c.reason != codec.ReasonNone {
			r = c.reason
		}
		c.close(r)
	}
	c.pool.gone(c)
}

// Shut implements codec.Owner.
func (c *conn) Shut(r codec.Reason) {
	if c.shut {
		return
	}
	c.shut, c.reason = true, r
	c.pool.leave(c)
	c.pool.manager.loop.Queue(&c.task)
}

// Released implements codec.Owner.
func (c *conn) Released() {
	c.idleFrom = c.pool.manager.loop.Now()
	c.pool.changed()
}

// TickIn implements codec.Owner.
func (c *conn) TickIn(d time.Duration) {
	c.pool.manager.loop.ScheduleSooner(&c.tick, d)
}

// Glitch implements codec.Owner.
func (c *conn) Glitch(word string) { c.pool.manager.stats.Glitch(word) }

// Malformed implements codec.Witness.
func (c *conn) Malformed(word string, message []byte, at, clear int) {
	m := c.pool.manager
	s := m.malformed.Of(c.pool.protocol)
	s.Take(m.loop.Now(), word, message, at, clear)
	s.Upstream, s.Cluster, s.Peer = true, c.pool.cluster.Name, c.conn.RemoteAddr()
}

// OnTimer implements eventloop.Expirer for the idle timeout.
func (c *conn) OnTimer(now int64) {
	limit := c.pool.cluster.IdleTimeout
	if c.session.Active() > 0 {
		c.pool.manager.loop.Schedule(&c.idle, limit)
		return
	}
	if left := c.idleFrom + int64(limit) - now; left > 0 {
		c.pool.manager.loop.Schedule(&c.idle, time.Duration(left))
		return
	}
	c.drain()
}

// ticker is the conn as the Expirer of its session's ticks.
type ticker conn

// OnTimer implements eventloop.Expirer.
func (t *ticker) OnTimer(now int64) {
	if !t.closed {
		t.session.Tick(now)
	}
}
