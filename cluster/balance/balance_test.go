// SPDX-License-Identifier: Apache-2.0

package balance

import "testing"

// hosts is a View of hosts, true meaning usable.
type hosts []bool

func (h hosts) Len() int          { return len(h) }
func (h hosts) Usable(i int) bool { return h[i] }

func TestRoundRobinTakesTurns(t *testing.T) {
	p, v := NewRoundRobin(), hosts{true, true, true}
	var count [3]int
	last := -1
	for range 300 {
		i := p.Choose(v)
		if last >= 0 && i != (last+1)%3 {
			t.Fatalf("host %d after host %d", i, last)
		}
		count[i]++
		last = i
	}
	if count != [3]int{100, 100, 100} {
		t.Fatalf("shares %v", count)
	}
}

func TestPoliciesSkipUnusable(t *testing.T) {
	for name, p := range map[string]Policy{"random": Random{}, "round robin": NewRoundRobin()} {
		v := hosts{false, true, false, false, true}
		var count [5]int
		for range 1000 {
			i := p.Choose(v)
			if i < 0 || !v[i] {
				t.Fatalf("%s chose %d", name, i)
			}
			count[i]++
		}
		if count[1] == 0 || count[4] == 0 {
			t.Errorf("%s never chose one of the usable hosts: %v", name, count)
		}
	}
}

func TestPoliciesWithoutUsableHost(t *testing.T) {
	for name, p := range map[string]Policy{"random": Random{}, "round robin": NewRoundRobin()} {
		for _, v := range []hosts{nil, {false}, {false, false}} {
			if i := p.Choose(v); i != -1 {
				t.Errorf("%s chose %d of %v", name, i, v)
			}
		}
	}
}

func TestRandomIsEven(t *testing.T) {
	v := make(hosts, 10)
	for i := range v {
		v[i] = true
	}
	const draws = 100_000
	var count [10]int
	for range draws {
		count[Random{}.Choose(v)]++
	}
	// Standard deviation of one share is about 95; 8 of them never happen.
	for i, n := range count {
		if n < draws/10-760 || n > draws/10+760 {
			t.Errorf("host %d was chosen %d times of %d", i, n, draws)
		}
	}
}
