// SPDX-License-Identifier: Apache-2.0

package eventloop

const (
	// turnOutput is how much a turn may append or write through before it
	// flushes early: about 100 µs of copying, so that a small reply does not
	// wait for all large transfers of the batch, and what a loop holds for all
	// its connections stays within a second-level cache.
	turnOutput = 256 << 10
	// connOutput is how much one connection may hold before it is written
	// early: one write of this size costs little more per byte than any larger.
	connOutput = 64 << 10
	// roundsPerTurn bounds flush, tasks that the flush led to, flush of what
	// these wrote, and so on; the rest waits until the sockets had their turn.
	roundsPerTurn = 4
)

// enter begins a callback from gnet, and a turn unless one is open.
func (l *Loop) enter() {
	if !l.inTurn {
		l.inTurn = true
		l.now = monotonic()
		l.stats.Turns++
	} else {
		l.judgeTurn()
	}
}

// leave ends a callback from gnet: it runs the queued tasks and ends the turn,
// unless other descriptors of the batch are still to be served.
func (l *Loop) leave() {
	l.runTasks()
	if l.ahead.left == 0 || l.stopping {
		l.finishTurn()
		return
	}
	if l.turnBytes > turnOutput {
		l.stats.FlushesEarly++
		l.flushDirty()
	}
	l.arm(l.now + int64(servedWithin))
}

// leaveBatch is leave for a descriptor's callback. One that was not awaited is
// of a batch that gnet waited for, so it asks first who else is ready. The last
// of a batch looks for the next.
func (l *Loop) leaveBatch(awaited bool) {
	if !awaited && l.ahead.left == 0 {
		l.look(0)
	}
	l.leave()
	if l.ahead.left == 0 {
		l.noteTurn()
	}
	if l.ahead.left == 0 && l.ahead.lingers && !l.stopping && !l.poll.tasksWait() {
		l.look(lingerTime)
	}
}

// finishTurn flushes every dirty connection once, and ends the turn.
func (l *Loop) finishTurn() {
	for range roundsPerTurn {
		l.flushDirty()
		l.runTasks()
		if len(l.dirty) == 0 && l.tasks.empty() {
			break
		}
	}
	l.endTurn()
}

func (l *Loop) flushDirty() {
	for i := 0; i < len(l.dirty); i++ {
		c := l.dirty[i]
		l.dirty[i] = nil
		c.dirty = false
		l.flushConn(c)
	}
	l.dirty = l.dirty[:0]
	l.turnBytes = 0
}

func (l *Loop) flushConn(c *Conn) {
	defer l.rescue("flush", c)
	c.flush()
}

// endTurn closes the turn and arms the alarm for the next timer, or for now when
// work was left over. A task that gnet runs may not trigger another one for
// that: gnet would run it before any socket.
func (l *Loop) endTurn() {
	l.inTurn = false
	l.stats.turned(uint64(monotonic() - l.now))
	due := min(int64(l.wheel.due)*tickLength, l.exact.at)
	if len(l.dirty) > 0 || !l.tasks.empty() || l.inboxLeft {
		due = 0
	}
	l.arm(due)
}

// arm makes the alarm go off at a time, unless it does so earlier.
func (l *Loop) arm(due int64) {
	if due >= l.alarm.at {
		return
	}
	if err := l.alarm.set(due, monotonic()); err != nil {
		l.log.Error("the loop's timer could not be set", "error", err)
	}
}
