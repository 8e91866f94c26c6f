// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/filter/filtertest"
)

const second = int64(time.Second)

// takes counts the tokens that n tries at a time get.
func (b *bucket) takes(r rate, now int64, n int) (got int) {
	for range n {
		if taken(b, r, now) {
			got++
		}
	}
	return got
}

func TestBucket(t *testing.T) {
	r := newRate(10, 5, time.Second)
	var b bucket
	for _, c := range []struct {
		at   int64
		want int
	}{
		{1, 10},               // full at first
		{1, 0},                //
		{second/5 - 1, 0},     // not quite a token
		{1 + second/5, 1},     // one
		{1 + 2*second, 9},     // the rest of two seconds' ten
		{1 + 1000*second, 10}, // no more than it holds
		{1 + 999*second, 0},   // a clock that is a little behind
		{1 + 1000*second, 0},  //
	} {
		if got := b.takes(r, c.at, 100); got != c.want {
			t.Errorf("at %v: %d tokens, want %d", time.Duration(c.at), got, c.want)
		}
	}
}

func TestBucketWaits(t *testing.T) {
	r, patience := newRate(1, 10, time.Second), second/4
	var b bucket
	for i, want := range []int64{0, second / 10, second / 5} {
		if wait, ok := b.take(r, 1, patience); !ok || wait != want {
			t.Errorf("request %d waits %v, %v; want %v", i, time.Duration(wait), ok, time.Duration(want))
		}
	}
	if wait, ok := b.take(r, 1, patience); ok {
		t.Errorf("one more waits %v", time.Duration(wait))
	}
	if wait, ok := b.take(r, 1+second/10, patience); !ok || wait != second/5 {
		t.Errorf("a refused one took a token: %v, %v", time.Duration(wait), ok)
	}
}

func TestBucketOfNothing(t *testing.T) {
	var b bucket
	if b.takes(newRate(0, 0, time.Second), 1, 10) != 0 || b.takes(newRate(1, 0, time.Second), 1<<50, 10) != 0 {
		t.Error("a threshold of 0 lets requests pass")
	}
}

// Loops that take at once get no more than there are.
func TestBucketIsShared(t *testing.T) {
	r := newRate(1000, 1, time.Hour)
	var b bucket
	var got atomic.Int64
	var loops sync.WaitGroup
	for range 8 {
		loops.Go(func() { got.Add(int64(b.takes(r, 1, 1000))) })
	}
	if loops.Wait(); got.Load() != 1000 {
		t.Errorf("%d tokens of 1000", got.Load())
	}
}

func TestTableForgetsTheFullest(t *testing.T) {
	tb := newTable(1) // one set
	r := newRate(5, 5, time.Second)
	for key := range uint64(ways) {
		tb.find(key<<1).takes(r, int64(key)*second+1, 5)
	}
	for key := range uint64(ways) {
		if got := tb.find(key<<1).takes(r, int64(key)*second+1, 1); got != 0 {
			t.Errorf("key %d was forgotten", key)
		}
	}
	// The first is full again since the longest.
	if got := tb.find(100).takes(r, 10*second, 10); got != 5 {
		t.Errorf("a new key has %d tokens", got)
	}
	for key := uint64(1); key < ways; key++ {
		if got := tb.find(key<<1).takes(r, int64(key)*second+1, 1); got != 0 {
			t.Errorf("key %d was forgotten", key)
		}
	}
}

func TestTableIsShared(t *testing.T) {
	tb := newTable(64)
	var loops sync.WaitGroup
	for loop := range 8 {
		loops.Go(func() {
			for i := range 20_000 {
				tb.find(uint64(i*(loop+1))*0x9E3779B97F4A7C15).take(newRate(3, 1, time.Second), int64(i), 0)
			}
		})
	}
	loops.Wait()
}

func perSecond(n uint32) config.TokenBucket {
	return config.TokenBucket{Max: n, Fill: n, Interval: time.Second}
}

// passes counts how many of n requests pass.
func passes(f filter.RouteFilter, h filtertest.Head, n int) (got int) {
	for range n {
		var word int64
		if f.OnRoute(filtertest.Call(h), &word) == filter.Continue {
			got++
		}
	}
	return got
}

func TestLocalRateLimit(t *testing.T) {
	p, _ := Local.Listener(&config.LocalRateLimit{Bucket: perSecond(3), Status: 429})
	f := p.Instance().(*local)
	if got := passes(f, nil, 10); got != 3 {
		t.Errorf("%d requests passed, want 3", got)
	}
	call, word := filtertest.Call(nil), int64(0)
	if f.OnRoute(call, &word); call.Refusal != (filter.Refusal{Reason: codec.RateLimited, Status: 429}) {
		t.Errorf("refused with %+v", call.Refusal)
	}
	own, _ := Local.Route(&config.LocalRateLimit{Bucket: perSecond(1), Status: 503, ResourceExhausted: true})
	call.Route = filtertest.Route{LocalName: own}
	if f.OnRoute(call, &word) != filter.Continue || f.OnRoute(call, &word) != filter.Reply || call.Refusal.Status != 503 || call.Refusal.GRPC != 8 {
		t.Errorf("the route's bucket does not count: %+v", call.Refusal)
	}
}

func TestDescriptors(t *testing.T) {
	p, _ := Local.Listener(&config.LocalRateLimit{Bucket: perSecond(100), Status: 429, MaxDynamic: 64, Descriptors: []config.RateDescriptor{
		{Entries: []config.RateEntry{{Header: "plan", Value: "free"}}, Bucket: perSecond(2)},
		{Entries: []config.RateEntry{{Header: "user"}, {Header: "host"}}, Bucket: perSecond(5)},
	}})
	f := p.Instance().(*local)
	for _, c := range []struct {
		head filtertest.Head
		want int
	}{
		{filtertest.Head{"plan": "free"}, 2},
		{filtertest.Head{"plan": "free", "user": "a", "host": "h"}, 0},
		{filtertest.Head{"plan": "paid"}, 10},
		{filtertest.Head{"user": "a"}, 10},
		{filtertest.Head{"user": "a", "host": "h"}, 5},
		{filtertest.Head{"user": "ah", "host": ""}, 5},
		{filtertest.Head{"user": "b", "host": "h"}, 5},
		{filtertest.Head{"user": "a", "host": "h"}, 0},
	} {
		if got := passes(f, c.head, 10); got != c.want {
			t.Errorf("%v: %d requests passed, want %d", c.head, got, c.want)
		}
	}
	// What the descriptors let pass came out of the bucket for all.
	if got := passes(f, nil, 200); got != 100-2-10-10-15 {
		t.Errorf("%d tokens are left for the others", got)
	}
}

// However many values clients make up, the table stays as large as it is.
func TestManyValues(t *testing.T) {
	p, _ := Local.Listener(&config.LocalRateLimit{MaxDynamic: 64, Descriptors: []config.RateDescriptor{
		{Entries: []config.RateEntry{{Header: "user"}}, Bucket: perSecond(1)}}})
	f := p.Instance().(*local)
	for i := range 10_000 {
		if passes(f, filtertest.Head{"user": fmt.Sprint(i)}, 1) != 1 {
			t.Fatalf("user %d is refused its first request", i)
		}
	}
	if n := len(f.descriptors[0].table.sets) * ways; n != 64 {
		t.Errorf("the table has %d places", n)
	}
}

func TestRateLimitAllocatesNothing(t *testing.T) {
	p, _ := Local.Listener(&config.LocalRateLimit{Bucket: perSecond(1), Status: 429, MaxDynamic: 64, Descriptors: []config.RateDescriptor{
		{Entries: []config.RateEntry{{Header: "user"}}, Bucket: perSecond(1000)}}})
	f, call := p.Instance().(*local), filtertest.Call(nil)
	call.Head = fixed("someone")
	if n := testing.AllocsPerRun(1000, func() { f.OnRoute(call, new(int64)) }); n > 0 {
		t.Errorf("%v allocations per request", n)
	}
}

// fixed is a head that has the same value for each header.
type fixed []byte

func (f fixed) Get(string) ([]byte, bool) { return f, true }
func (f fixed) Method() []byte            { return f }
func (f fixed) Path() []byte              { return f }
func (f fixed) Authority() []byte         { return f }

func newFlowOf(c config.FlowControl) *flow {
	p, _ := Flow.Listener(&c)
	return p.Instance().(*flow)
}

func TestFlowControl(t *testing.T) {
	rules := []config.FlowRule{
		{Resource: "/a", Threshold: 3, Interval: time.Second},
		{Resource: "/a", Threshold: 5, Interval: time.Minute},
		{Resource: "q=1", Threshold: 2, Interval: time.Second},
		{Resource: "/a?q=1", Threshold: 1, Interval: time.Second},
		{Resource: "service", Threshold: 4, Interval: time.Second},
		{Resource: "/none", Threshold: 0, Interval: time.Second},
	}
	for _, c := range []struct {
		name string
		key  config.FlowKey
		path string
		want int
	}{
		{"path", config.FlowPath, "/a", 3},
		{"path with a query", config.FlowPath, "/a?q=1", 3},
		{"query", config.FlowArg, "/b?q=1", 2},
		{"uri", config.FlowURI, "/a?q=1", 1},
		{"uri without a query", config.FlowURI, "/a", 3},
		{"no rule", config.FlowPath, "/b", 10},
		{"a threshold of 0", config.FlowPath, "/none", 0},
	} {
		f := newFlowOf(config.FlowControl{Key: c.key, Status: 509, Body: "slow down", Rules: rules})
		if got := passes(f, filtertest.Head{":path": c.path, "service": "service"}, 10); got != c.want {
			t.Errorf("%s: %d requests passed, want %d", c.name, got, c.want)
		}
	}
	f := newFlowOf(config.FlowControl{Status: 509, Body: "slow down", Rules: rules})
	call, word := filtertest.Call(filtertest.Head{"service": "service"}), int64(0)
	call.Bolt = true
	for i := range 5 {
		if a := f.OnRoute(call, &word); (a == filter.Continue) != (i < 4) {
			t.Errorf("call %d of the service: %v", i, a)
		}
	}
	if call.Refusal != (filter.Refusal{Reason: codec.RateLimited, Status: 509, Body: "slow down"}) {
		t.Errorf("refused with %+v", call.Refusal)
	}
	f = newFlowOf(config.FlowControl{Monitor: true, Rules: rules})
	if got := passes(f, filtertest.Head{":path": "/none"}, 10); got != 10 {
		t.Errorf("%d requests passed one that only monitors", got)
	}
}

func TestFlowControlSpacesRequests(t *testing.T) {
	f := newFlowOf(config.FlowControl{Rules: []config.FlowRule{
		{Resource: "/a", Threshold: 10, Interval: time.Second, Throttle: true, MaxQueueing: 250 * time.Millisecond}}})
	var waits []time.Duration
	for range 4 {
		call, word := filtertest.Call(filtertest.Head{":path": "/a"}), int64(0)
		switch f.OnRoute(call, &word) {
		case filter.Suspend:
			waits = append(waits, call.Delay)
			if a := f.OnRoute(call, &word); a != filter.Continue {
				t.Errorf("after its wait a request gets %v", a)
			}
		case filter.Continue:
			waits = append(waits, 0)
		}
	}
	if fmt.Sprint(waits) != "[0s 100ms 200ms]" {
		t.Errorf("waits %v", waits)
	}
}
