// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"time"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline/convert"
	"github.com/sideloop/sideloop/pipeline/router"
	"github.com/sideloop/sideloop/stats"
)

// express is a request in the lane: one that its listener, its route and its
// cluster ask nothing of, that came whole and found a connection with room. It
// knows just what its end is counted by. When anything but a whole reply comes
// of it, it becomes the exchange that it would have been, so that what fails
// does so in one place.
type express struct {
	// What the way there and back looks at fits two cache lines, of objects that
	// are cold by the time the reply comes.
	codec.Parcel
	conn  *connection // nil between two requests
	try   cluster.Express
	route *router.Route
	// due is the loop time at which the timer fires, 0 when it is not pending.
	due int64
	// observed is what was noted of the head for observers, nil where they asked
	// for nothing that it has; size is that of the body, for them.
	observed *observed
	size     int

	// deadline and patient are those of a clock.
	deadline int64
	patient  bool
	replied  bool // the reply has come, and is not one to send as it is
	timer    eventloop.Timer
	pairs    pairs // of the request
}

var _ codec.ParcelAcceptor = (*connection)(nil)

// OnWhole implements codec.ParcelAcceptor.
func (c *connection) OnWhole(h codec.Head, body []byte) *codec.Parcel {
	w := c.worker
	w.matched = nil
	if c.parcels == nil || convert.MayStateTimeouts(h) || convert.ChangesClientCert(h, c.cert.rule) || w.overloaded() {
		return nil
	}
	table := w.table(c.chain)
	if table == nil {
		return nil
	}
	q := &w.query
	q.Request, q.Peer, q.Protocol = h, c, c.protocol
	route := table.Match(q)
	if w.matched = route; route == nil || !plainRoute(route, c.protocol) {
		return nil
	}
	members := w.members(route)
	if members == nil {
		return nil
	}
	x := w.newExpress()
	session := members.Express(&x.try, c.protocol)
	if session == nil {
		w.recycleExpress(x)
		return nil
	}
	w.matched = nil
	x.conn, x.route = c, route
	w.stats.Add(stats.DownstreamRequests)
	w.stats.Add(stats.UpstreamRequests)
	c.traffic.Begin()
	if c.observers != nil {
		x.observe(h, body)
	}
	x.pairs.note(h)
	session.Send(&x.Parcel, h, body)
	x.start(h)
	return &x.Parcel
}

// plainRoute tells that a route asks nothing of its requests.
func plainRoute(r *router.Route, p codec.Protocol) bool {
	return r.Action == nil && r.Retry == nil && (r.Upstream == codec.ProtocolUnknown || r.Upstream == p)
}

// start starts the deadline, as startClock does that of an exchange.
func (x *express) start(h codec.Head) {
	var c clock
	c.start(x.try.Began(), x.route, h, 0)
	x.deadline, x.patient = c.deadline, c.patient
	due := c.deadline
	if due == 0 {
		due = x.expires()
	}
	x.schedule(due)
}

// clock is the exchange's, were it one.
func (x *express) clock() clock {
	c := clock{deadline: x.deadline, progress: x.try.Began(), idle: progressTimeout, patient: x.patient}
	if idle := x.conn.streamIdle; idle > 0 {
		c.idle = int64(idle)
	}
	return c
}

// expires is when the reply must have come.
func (x *express) expires() int64 {
	c := x.clock()
	due, _ := c.due(false)
	return due
}

// schedule has the timer fire by due. Most often an earlier request has set it
// for sooner, and it looks again then.
func (x *express) schedule(due int64) {
	if x.due != 0 && x.due <= due {
		return
	}
	x.due = due
	loop := x.conn.worker.loop
	loop.ScheduleSooner(&x.timer, time.Duration(max(due-loop.Now(), 0)))
}

// OnTimer implements eventloop.Expirer.
func (x *express) OnTimer(now int64) {
	x.due = 0
	if x.conn == nil {
		return
	}
	if due := x.expires(); now < due {
		x.schedule(due)
		return
	}
	x.exchange().OnTimer(now)
}

// OnReply implements codec.Carrier.
func (x *express) OnReply(h codec.Head, body []byte) {
	c := x.conn
	if !c.parcels.Answer(&x.Parcel, h, body) {
		x.replied = true
		(*upstream)(x.exchange()).OnHeaders(h, body, true)
		return
	}
	w, members, status := c.worker, x.try.Members(), h.HTTPStatus()
	x.try.End(judgedByStatus(status))
	w.stats.Ended(uint8(codec.ReasonNone))
	c.traffic.End(uint8(codec.ReasonNone), status)
	c.traffic.Observe(w.loop.Now() - x.try.Began())
	members.Meter().End(uint8(codec.ReasonNone), status)
	if c.observers != nil {
		x.tellObservers(h, body)
	}
	w.recycleExpress(x)
}

// Unfold implements codec.Carrier.
func (x *express) Unfold() { x.exchange() }

// exchange makes an exchange of the request, between the streams that the sessions
// make of it.
func (x *express) exchange() *exchange {
	c := x.conn
	w := c.worker
	e := w.newExchange()
	e.conn, e.from, e.to = c, c.protocol, c.protocol
	e.down = c.parcels.Unfold(&x.Parcel, (*downstream)(e))
	if !x.replied {
		e.up = x.try.Session().Unfold(&x.Parcel, (*upstream)(e))
	}
	x.replied = false
	e.route, e.cluster, e.members = x.route, x.route.Cluster, x.try.Members()
	e.request.Protocol, e.request.Receiver, e.request.Waiter = e.to, (*upstream)(e), (*waiting)(e)
	e.request.Resume(&x.try)
	e.requestEnd, e.observed = true, x.observed
	x.observedBy(e)
	e.clock, e.meter.began, e.meter.sent = x.clock(), x.try.Began(), x.try.Began()
	e.pairs, e.noted = x.pairs, true
	due, _ := e.clock.due(false)
	e.schedule(w.loop.Now(), due)
	w.recycleExpress(x)
	return e
}

// newExpress returns one that nothing refers to.
func (w *Worker) newExpress() *express {
	n := len(w.expresses)
	if n == 0 {
		x := new(express)
		x.Carrier, x.timer.Expire = x, x
		return x
	}
	x := w.expresses[n-1]
	w.expresses = w.expresses[:n-1]
	return x
}

// recycleExpress takes one back; as many are kept as exchanges.
func (w *Worker) recycleExpress(x *express) {
	// An idle one must not keep a configuration that is gone.
	x.conn, x.route, x.observed = nil, nil, nil
	x.try.Leave()
	if len(w.expresses) < spareExchanges {
		w.expresses = append(w.expresses, x)
	}
}
