// SPDX-License-Identifier: Apache-2.0

package load

import (
	"time"

	"github.com/sideloop/sideloop/eventloop"
)

// paceStep is the shortest pause between two wake-ups of a loop for what is due.
// At higher rates what has become due meanwhile is sent together: waking up more
// often would cost more than the exactness is worth.
const paceStep = int64(100 * time.Microsecond)

// pacer wakes a loop when the next request of an open loop is due on it: by the
// loop's exact timer, since the others have steps of a millisecond. A thread of
// its own that slept until then would cost the loop a wake-up by another thread
// for each request.
type pacer struct {
	worker *worker
	next   int64 // when a request is due next; forever when none is
}

var _ eventloop.Expirer = (*pacer)(nil)

// OnTimer implements eventloop.Expirer.
func (p *pacer) OnTimer(int64) {
	w := p.worker
	if w.halted {
		return
	}
	w.now = clock()
	p.pace()
	w.checkEnd()
}

// pace sends what is due and sets the timer to what will be. The worker's now is
// the present.
func (p *pacer) pace() {
	w := p.worker
	w.advance()
	if p.next = w.due(); p.next == forever {
		return
	}
	w.loop.ScheduleExact(p, time.Duration(max(p.next-clock(), paceStep)))
}

// meanwhile sends what has become due while the loop was busy with replies.
func (p *pacer) meanwhile(now int64) {
	if now >= p.next {
		p.worker.now = now
		p.pace()
	}
}
