// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

// tracer notes every hook, and answers routes as it is told.
type tracer struct {
	name    string
	answers []Answer
	seen    *[]string
}

func (f *tracer) Instance() any { return f }

func (f *tracer) note(hook string, word *int64) {
	*word++
	*f.seen = append(*f.seen, fmt.Sprint(f.name, ".", hook, *word))
}

func (f *tracer) OnRequest(_ *Call, word *int64) Answer { f.note("request", word); return Continue }

func (f *tracer) OnRoute(_ *Call, word *int64) Answer {
	f.note("route", word)
	if len(f.answers) == 0 {
		return Continue
	}
	a := f.answers[0]
	f.answers = f.answers[1:]
	return a
}

func (f *tracer) OnEnd(_ *Call, word *int64, r codec.Reason) { f.note("end:"+r.String(), word) }

func chainOf(t *testing.T, plans ...Plan) *Chain {
	t.Helper()
	r, list := make(Registry), []config.StreamFilter(nil)
	for i, p := range plans {
		name := fmt.Sprint(i)
		r[name] = Kind{Listener: func(any) (Plan, error) { return p, nil }}
		list = append(list, config.StreamFilter{Type: name})
	}
	c, err := r.Compile(list, 2)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChainOrder(t *testing.T) {
	var seen []string
	a := &tracer{name: "a", seen: &seen, answers: []Answer{Suspend, Suspend}}
	b := &tracer{name: "b", seen: &seen, answers: []Answer{Continue, Reply}}
	c := &tracer{name: "c", seen: &seen}
	in := chainOf(t, a, b, c).Loop(0)
	var call Call
	in.Begin(&call)
	if in.Request(&call) != Continue || in.Routed(&call) != Suspend || in.Routed(&call) != Suspend || in.Routed(&call) != Continue {
		t.Error("the chain does not answer as its filters do")
	}
	in.End(&call, codec.ReasonNone)
	want := []string{"a.request1", "b.request1", "c.request1", "a.route2", "a.route3", "a.route4", "b.route2", "c.route2", "a.end:5", "b.end:3", "c.end:3"}
	if !slices.Equal(seen, want) {
		t.Errorf("hooks\n%v, want\n%v", seen, want)
	}
	// The next request of the same Call begins anew; a reply ends it for those
	// behind, which see its end all the same.
	seen = nil
	in.Begin(&call)
	if in.Request(&call) != Continue || in.Routed(&call) != Reply {
		t.Error("the second request is not replied to")
	}
	in.End(&call, codec.RateLimited)
	want = []string{"a.request1", "b.request1", "c.request1", "a.route2", "b.route2", "a.end:rate_limited3", "b.end:rate_limited3", "c.end:rate_limited2"}
	if !slices.Equal(seen, want) {
		t.Errorf("hooks\n%v, want\n%v", seen, want)
	}
}

func TestChainCompile(t *testing.T) {
	broken := errors.New("broken")
	r := Registry{
		"bad": {Listener: func(any) (Plan, error) { return nil, broken }},
		"one": {Listener: func(any) (Plan, error) { return &tracer{}, nil }, Route: func(s any) (any, error) { return s, nil }},
	}
	if c, err := r.Compile(nil, 2); c != nil || err != nil {
		t.Errorf("no filters make %v, %v", c, err)
	}
	if (*Chain)(nil).Loop(1) != nil {
		t.Error("no chain has instances")
	}
	for _, name := range []string{"bad", "unknown"} {
		if _, err := r.Compile([]config.StreamFilter{{Type: name}}, 1); err == nil {
			t.Errorf("%s is compiled", name)
		}
		if _, err := r.CompileRoute(config.StreamFilter{Type: name}); err == nil {
			t.Errorf("%s is compiled for a route", name)
		}
	}
	if v, err := r.CompileRoute(config.StreamFilter{Type: "one", Config: 7}); v != 7 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestChainAllocatesNothing(t *testing.T) {
	seen := make([]string, 0)
	in := chainOf(t, &quiet{}, &quiet{}).Loop(1)
	call := new(Call)
	in.Begin(call)
	if n := testing.AllocsPerRun(1000, func() {
		in.Begin(call)
		in.Request(call)
		in.Routed(call)
		in.End(call, codec.ReasonNone)
	}); n > 0 {
		t.Errorf("%v allocations per request, %v", n, seen)
	}
}

type quiet struct{}

func (q *quiet) Instance() any                   { return q }
func (*quiet) OnRequest(*Call, *int64) Answer    { return Continue }
func (*quiet) OnRoute(*Call, *int64) Answer      { return Continue }
func (*quiet) OnEnd(*Call, *int64, codec.Reason) {}
