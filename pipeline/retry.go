// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"time"

	"github.com/bytedance/gopkg/lang/fastrand"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/convert"
	"github.com/sideloop/sideloop/stats"
)

const (
	// maxRetries is how often a request that was surely not processed is sent
	// again.
	maxRetries = 3
	// maxMoves is how often a request is sent again because its connection said
	// goodbye before looking at it. That is no sign of trouble, so it is
	// generous; it ends with a host that says nothing else.
	maxMoves = 32
	// pushbackLimit is the longest wait that a host can ask for: longer than
	// that a client is better told to come again itself.
	pushbackLimit = 5 * time.Second
)

// retry sends the kept request again if it was surely not processed, or may be
// processed twice, else it ends the exchange. The try that reason ended is over.
func (e *exchange) retry(reason codec.Reason) {
	if e.hedged() {
		return // the other try goes on
	}
	free, ok := e.retryable(reason)
	var wait time.Duration
	if ok && !e.atOnce(reason) {
		wait = e.attempts.backOff(e.tries)
		ok = e.timeFor(wait)
	}
	e.latest()
	if !ok || !e.members.MayRetry(&e.request, free) {
		e.fail(reason)
		return
	}
	if reason == codec.UpstreamGoAway {
		e.moves++
	} else {
		e.tries++
	}
	e.worker.stats.Add(stats.UpstreamRetries)
	e.again(wait)
}

// latest makes the tries to come go to the hosts that the cluster has now.
func (e *exchange) latest() {
	if m := e.worker.clusters.Cluster(e.cluster); m != nil {
		e.members = m
	}
}

// retryable tells whether the request may be sent again after it got no reply
// for reason r, and whether hosts were spared the work of the try that failed.
func (e *exchange) retryable(r codec.Reason) (free cluster.Free, ok bool) {
	if e.sent.head == nil || e.replyStarted || e.reply.head != nil {
		return false, false
	}
	switch r {
	case codec.UpstreamGoAway:
		return true, e.moves < maxMoves
	case codec.ConnectFailed, codec.ConnectTimeout, codec.UpstreamTLSFailed:
		return true, e.tries < maxRetries || e.byPolicy(r)
	case codec.UpstreamRefused:
		return false, e.tries < maxRetries || e.byPolicy(r)
	case codec.UpstreamClosed:
		// The host may have closed an idle connection as the request was on
		// its way. Once only, as it may also have been the request's doing.
		if e.tries == 0 && e.from == codec.HTTP2 && idempotent(e.sent.head.Method()) {
			return false, true
		}
	}
	return false, e.byPolicy(r)
}

// byPolicy tells whether the route's policy sends the request again for reason
// r. What wants no reply is not sent twice.
func (e *exchange) byPolicy(r codec.Reason) bool {
	a := e.attempts
	return a != nil && e.tries < a.policy.Count && a.policy.OnReason(r) && !e.oneWay
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

// atOnce tells that a retry needs no wait: the first one of a request that no
// host has looked at is best sent to another host now, and without a policy
// there are only a few.
func (e *exchange) atOnce(r codec.Reason) bool {
	switch r {
	case codec.UpstreamGoAway:
		return true
	case codec.ConnectFailed, codec.ConnectTimeout, codec.UpstreamTLSFailed, codec.UpstreamRefused:
		return e.attempts == nil || e.tries == 0
	}
	return e.attempts == nil
}

// timeFor tells whether the deadline leaves time for a wait and a try.
func (e *exchange) timeFor(wait time.Duration) bool {
	return !e.clock.nearly(e.worker.loop.Now() + int64(wait))
}

// again sends the request once more, after a wait in which it holds no stream
// and no place in a queue.
func (e *exchange) again(wait time.Duration) {
	if wait <= 0 {
		e.acquire()
		return
	}
	now := e.worker.loop.Now()
	e.attempts.waiting = true
	e.attempts.wake = now + int64(wait)
	e.schedule(now, e.attempts.wake)
}

// retryReply sends the request again instead of passing on a reply whose head
// asks for it by its status. It is false when the reply is to be passed on. The
// exchange has attempts.
func (e *exchange) retryReply(h codec.Head) bool {
	a := e.attempts
	if e.oneWay || !e.asksForRetry(h) {
		return false
	}
	if e.hedged() {
		e.dropTry(judgedByReply(h, e.asked.GRPC))
		return true
	}
	if e.sent.head == nil || e.tries >= a.policy.Count {
		return false
	}
	e.latest()
	asked, ok := pushback(h)
	wait := max(asked, a.backOff(e.tries))
	if !ok || !e.timeFor(wait) || !e.members.MayRetry(&e.request, false) {
		return false
	}
	e.dropTry(judgedByReply(h, e.asked.GRPC))
	e.tries++
	e.worker.stats.Add(stats.UpstreamRetries)
	e.again(wait)
	return true
}

// asksForRetry tells that the policy retries a reply with head h.
func (e *exchange) asksForRetry(h codec.Head) bool {
	return e.attempts.policy.OnStatus(convert.Statuses(h))
}

// dropTry ends the try under way, the rest of whose reply nobody wants.
func (e *exchange) dropTry(o cluster.Outcome) {
	e.request.Cancel()
	e.request.Tried(o)
	if e.up != nil {
		e.up.Reset(codec.ReasonNone)
		e.up = nil
	}
}

// pushback is how long the host that sent h asks to be left alone: retry-after
// (RFC 9110, 10.2.3) in seconds or gRPC's own. It is not ok when that is longer
// than requests wait, for good, or a date.
func pushback(h codec.Head) (wait time.Duration, ok bool) {
	for _, field := range [...]struct {
		name string
		unit time.Duration
	}{{"retry-after", time.Second}, {"grpc-retry-pushback-ms", time.Millisecond}} {
		v, stated := h.Get(field.name)
		if !stated {
			continue
		}
		n, ok := convert.Decimal(v)
		if !ok || n > int64(pushbackLimit/field.unit) {
			return 0, false
		}
		wait = max(wait, time.Duration(n)*field.unit)
	}
	return wait, true
}

// backOff is the wait before a request is sent again that was so many times: a
// random part of the base times 2^n-1, at most the policy's bound.
func (a *attempts) backOff(tries int) time.Duration {
	p := a.policy
	bound := p.BackOff
	for n := 0; n < tries && bound < p.MaxBackOff; n++ {
		bound += bound + p.BackOff
	}
	return time.Duration(fastrand.Int63n(int64(min(bound, p.MaxBackOff)) + 1))
}
