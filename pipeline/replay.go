// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

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

// replays tells whether what was sent of a request is kept, because it may have
// to be sent again. Over HTTP/2 a host can say that it did not look at it; over
// Bolt only a policy repeats what went out.
func (e *exchange) replays() bool {
	if e.to != codec.Bolt {
		return true
	}
	a := e.attempts
	return a != nil && a.policy.Repeats() && !e.oneWay
}

// keepHeadForReplay keeps a request that goes out at once, where the upstream
// may refuse it unprocessed.
func (e *exchange) keepHeadForReplay(head codec.Head, body []byte, end bool) {
	if !e.replays() {
		e.pairs.note(head)
		e.noted = true
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
