// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"testing"
	"time"
)

// The exact timer is never early, and the kernel is asked for its very time
// rather than for a step of the wheel.
func TestExactTimer(t *testing.T) {
	l := start(t, 1).Loops()[0]
	const wait = 1234567 * time.Nanosecond
	type span struct{ earliest, latest int64 }
	spans, fired := make(chan span, 1), make(chan int64, 1)
	looked := 0
	for range 100 {
		l.Post(func() {
			s := span{earliest: monotonic() + int64(wait)}
			l.ScheduleExact(expirerFunc(func(now int64) { fired <- now }), wait)
			s.latest = monotonic() + int64(wait)
			spans <- s
		})
		s := <-spans
		// On a busy machine it may fire before it is looked at.
		if at := onLoop(t, l, func() int64 { return l.alarm.at }); at != notArmed {
			looked++
			if at < s.earliest || at > s.latest {
				t.Fatalf("armed for %d, not for %d to %d", at, s.earliest, s.latest)
			}
		}
		if at := <-fired; at < s.earliest {
			t.Fatalf("fired %v early", time.Duration(s.earliest-at))
		}
	}
	if looked == 0 {
		t.Error("the alarm was never seen armed")
	}
}

// The alarm of another timer is not the exact timer's, nor the other way round.
func TestExactTimerBesideOthers(t *testing.T) {
	l := start(t, 1).Loops()[0]
	const sooner, later = 3 * time.Millisecond, 40 * time.Millisecond
	fired := make(chan time.Duration, 2)
	var begun int64
	say := func(wait time.Duration) Expirer {
		return expirerFunc(func(now int64) {
			if now-begun < int64(wait) {
				t.Errorf("%v after %v", time.Duration(now-begun), wait)
			}
			fired <- wait
		})
	}
	coarse := Timer{Expire: say(sooner)}
	l.Post(func() {
		begun = monotonic()
		l.Schedule(&coarse, sooner)
		l.ScheduleExact(say(later), later)
	})
	<-fired
	<-fired
	l.Post(func() {
		begun = monotonic()
		coarse.Expire = say(later)
		l.Schedule(&coarse, later)
		l.ScheduleExact(say(sooner), sooner)
	})
	<-fired
	<-fired
	if s := onLoop(t, l, l.Stats); s.Panics != 0 || s.Timers != 4 {
		t.Errorf("%d panics, %d timers", s.Panics, s.Timers)
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
