// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/router"
)

const (
	// headersTimeout bounds the wait for a reply's head when neither the route
	// nor the request states a timeout. It is MOSN's default.
	headersTimeout = int64(60 * time.Second)
	// progressTimeout ends an exchange on which nothing moves, unless the
	// client's protocol has a limit of its own.
	progressTimeout = int64(5 * time.Minute)
	// deadlineSlack is how much earlier than ours the upstream's timer may end
	// a request whose deadline it was told, too.
	deadlineSlack = int64(10 * time.Millisecond)
)

// clock is an exchange's deadlines, in loop time.
type clock struct {
	// deadline bounds the whole exchange; 0 when nothing does.
	deadline int64
	// progress is when something last moved.
	progress int64
	// idle is how long the exchange may be without progress.
	idle int64
	// patient exchanges wait for the reply's head as long as something moves:
	// gRPC, and Bolt requests that ask for no timeout.
	patient bool
}

// start sets the deadlines of a request that arrived at now. The timeout that
// the request states wins when it is shorter than the route's; so does asked,
// that of a header, where it is not 0.
func (c *clock) start(now int64, r *router.Route, h codec.Head, asked time.Duration) {
	*c = clock{progress: now, idle: progressTimeout, patient: h.Streaming()}
	limit := asked
	if r.TimeoutSet && (limit == 0 || r.Timeout < limit) {
		limit = r.Timeout
	}
	if own, ok := h.Timeout(); ok {
		if own < 0 {
			c.patient = true
		} else if limit == 0 || own < limit {
			// A deadline of zero has passed already, but still wants an answer.
			limit = max(own, time.Millisecond)
		}
	}
	if limit > 0 && now+int64(limit) > now {
		c.deadline = now + int64(limit)
	}
}

// due is when the exchange ends unless something happens, and for what reason.
func (c *clock) due(replyStarted bool) (int64, codec.Reason) {
	switch {
	case c.deadline > 0:
		return c.deadline, codec.UpstreamTimeout
	case !replyStarted && !c.patient && headersTimeout <= c.idle:
		return c.progress + headersTimeout, codec.UpstreamTimeout
	}
	return c.progress + c.idle, codec.IdleTimeout
}

// nearly tells that the deadline has passed, or has so for the upstream.
func (c *clock) nearly(now int64) bool {
	return c.deadline > 0 && now >= c.deadline-deadlineSlack
}

// schedule has the exchange's timer fire by due. Progress moves what is due
// later without touching the timer, and an earlier request may have set it for
// sooner; the timer looks again when it fires.
func (e *exchange) schedule(now, due int64) {
	e.worker.loop.ScheduleSooner(&e.timer, time.Duration(max(due-now, 0)))
}

// startClock starts the exchange's deadlines, for a request whose own timeout is
// in h; a header asked for another one, or for 0.
func (e *exchange) startClock(h codec.Head, asked time.Duration) {
	now := e.worker.loop.Now()
	e.clock.start(now, e.route, h, asked)
	if idle := e.conn.streamIdle; idle > 0 {
		e.clock.idle = int64(idle)
	}
	due, _ := e.clock.due(false)
	e.schedule(now, due)
}

// moved notes that the exchange makes progress.
func (e *exchange) moved() { e.clock.progress = e.worker.loop.Now() }

// streamsReply switches to progress limits for a reply that is streamed to a
// Bolt client: its timeout is for replies that come as one frame.
func (e *exchange) streamsReply() {
	if e.from == codec.Bolt {
		e.unbound()
	}
}

// unbound leaves only the progress limits.
func (e *exchange) unbound() {
	if e.clock.deadline > 0 {
		e.clock.deadline, e.clock.patient = 0, true
		due, _ := e.clock.due(true)
		e.schedule(e.worker.loop.Now(), due)
	}
}
