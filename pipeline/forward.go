// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// maxRetries is how often a request that was surely not processed is sent
// again.
const maxRetries = 3

// maxMoves is how often a request is sent again because its connection said
// goodbye before looking at it. That is no sign of trouble, so it is generous;
// it ends with a host that says nothing else.
const maxMoves = 32

// forward sends the first part of a request upstream, or keeps it until there
// is a stream.
func (e *exchange) forward(head codec.Head, body []byte, end bool) {
	s, reason := e.members.Acquire(&e.request)
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

// keepWaiting keeps part of a request that waits for its upstream stream. The
// client's window bounds what piles up of each, since the credit is owed until
// the stream takes the bytes; all together are held to what a loop may hold.
func (e *exchange) keepWaiting(b []byte, end bool) {
	e.owedDown += len(b)
	e.sent.keepBody(e.worker.mem, b, end)
	if e.worker.mem.Used(codec.Replay) > codec.HoldLimit {
		e.fail(codec.Overflow)
	}
}

// acquire finds a stream for what is kept.
func (e *exchange) acquire() {
	s, reason := e.members.Acquire(&e.request)
	switch {
	case s != nil:
		e.sendKept(s)
	case reason != codec.ReasonNone:
		e.retry(reason)
	}
}

// retry sends the kept request again if it was surely not processed, or may be
// processed twice, else it ends the exchange.
func (e *exchange) retry(reason codec.Reason) {
	if !e.retryable(reason) {
		e.fail(reason)
		return
	}
	if reason == codec.UpstreamGoAway {
		e.moves++
	} else {
		e.tries++
	}
	e.worker.stats.Add(stats.UpstreamRetries)
	e.acquire()
}

func (e *exchange) retryable(r codec.Reason) bool {
	if e.sent.head == nil || e.replyStarted || e.reply.head != nil {
		return false
	}
	switch r {
	case codec.ConnectFailed, codec.ConnectTimeout, codec.UpstreamRefused:
		return e.tries < maxRetries
	case codec.UpstreamGoAway:
		return e.moves < maxMoves
	case codec.UpstreamClosed:
		// The host may have closed an idle connection as the request was on
		// its way. Once only, as it may also have been the request's doing.
		return e.tries == 0 && e.from == codec.HTTP2 && idempotent(e.sent.head.Method())
	}
	return false
}

// idempotent tells the methods that do the same whether processed once or twice
// (RFC 9110, 9.2.2).
func idempotent(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
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
	e.worker.stats.Add(stats.UpstreamRequests)
}

// sendKept sends what is kept of the request on a new stream.
func (e *exchange) sendKept(s codec.Stream) {
	e.attach(s)
	m := &e.sent
	trailers := m.trailers
	e.sendHead(m.head, m.bytes(), m.end && trailers == nil)
	if e.up != nil && trailers != nil {
		e.up.SendTrailers(trailers)
	}
	if mem := e.worker.mem; e.to == codec.Bolt {
		// Its bytes went out, so that it may have been processed.
		m.release(mem)
	} else if mem.Used(codec.Replay) > codec.ReplayBudget {
		// Much was waiting: what still waits needs the room.
		m.release(mem)
		e.worker.stats.Add(stats.NotRetryable)
	}
	e.payDown()
	e.afterSend()
}

// sendHeaders sends the first part of a request that was not kept before.
func (e *exchange) sendHeaders(head codec.Head, body []byte, end bool) {
	e.sendHead(head, body, end)
	e.owedDown += len(body)
	e.payDown()
	e.afterSend()
}

func (e *exchange) sendHead(head codec.Head, body []byte, end bool) {
	if e.from == codec.Bolt && e.to == codec.HTTP2 {
		head = e.worker.convert.WithAuthority(head, e.request.Host().Authority)
	}
	e.up.SendHeaders(head, body, end)
}

// pass sends more of the body.
func (e *exchange) pass(b []byte, end bool) {
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
		e.down.SendHeaders(e.worker.convert.Accepted(), nil, true)
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

// keepHeadForReplay keeps a request that goes out at once, where the upstream
// may refuse it unprocessed.
func (e *exchange) keepHeadForReplay(head codec.Head, body []byte, end bool) {
	if e.to == codec.Bolt {
		return
	}
	e.keepSent(nil, head)
	e.keepForReplay(body, end)
}

// keepForReplay keeps more of the body, or gives up being able to replay.
func (e *exchange) keepForReplay(b []byte, end bool) {
	m := &e.sent
	if m.head == nil {
		return
	}
	mem := e.worker.mem
	if len(m.bytes())+len(b) > replayLimit || mem.Used(codec.Replay)+len(b) > codec.ReplayBudget {
		m.release(mem)
		e.worker.stats.Add(stats.NotRetryable)
		return
	}
	m.keepBody(mem, b, end)
}
