// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/sideloop/sideloop/cluster/balance"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/stats"
)

// usual is the balancing of a file that says nothing but a policy.
func usual(p config.Policy) config.Balancing {
	return config.Balancing{
		Policy: p, ChoiceCount: 2, ActiveRequestBias: 1, ClientErrorBias: 1, ServerErrorBias: 1,
		SlowStart: config.SlowStart{Aggression: 1, MinWeight: 0.1}, Overprovisioning: 140,
	}
}

// clusterOf is a cluster "c" with one host for each set of labels, which is
// written as "zone=a stage=b weight=3".
func clusterOf(b config.Balancing, hosts ...string) *Cluster {
	c := &config.Cluster{Name: "c", LB: b}
	for i, text := range hosts {
		h := config.Host{Address: fmt.Sprintf("10.0.0.%d:80", i+1), Weight: 1, Metadata: make(map[string]string)}
		for name, value := range pairs(text) {
			if h.Metadata[name] = value; name == "weight" {
				w, _ := strconv.Atoi(value)
				h.Weight = uint32(w)
			}
		}
		c.Hosts = append(c.Hosts, h)
	}
	return New(c)
}

// testLoop is a Manager on a loop whose clock stands at 0.
func testLoop(c *Cluster) *Manager {
	m := NewManager(new(eventloop.Loop), new(codec.Memory), new(stats.Block), Sessions{})
	m.Adopt(Set{c.Name: c})
	return m
}

// drawAt counts what n requests choose at loop time now.
func drawAt(m *Manager, r Request, now int64, n int) map[int]int {
	s := m.Cluster("c")
	count := make(map[int]int)
	for k := range n {
		if r.Hashed {
			r.Hash = uint64(k)
		}
		c := s.choice(r.Subset)
		if c == nil {
			count[-1]++
			continue
		}
		s.view = view{members: s, request: &r, now: now, avoid: r.host}
		count[c.choose(&s.view)]++
	}
	return count
}

// wantSpread holds a count against weights, to within 8 standard deviations of
// each host's share.
func wantSpread(t *testing.T, what string, count map[int]int, weights ...float64) {
	t.Helper()
	sum, total := 0.0, 0
	for _, w := range weights {
		sum += w
	}
	for _, n := range count {
		total += n
	}
	for i, w := range weights {
		p := w / sum
		if d := math.Abs(float64(count[i]) - p*float64(total)); d > 8*math.Sqrt(p*(1-p)*float64(total))+1e-9 {
			t.Errorf("%s: host %d was chosen %d times of %d, want a share of %.3f: %v", what, i, count[i], total, p, count)
		}
	}
}

const draws = 20_000

func TestHostsThatAreDownAreNotChosen(t *testing.T) {
	for p := config.RoundRobin; p <= config.RequestRoundRobin; p++ {
		c := clusterOf(usual(p), "", "", "").Mark("10.0.0.1:80", FailedCheck, true).Mark("10.0.0.3:80", Ejected, true)
		if got := drawAt(testLoop(c), Request{}, 0, 100); got[1] != 100 {
			t.Errorf("policy %d: %v", p, got)
		}
		c = c.Mark("10.0.0.2:80", FailedCheck, true)
		if got := drawAt(testLoop(c), Request{}, 0, 100); got[-1] != 100 {
			t.Errorf("policy %d with no healthy host: %v", p, got)
		}
	}
}

// The cluster says why: that none is healthy, or what became of the last try at
// one that is.
func TestRefusal(t *testing.T) {
	c := clusterOf(usual(config.RoundRobin), "", "").Mark("10.0.0.1:80", FailedCheck, true)
	s := testLoop(c).Cluster("c")
	g := s.choice(nil).group
	s.states[0].pools[codec.Bolt] = &pool{failure: codec.ConnectTimeout}
	if got := s.refusal(g, codec.Bolt); got != codec.NoHealthyUpstream {
		t.Errorf("the failure of a host that is down counts: %d", got)
	}
	s.states[1].pools[codec.Bolt] = &pool{failure: codec.ConnectTimeout}
	if got := s.refusal(g, codec.Bolt); got != codec.ConnectTimeout {
		t.Errorf("%d", got)
	}
	if got := s.refusal(g, codec.HTTP2); got != codec.NoHealthyUpstream {
		t.Errorf("the failure of another protocol counts: %d", got)
	}
}

func TestPanicThreshold(t *testing.T) {
	for _, tt := range []struct {
		threshold float64
		down      int
		want      []float64
	}{
		{0, 3, []float64{0, 0, 0, 1}},
		{50, 2, []float64{0, 0, 1, 1}}, // half is not below half
		{50, 3, []float64{1, 1, 1, 1}},
		{50, 4, []float64{1, 1, 1, 1}},
		{100, 1, []float64{1, 1, 1, 1}},
	} {
		for _, p := range []config.Policy{config.RoundRobin, config.Random, config.LeastRequest, config.Maglev} {
			b := usual(p)
			b.PanicThreshold = tt.threshold
			c := clusterOf(b, "", "", "", "")
			for i := range tt.down {
				c = c.Mark(c.Hosts[i].Address, FailedCheck, true)
			}
			wantSpread(t, fmt.Sprintf("policy %d, %d of 4 down, threshold %v", p, tt.down, tt.threshold), drawAt(testLoop(c), Request{}, 0, draws), tt.want...)
		}
	}
}

func TestSubsets(t *testing.T) {
	hosts := []string{"zone=a stage=prod", "zone=a stage=test weight=3", "zone=b stage=prod", "zone=b", ""}
	with := func(pairs ...Pair) *Criteria { return &Criteria{Pairs: pairs} }
	for _, tt := range []struct {
		name     string
		criteria *Criteria
		want     []float64 // nil for no host
		fallback config.Fallback
	}{
		{"one label", with(Pair{"zone", "a"}), []float64{1, 3, 0, 0, 0}, config.NoHost},
		{"two labels", with(Pair{"stage", "prod"}, Pair{"zone", "b"}), []float64{0, 0, 1, 0, 0}, config.NoHost},
		{"a value that no host has", with(Pair{"zone", "c"}), nil, config.NoHost},
		{"a label without a selector", with(Pair{"stage", "prod"}), nil, config.NoHost},
		{"no criteria", nil, nil, config.NoHost},
		{"empty criteria", with(), nil, config.NoHost},
		{"any host", with(Pair{"zone", "c"}), []float64{1, 3, 1, 1, 1}, config.AnyHost},
		{"no criteria, any host", nil, []float64{1, 3, 1, 1, 1}, config.AnyHost},
		{"the default subset", with(Pair{"zone", "c"}), []float64{1, 0, 1, 0, 0}, config.DefaultSubset},
		{"names run together", with(Pair{"zon", "ea"}), nil, config.NoHost},
	} {
		b := usual(config.Random)
		b.Subsets = config.Subsets{Fallback: tt.fallback, Default: map[string]string{"stage": "prod"}, Selectors: [][]string{{"zone"}, {"stage", "zone"}}}
		got := drawAt(testLoop(clusterOf(b, hosts...)), Request{Subset: tt.criteria}, 0, draws)
		if tt.want == nil {
			if got[-1] != draws {
				t.Errorf("%s: %v", tt.name, got)
			}
			continue
		}
		wantSpread(t, tt.name, got, tt.want...)
	}
}

// Without selectors a cluster has no subsets, and criteria mean nothing.
func TestNoSubsets(t *testing.T) {
	got := drawAt(testLoop(clusterOf(usual(config.Random), "zone=a", "zone=b")), Request{Subset: &Criteria{Pairs: []Pair{{"zone", "a"}}}}, 0, draws)
	wantSpread(t, "no selectors", got, 1, 1)
}

// Routers may make ever new criteria; a loop does not remember them all.
func TestSubsetMemoIsBounded(t *testing.T) {
	b := usual(config.Random)
	b.Subsets = config.Subsets{Selectors: [][]string{{"zone"}}}
	m := testLoop(clusterOf(b, "zone=a", "zone=b"))
	for range 3 * memoLimit {
		if got := drawAt(m, Request{Subset: &Criteria{Pairs: []Pair{{"zone", "b"}}}}, 0, 1); got[1] != 1 {
			t.Fatalf("%v", got)
		}
	}
	if n := len(m.Cluster("c").memo.choices); n > memoLimit {
		t.Errorf("%d criteria are remembered", n)
	}
}

// A zone takes all its requests while its healthy hosts, overprovisioned, can;
// then the rest goes to all others, by weight.
func TestZonePreference(t *testing.T) {
	hosts := []string{"zone=a", "zone=a", "zone=a", "zone=a", "zone=b", "zone=b weight=3"}
	const spill = 1 - 0.5*1.4 // half of the zone at 140 %
	for _, tt := range []struct {
		name string
		zone string
		down int
		want []float64
	}{
		{"all are healthy", "a", 0, []float64{1, 1, 1, 1, 0, 0}},
		{"three of four are enough", "a", 1, []float64{0, 1, 1, 1, 0, 0}},
		{"half are not", "a", 2, []float64{0, 0, 0.35, 0.35, spill / 4, spill * 3 / 4}},
		{"none is", "a", 4, []float64{0, 0, 0, 0, 1, 3}},
		{"our zone has no hosts", "c", 0, []float64{1, 1, 1, 1, 1, 3}},
		{"we do not know our zone", "", 0, []float64{1, 1, 1, 1, 1, 3}},
	} {
		for _, p := range []config.Policy{config.Random, config.RoundRobin, config.Maglev} {
			b := usual(p)
			b.PreferLocalZone = true
			c := clusterOf(b, hosts...).In(tt.zone)
			for i := range tt.down {
				c = c.Mark(c.Hosts[i].Address, FailedCheck, true)
			}
			wantSpread(t, fmt.Sprintf("%s, policy %d", tt.name, p), drawAt(testLoop(c), Request{}, 0, draws), tt.want...)
		}
	}
}

// With a hash, the request's way out of the zone depends on the hash alone.
func TestZonePreferenceKeepsHashes(t *testing.T) {
	b := usual(config.Maglev)
	b.PreferLocalZone = true
	c := clusterOf(b, "zone=a", "zone=a", "zone=b", "zone=b").In("a").Mark("10.0.0.1:80", FailedCheck, true)
	m, other := testLoop(c), testLoop(c)
	s, o := m.Cluster("c"), other.Cluster("c")
	left := 0
	for key := range uint64(draws) {
		r := Request{Hash: key, Hashed: true}
		s.view = view{members: s, request: &r}
		o.view = view{members: o, request: &r}
		a, b := s.choice(nil).choose(&s.view), o.choice(nil).choose(&o.view)
		if a != b {
			t.Fatalf("key %d goes to host %d and to host %d", key, a, b)
		}
		if a > 1 {
			left++
		}
	}
	if share := float64(left) / draws; share < 0.27 || share > 0.33 {
		t.Errorf("%.3f of the keys leave the zone, want 0.3", share)
	}
}

func TestZoneThatPanics(t *testing.T) {
	b := usual(config.Random)
	b.PreferLocalZone, b.PanicThreshold = true, 50
	c := clusterOf(b, "zone=a", "zone=b", "zone=b").In("a").Mark("10.0.0.2:80", FailedCheck, true).Mark("10.0.0.3:80", FailedCheck, true)
	wantSpread(t, "panic", drawAt(testLoop(c), Request{}, 0, draws), 1, 1, 1)
}

// A part without a host that takes connections is stepped in for by the other.
func TestZoneWhoseHostsRefuse(t *testing.T) {
	b := usual(config.RoundRobin)
	b.PreferLocalZone = true
	m := testLoop(clusterOf(b, "zone=a", "zone=b").In("a"))
	m.Cluster("c").states[0].pools[codec.Bolt] = &pool{failures: patientFailures, dialAt: 5}
	if got := drawAt(m, Request{Protocol: codec.Bolt}, 0, 10); got[1] != 10 {
		t.Errorf("%v", got)
	}
}

func TestSlowStart(t *testing.T) {
	s := config.SlowStart{Duration: 10 * time.Second, Aggression: 1, MinWeight: 0.1}
	for _, tt := range []struct {
		elapsed    time.Duration
		aggression float64
		want       float64
	}{
		{0, 1, 0.1}, {500 * time.Millisecond, 1, 0.1}, {5 * time.Second, 1, 0.5}, {10 * time.Second, 1, 1},
		{time.Hour, 1, 1}, {2500 * time.Millisecond, 2, 0.5}, {5 * time.Second, 0.5, 0.25},
	} {
		s.Aggression = tt.aggression
		if got := ramp(&s, int64(tt.elapsed)); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("after %v, aggression %v: %v, want %v", tt.elapsed, tt.aggression, got, tt.want)
		}
	}
}

// Hosts that come later, or come back, start slowly; those of the start do not.
func TestSlowStartOfNewHosts(t *testing.T) {
	for _, p := range []config.Policy{config.RoundRobin, config.Random, config.LeastRequest, config.PeakEWMA} {
		b := usual(p)
		b.SlowStart.Duration = 10 * time.Second
		c := clusterOf(b, "", "")
		m := testLoop(c)
		wantSpread(t, "at the start", drawAt(m, Request{}, 1, draws), 1, 1)
		m.Adopt(Set{"c": c.With(clusterOf(b, "", "", "").Hosts)})
		s := m.Cluster("c")
		s.states[2].since = 1 // the loop's clock stands at 0, which means long ago
		s.rampUntil = int64(10*time.Second) + 1
		wantSpread(t, "a new host", drawAt(m, Request{}, 1+int64(5*time.Second), draws), 1, 1, 0.5)
		wantSpread(t, "a host of 10 s", drawAt(m, Request{}, 1+int64(10*time.Second), draws), 1, 1, 1)
	}
}

// The table of a cluster of a thousand hosts is not made again for each verdict.
func TestMarkKeepsTheTable(t *testing.T) {
	c := clusterOf(usual(config.Maglev), "", "", "")
	if marked := c.Mark("10.0.0.2:80", FailedCheck, true); marked.index.all.parts[0].table != c.index.all.parts[0].table {
		t.Error("the table was made again")
	}
	if with := c.With(clusterOf(usual(config.Maglev), "", "").Hosts); with.index.all.parts[0].table == c.index.all.parts[0].table {
		t.Error("the table of other hosts was kept")
	}
}

func TestRetriesAvoidTheHostBefore(t *testing.T) {
	for p := config.RoundRobin; p <= config.RequestRoundRobin; p++ {
		c := clusterOf(usual(p), "", "", "")
		if got := drawAt(testLoop(c), Request{host: c.Hosts[1], Hashed: true}, 0, 1000); got[1] != 0 || got[-1] != 0 {
			t.Errorf("policy %d: %v", p, got)
		}
	}
	c := clusterOf(usual(config.RequestRoundRobin), "", "", "")
	if got := drawAt(testLoop(c), Request{host: c.Hosts[1]}, 0, 10); got[2] != 10 {
		t.Errorf("after the second host of the list: %v", got)
	}
}

var _ balance.View = (*view)(nil)

func BenchmarkChoice(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		for name, weight := range map[string]string{"even": "weight=1", "weighted": "weight=%d"} {
			var hosts []string
			for i := range n {
				text := weight
				if name == "weighted" {
					text = fmt.Sprintf(weight, i%10+1)
				}
				hosts = append(hosts, text)
			}
			s := testLoop(clusterOf(usual(config.RoundRobin), hosts...)).Cluster("c")
			r := Request{Protocol: codec.Bolt}
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s.view = view{members: s, request: &r}
					s.choice(nil).choose(&s.view)
				}
			})
		}
	}
}

func TestChoiceAllocatesNothing(t *testing.T) {
	b := usual(config.PeakEWMA)
	b.Subsets = config.Subsets{Selectors: [][]string{{"zone"}}}
	b.PreferLocalZone = true
	s := testLoop(clusterOf(b, "zone=a", "zone=a weight=2", "zone=b").In("a")).Cluster("c")
	r := Request{Subset: &Criteria{Pairs: []Pair{{"zone", "a"}}}}
	choose := func() {
		s.view = view{members: s, request: &r}
		if s.choice(r.Subset).choose(&s.view) < 0 {
			t.Fatal("no host")
		}
	}
	choose()
	if n := testing.AllocsPerRun(1000, choose); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
