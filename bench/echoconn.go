// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/eventloop"
)

// echoConn is one connection of an echo service.
type echoConn struct {
	conn    *eventloop.Conn
	loop    *echoLoop
	session codec.ServerSession // nil before the first byte
	timer   eventloop.Timer
	due     int64 // when timer expires, if pending
	free    *echoCall
}

var (
	_ eventloop.Handler = (*echoConn)(nil)
	_ eventloop.Expirer = (*echoConn)(nil)
	_ codec.Owner       = (*echoConn)(nil)
	_ codec.Acceptor    = (*echoConn)(nil)
)

// OnData implements eventloop.Handler.
func (c *echoConn) OnData(conn *eventloop.Conn, b []byte) int {
	if c.session == nil {
		c.open(b[0])
	}
	return c.session.Feed(b, conn.Loop().Now())
}

// open starts the session that the first byte is for. A byte that is of none
// goes to one that knows how to refuse it.
func (c *echoConn) open(first byte) {
	e := c.loop.echo
	isBolt := e.service.Speaks == SpeaksBolt ||
		e.service.Speaks == SpeaksAll && (first == bolt.V1 || first == bolt.V2)
	if isBolt {
		c.session = bolt.NewServer(c.conn, c, c, &c.loop.memory, &e.boltLimits)
	} else {
		c.session = http2.NewServer(c.conn, c, c, &c.loop.memory, &e.h2Limits)
	}
}

// drain closes the connection once its requests in progress are answered.
func (c *echoConn) drain() {
	if c.session == nil {
		c.conn.Close()
		return
	}
	c.session.Drain()
}

// OnWritable implements eventloop.Handler.
func (c *echoConn) OnWritable(*eventloop.Conn) {
	if c.session != nil {
		c.session.Writable()
	}
}

// OnPeerClosed implements eventloop.Handler.
func (c *echoConn) OnPeerClosed(*eventloop.Conn) {
	if c.session == nil {
		c.conn.Close()
		return
	}
	c.session.PeerClosed()
}

// OnClose implements eventloop.Handler.
func (c *echoConn) OnClose(*eventloop.Conn, eventloop.Cause) {
	c.timer.Stop()
	delete(c.loop.conns, c)
	if c.session != nil {
		c.session.Close(codec.DownstreamClosed)
	}
}

// OnTimer implements eventloop.Expirer.
func (c *echoConn) OnTimer(now int64) { c.session.Tick(now) }

// Shut implements codec.Owner.
func (c *echoConn) Shut(codec.Reason) { c.conn.Close() }

// TickIn implements codec.Owner.
func (c *echoConn) TickIn(d time.Duration) {
	loop := c.conn.Loop()
	due := loop.Now() + int64(d)
	if c.timer.Pending() && c.due <= due {
		return
	}
	c.due = due
	loop.Schedule(&c.timer, d)
}

// Released implements codec.Owner; nobody waits for room on a server session.
func (c *echoConn) Released() {}

// Glitch implements codec.Owner; an echo service has no policy on anomalies.
func (c *echoConn) Glitch(string) {}

// OnRequest implements codec.Acceptor.
func (c *echoConn) OnRequest(s codec.Stream) codec.Receiver {
	call := c.free
	if call == nil {
		call = &echoCall{conn: c}
		call.timer.Expire = call
	} else {
		c.free = call.next
	}
	call.stream = s
	return call
}
