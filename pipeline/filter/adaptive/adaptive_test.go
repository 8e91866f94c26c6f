// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/filter/filtertest"
)

const ms = int64(time.Millisecond)

func TestHistogram(t *testing.T) {
	var h histogram
	var all []int64
	for range 10_000 {
		ns := int64(1000 * (1 + rand.ExpFloat64()*1e4))
		all = append(all, ns)
		h.add(ns)
	}
	slices.Sort(all)
	for _, percent := range []float64{0, 1, 50, 90, 99, 100} {
		exact := all[max(int(percent/100*float64(len(all))+0.5), 1)-1]
		if got := h.percentile(percent); got > exact || float64(got) < float64(exact)*0.96-1024 {
			t.Errorf("percentile %v is %d, want %d", percent, got, exact)
		}
	}
	for _, ns := range []int64{-5, 0, 1, 1 << 10, 1<<36 - 1, 1 << 36, 1 << 60} {
		if s := slot(ns); s < 0 || s >= slots {
			t.Errorf("%d is in slot %d of %d", ns, s, slots)
		}
	}
	var sum histogram
	if sum.take(&h); h.total != 0 || sum.total != 10_000 {
		t.Errorf("%d were taken and %d left", sum.total, h.total)
	}
}

var usual = config.AdaptiveConcurrency{
	Percentile: 50, MinConcurrency: 3, MaxConcurrency: 1000, UpdateInterval: 100 * time.Millisecond,
	MinRTTInterval: 10 * time.Second, MinRTTRequests: 50, BufferPercent: 25, Status: 503,
}

// simulation is clients that never run out of requests, and hosts that serve so
// many at a time in a time each.
type simulation struct {
	t        *testing.T
	plan     *plan
	loops    []*instance
	now      int64
	servers  int
	service  int64
	inFlight []request
	served   int
	refused  int
}

type request struct {
	done int64
	loop int
	call *filter.Call
	word *int64
}

func simulate(t *testing.T, c config.AdaptiveConcurrency, servers int, service int64) *simulation {
	p, err := Kind.Listener(&c)
	if err != nil {
		t.Fatal(err)
	}
	s := &simulation{t: t, plan: p.(*plan), now: ms, servers: servers, service: service}
	s.plan.random = func() float64 { return 0.5 }
	for range 2 {
		s.loops = append(s.loops, p.Instance().(*instance))
	}
	return s
}

// run lets time pass, with clients that send so many requests per millisecond.
func (s *simulation) run(d time.Duration, perMs int) {
	for until := s.now + int64(d); s.now < until; s.now += ms {
		for i := 0; i < len(s.inFlight); {
			if r := s.inFlight[i]; r.done <= s.now {
				r.call.Now = r.done
				s.loops[r.loop].OnReply(r.call, r.word, nil)
				s.loops[r.loop].OnEnd(r.call, r.word, codec.ReasonNone)
				s.inFlight = slices.Delete(s.inFlight, i, i+1)
				s.served++
				continue
			}
			i++
		}
		for i := range perMs {
			call, word := filtertest.Call(nil), new(int64)
			call.Now = s.now
			if s.loops[i%2].OnRequest(call, word) != filter.Continue {
				s.refused++
				s.loops[i%2].OnEnd(call, word, codec.Overloaded)
				continue
			}
			// It waits for those before it.
			wait := int64(len(s.inFlight)/s.servers) * s.service
			s.inFlight = append(s.inFlight, request{s.now + wait + s.service, i % 2, call, word})
		}
	}
}

func (s *simulation) limit() int64 { return s.plan.limit.Load() }

// Hosts that serve 20 requests at a time, in 5 ms each, are given a little more than
// that, however many there are; with hosts that become slower the limit falls.
func TestLimitFollowsTheHosts(t *testing.T) {
	s := simulate(t, usual, 20, 5*ms)
	if s.limit() != 3 {
		t.Errorf("the first limit is %d", s.limit())
	}
	s.run(3*time.Second, 40)
	if l := s.limit(); l < 20 || l > 60 {
		t.Errorf("the limit is %d, the hosts take 20 at a time", l)
	}
	s.served, s.refused = 0, 0
	s.run(time.Second, 40)
	if s.served < 3200 {
		t.Errorf("%d requests were served within a second, the hosts can serve 4000", s.served)
	}
	before := s.limit()
	s.service = 50 * ms
	s.run(2*time.Second, 40)
	if l := s.limit(); l >= before/2 {
		t.Errorf("hosts ten times as slow have a limit of %d, before it was %d", l, before)
	}
}

// A measurement lets few requests in and gives the limit back.
func TestMeasurement(t *testing.T) {
	s := simulate(t, usual, 20, 5*ms)
	s.run(3*time.Second, 40)
	before := s.limit()
	low := false
	for range 10_000 {
		s.run(time.Millisecond, 40)
		if s.limit() == 3 && s.plan.since.Load() > 0 {
			low = true
		}
	}
	if !low {
		t.Error("within an interval there was no measurement")
	}
	if s.plan.since.Load() > 0 || s.limit() < before/2 {
		t.Errorf("after the measurement the limit is %d, before it was %d", s.limit(), before)
	}
}

func TestFixedLatency(t *testing.T) {
	c := usual
	c.FixedMinRTT = 5 * time.Millisecond
	c.MaxConcurrency = 10
	s := simulate(t, c, 20, 5*ms)
	s.run(20*time.Second, 40)
	if s.plan.since.Load() > 0 || s.limit() != 10 {
		t.Errorf("limit %d, want the highest", s.limit())
	}
}

// Whatever a request ends with, its place is free again, once; a refused one had
// none.
func TestPlaces(t *testing.T) {
	s := simulate(t, usual, 1, ms)
	f := s.loops[0]
	for _, r := range []codec.Reason{codec.ReasonNone, codec.UpstreamTimeout, codec.DownstreamReset} {
		for _, replied := range []bool{false, true} {
			call, word := filtertest.Call(nil), new(int64)
			if f.OnRequest(call, word) != filter.Continue || s.plan.inFlight.Load() != 1 {
				t.Fatalf("%v: %d in progress", r, s.plan.inFlight.Load())
			}
			if replied {
				f.OnReply(call, word, nil)
				f.OnReply(call, word, nil)
			}
			if f.OnEnd(call, word, r); s.plan.inFlight.Load() != 0 {
				t.Errorf("%v: %d in progress after the end", r, s.plan.inFlight.Load())
			}
		}
	}
	if n := f.recent.total + s.plan.samples.total; n != 4 {
		t.Errorf("%d latencies, want those of three replies and of a timeout", n)
	}
	var calls []*filter.Call
	var words []*int64
	for range 5 {
		calls, words = append(calls, filtertest.Call(nil)), append(words, new(int64))
		f.OnRequest(calls[len(calls)-1], words[len(words)-1])
	}
	if last := calls[4]; last.Refusal.Reason != codec.Overloaded || last.Refusal.Status != 503 || s.plan.inFlight.Load() != 3 {
		t.Errorf("refused with %+v, %d in progress", last.Refusal, s.plan.inFlight.Load())
	}
	for i := range calls {
		f.OnEnd(calls[i], words[i], codec.ReasonNone)
	}
	if n := s.plan.inFlight.Load(); n != 0 {
		t.Errorf("%d in progress", n)
	}
}

// Loops share the controller.
func TestLoopsShareTheController(t *testing.T) {
	c := usual
	c.UpdateInterval, c.MinRTTInterval = time.Nanosecond, time.Microsecond
	p, _ := Kind.Listener(&c)
	var loops sync.WaitGroup
	for range 4 {
		f := p.Instance().(*instance)
		loops.Go(func() {
			for i := range int64(20_000) {
				call, word := filtertest.Call(nil), new(int64)
				call.Now = 1000 * i
				if f.OnRequest(call, word) == filter.Continue {
					call.Now += 500
					f.OnReply(call, word, nil)
				}
				f.OnEnd(call, word, codec.ReasonNone)
			}
		})
	}
	loops.Wait()
	if l := p.(*plan); l.inFlight.Load() != 0 || l.limit.Load() < 3 || l.limit.Load() > 1000 {
		t.Errorf("%d in progress, limit %d", l.inFlight.Load(), l.limit.Load())
	}
}
