// SPDX-License-Identifier: Apache-2.0

package eventloop

import "time"

// lagInterval is for how many times the target nothing but turns over the target
// must have been before a loop counts as overloaded: one burst is no overload.
const lagInterval = 10

// lag judges by the length of turns whether a loop keeps up. What is ready waits
// for one turn, the one that serves others, before its own. A loop that keeps up
// has short turns, or none while it waits; one that does not finds more to do at
// the end of each turn, and turns grow with what is waiting.
//
// As with CoDel it is not the length of one turn that counts, but the least
// within an interval.
type lag struct {
	target int64 // 0 judges nothing
	since  int64 // when the first of a row of long turns began
	last   int64 // when the latest turn ended
	over   bool
}

// note takes the beginning and the end of a turn.
func (g *lag) note(began, ended int64) {
	switch {
	case ended-began < g.target:
		g.since = 0
	case g.since == 0 || began-g.last > g.target:
		// The first, or the loop had nothing to do in between.
		g.since = began
	}
	g.last = ended
	g.over = g.since > 0 && ended-g.since >= lagInterval*g.target
}

// LimitLag makes Late judge the loop by turns longer than target; 0 stops that.
// Only the loop may call it.
func (l *Loop) LimitLag(target time.Duration) { l.lag = lag{target: int64(target)} }

// Late tells that the loop is overloaded, and that the running turn has lasted
// longer than it should. Whoever then does the least possible with what comes
// next in the turn keeps turns near the target, and so the time that input waits;
// what comes early in each turn is served. Only the loop may call it.
func (l *Loop) Late() bool { return l.lag.over && monotonic()-l.now > l.lag.target }

// judgeTurn judges the running turn before it serves one more connection: it may
// be too long all by itself.
func (l *Loop) judgeTurn() {
	if g := &l.lag; g.target > 0 && !g.over {
		g.over = monotonic()-l.now >= lagInterval*g.target
	}
}

// noteTurn judges the turn that has just ended.
func (l *Loop) noteTurn() {
	if l.lag.target > 0 {
		l.lag.note(l.now, monotonic())
	}
}
