// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"time"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/router"
)

// attempts is what an exchange keeps only where a policy repeats its tries, or
// something bounds each of them. It belongs to one exchange at a time.
type attempts struct {
	nextFree *attempts
	hedge    hedge
	attemptsState
}

// attemptsState is all zero between two requests.
type attemptsState struct {
	policy *router.Retry
	// perTry bounds a try, in nanoseconds; 0 when nothing does.
	perTry int64
	// wake is the loop time at which the wait for the next try is over, or the
	// try under way has taken too long; 0 for neither.
	wake    int64
	waiting bool // for the next try
}

// noRetry is the policy of requests that only bound their tries.
var noRetry = new(router.Retry)

// startAttempts gives the exchange attempts if the route's policy asks for them,
// or the request by a bound on each try, which is 0 where it states none.
func (e *exchange) startAttempts(perTry time.Duration) {
	policy := e.route.Retry
	if policy == nil {
		if perTry == 0 {
			return
		}
		policy = noRetry
	}
	if perTry == 0 {
		perTry = policy.PerTry
	}
	if d := e.clock.deadline; d > 0 && int64(perTry) >= d-e.worker.loop.Now() {
		perTry = 0 // as in MOSN
	}
	e.attempts = e.worker.newAttempts()
	e.attempts.policy, e.attempts.perTry = policy, int64(perTry)
	e.attempts.hedge.exchange = e
}

// timeTry bounds the try under way, once the request was received to its end.
func (e *exchange) timeTry() {
	if e.attempts != nil {
		e.boundTry()
	}
}

func (e *exchange) boundTry() {
	a := e.attempts
	if a.perTry == 0 || !e.requestEnd || a.waiting {
		return
	}
	now := e.worker.loop.Now()
	a.wake = now + a.perTry
	e.schedule(now, a.wake)
}

// wake is called when attempts.wake has come: the wait for the next try is over,
// or the try under way has taken too long.
func (e *exchange) wake() {
	a := e.attempts
	a.wake = 0
	switch {
	case a.waiting:
		a.waiting = false
		e.acquire()
	case a.policy.Hedge:
		e.startHedge()
	default:
		e.dropTry(cluster.TimedOut)
		e.retry(codec.UpstreamTimeout)
	}
}

// settle ends what is left to try when a reply is passed on.
func (a *attempts) settle() {
	a.wake, a.perTry = 0, 0
	a.hedge.drop(cluster.Unjudged)
}

// newAttempts returns attempts that nothing refers to.
func (w *Worker) newAttempts() *attempts {
	a := w.freeAttempts
	if a == nil {
		return new(attempts)
	}
	w.freeAttempts, a.nextFree = a.nextFree, nil
	w.spareAttempts--
	return a
}

// endAttempts lets go of the exchange's attempts.
func (e *exchange) endAttempts() {
	a, w := e.attempts, e.worker
	a.hedge.drop(cluster.Unjudged)
	a.hedge.exchange, a.hedge.won = nil, false
	a.attemptsState = attemptsState{}
	e.attempts = nil
	if w.spareAttempts < spareExchanges {
		a.nextFree, w.freeAttempts = w.freeAttempts, a
		w.spareAttempts++
	}
}
