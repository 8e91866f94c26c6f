// SPDX-License-Identifier: Apache-2.0

package eventloop

import "time"

// notArmed is the time of an alarm that is not armed, and of an exact timer that
// is not pending: that of an empty wheel.
const notArmed = int64(never) * tickLength

// exactTimer is the loop's one timer with the kernel's resolution.
type exactTimer struct {
	at     int64 // of monotonic
	expire Expirer
}

// ScheduleExact makes e's OnTimer run d from now, where now is the time of the
// call and not the turn's, and d is kept as exactly as the kernel can rather
// than to the millisecond of a [Timer]. A loop has one such time: a further call
// replaces it. Only the loop may call it.
func (l *Loop) ScheduleExact(e Expirer, d time.Duration) {
	l.exact = exactTimer{at: monotonic() + int64(min(max(d, 0), maxDelay)), expire: e}
}

// StopExact forgets the time that ScheduleExact was given. Only the loop may
// call it.
func (l *Loop) StopExact() { l.exact = exactTimer{at: notArmed} }

// expireExact calls what the exact timer is for, once its time has come.
func (l *Loop) expireExact() {
	if l.exact.at > l.now {
		return
	}
	e := l.exact.expire
	l.StopExact()
	l.stats.Timers++
	l.fire(e)
}
