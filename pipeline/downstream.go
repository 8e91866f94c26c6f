// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/convert"
	"github.com/sideloop/sideloop/stats"
)

// downstream is the exchange as the Receiver of the client's request.
type downstream exchange

var _ codec.Receiver = (*downstream)(nil)

// OnHeaders implements codec.Receiver: the request is routed and begins its way
// upstream.
func (d *downstream) OnHeaders(h codec.Head, body []byte, end bool) {
	e := (*exchange)(d)
	e.oneWay = h.OneWay()
	if e.observed != nil {
		e.observeRequest(h, len(body))
	}
	e.ended(end)
	if e.worker.overloaded() {
		e.shed(h)
		return
	}
	h, reason := e.worker.convert.ClientCert(h, e.conn.cert.rule, e.conn.cert.value)
	if reason != codec.ReasonNone {
		e.fail(reason)
		return
	}
	head, reason := e.direct(h)
	if reason != codec.ReasonNone {
		e.refuse(h, reason)
		return
	}
	if head == nil {
		return // answered
	}
	if !e.filterBody(len(body)) {
		return
	}
	if head.OneWay() {
		e.oneWay = true
		e.worker.stats.Add(stats.DownstreamRequestsOneWay)
	}
	whole, try := convert.Timeouts(h)
	if e.from == codec.Bolt {
		e.startClock(h, whole)
	} else {
		e.startClock(head, whole)
	}
	e.startAttempts(try)
	e.request.Protocol, e.request.Receiver, e.request.Waiter = e.to, (*upstream)(e), (*waiting)(e)
	if !end && !e.to.Interleaves() {
		e.letSend(h)
		if fitsFrame(head.BodyLength()) {
			e.gather = true
			e.startMirror(head, body, false)
			e.collect(head, body)
			return
		}
		e.request.Exclusive = true
	}
	e.startMirror(head, body, end)
	e.forward(head, body, end)
}

// letSend tells a client that waits with its body to go on: the upstream's
// protocol has no word for it.
func (e *exchange) letSend(h codec.Head) {
	if e.from == e.to {
		return
	}
	if head := e.worker.convert.Continue(h); head != nil {
		e.down.SendHeaders(head, nil, false)
	}
}

// ended notes the end of the request.
func (e *exchange) ended(end bool) {
	if end {
		e.requestEnd = true
		if e.observed != nil {
			e.observed.received = e.worker.loop.Now()
		}
		e.timeTry()
	}
}

// direct finds the route and the cluster, and returns the head as the upstream
// gets it. Where the route has an answer of its own it returns none, and the
// exchange has ended.
func (e *exchange) direct(h codec.Head) (codec.Head, codec.Reason) {
	w := e.worker
	e.asked = convert.Ask(h)
	if e.asked.Connect && !e.conn.chain.Connect {
		return nil, codec.TunnelRefused
	}
	e.to = e.conn.upstream()
	view, head, reason := w.convert.View(h, e.to)
	if reason != codec.ReasonNone {
		return nil, reason
	}
	if reason = e.enterFilters(view, h); reason != codec.ReasonNone {
		return nil, reason
	}
	table := w.table(e.conn.chain)
	if table == nil {
		return nil, codec.NoRoute
	}
	q := e.query(view)
	if e.route == nil {
		e.route = table.Match(q)
	}
	if e.route == nil {
		return nil, codec.NoRoute
	}
	action := e.route.Action
	if action != nil && action.Answer != nil {
		e.respond(action, q)
		return nil, codec.ReasonNone
	}
	if e.target(action, q); e.members == nil {
		return nil, codec.NoCluster
	}
	if reason := e.aim(view); reason != codec.ReasonNone {
		return nil, reason
	}
	if reason = e.filterRouted(view, h); reason != codec.ReasonNone {
		return nil, reason
	}
	if p := e.route.Upstream; p != codec.ProtocolUnknown && p != e.to {
		e.to = p
		head = nil
	}
	if e.asked.Connect && e.to != e.from {
		return nil, codec.TunnelRefused
	}
	if f := e.filtering; f != nil && len(f.call.Edits) > 0 {
		if h, head, reason = e.edited(h, head); reason != codec.ReasonNone {
			return nil, reason
		}
	}
	if action != nil {
		return e.shape(action, q, h, head)
	}
	if head != nil {
		return head, codec.ReasonNone
	}
	return w.convert.Request(h, e.to)
}

// OnData implements codec.Receiver.
func (d *downstream) OnData(b []byte, end bool) {
	e := (*exchange)(d)
	e.moved()
	e.ended(end)
	if e.observed != nil {
		e.observed.in += int64(len(b))
	}
	if !e.filterBody(len(b)) {
		return
	}
	if e.mirror != nil {
		e.mirrorData(b, end)
	}
	switch {
	case e.gather:
		e.collectMore(b, end)
	case e.up == nil:
		e.keepWaiting(b, end)
	default:
		e.keepForReplay(b, end)
		e.pass(b, end)
	}
}

// OnTrailers implements codec.Receiver.
func (d *downstream) OnTrailers(t codec.Head) {
	e := (*exchange)(d)
	e.moved()
	e.ended(true)
	if convert.Broken(t) && (e.to != e.from || e.up == nil) {
		e.fail(codec.ProtocolError)
		return
	}
	t = e.worker.convert.Trailers(t, e.to)
	if e.mirror != nil {
		e.mirrorTrailers(t)
	}
	switch {
	case e.gather:
		e.collectMore(nil, true)
	case e.up == nil:
		e.sent.keepTrailers(e.worker.mem, t)
	default:
		if e.sent.head != nil {
			e.sent.keepTrailers(e.worker.mem, t)
		}
		e.sendTrailers(t)
	}
}

// OnReset implements codec.Receiver: the client has gone. A one-way request that
// it sent to its end is delivered all the same.
func (d *downstream) OnReset(r codec.Reason) {
	e := (*exchange)(d)
	e.down = nil
	if e.boltOneWay() && e.requestEnd {
		return
	}
	e.fail(r)
}

// OnWritable implements codec.Receiver: the client takes replies again.
func (d *downstream) OnWritable() {
	e := (*exchange)(d)
	e.moved()
	if e.up != nil && e.owedUp > 0 {
		e.up.Consumed(e.owedUp)
	}
	e.owedUp = 0
}

// collect begins to gather a request whose length must be known first.
func (e *exchange) collect(head codec.Head, body []byte) {
	e.keepSent(&e.holding, head)
	e.collectMore(body, false)
}

func (e *exchange) collectMore(b []byte, end bool) {
	m := &e.sent
	m.keepBody(e.worker.mem, b, end)
	if len(m.bytes()) > gatherLimit {
		e.fail(codec.BodyTooLarge)
		return
	}
	if !end {
		e.down.Consumed(len(b))
		return
	}
	e.gather = false
	convert.SetBodyLength(m.head, len(m.bytes()))
	// A body over one frame would keep a shared connection busy for long.
	e.request.Exclusive = len(m.bytes()) > wholeLimit
	if !e.suspended() {
		e.acquire()
	}
}
