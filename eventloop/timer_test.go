// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// expirerFunc makes a function an Expirer.
type expirerFunc func(now int64)

func (f expirerFunc) OnTimer(now int64) { f(now) }

// drive advances a wheel and returns the ticks of the timers that expired.
func drive(w *wheel, now uint64) (ticks []uint64) {
	for t := w.pop(now); t != nil; t = w.pop(now) {
		ticks = append(ticks, t.tick)
	}
	w.look()
	return ticks
}

func TestWheelExpiresAtTheTick(t *testing.T) {
	for _, tick := range []uint64{1, 2, 63, 64, 65, 127, 4095, 4096, 4097, 1 << 18, 1<<24 + 5, 1 << 36} {
		w := wheel{due: never}
		var timer Timer
		w.insert(&timer, tick, 0)
		if w.due != tick {
			t.Errorf("tick %d: due at %d", tick, w.due)
		}
		if got := drive(&w, tick-1); got != nil {
			t.Errorf("tick %d expired early", tick)
		}
		if got := drive(&w, tick); !slices.Equal(got, []uint64{tick}) {
			t.Errorf("tick %d: expired %v", tick, got)
		}
		if timer.Pending() || w.due != never || w.count != 0 {
			t.Errorf("tick %d: the wheel is not empty", tick)
		}
	}
}

// TestWheelAgainstModel compares the wheel with a sorted list under random
// inserts, removals and steps.
func TestWheelAgainstModel(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := wheel{due: never}
		timers := make([]Timer, 200)
		model := map[*Timer]uint64{}
		now := uint64(0)
		for range 500 {
			timer := &timers[rng.IntN(len(timers))]
			switch rng.IntN(4) {
			case 0, 1:
				if timer.Pending() {
					timer.Stop()
				}
				tick := now + 1 + rng.Uint64N(1<<rng.UintN(20))
				w.insert(timer, tick, now)
				model[timer] = tick
			case 2:
				timer.Stop()
				delete(model, timer)
			default:
				now += rng.Uint64N(1 << rng.UintN(14))
				var want []uint64
				for timer, tick := range model {
					if tick <= now {
						want = append(want, tick)
						delete(model, timer)
					}
				}
				slices.Sort(want)
				if got := drive(&w, now); !slices.Equal(got, want) {
					t.Fatalf("seed %d at %d: expired %v, want %v", seed, now, got, want)
				}
			}
			if w.count != len(model) {
				t.Fatalf("seed %d: %d timers, want %d", seed, w.count, len(model))
			}
			for _, tick := range model {
				if w.due > tick {
					t.Fatalf("seed %d: due at %d, but a timer expires at %d", seed, w.due, tick)
				}
			}
		}
	}
}

// TestWheelWakesEarlyForACrowdedSlot: finding the earliest of many far timers
// would take too long, so the wheel asks for the slot's start, never later.
func TestWheelWakesEarlyForACrowdedSlot(t *testing.T) {
	w := wheel{due: never}
	timers := make([]Timer, scanMax+1)
	for i := range timers {
		w.insert(&timers[i], 1<<20+uint64(i), 0)
	}
	w.look()
	if w.due > 1<<20 || w.due == 0 {
		t.Fatalf("due at %d", w.due)
	}
	w.remove(&timers[scanMax])
	w.remove(&timers[0])
	w.look()
	if w.due != 1<<20+1 {
		t.Fatalf("due at %d, want the earliest timer", w.due)
	}
}

func TestTimersExpireInOrder(t *testing.T) {
	l := start(t, 1).Loops()[0]
	type expiry struct {
		name string
		late int64
	}
	got := make(chan expiry, 8)
	onLoop(t, l, func() any {
		for _, d := range []struct {
			name string
			d    time.Duration
		}{{"c", 30 * time.Millisecond}, {"a", 0}, {"b", 10 * time.Millisecond}, {"b2", 10 * time.Millisecond}} {
			due := l.Now() + int64(d.d)
			l.Schedule(&Timer{Expire: expirerFunc(func(now int64) { got <- expiry{d.name, now - due} })}, d.d)
		}
		return nil
	})
	for _, want := range []string{"a", "b", "b2", "c"} {
		e := receive(t, got, "a timer")
		if e.name != want || e.late < 0 {
			t.Fatalf("timer %s expired %d ns late, want %s", e.name, e.late, want)
		}
	}
}

func TestTimerStopAndMove(t *testing.T) {
	l := start(t, 1).Loops()[0]
	got := make(chan string, 8)
	say := func(s string) Expirer { return expirerFunc(func(int64) { got <- s }) }
	stopped, moved, again := &Timer{Expire: say("stopped")}, &Timer{Expire: say("moved")}, &Timer{}
	n := 0
	again.Expire = expirerFunc(func(int64) {
		if n++; n < 3 {
			l.Schedule(again, time.Millisecond)
			return
		}
		got <- "again"
	})
	onLoop(t, l, func() any {
		l.Schedule(stopped, 5*time.Millisecond)
		l.Schedule(moved, time.Hour)
		l.Schedule(again, time.Millisecond)
		l.Schedule(moved, time.Second) // later than any stall of the machine
		stopped.Stop()
		stopped.Stop()
		if stopped.Pending() || !moved.Pending() {
			t.Error("Pending is wrong")
		}
		l.Schedule(&Timer{Expire: say("far")}, 1<<62)
		return nil
	})
	for _, want := range []string{"again", "moved"} {
		if s := receive(t, got, want); s != want {
			t.Fatalf("got %s, want %s", s, want)
		}
	}
}

// TestManyTimersAtOnce: more timers than one turn may expire.
func TestManyTimersAtOnce(t *testing.T) {
	l := start(t, 1).Loops()[0]
	const n = 3*firesPerTurn + 1
	done := make(chan Stats, 1)
	fired := 0
	onLoop(t, l, func() any {
		for range n {
			l.Schedule(&Timer{Expire: expirerFunc(func(int64) {
				if fired++; fired == n {
					done <- l.Stats()
				}
			})}, time.Millisecond)
		}
		return nil
	})
	if s := receive(t, done, "all timers"); s.Timers != n || s.Alarms < 4 {
		t.Fatalf("%d timers in %d alarms", s.Timers, s.Alarms)
	}
}

// TestIdleLoopSleeps: a loop without timers makes no turn, and one whose timers
// were all stopped makes a single one. The other loop's timer is the clock.
func TestIdleLoopSleeps(t *testing.T) {
	r := start(t, 3)
	empty, idle, clock := r.Loops()[0], r.Loops()[1], r.Loops()[2]
	before := onLoop(t, empty, empty.Stats)
	onLoop(t, idle, func() any {
		timers := make([]Timer, 1000)
		for i := range timers {
			timers[i].Expire = expirerFunc(func(int64) { t.Error("a stopped timer expired") })
			idle.Schedule(&timers[i], time.Duration(i+1)*time.Millisecond)
			timers[i].Stop()
		}
		return nil
	})
	elapse(t, clock, 300*time.Millisecond)
	if after := onLoop(t, empty, empty.Stats); after.Turns != before.Turns+1 || after.Alarms != 0 {
		t.Errorf("the idle loop made %d turns, %d by its alarm; the read itself is 1", after.Turns-before.Turns, after.Alarms)
	}
	if s := onLoop(t, idle, idle.Stats); s.Alarms != 1 {
		t.Errorf("stopped timers woke the loop %d times, want 1", s.Alarms)
	}
}

// TestRequestTimeoutsCostNoSystemCall: timeouts that are stopped in time leave
// the alarm where the first one put it.
func TestRequestTimeoutsCostNoSystemCall(t *testing.T) {
	r := start(t, 1)
	armed := map[int64]bool{}
	timer := &Timer{Expire: expirerFunc(func(int64) { t.Error("expired") })}
	s := newScript()
	s.data = func(c *Conn, b []byte) int {
		armed[c.loop.alarm.at] = true
		timer.Stop()
		c.loop.Schedule(timer, time.Hour)
		return echo(c, b)
	}
	c := connect(t, listen(t, r, func(*Conn) Handler { return s }).Addr())
	for range 100 {
		write(t, c, []byte("x"))
		expect(t, c, "x")
	}
	if n := onLoop(t, r.Loops()[0], func() int { delete(armed, notArmed); return len(armed) }); n != 1 {
		t.Fatalf("the alarm was set to %d times, want 1", n)
	}
}

func TestTimeNeverRunsBack(t *testing.T) {
	l := start(t, 1).Loops()[0]
	var times []int64
	for range 100 {
		times = append(times, onLoop(t, l, l.Now))
	}
	if !slices.IsSortedFunc(times, cmp.Compare[int64]) || times[0] <= 0 {
		t.Fatalf("times %v", times)
	}
}
