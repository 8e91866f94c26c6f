// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// forward sends the first part of a request upstream, or keeps it until there
// is a stream.
func (e *exchange) forward(head codec.Head, body []byte, end bool) {
	if e.suspended() {
		e.keepSent(nil, head)
		e.keepWaiting(body, end)
		return
	}
	s, reason := e.members.Acquire(&e.request)
	e.timeTry()
	if s != nil {
		e.attach(s)
		e.keepHeadForReplay(head, body, end)
		e.sendHeaders(head, body, end)
		return
	}
	e.keepSent(nil, head)
	if reason == codec.ReasonNone {
		e.keepWaiting(body, end)
		return
	}
	e.sent.keepBody(e.worker.mem, body, end)
	e.owedDown += len(body)
	e.retry(reason)
}

// acquire finds a stream for what is kept.
func (e *exchange) acquire() {
	s, reason := e.members.Acquire(&e.request)
	e.timeTry()
	switch {
	case s != nil:
		e.sendKept(s)
	case reason != codec.ReasonNone:
		e.retry(reason)
	}
}

// waiting is the exchange as what a pool's queue wakes.
type waiting exchange

// OnStream implements cluster.Waiter.
func (q *waiting) OnStream(s codec.Stream) { (*exchange)(q).sendKept(s) }

// OnNoStream implements cluster.Waiter.
func (q *waiting) OnNoStream(r codec.Reason) {
	e := (*exchange)(q)
	e.request.Tried(judgedByReason(r))
	e.retry(r)
}

func (e *exchange) attach(s codec.Stream) {
	e.up = s
	if e.observed != nil {
		e.observeStream()
	}
	if e.meter.sent == 0 {
		e.meter.sent = e.worker.loop.Now()
	}
	e.worker.stats.Add(stats.UpstreamRequests)
}

// sendKept sends what is kept of the request on a new stream.
func (e *exchange) sendKept(s codec.Stream) {
	e.attach(s)
	e.sendMessage(s, &e.request)
	if mem := e.worker.mem; !e.replays() {
		// Its bytes went out, so that it may have been processed.
		e.sent.release(mem)
	} else if mem.Used(codec.Replay) > codec.ReplayBudget && !e.hedged() {
		// Much was waiting: what still waits needs the room.
		e.sent.release(mem)
		e.worker.stats.Add(stats.NotRetryable)
	}
	e.payDown()
	e.afterSend()
}

// sendMessage sends what is kept of the request on the stream found for r.
func (e *exchange) sendMessage(s codec.Stream, r *cluster.Request) {
	m := &e.sent
	e.sendHead(s, r, m.head, m.bytes(), m.end && m.trailers == nil)
	if m.trailers != nil {
		s.SendTrailers(m.trailers)
	}
}

// sendHeaders sends the first part of a request that was not kept before.
func (e *exchange) sendHeaders(head codec.Head, body []byte, end bool) {
	e.sendHead(e.up, &e.request, head, body, end)
	e.owedDown += len(body)
	e.payDown()
	e.afterSend()
}

func (e *exchange) sendHead(s codec.Stream, r *cluster.Request, head codec.Head, body []byte, end bool) {
	if e.authority == authorityOfHost || e.authority == authorityOwn && e.from == codec.Bolt && e.to == codec.HTTP2 {
		head = e.withAuthority(head, r.Host())
	}
	if e.observed != nil {
		e.observed.upOut += int64(len(body))
	}
	s.SendHeaders(head, body, end)
}

// pass sends more of the body.
func (e *exchange) pass(b []byte, end bool) {
	if e.observed != nil {
		e.observed.upOut += int64(len(b))
	}
	e.up.SendData(b, end)
	if end && e.replyEnd {
		e.up, e.down = nil, nil
		e.finish(codec.ReasonNone)
		return
	}
	e.owedDown += len(b)
	e.payDown()
	e.afterSend()
}

// sendTrailers ends the request; t is nil where the upstream's protocol has no
// trailers.
func (e *exchange) sendTrailers(t codec.Head) {
	if t == nil {
		e.up.SendData(nil, true)
	} else {
		e.up.SendTrailers(t)
	}
	e.afterSend()
}

// afterSend ends the exchange of a one-way request that is sent to its end to
// an upstream that will not reply.
func (e *exchange) afterSend() {
	if !e.sentOneWay() {
		return
	}
	e.up = nil
	switch {
	case e.down == nil:
	case e.from == codec.Bolt:
		e.down.Reset(codec.ReasonNone)
	default:
		e.give(e.worker.convert.Accepted(), nil, true)
	}
	e.finish(codec.ReasonNone)
}

// sentOneWay tells that the request was sent to its end and that its stream
// ended with that.
func (e *exchange) sentOneWay() bool { return e.oneWay && e.requestEnd && e.to == codec.Bolt }

// payDown gives the client credit for what the upstream has taken, also after
// the request's end: a Bolt connection is not read while it owes much, whatever
// else it carries.
func (e *exchange) payDown() {
	if e.owedDown == 0 || e.down == nil || e.sentOneWay() || e.up.Blocked() {
		return
	}
	e.down.Consumed(e.owedDown)
	e.owedDown = 0
}
