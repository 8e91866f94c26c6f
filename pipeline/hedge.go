// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// hedge is the second of two tries that are under way at once. It is the
// Receiver of its stream. When its reply is the one that the client gets, its
// stream becomes the exchange's and it only passes the events on.
type hedge struct {
	exchange *exchange
	request  cluster.Request
	up       codec.Stream // nil while it waits for one, and once it has won
	won      bool
}

var (
	_ codec.Receiver = (*hedge)(nil)
	_ cluster.Waiter = (*hedge)(nil)
)

// hedged tells that a second try is under way.
func (e *exchange) hedged() bool { return e.attempts != nil && e.attempts.hedge.request.Trying() }

// startHedge asks a second host because the first, which may still answer, takes
// long. Where one of two has failed by now, its place is free for another.
func (e *exchange) startHedge() {
	a := e.attempts
	if a == nil || e.oneWay || e.sent.head == nil || !e.sent.end || e.tries >= a.policy.Count {
		return
	}
	h := &a.hedge
	switch {
	case !e.request.Trying():
		if e.members.MayRetry(&e.request, false) {
			e.countHedge()
			e.acquireBeside(&e.request)
		}
	case !h.request.Trying():
		h.request.Beside(&e.request)
		h.request.Receiver, h.request.Waiter = h, h
		h.won = false
		if e.members.MayRetry(&h.request, false) {
			e.countHedge()
			e.acquireBeside(&h.request)
		} else {
			h.request.Forget()
		}
	}
}

func (e *exchange) countHedge() {
	e.tries++
	e.worker.stats.Add(stats.UpstreamHedges)
}

// acquireBeside finds a stream for the try of r. Where there is none, the other
// try goes on alone.
func (e *exchange) acquireBeside(r *cluster.Request) {
	s, reason := e.members.Acquire(r)
	if reason != codec.ReasonNone {
		return
	}
	e.timeTry()
	switch {
	case s == nil:
	case r == &e.request:
		e.sendKept(s)
	default:
		e.attempts.hedge.OnStream(s)
	}
}

// OnStream implements cluster.Waiter.
func (h *hedge) OnStream(s codec.Stream) {
	e := h.exchange
	h.up = s
	if e.observed != nil {
		e.observeStream()
	}
	e.worker.stats.Add(stats.UpstreamRequests)
	e.sendMessage(s, &h.request)
}

// OnNoStream implements cluster.Waiter.
func (h *hedge) OnNoStream(r codec.Reason) { h.failed(r) }

// failed ends the hedge without a reply. If the first try has failed before,
// that is for the exchange to deal with.
func (h *hedge) failed(r codec.Reason) {
	e := h.exchange
	h.drop(judgedByReason(r))
	if !e.request.Trying() {
		e.retry(r)
	}
}

// drop ends the hedge for good.
func (h *hedge) drop(o cluster.Outcome) {
	h.request.Tried(o)
	h.request.Forget()
	if h.up != nil {
		h.up.Reset(codec.ReasonNone)
		h.up = nil
	}
}

// OnHeaders implements codec.Receiver. The first reply wins unless it asks for a
// retry and the other try may do better.
func (h *hedge) OnHeaders(head codec.Head, body []byte, end bool) {
	e := h.exchange
	if !h.won {
		if s := head.HTTPStatus(); s >= 100 && s < 200 {
			e.moved()
			return
		}
		if end {
			h.up = nil // the request has ended, too
		}
		if e.request.Trying() && e.asksForRetry(head) {
			h.drop(judgedByReply(head, e.asked.GRPC))
			return
		}
		h.win()
	}
	(*upstream)(e).OnHeaders(head, body, end)
}

// win makes the hedge's try that of the exchange.
func (h *hedge) win() {
	e := h.exchange
	e.dropTry(cluster.TimedOut)
	e.worker.stats.Add(stats.UpstreamHedgesWon)
	e.request.Take(&h.request)
	e.up, h.up, h.won = h.up, nil, true
}

// OnData implements codec.Receiver.
func (h *hedge) OnData(b []byte, end bool) { (*upstream)(h.exchange).OnData(b, end) }

// OnTrailers implements codec.Receiver.
func (h *hedge) OnTrailers(t codec.Head) { (*upstream)(h.exchange).OnTrailers(t) }

// OnReset implements codec.Receiver.
func (h *hedge) OnReset(r codec.Reason) {
	if h.won {
		(*upstream)(h.exchange).OnReset(r)
		return
	}
	h.up = nil
	h.failed(r)
}

// OnWritable implements codec.Receiver.
func (h *hedge) OnWritable() {
	if h.won {
		(*upstream)(h.exchange).OnWritable()
	}
}
