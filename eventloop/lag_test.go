// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"testing"
	"time"
)

const ms = int64(time.Millisecond)

// turns feeds a row of turns, each of a length and after a pause, from a time on.
func (g *lag) turns(from int64, n int, length, pause int64) (until int64) {
	for range n {
		g.note(from, from+length)
		from += length + pause
	}
	return from
}

func TestLagNeedsAnIntervalOfLongTurns(t *testing.T) {
	for _, c := range []struct {
		name string
		feed func(*lag)
		over bool
	}{
		{"short turns", func(g *lag) { g.turns(1, 10_000, 5*ms, 0) }, false},
		{"one turn of an interval", func(g *lag) { g.turns(1, 1, 500*ms, 0) }, true},
		{"long turns for less than an interval", func(g *lag) { g.turns(1, 4, 100*ms, 0) }, false},
		{"long turns for an interval", func(g *lag) { g.turns(1, 5, 100*ms, 0) }, true},
		{"a short one among them", func(g *lag) {
			g.turns(g.turns(g.turns(1, 4, 100*ms, 0), 1, ms, 0), 4, 100*ms, 0)
		}, false},
		{"long turns between which the loop waits", func(g *lag) { g.turns(1, 50, 100*ms, 60*ms) }, false},
		{"pauses that are no waiting", func(g *lag) { g.turns(1, 50, 100*ms, ms) }, true},
		{"a short turn ends it", func(g *lag) { g.turns(g.turns(1, 50, 100*ms, 0), 1, 10*ms, 0) }, false},
		{"a wait ends it", func(g *lag) { g.turns(g.turns(1, 50, 100*ms, 0)+1000*ms, 1, 60*ms, 0) }, false},
	} {
		g := lag{target: 50 * ms}
		if c.feed(&g); g.over != c.over {
			t.Errorf("%s: over is %v", c.name, g.over)
		}
	}
}

// A loop that never catches up notices, by its own turns, and what comes late in
// one is told so; left alone it recovers at once.
func TestLoopNoticesThatItIsLate(t *testing.T) {
	l := start(t, 1).Loops()[0]
	const target = 10 * time.Millisecond
	busy := &slowExpirer{loop: l, length: int64(2 * target)}
	busy.timer.Expire = busy
	onLoop(t, l, func() bool {
		l.LimitLag(target)
		l.Schedule(&busy.timer, 0)
		return true
	})
	eventually(t, "the loop is late", func() bool { return onLoop(t, l, func() bool { return busy.late }) })
	onLoop(t, l, func() bool {
		busy.timer.Stop()
		busy.length = 0
		return true
	})
	eventually(t, "the loop has recovered", func() bool {
		return onLoop(t, l, func() bool {
			l.Schedule(&busy.timer, 0)
			return !busy.late && !l.lag.over
		})
	})
}

// slowExpirer keeps its loop busy for a while in each turn.
type slowExpirer struct {
	loop   *Loop
	timer  Timer
	length int64
	late   bool // at the end of the latest turn
}

func (s *slowExpirer) OnTimer(int64) {
	for began := monotonic(); monotonic()-began < s.length; {
	}
	if s.late = s.loop.Late(); s.length > 0 {
		s.loop.Schedule(&s.timer, 0)
	}
}
