// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/stats"
)

const second = int64(time.Second)

// spend draws until nothing is left.
func (b *budget) spend() (n int) {
	for b.draw() {
		n++
	}
	return n
}

func TestBudgetIsAShareOfTheRequests(t *testing.T) {
	l := &config.RetryBudget{Percent: 20, Floor: 3}
	b := newBudget(l)
	spent := 0
	for i := range 100_000 {
		b.pay(l, int64(i)*second/10_000)
		spent += b.spend()
	}
	if spent != 20_000 {
		t.Errorf("%d retries for 100,000 requests", spent)
	}
}

// What was saved in good times is a second's worth, or the reserve.
func TestBudgetSavings(t *testing.T) {
	l := &config.RetryBudget{Percent: 20, Floor: 3}
	for rate, want := range map[int64]int{10_000: 2000, 10: 64} {
		b := newBudget(l)
		for i := range 100 * rate {
			b.pay(l, i*second/rate)
		}
		b.turn(l, 100*second)
		if got := b.spend(); got < want || got > want+want/50 {
			t.Errorf("at %d a second %d retries were saved, want %d", rate, got, want)
		}
	}
}

// The floor is there from the start, and anew each second.
func TestFloor(t *testing.T) {
	m := &Manager{stats: new(stats.Block)}
	c := &Cluster{Limits: newLimits(&config.Breakers{}), usage: new(usage)}
	s := newMembers(m, c)
	var requests [5]Request
	allowed := func(now int64) (n int) {
		s.budget.turn(&c.Limits.Budget, now)
		for i := range requests {
			if s.mayRetry(&requests[i], false, now) {
				n++
			}
		}
		return n
	}
	for _, tt := range []struct {
		now  int64
		want int
	}{{0, 3}, {second / 2, 0}, {second, 3}, {second + 1, 0}} {
		if n := allowed(tt.now); n != tt.want {
			t.Errorf("at %d: %d retries, want %d", tt.now, n, tt.want)
		}
	}
	for i := range requests {
		requests[i].permit.release()
	}
	if n := c.usage.floor.n.Load(); n != 0 {
		t.Errorf("%d are still counted", n)
	}
}

// Words are taken up to their limit, and given back.
func TestWord(t *testing.T) {
	var w word
	for range 3 {
		if !w.take(3) {
			t.Fatal("refused below the limit")
		}
	}
	if w.take(3) || w.n.Load() != 3 {
		t.Errorf("%d taken of 3", w.n.Load())
	}
	w.release()
	if !w.take(3) {
		t.Error("refused after one was given back")
	}
}

// What is in use stays in use when the configuration changes.
func TestInherit(t *testing.T) {
	host := func(a string) *Host { return &Host{Address: a} }
	old := Set{"c": {Name: "c", usage: new(usage), Hosts: []*Host{host("a:1"), host("b:1")}}, "gone": {usage: new(usage)}}
	old["c"].usage.requests.take(1)
	kept, gone, used := old["c"].usage.connections("a:1"), old["c"].usage.connections("b:1"), old["c"].usage.connections("x:1")
	used.take(1)
	next := Set{"c": {Name: "c", usage: new(usage), Hosts: []*Host{host("a:1")}}, "new": {usage: new(usage)}}
	fresh := next["new"].usage
	next.Inherit(old)
	u := next["c"].usage
	if u != old["c"].usage || u.requests.n.Load() != 1 || next["new"].usage != fresh {
		t.Error("the usage was not handed on")
	}
	if u.connections("a:1") != kept || u.connections("x:1") != used {
		t.Error("a host's connections are counted anew")
	}
	if u.connections("b:1") == gone {
		t.Error("a host without connections that is gone was kept")
	}
}
