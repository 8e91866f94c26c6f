// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/convert"
)

var _ codec.Refuser = (*connection)(nil)

// asks tells that the observers want something of a request with head h, or of any
// reply.
func (o *observers) asks(h codec.Head) bool {
	if o.want.target || len(o.want.reply) > 0 {
		return true
	}
	for i := range o.want.request {
		if _, ok := o.want.request[i].of(h); ok {
			return true
		}
	}
	return false
}

// observe notes a request in the lane for observers. Mostly they ask for nothing
// that its head has; then the lane knows the rest.
func (x *express) observe(h codec.Head, body []byte) {
	x.size = len(body)
	if !x.conn.observers.asks(h) {
		return
	}
	e := &x.conn.worker.scribe
	e.observe(x.conn.observers)
	e.observeRequest(h, len(body))
	e.observed.sentAtOnce(x)
	x.observed, e.observed = e.observed, nil
}

// observedBy has the exchange that x becomes go on with what was noted.
func (x *express) observedBy(e *exchange) {
	if by := x.conn.observers; by != nil && e.observed == nil {
		e.observe(by)
		e.observed.in = int64(x.size)
		e.observed.sentAtOnce(x)
	}
}

// sentAtOnce notes that the request went to its host when it had arrived.
func (o *observed) sentAtOnce(x *express) {
	began := x.try.Began()
	o.received, o.sent, o.resent = began, began, began
	o.tries, o.upOut = 1, int64(x.size)
}

// tellObservers tells that the request has ended with a reply.
func (x *express) tellObservers(h codec.Head, body []byte) {
	if x.observed == nil {
		x.tellBriefly(h, body)
		return
	}
	e := &x.conn.worker.scribe
	e.conn, e.observed, e.route, e.cluster = x.conn, x.observed, x.route, x.route.Cluster
	e.from, e.to = x.conn.protocol, x.conn.protocol
	e.meter = meter{began: x.try.Began(), status: h.HTTPStatus()}
	e.request.Resume(&x.try)
	e.observed.upIn = int64(len(body))
	e.observeReply(h, len(body))
	e.tellObservers(codec.ReasonNone)
	e.state = state{}
}

// tellBriefly does so where nothing was noted. What such requests of a connection
// have in common stays in the worker's account of them.
func (x *express) tellBriefly(h codec.Head, body []byte) {
	c, w := x.conn, x.conn.worker
	n := &w.brief
	if n.Connection != c.number {
		c.introduce(n)
	}
	n.Began = x.try.Began()
	n.Received, n.Sent, n.Resent = n.Began, n.Began, n.Began
	n.Finished = w.loop.Now()
	n.Replied, n.Wall = n.Finished, w.wallOffset()
	n.Route, n.Cluster, n.Host = x.route, x.route.Cluster, x.try.Host()
	n.UpstreamLocal, n.UpstreamConnection = x.try.Connection()
	n.Status, n.GRPCStatus, n.BoltStatus = convert.Statuses(h)
	n.UpstreamStatus = n.Status
	in, out := int64(x.size), int64(len(body))
	n.BytesReceived, n.UpstreamBytesSent, n.BytesSent, n.UpstreamBytesReceived = in, in, out, out
	for _, observer := range c.observers.list {
		observer.Ended(n)
	}
}

// OnRefused implements codec.Refuser: observers are told of a request that never
// became an exchange.
func (c *connection) OnRefused(h codec.Head, r codec.Reason) {
	if c.observers == nil {
		return
	}
	w := c.worker
	e := &w.scribe
	e.conn, e.from, e.oneWay = c, c.protocol, h.OneWay()
	e.meter.began = w.loop.Now()
	e.observe(c.observers)
	e.observeRequest(h, 0)
	e.tellObservers(r)
	e.state = state{}
}

// introduce sets what all requests in the lane of a connection have in common.
func (c *connection) introduce(n *Ended) {
	w := c.worker
	*n = Ended{
		Loop: w.loop.Index(), Timers: w.loop, Listener: c.chain.Listener, Tries: 1,
		Connection: c.number, Remote: c.conn.RemoteAddr(), Local: c.conn.LocalAddr(), Hello: c.conn.Hello(),
		From: c.protocol, To: c.protocol, Request: append(n.Request[:0], make([]Header, len(c.observers.want.request))...),
	}
}
