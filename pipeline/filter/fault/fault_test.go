// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/filter/filtertest"
)

// faulty is the instance of settings whose dice always show roll.
func faulty(t *testing.T, c config.Fault, roll uint32) *instance {
	t.Helper()
	p, err := Kind.Listener(&c)
	if err != nil {
		t.Fatal(err)
	}
	f := p.Instance().(*instance)
	f.random = func(uint32) uint32 { return roll }
	return f
}

func TestFaultAnswers(t *testing.T) {
	both := config.Fault{DelayPercent: 30, Delay: time.Second, AbortPercent: 50, AbortStatus: 418}
	narrow := both
	narrow.Cluster = "c"
	matched := both
	matched.Headers = []config.HeaderMatch{{Name: "user", Value: "x"}}
	for _, c := range []struct {
		name    string
		config  config.Fault
		roll    uint32
		answers []filter.Answer
	}{
		{"nothing configured", config.Fault{}, 0, []filter.Answer{filter.Continue}},
		{"both", both, 0, []filter.Answer{filter.Suspend, filter.Reply}},
		{"last of the delayed", both, 29, []filter.Answer{filter.Suspend, filter.Reply}},
		{"only aborted", both, 30, []filter.Answer{filter.Reply}},
		{"neither", both, 50, []filter.Answer{filter.Continue}},
		{"percentages of 100", config.Fault{DelayPercent: 100, Delay: 1, AbortPercent: 100, AbortStatus: 500}, 99, []filter.Answer{filter.Suspend, filter.Reply}},
		{"a delay of nothing", config.Fault{DelayPercent: 100}, 0, []filter.Answer{filter.Continue}},
		{"another cluster", narrow, 0, []filter.Answer{filter.Continue}},
		{"another header", matched, 0, []filter.Answer{filter.Continue}},
	} {
		f, call, word := faulty(t, c.config, c.roll), filtertest.Call(filtertest.Head{"user": "y"}), int64(0)
		call.Cluster = "d"
		for i, want := range c.answers {
			if got := f.OnRoute(call, &word); got != want {
				t.Errorf("%s: answer %d is %v, want %v", c.name, i, got, want)
			} else if got == filter.Suspend && call.Delay != c.config.Delay {
				t.Errorf("%s: delayed by %v", c.name, call.Delay)
			} else if got == filter.Reply && (call.Refusal.Reason != codec.FaultAbort || call.Refusal.Status != c.config.AbortStatus) {
				t.Errorf("%s: refused with %+v", c.name, call.Refusal)
			}
		}
	}
	word := int64(0)
	call := filtertest.Call(filtertest.Head{"user": "x"})
	call.Cluster = "c"
	if faulty(t, narrow, 40).OnRoute(call, &word) != filter.Reply || faulty(t, matched, 40).OnRoute(call, &word) != filter.Reply {
		t.Error("a request that is meant was not aborted")
	}
}

// A route's settings replace the listener's.
func TestFaultByRoute(t *testing.T) {
	own, err := Kind.Route(&config.Fault{AbortPercent: 100, AbortStatus: 500})
	if err != nil {
		t.Fatal(err)
	}
	call, word := filtertest.Call(nil), int64(0)
	f := faulty(t, config.Fault{}, 0)
	if f.OnRoute(call, &word) != filter.Continue {
		t.Error("without settings a request was touched")
	}
	call.Route = filtertest.Route{Name: own}
	if f.OnRoute(call, &word) != filter.Reply {
		t.Error("the route's abort was left out")
	}
}

// About as many requests are hit as the percentage says.
func TestFaultShare(t *testing.T) {
	p, err := Kind.Listener(&config.Fault{AbortPercent: 20, AbortStatus: 500})
	if err != nil {
		t.Fatal(err)
	}
	f, hit := p.Instance().(*instance), 0
	const calls = 100_000
	for range calls {
		var word int64
		if f.OnRoute(filtertest.Call(nil), &word) == filter.Reply {
			hit++
		}
	}
	// 20 standard deviations.
	if hit < calls*20/100-2530 || hit > calls*20/100+2530 {
		t.Errorf("%d of %d requests were aborted", hit, calls)
	}
}
