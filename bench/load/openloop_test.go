// SPDX-License-Identifier: Apache-2.0

package load

import (
	"math"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/bench/result"
)

// Every request that the rate makes due is noticed and counted, however busy the
// machine is, and a result that is valid has the rate to one percent.
func TestRate(t *testing.T) {
	address, _ := serve(t, bench.Service{Speaks: bench.SpeaksAll})
	for _, c := range []struct {
		protocol Protocol
		rate     float64
		loops    int
	}{
		{Bolt, 20000, 1}, {HTTP2, 20000, 1}, {GRPC, 333.3, 1}, {Bolt, 5000, 2},
	} {
		r := measure(t, Options{
			Target: address, Protocol: c.protocol, Connections: 7, InFlight: 64, Body: 100, Rate: c.rate, Loops: c.loops,
			WarmUp: 100 * time.Millisecond, Duration: time.Second,
		})
		all := float64(r.Requests + r.ErrorCount())
		if math.Abs(all-c.rate) > 1 {
			t.Errorf("%v: %v requests were due in a second at %v/s", c.protocol, all, c.rate)
		}
		s := r.Schedule
		if math.Abs(float64(s.Due)-c.rate) > 1 || s.Lateness.Count() != s.Due || s.Sent > s.Due {
			t.Errorf("%v: %+v at %v/s in a second", c.protocol, s, c.rate)
		}
		// Replies may come after the second, which makes Rate less.
		if r.Invalid == "" && r.ErrorCount() == 0 && (float64(s.Sent) < 0.99*c.rate || math.Abs(float64(r.Requests)/c.rate-1) > 0.01) {
			t.Errorf("%v: %d requests instead of %v are said to be valid; %+v", c.protocol, r.Requests, c.rate, s)
		}
		if late := float64(s.Lateness.Count()) * s.LateShare; late > 0 && s.Lateness.Max() < s.LateBy {
			t.Errorf("%v: %v requests are late and none is by more than %v", c.protocol, late, time.Duration(s.Lateness.Max()))
		}
		if r.Service.Count() != r.Requests || r.Delay.Count() != r.Requests || r.Delay.Min() < 0 {
			t.Errorf("%v: %d services and %d delays of %d requests, the least delay %d", c.protocol, r.Service.Count(), r.Delay.Count(), r.Requests, r.Delay.Min())
		}
		if sum := r.Service.Mean() + r.Delay.Mean(); math.Abs(sum/r.Latency.Mean()-1) > 0.01 {
			t.Errorf("%v: latency is %v on average, service and delay together %v", c.protocol, r.Latency.Mean(), sum)
		}
	}
}

// A server that stalls for 100 ms makes the requests wait that are due
// meanwhile, though only four can be sent: a closed loop would have four slow
// requests per stall, an open one a fifth of all.
func TestNoCoordinatedOmission(t *testing.T) {
	address, _ := serve(t, bench.Service{Stall: bench.Stall{Every: 300 * time.Millisecond, For: 100 * time.Millisecond}})
	r := measure(t, Options{Target: address, Connections: 1, InFlight: 4, Rate: 1000, Duration: time.Second})
	if r.Requests+r.ErrorCount() != 1000 {
		t.Errorf("%d requests, errors %v", r.Requests, r.Errors)
	}
	if p99 := time.Duration(r.Latency.At(99)); p99 < 50*time.Millisecond {
		t.Errorf("p99 is %v", p99)
	}
	if p90 := time.Duration(r.Latency.At(90)); p90 < 10*time.Millisecond {
		t.Errorf("p90 is %v", p90)
	}
	if d, s := r.Delay.At(99), r.Service.Max(); d < int64(50*time.Millisecond) || s < int64(50*time.Millisecond) {
		t.Errorf("the delay's p99 is %v, the longest service %v", time.Duration(d), time.Duration(s))
	}
}

// A target that is too slow for the rate: what cannot be sent is not forgotten,
// and the result says whose fault it is.
func TestTooSlowTarget(t *testing.T) {
	address, _ := serve(t, bench.Service{Delay: 50 * time.Millisecond})
	r := measure(t, Options{Target: address, Connections: 2, InFlight: 2, Rate: 1000, Duration: 500 * time.Millisecond})
	if r.Requests+r.ErrorCount() != 500 || r.Errors[wordUnfinished] == 0 {
		t.Errorf("%d requests, errors %v", r.Requests, r.Errors)
	}
	// A machine that is too busy may be blamed too.
	if r.Schedule.Limit == "" || r.Schedule.Sent >= r.Schedule.Due || r.Schedule.LateShare < mostLate && r.Schedule.Limit != result.LimitTarget {
		t.Errorf("%+v", r.Schedule)
	}
	if !contains(r.Invalid, "had not been sent at the end") {
		t.Errorf("invalid: %q", r.Invalid)
	}
	if r.Rate() > 90 {
		t.Errorf("%v/s of a target that can do 80", r.Rate())
	}
}

// What waits for its turn longer than a request may take fails.
func TestQueueTimeout(t *testing.T) {
	address, _ := serve(t, bench.Service{Delay: time.Hour})
	r := measure(t, Options{Target: address, Rate: 500, Duration: 300 * time.Millisecond, RequestTimeout: 50 * time.Millisecond})
	if r.Requests != 0 || r.ErrorCount() != 150 || r.Errors[wordTimeout] < 100 {
		t.Errorf("%d requests, errors %v", r.Requests, r.Errors)
	}
}

func TestCountOfOpenLoop(t *testing.T) {
	address, _ := serve(t, bench.Service{})
	r := measure(t, Options{Target: address, Connections: 5, Loops: 2, Rate: 5000, Count: 301})
	if r.Requests != 301 || r.Partial != "" {
		t.Errorf("%d requests, partial %q", r.Requests, r.Partial)
	}
}

// Connections take turns at equal distances.
func TestSchedule(t *testing.T) {
	s := newSchedule(&Options{Connections: 4, Rate: 1000, WarmUp: time.Second, Duration: time.Second}, 0)
	if !s.open() || s.from-s.start != int64(time.Second) || s.until-s.from != int64(time.Second) {
		t.Fatalf("%+v", s)
	}
	for n := range uint64(10000) {
		if at, want := s.arrival(n%4, n/4), s.start+int64(n)*int64(time.Millisecond); at != want {
			t.Fatalf("request %d is due at %d, want %d", n, at, want)
		}
	}
	if s.measured(s.from-1) || !s.measured(s.from) {
		t.Error("the measured time does not begin after the warm-up")
	}
}
