// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/stats"
)

const (
	// retryCost is what a retry takes of a budget into which each request pays
	// the percentage that is configured.
	retryCost = 100
	// budgetTurn is how often what was saved is cut to what the last turn paid
	// in. It bounds the surge when hosts that were well begin to fail, and is
	// long enough to have the requests saved for that a dying host has in flight.
	budgetTurn = int64(time.Second)
	// budgetReserve is what is not cut, for clusters with few but long requests:
	// as much as one host's share of them may need at once.
	budgetReserve = 64 * retryCost
)

// budget is one loop's part of a cluster's retry budget: requests pay in, retries
// draw. The floor is for clusters with few requests; it is held to so many a
// turn, too, because hosts that fail at once would turn over those at a time
// hundreds of times a second.
type budget struct {
	balance int
	recent  int   // paid in since turned
	spare   int   // retries that the floor has left
	turned  int64 // loop time
}

func newBudget(l *config.RetryBudget) *budget { return &budget{spare: l.Floor} }

// turn begins a new turn when it is time.
func (b *budget) turn(l *config.RetryBudget, now int64) {
	if now-b.turned >= budgetTurn {
		b.balance = min(b.balance, max(b.recent, budgetReserve))
		b.recent, b.turned, b.spare = 0, now, l.Floor
	}
}

// pay pays in for one request.
func (b *budget) pay(l *config.RetryBudget, now int64) {
	b.turn(l, now)
	b.recent += l.Percent
	b.balance += l.Percent
}

// draw takes a retry's cost, if it is there.
func (b *budget) draw() bool {
	if b.balance < retryCost {
		return false
	}
	b.balance -= retryCost
	return true
}

// permit is what a request holds that is retried, until its end.
type permit struct {
	members        *Members // nil without one
	counted, floor bool
}

// Free tells whether a retry costs hosts nothing, as they did no work for the
// try before it.
type Free bool

// MayRetry tells whether r may be tried again, and counts it among the retries
// until its end. free ones do not draw from the budget.
func (s *Members) MayRetry(r *Request, free Free) bool {
	return s.mayRetry(r, free, s.manager.loop.Now())
}

func (s *Members) mayRetry(r *Request, free Free, now int64) bool {
	l := &s.cluster.Limits
	if r.permit.members == nil && l.Retries > 0 {
		if !s.cluster.usage.retries.take(l.Retries) {
			s.manager.stats.Add(stats.UpstreamOverflowRetries)
			return false
		}
		r.permit = permit{members: s, counted: true}
	}
	if bool(free) || s.budget.draw() || s.floor(r, now) {
		return true
	}
	r.permit.release()
	s.manager.stats.Add(stats.UpstreamRetriesOverBudget)
	return false
}

// floor allows a retry that the budget has nothing for.
func (s *Members) floor(r *Request, now int64) bool {
	l := &s.cluster.Limits.Budget
	s.budget.turn(l, now)
	if s.budget.spare == 0 || !r.permit.floor && !s.cluster.usage.floor.take(int64(l.Floor)) {
		return false
	}
	s.budget.spare--
	r.permit.members, r.permit.floor = s, true
	return true
}

// release ends what the permit counts.
func (p *permit) release() {
	if p.members == nil {
		return
	}
	u := p.members.cluster.usage
	if p.counted {
		u.retries.release()
	}
	if p.floor {
		u.floor.release()
	}
	*p = permit{}
}
