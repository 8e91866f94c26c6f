// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"math"
	"testing"
)

// world is a View that a test sets up; nil lists read as all alike.
type world struct {
	n           int
	down        map[int]bool
	ramp        map[int]float64
	active      []int
	connections []int
	latency     []float64
	client      []float64
	server      []float64
	hash        uint64
	hashed      bool
	last        int
}

func hostsOf(n int) *world { return &world{n: n, last: -1} }

func (w *world) Len() int          { return w.n }
func (w *world) Usable(i int) bool { return !w.down[i] }
func (w *world) Ramping() bool     { return len(w.ramp) > 0 }
func (w *world) Ramp(i int) float64 {
	if r, ok := w.ramp[i]; ok {
		return r
	}
	return 1
}
func (w *world) Active(i int) int            { return at(w.active, i) }
func (w *world) Connections(i int) int       { return at(w.connections, i) }
func (w *world) Latency(i int) float64       { return at(w.latency, i) }
func (w *world) Hash() (uint64, bool)        { return w.hash, w.hashed }
func (w *world) Last() int                   { return w.last }
func (w *world) Errors(i int) (c, s float64) { return at(w.client, i), at(w.server, i) }

func at[T any](list []T, i int) (zero T) {
	if list == nil {
		return zero
	}
	return list[i]
}

// evenly is n hosts of the same weight.
func evenly(n int) *Shares { return NewShares(repeat(n, 1)) }

func repeat(n int, w uint32) []uint32 {
	weights := make([]uint32, n)
	for i := range weights {
		weights[i] = w
	}
	return weights
}

func namesOf(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("10.0.%d.%d:8080", i/256, i%256)
	}
	return names
}

const seed = 1

// draw counts the choices of p.
func draw(t *testing.T, p Policy, w *world, n int) []int {
	t.Helper()
	counts := make([]int, w.n)
	for range n {
		i := p.Choose(w)
		if i < 0 || i >= w.n || w.down[i] {
			t.Fatalf("host %d of %d was chosen", i, w.n)
		}
		counts[i]++
	}
	return counts
}

// wantShares holds counts against weights by Pearson's chi-square. The bound is
// eight standard deviations of the statistic above its mean, beyond which no
// honest draw of any seed gets.
func wantShares(t *testing.T, counts []int, weights []float64) {
	t.Helper()
	if chi, bound := chiSquare(counts, weights); chi > bound {
		t.Errorf("chi-square %.1f is over %.1f: %v for weights %v", chi, bound, counts, weights)
	}
}

func chiSquare(counts []int, weights []float64) (chi, bound float64) {
	total, sum, kinds := 0.0, 0.0, -1.0
	for i, w := range weights {
		total += float64(counts[i])
		sum += w
	}
	for i, w := range weights {
		expected := total * w / sum
		if expected == 0 {
			continue
		}
		kinds++
		chi += (float64(counts[i]) - expected) * (float64(counts[i]) - expected) / expected
	}
	return chi, kinds + 8*math.Sqrt(2*kinds)
}

// floats are weights for wantShares, less those of hosts that are down.
func floats(weights []uint32, down map[int]bool) []float64 {
	list := make([]float64, len(weights))
	for i, w := range weights {
		if !down[i] {
			list[i] = float64(w)
		}
	}
	return list
}

// all is every policy for hosts of these weights.
func all(weights []uint32) map[string]Policy {
	s := NewShares(weights)
	return map[string]Policy{
		"random":            NewRandom(s, seed),
		"round robin":       NewRoundRobin(s, seed),
		"least requests":    NewLeast(s, Requests, Biases{Choices: 2, Active: 1}, seed),
		"least connections": NewLeast(s, Connections, Biases{Choices: 2, Active: 1}, seed),
		"least cost":        NewLeast(s, Cost, Biases{Choices: 2, Active: 1, ClientErrors: 1, ServerErrors: 1}, seed),
		"maglev, no hash":   NewMaglev(NewTable(namesOf(len(weights)), weights), s, seed),
		"ordered":           Ordered{},
	}
}

func TestChiSquareTellsUnevenDraws(t *testing.T) {
	if chi, bound := chiSquare([]int{10_000, 10_000, 10_800}, []float64{1, 1, 1}); chi <= bound {
		t.Errorf("%.1f is within %.1f", chi, bound)
	}
	if chi, bound := chiSquare([]int{10_000, 10_050, 9_950}, []float64{1, 1, 1}); chi > bound {
		t.Errorf("%.1f is over %.1f", chi, bound)
	}
}

// Where hosts are alike but for their weights, every policy that heeds weights
// gives each host its share, with all hosts and with some of them down.
func TestSharesFollowWeights(t *testing.T) {
	for _, weights := range [][]uint32{{1, 1}, {1, 1, 1, 1, 1}, {1, 2}, {1, 2, 3, 10}, {128, 1}, {7, 7, 7, 3}, mixed(100)} {
		for _, down := range []map[int]bool{nil, {0: true}} {
			for name, p := range all(weights) {
				if name == "ordered" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d hosts/%d down", name, len(weights), len(down)), func(t *testing.T) {
					w := hostsOf(len(weights))
					w.down = down
					wantShares(t, draw(t, p, w, 40_000), floats(weights, down))
				})
			}
		}
	}
}

// mixed is n weights from 1 to 10.
func mixed(n int) []uint32 {
	weights := make([]uint32, n)
	for i := range weights {
		weights[i] = uint32(i%10) + 1
	}
	return weights
}

// With most hosts down the others are found, and none of them is favoured for
// standing behind those.
func TestSharesAmongFewUsableHosts(t *testing.T) {
	weights := mixed(50)
	down := make(map[int]bool)
	for i := range 50 {
		down[i] = i != 3 && i != 40 && i != 41
	}
	for _, name := range []string{"random", "round robin", "maglev, no hash"} {
		w := hostsOf(50)
		w.down = down
		wantShares(t, draw(t, all(weights)[name], w, 20_000), floats(weights, down))
	}
}

func TestPoliciesWithoutUsableHost(t *testing.T) {
	for n := range 4 {
		for name, p := range all(mixed(n)) {
			w := hostsOf(n)
			w.down = map[int]bool{0: true, 1: true, 2: true}
			w.hashed = true
			if i := p.Choose(w); i != -1 {
				t.Errorf("%s chose host %d of %d", name, i, n)
			}
		}
	}
}

// A host in slow start gets its part of its weight.
func TestSharesInSlowStart(t *testing.T) {
	for name, p := range all([]uint32{2, 2, 4, 2}) {
		if name == "ordered" {
			continue
		}
		w := hostsOf(4)
		w.ramp = map[int]float64{1: 0.25, 2: 0.5}
		wantShares(t, draw(t, p, w, 40_000), []float64{2, 0.5, 2, 2})
	}
}

func TestChooseAllocatesNothing(t *testing.T) {
	for _, weights := range [][]uint32{{1}, repeat(10, 1), mixed(1000)} {
		for name, p := range all(weights) {
			w := hostsOf(len(weights))
			w.hash, w.hashed = 5, true
			p.Choose(w)
			if n := testing.AllocsPerRun(1000, func() { p.Choose(w) }); n != 0 {
				t.Errorf("%s among %d hosts: %v allocations", name, len(weights), n)
			}
		}
	}
}

var chosen int

func BenchmarkChoose(b *testing.B) {
	for _, kind := range []string{"even", "weighted"} {
		for _, n := range []int{1, 10, 1000} {
			weights := repeat(n, 1)
			if kind == "weighted" {
				weights = mixed(n)
			}
			for name, p := range all(weights) {
				b.Run(fmt.Sprintf("%s/%s/%d", name, kind, n), func(b *testing.B) {
					w := hostsOf(n)
					w.hashed = true
					b.ReportAllocs()
					for b.Loop() {
						w.hash += 0x9e3779b97f4a7c15
						chosen = p.Choose(w)
					}
				})
			}
		}
	}
}
