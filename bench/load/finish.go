// SPDX-License-Identifier: Apache-2.0

package load

import "time"

// schedulePulse sets the timer to the next multiple of a pulse, counted from the
// beginning of the measured time.
func (w *worker) schedulePulse() {
	since := clock() - w.schedule.from
	left := int64(pulseLength) - since%int64(pulseLength)
	if since < 0 {
		left = -since % int64(pulseLength)
	}
	w.loop.Schedule(&w.pulse, max(time.Duration(left), time.Millisecond))
}

// onPulse hands over the block and goes on with another. While the collector has
// all others the loop keeps adding to the one it has.
func (w *worker) onPulse() {
	if w.halted {
		return
	}
	select {
	case next := <-w.spare:
		full := w.block
		w.block = next
		w.block.second = w.second()
		w.hand(full)
	default:
	}
	w.schedulePulse()
}

// second is the entry of the series to which what ends now belongs. The first
// moments after the end are added to the last entry.
func (w *worker) second() int {
	now, s := clock(), w.schedule
	if s.until != forever && now < s.until+int64(pulseLength) {
		now = min(now, s.until-1)
	}
	// Timers may be a little early by our clock.
	return int(max(now-s.from+int64(pulseLength)/2, 0) / int64(time.Second))
}

// hand gives a block to the collector, for which there is always room.
func (w *worker) hand(b *block) {
	b.last = w.last
	for _, c := range w.conns {
		if c.link != nil && w.now-c.link.opened > int64(settleTime) {
			b.alive = true
			break
		}
	}
	w.blocks <- b
}

// onEnding stops at the end of the measured time, and later gives up what is
// pending still.
func (w *worker) onEnding() {
	w.now = clock()
	switch {
	case w.halted:
		return
	case w.now < w.schedule.until: // the timers' clock is not quite ours
		w.loop.Schedule(&w.ending, time.Duration(w.schedule.until-w.now))
		return
	case w.grace == 0:
		if w.schedule.open() {
			w.advance() // what became due in the last moments
		}
		w.stopped = true
		w.grace = w.now + int64(min(drainTime, w.options.RequestTimeout))
		w.countUnsent()
		w.loop.Schedule(&w.ending, time.Duration(w.grace-w.now))
		w.checkEnd()
	default:
		w.block.errors[wordUnfinished] += w.pending
		w.pending = 0
		w.last = w.now
		w.checkEnd()
	}
}

// countUnsent counts what is due and waits to be sent, once: at the end of the
// measured time or where the run is cut short.
func (w *worker) countUnsent() {
	for _, c := range w.conns {
		w.block.unsent += c.arrived - c.taken
	}
}

// checkEnd ends the loop's part once everything that began has ended.
func (w *worker) checkEnd() {
	if !w.stopped || w.pending > 0 || w.halted {
		return
	}
	w.halt()
}

// halt hands over what there is; nothing counts any more.
func (w *worker) halt() {
	if w.halted {
		return
	}
	w.now = clock()
	w.halted = true
	if w.grace == 0 {
		w.countUnsent()
	}
	w.opening.Stop()
	w.pulse.Stop()
	w.sweep.Stop()
	w.ending.Stop()
	w.loop.StopExact()
	w.pacer.next = forever
	w.block.final = true
	w.hand(w.block)
}
