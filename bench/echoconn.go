// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/eventloop"
)

// responseClass is the class that SofaRPC's clients expect of a reply.
var responseClass = []byte("com.alipay.sofa.rpc.core.response.SofaResponse")

// echoConn is one connection of an echo service.
type echoConn struct {
	conn    *eventloop.Conn
	loop    *echoLoop
	session *bolt.Server
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
	return c.session.Feed(b, conn.Loop().Now())
}

// OnWritable implements eventloop.Handler.
func (c *echoConn) OnWritable(*eventloop.Conn) { c.session.Writable() }

// OnPeerClosed implements eventloop.Handler.
func (c *echoConn) OnPeerClosed(*eventloop.Conn) { c.session.PeerClosed() }

// OnClose implements eventloop.Handler.
func (c *echoConn) OnClose(*eventloop.Conn, eventloop.Cause) {
	c.timer.Stop()
	delete(c.loop.conns, c)
	c.session.Close(codec.DownstreamClosed)
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
	} else {
		c.free = call.next
	}
	call.stream = s
	return call
}

// echoCall is one request on its way back. Objects are reused.
type echoCall struct {
	conn   *echoConn
	next   *echoCall // in conn.free
	stream codec.Stream
	reply  bolt.Head
	oneWay bool
	owed   int // content bytes sent back that the client has yet to take
}

// OnHeaders implements codec.Receiver.
func (e *echoCall) OnHeaders(h codec.Head, body []byte, end bool) {
	request := h.(*bolt.Head)
	e.oneWay = request.OneWay()
	if e.oneWay {
		e.OnData(body, end)
		return
	}
	e.reply = bolt.Head{
		Type: bolt.TypeResponse, Command: bolt.CommandResponse, Codec: request.Codec,
		Class: responseClass, Map: request.Map, ContentLength: request.ContentLength,
	}
	e.stream.SendHeaders(&e.reply, body, end)
	e.reply = bolt.Head{} // its views end with this call
	e.sent(len(body), end)
}

// OnData implements codec.Receiver.
func (e *echoCall) OnData(b []byte, end bool) {
	if e.oneWay {
		if end {
			e.done()
			return
		}
		e.stream.Consumed(len(b))
		return
	}
	e.stream.SendData(b, end)
	e.sent(len(b), end)
}

// OnTrailers implements codec.Receiver: the request's checksum was wrong, and
// so shall be the reply's.
func (e *echoCall) OnTrailers(t codec.Head) {
	if !e.oneWay {
		e.stream.SendTrailers(t)
	}
	e.done()
}

// OnReset implements codec.Receiver.
func (e *echoCall) OnReset(codec.Reason) { e.done() }

// OnWritable implements codec.Receiver.
func (e *echoCall) OnWritable() {
	n := e.owed
	e.owed = 0
	e.stream.Consumed(n)
}

// sent returns the credit of n bytes that were sent back, as soon as the client
// has taken them. After the end the stream is not ours any more.
func (e *echoCall) sent(n int, end bool) {
	switch {
	case end:
		e.done()
	case e.stream.Blocked():
		e.owed += n
	default:
		e.stream.Consumed(n)
	}
}

// done makes the object ready for another request.
func (e *echoCall) done() {
	c := e.conn
	*e = echoCall{conn: c, next: c.free}
	c.free = e
}
