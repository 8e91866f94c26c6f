// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"testing"
	"time"
)

// The exact timer is never early, and fires between the steps of the wheel: of
// many waits of a fraction of a step, some end within their step however busy
// the machine is, where the wheel would end none.
func TestExactTimer(t *testing.T) {
	l := start(t, 1).Loops()[0]
	const wait, rounds = 100 * time.Microsecond, 300
	fired := make(chan int64)
	sooner := 0
	for range rounds {
		var begun int64
		l.Post(func() {
			begun = monotonic()
			l.ScheduleExact(expirerFunc(func(now int64) { fired <- now }), wait)
		})
		took := time.Duration(<-fired - begun)
		if took < wait {
			t.Fatalf("%v after %v", took, wait)
		}
		if took < time.Duration(tickLength) {
			sooner++
		}
	}
	if sooner == 0 {
		t.Errorf("none of %d waits of %v was over within %v", rounds, wait, time.Duration(tickLength))
	}
}

// A second call replaces the first, a stop ends it, and the wheel's timers go on
// beside it.
func TestExactTimerIsOne(t *testing.T) {
	l := start(t, 1).Loops()[0]
	fired := make(chan string, 10)
	say := func(what string) Expirer { return expirerFunc(func(int64) { fired <- what }) }
	coarse := Timer{Expire: say("wheel")}
	l.Post(func() {
		l.ScheduleExact(say("replaced"), time.Millisecond)
		l.ScheduleExact(say("exact"), 2*time.Millisecond)
		l.Schedule(&coarse, 20*time.Millisecond)
	})
	for _, want := range []string{"exact", "wheel"} {
		if got := <-fired; got != want {
			t.Errorf("%q fired, want %q", got, want)
		}
	}
	l.Post(func() {
		l.ScheduleExact(say("stopped"), time.Millisecond)
		l.StopExact()
		l.Schedule(&coarse, 20*time.Millisecond)
	})
	if got := <-fired; got != "wheel" {
		t.Errorf("%q fired", got)
	}
}

// One that schedules itself again in its own call goes on, and a panic in it
// ends nothing.
func TestExactTimerGoesOn(t *testing.T) {
	l := start(t, 1).Loops()[0]
	done, n := make(chan struct{}), 0
	var again expirerFunc
	again = func(int64) {
		if n++; n == 100 {
			close(done)
			return
		}
		l.ScheduleExact(again, 10*time.Microsecond)
		if n == 50 {
			panic("in the middle")
		}
	}
	l.Post(func() { l.ScheduleExact(again, 0) })
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("it stopped")
	}
	if s := onLoop(t, l, l.Stats); s.Panics != 1 || s.Timers != 100 {
		t.Errorf("%d panics, %d timers", s.Panics, s.Timers)
	}
}
