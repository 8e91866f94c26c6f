// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func TestRoundRobinTakesTurns(t *testing.T) {
	p, w := NewRoundRobin(evenly(3), seed), hostsOf(3)
	last := p.Choose(w)
	for range 300 {
		i := p.Choose(w)
		if i != (last+1)%3 {
			t.Fatalf("host %d after host %d", i, last)
		}
		last = i
	}
}

// By weight, too, requests of one host are spread among those of the others: in
// any 8 choices in a row, weights 1, 2 and 5 get theirs, give or take one.
func TestWeightedRoundRobinIsSmooth(t *testing.T) {
	weights := []uint32{1, 2, 5}
	p, w := NewRoundRobin(NewShares(weights), seed), hostsOf(3)
	var order []int
	for range 800 {
		order = append(order, p.Choose(w))
	}
	for from := range len(order) - 8 {
		var count [3]int
		for _, i := range order[from : from+8] {
			count[i]++
		}
		for i, n := range count {
			if d := n - int(weights[i]); d < -1 || d > 1 {
				t.Fatalf("choices %d to %d: %v", from, from+8, count)
			}
		}
	}
}

func TestLoopsStartAtDifferentHosts(t *testing.T) {
	for _, weights := range [][]uint32{repeat(10, 1), mixed(10)} {
		seen := make(map[int]bool)
		for s := range uint64(50) {
			seen[NewRoundRobin(NewShares(weights), s).Choose(hostsOf(10))] = true
		}
		if len(seen) < 3 {
			t.Errorf("50 loops began with %d of 10 hosts", len(seen))
		}
	}
}

func TestOrderedTriesOneAfterTheOther(t *testing.T) {
	w := hostsOf(4)
	w.down = map[int]bool{2: true}
	for _, step := range []struct{ last, want int }{{-1, 0}, {0, 1}, {1, 3}, {3, 0}} {
		w.last = step.last
		if got := (Ordered{}).Choose(w); got != step.want {
			t.Errorf("after host %d came host %d, want %d", step.last, got, step.want)
		}
	}
}

// Of two hosts that are compared the one with less is taken, whichever is drawn
// first.
func TestLeastTakesTheLesser(t *testing.T) {
	for _, tt := range []struct {
		name string
		load Load
		set  func(w *world)
	}{
		{"requests", Requests, func(w *world) { w.active, w.connections = []int{5, 4}, []int{0, 9} }},
		{"connections", Connections, func(w *world) { w.active, w.connections = []int{0, 9}, []int{2, 1} }},
		{"latency", Cost, func(w *world) { w.latency = []float64{3e6, 2e6} }},
		{"latency times requests", Cost, func(w *world) { w.latency, w.active = []float64{2e6, 3e6}, []int{3, 1} }},
		{"server errors", Cost, func(w *world) { w.latency, w.server = []float64{2e6, 3e6}, []float64{0.5, 0} }},
		{"client errors", Cost, func(w *world) { w.latency, w.client = []float64{2e6, 3e6}, []float64{0.5, 0} }},
	} {
		w := hostsOf(2)
		tt.set(w)
		p := NewLeast(evenly(2), tt.load, Biases{Choices: 2, Active: 1, ClientErrors: 1, ServerErrors: 1}, seed)
		if got := draw(t, p, w, 1000); got[1] != 1000 {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// The worst of n hosts is never the better of two, and the best one is taken
// whenever it is drawn: in 2 of n choices.
func TestTheTwoChoicesAreDifferentHosts(t *testing.T) {
	w := hostsOf(10)
	w.active = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	got := draw(t, NewLeast(evenly(10), Requests, Biases{Choices: 2, Active: 1}, seed), w, 90_000)
	var want []float64
	for i := range 10 {
		want = append(want, float64(9-i)) // the pairs in which host i is the lesser
	}
	wantShares(t, got, want)
}

func TestMoreChoicesFindTheLeastMoreOften(t *testing.T) {
	w := hostsOf(10)
	w.active = []int{0, 9, 9, 9, 9, 9, 9, 9, 9, 9}
	share := func(choices int) int {
		return draw(t, NewLeast(evenly(10), Requests, Biases{Choices: choices, Active: 1}, seed), w, 10_000)[0]
	}
	if one, two, six := share(1), share(2), share(6); one > 1200 || two < 1800 || six < 3*one {
		t.Errorf("the least loaded host was chosen %d, %d and %d times with 1, 2 and 6 choices", one, two, six)
	}
}

// By weight, hosts take turns at weight / (active + 1) ^ bias.
func TestLeastRequestsByWeight(t *testing.T) {
	weights := []uint32{1, 2, 4, 4}
	active := []int{0, 0, 1, 3}
	for _, bias := range []float64{0, 0.5, 1, 2} {
		w := hostsOf(4)
		w.active = active
		var want []float64
		for i, a := range active {
			want = append(want, float64(weights[i])/math.Pow(float64(a+1), bias))
		}
		wantShares(t, draw(t, NewLeast(NewShares(weights), Requests, Biases{Choices: 2, Active: bias}, seed), w, 100_000), want)
	}
}

// A host that answers at once with errors does not draw the traffic, but is tried
// again now and then.
func TestPeakEWMAAvoidsHostsThatFailFast(t *testing.T) {
	weights := []uint32{1, 2}
	w := hostsOf(2)
	w.latency, w.server = []float64{1e5, 1e6}, []float64{1, 0}
	got := draw(t, NewLeast(NewShares(weights), Cost, Biases{Choices: 2, Active: 1, ServerErrors: 1}, seed), w, 10_000)
	if got[0] == 0 || got[0] > 1000 {
		t.Errorf("%v", got)
	}
}

// Slow hosts get work as their latency says, in a simulation of 200 requests in
// flight: throughput is what each can do.
func TestPeakEWMASpreadsByLatency(t *testing.T) {
	latency := []float64{1e6, 2e6, 8e6}
	p, w := NewLeast(evenly(3), Cost, Biases{Choices: 2, Active: 1}, seed), hostsOf(3)
	w.latency, w.active = latency, make([]int, 3)
	type job struct {
		ends float64
		host int
	}
	var running []job
	var served [3]int
	for range 20_000 {
		if len(running) == 30 {
			next := slices.MinFunc(running, func(a, b job) int { return int(a.ends - b.ends) })
			running = slices.DeleteFunc(running, func(j job) bool { return j == next })
			for k := range w.active {
				w.active[k] = 0
			}
			for _, j := range running {
				w.active[j.host]++
			}
			i := p.Choose(w)
			running = append(running, job{next.ends + latency[i] + float64(served[i])*1e-3, i})
			served[i]++
			continue
		}
		i := p.Choose(w)
		w.active[i]++
		running = append(running, job{latency[i] + float64(len(running)), i})
	}
	if !(served[0] > served[1]*3/2 && served[1] > served[2]*3/2) {
		t.Errorf("hosts of 1, 2 and 8 ms served %v", served)
	}
}

func TestMaglevSharesFollowWeights(t *testing.T) {
	for _, weights := range [][]uint32{{1, 1, 1}, {1, 2, 5}, mixed(40), {128, 1}} {
		table := NewTable(namesOf(len(weights)), weights)
		total := uint64(0)
		count := make([]int, len(weights))
		for i, w := range weights {
			total += uint64(w)
			_ = i
		}
		for _, h := range table.slots {
			count[h]++
		}
		for i, w := range weights {
			want := float64(w) / float64(total) * tableSize
			if d := math.Abs(float64(count[i]) - want); d > want/50+2 {
				t.Errorf("%v: host %d has %d slots, want %.0f", weights, i, count[i], want)
			}
		}
	}
}

// The same key, the same host: in another process, and with the hosts in another
// order.
func TestMaglevDoesNotDependOnTheOrder(t *testing.T) {
	names, weights := namesOf(30), mixed(30)
	a := NewTable(names, weights)
	reversed, reversedWeights := slices.Clone(names), slices.Clone(weights)
	slices.Reverse(reversed)
	slices.Reverse(reversedWeights)
	b := NewTable(reversed, reversedWeights)
	for key := range uint64(10_000) {
		if names[a.host(mix(key))] != reversed[b.host(mix(key))] {
			t.Fatalf("key %d", key)
		}
	}
}

// When a host goes, few keys move besides its own; when one comes, few besides
// those that it gets.
func TestMaglevDisruptsLittle(t *testing.T) {
	names, weights := namesOf(100), mixed(100)
	before := NewTable(names, weights)
	const gone = 42
	after := NewTable(slices.Delete(slices.Clone(names), gone, gone+1), slices.Delete(slices.Clone(weights), gone, gone+1))
	moved, own := 0, 0
	for slot, h := range before.slots {
		now := int(after.slots[slot])
		if now >= gone {
			now++
		}
		switch {
		case h == gone:
			own++
		case int(h) != now:
			moved++
		}
	}
	if limit := len(before.slots) / 20; own == 0 || moved > limit {
		t.Errorf("%d slots of other hosts moved, more than %d; the host had %d", moved, limit, own)
	}
}

// A host that is not usable moves its own keys only, and spreads them.
func TestMaglevMovesOnlyTheKeysOfAHostThatIsDown(t *testing.T) {
	names, weights := namesOf(20), repeat(20, 1)
	p := NewMaglev(NewTable(names, weights), NewShares(weights), seed)
	w := hostsOf(20)
	w.hashed = true
	var got [20]int
	for key := range uint64(100_000) {
		w.hash = mix(key)
		w.down = nil
		home := p.Choose(w)
		w.down = map[int]bool{7: true}
		now := p.Choose(w)
		switch {
		case home == 7:
			got[now]++
		case now != home:
			t.Fatalf("key %d moved from host %d to %d", key, home, now)
		}
	}
	want := floats(weights, map[int]bool{7: true})
	wantShares(t, got[:], want)
}

func TestMaglevOfManyHosts(t *testing.T) {
	const n = largeTableFrom
	table := NewTable(namesOf(n), repeat(n, 1))
	if len(table.slots) != largeTableSize {
		t.Fatalf("%d slots", len(table.slots))
	}
	count := make([]int, n)
	for _, h := range table.slots {
		count[h]++
	}
	if least, most := slices.Min(count), slices.Max(count); least < 99 || most > 101 {
		t.Errorf("hosts have from %d to %d slots", least, most)
	}
}

func TestTableSizesArePrime(t *testing.T) {
	for _, n := range []int{tableSize, largeTableSize} {
		for d := 2; d*d <= n; d++ {
			if n%d == 0 {
				t.Errorf("%d is divided by %d", n, d)
			}
		}
	}
}

// The alias table gives each host its weight exactly, whatever the weights.
func TestSharesAreExact(t *testing.T) {
	for _, weights := range [][]uint32{{1, 2}, {1, 1, 2}, {128, 1, 1, 1}, mixed(1000)} {
		t.Run(fmt.Sprint(len(weights)), func(t *testing.T) {
			s := NewShares(weights)
			odds := make([]float64, len(weights))
			for i := range weights {
				odds[i] += s.keep[i]
				odds[s.other[i]] += 1 - s.keep[i]
			}
			for i, w := range weights {
				if want := float64(w) * float64(len(weights)) / float64(s.Total()); math.Abs(odds[i]-want) > 1e-9 {
					t.Errorf("host %d has %v, want %v", i, odds[i], want)
				}
			}
		})
	}
}
