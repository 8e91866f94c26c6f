// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/bench/peers"
	"github.com/sideloop/sideloop/bench/report"
	"github.com/sideloop/sideloop/bench/result"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values                  []float64
		least, median, greatest float64
	}{
		{[]float64{3}, 3, 3, 3},
		{[]float64{5, 1}, 1, 3, 5},
		{[]float64{9, 1, 4}, 1, 4, 9},
		{nil, 0, 0, 0},
		{[]float64{8, -2, 4, 6}, -2, 5, 8},
	} {
		var samples []sample
		for _, v := range c.values {
			samples = append(samples, sample{figure: v})
		}
		least, median, greatest := spread(samples, func(s *sample) float64 { return s.figure })
		if least != c.least || median != c.median || greatest != c.greatest {
			t.Errorf("%v: %v, %v, %v", c.values, least, median, greatest)
		}
	}
}

func contenders(t *testing.T, ids ...string) []contender {
	t.Helper()
	chosen, err := peers.Select(ids, peers.Programs{})
	if err != nil {
		t.Fatal(err)
	}
	var all []contender
	for _, p := range chosen {
		all = append(all, contender{Peer: p, program: "/bin/true"})
	}
	return all
}

func scenarios(t *testing.T, ids ...string) []*scenario {
	t.Helper()
	all, err := selectScenarios(ids)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Who was to take part is in the report, with a figure or with the reason.
func TestReportLeavesNobodyOut(t *testing.T) {
	r := &runner{contenders: contenders(t, "sideloop", "relay", "haproxy-h2", "nghttpx", "h2o"), scenarios: scenarios(t, "bolt-1k", "h2-get")}
	r.contenders[3].missing = "nghttpx is not installed" // in the order of peers.All
	r.record.add("bolt-1k", "sideloop", sample{round: 1, figure: 3, rss: 10})
	r.record.add("bolt-1k", "sideloop", sample{round: 2, figure: 1, rss: 30})
	r.record.add("bolt-1k", "sideloop", sample{round: 3, figure: 2, rss: 20})
	r.record.fail("h2-get", "relay", errors.Join(errors.New("it fell"), errors.New("over")))
	r.record.add("h2-get", "haproxy-h2", sample{figure: 7})
	r.record.fail("h2-get", "haproxy-h2", errors.New("once"))
	want := [][]report.Bar{
		{
			{Name: "Sideloop", Ours: true, Min: 1, Median: 2, Max: 3, PeakRSS: 30, Ratio: 1, RatioMin: 1, RatioMax: 1},
			{Name: "bare relay", Missing: "not measured before the end"},
		},
		{
			{Name: "Sideloop", Ours: true, Missing: "not measured before the end"},
			{Name: "bare relay", Missing: "it fell: over"},
			{Name: "HAProxy h2", Min: 7, Median: 7, Max: 7},
			{Name: "nghttpx", Missing: "nghttpx is not installed"},
			{Name: "h2o", Missing: "not measured before the end"},
		},
	}
	got := r.report()
	if len(got) != len(want) {
		t.Fatalf("%d scenarios", len(got))
	}
	for i := range want {
		if len(got[i].Bars) != len(want[i]) {
			t.Fatalf("%s has the bars %+v", got[i].Name, got[i].Bars)
		}
		for k := range want[i] {
			if got[i].Bars[k] != want[i][k] {
				t.Errorf("%s: %+v, want %+v", got[i].Name, got[i].Bars[k], want[i][k])
			}
		}
	}
	if notes := strings.Join(r.notes, "\n"); !strings.Contains(notes, "HAProxy h2: 1 of 2 rounds failed: once.") {
		t.Errorf("the notes are %q", notes)
	}
}

// A ratio is of one round: a slow round of both proxies changes nothing.
func TestRatiosAreOfTheSameRound(t *testing.T) {
	r := &runner{contenders: contenders(t, "sideloop", "relay"), scenarios: scenarios(t, "bolt-1k")}
	for round, ours := range []float64{2, 20, 200, 9, 7} {
		if round != 4 { // of this one ours is missing
			r.record.add("bolt-1k", "sideloop", sample{round: round, figure: ours})
		}
		if round != 1 {
			r.record.add("bolt-1k", "relay", sample{round: round, figure: []float64{1, 0, 300, 9, 9}[round]})
		}
	}
	if b := r.report()[0].Bars[1]; b.RatioMin != 0.5 || b.Ratio != 1 || b.RatioMax != 1.5 {
		t.Errorf("%+v", b)
	}
	r.record.add("bolt-1k", "sideloop", sample{round: 5, figure: -1})
	r.record.add("bolt-1k", "relay", sample{round: 5, figure: 9})
	if b := r.report()[0].Bars[1]; b.Ratio != 0 || b.RatioMax != 0 {
		t.Errorf("with a round that has no ratio: %+v", b)
	}
	r.contenders[0].missing = "gone"
	if b := r.report()[0].Bars[1]; b.Ratio != 0 || b.Median != 9 {
		t.Errorf("without ours: %+v", b)
	}
}

func TestEveryOtherRoundRunsBackwards(t *testing.T) {
	r := &runner{contenders: contenders(t, "sideloop", "relay", "nghttpx")}
	for round, first := range map[int]string{1: "sideloop", 2: "nghttpx", 3: "sideloop"} {
		if all := r.order(round, scenarios(t, "h2-get")[0]); len(all) != 3 || all[0].ID != first {
			t.Errorf("round %d begins with %s", round, all[0].ID)
		}
	}
}

// In a scenario of growth Sideloop is set beside itself, as it is at the first
// size, and nobody else takes part.
func TestGrowthIsARatioToTheFirstSize(t *testing.T) {
	r := &runner{contenders: contenders(t, "sideloop", "relay"), scenarios: scenarios(t, "growth-hosts")}
	all := r.order(2, r.scenarios[0])
	if len(all) != 2 || all[0].size.Hosts != 1000 || all[0].ID == all[1].ID {
		t.Fatalf("%d take part", len(all))
	}
	for round, s := range [][2]float64{{10, 12}, {20, 22}, {10, 13}} {
		r.record.add("growth-hosts", "sideloop-1", sample{round: round, figure: s[0]})
		r.record.add("growth-hosts", "sideloop-2", sample{round: round, figure: s[1]})
	}
	want := []report.Bar{
		{Name: "before", Ours: true, Min: 10, Median: 10, Max: 20, Ratio: 1, RatioMin: 1, RatioMax: 1},
		{Name: "grown", Min: 12, Median: 13, Max: 22, Ratio: 1.2, RatioMin: 1.1, RatioMax: 1.3},
	}
	if got := r.report()[0].Bars; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// What is not about TLS takes part unasked; a group can be asked for by its name.
func TestGroups(t *testing.T) {
	grown := 0
	for _, sc := range scenarios(t) {
		if sc.encrypted() {
			t.Errorf("%s takes part unasked", sc.id)
		}
		if len(sc.sizes) > 0 {
			grown++
		}
	}
	if n := len(scenarios(t, "growth", "bolt-1k")); grown != 4 || n != 1+4 {
		t.Errorf("%d scenarios of growth, %d with another", grown, n)
	}
	if n := len(scenarios(t, "tls")); n != 8 {
		t.Errorf("%d scenarios with TLS", n)
	}
}

// Stalls and garbage are looked at in Sideloop only, of whatever build.
func TestSideloopAlone(t *testing.T) {
	r := &runner{contenders: contenders(t, "sideloop", "sideloop-b", "relay", "haproxy-tcp")}
	for _, sc := range scenarios(t, "stall-bolt", "gc-bolt") {
		if all := r.taking(sc); len(all) != 2 || all[1].ID != "sideloop-b" {
			t.Errorf("%s: %d take part", sc.id, len(all))
		}
	}
}

func TestAddedLatency(t *testing.T) {
	r := &runner{contenders: contenders(t, "relay"), scenarios: scenarios(t, "open-bolt")}
	s := sample{p50: 30, p90: 70, p99: 100, p999: 300, cpu: 5, rss: 9}
	s.over(sample{p50: 20, p90: 40, p99: 40, p999: 100, cpu: 1})
	r.record.add("open-bolt", "relay", s)
	var medians []float64
	for i, sc := range r.report() {
		b := sc.Bars[0]
		medians = append(medians, b.Median)
		if has := b.P50 == 10 && b.P90 == 30 && b.P99 == 60 && b.P999 == 200 && b.PeakRSS == 9; has != (i == 0) {
			t.Errorf("%s: %+v", sc.Name, b)
		}
	}
	if !slices.Equal(medians, []float64{10, 30, 60, 200, 5}) {
		t.Errorf("the medians are %v", medians)
	}
}

// Where the generator was late in some rounds the tail is of the others, and
// where it was in all there is none.
func TestTailThatIsNotTold(t *testing.T) {
	nan := math.NaN()
	r := &runner{contenders: contenders(t, "sideloop", "relay"), scenarios: scenarios(t, "open-bolt")}
	base := sample{p50: 20, p99: 40, p999: nan, tail: "it was late"}
	for round, p99 := range []float64{50, nan, 70} {
		ours := sample{round: round, p50: 25, p99: p99, p999: 500}
		if math.IsNaN(p99) {
			ours.tail = "it was late too"
		}
		theirs := sample{round: round, p50: 30, p99: nan, p999: nan, tail: "late"}
		ours.over(base)
		theirs.over(base)
		r.record.add("open-bolt", "sideloop", ours)
		r.record.add("open-bolt", "relay", theirs)
	}
	all := r.report()
	p50, p99, p999 := all[0].Bars, all[2].Bars, all[3].Bars
	if p50[0].Median != 5 || p50[1].Median != 10 || p50[1].Ratio != 2 || p50[0].P99 != 20 || !math.IsNaN(p50[0].P999) || !math.IsNaN(p50[1].P99) {
		t.Errorf("p50: %+v", p50)
	}
	if p99[0].Min != 10 || p99[0].Median != 20 || p99[0].Max != 30 || p99[1].Missing != report.NotTold {
		t.Errorf("p99: %+v", p99)
	}
	if p999[0].Missing != report.NotTold {
		t.Errorf("p99.9: %+v", p999)
	}
	notes := strings.Join(r.notes, "\n")
	for _, want := range []string{"Sideloop: 3 of 3 rounds do not tell all percentiles; in the first, without a proxy, it was late.", "bare relay: 3 of 3 rounds do not tell all percentiles; in the first, late."} {
		if !strings.Contains(notes, want) {
			t.Errorf("no %q in %q", want, notes)
		}
	}
}

func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios(t) {
		if seen[s.id] || s.name == "" || s.what == "" || len(s.hops) == 0 {
			t.Errorf("scenario %q is there twice or lacks something", s.id)
		}
		seen[s.id] = true
		// Without both there is nothing to compare.
		for _, p := range contenders(t, "sideloop", "relay") {
			if !s.serves(p.Peer) {
				t.Errorf("%s does not serve %s", p.ID, s.id)
			}
		}
	}
	if _, err := selectScenarios([]string{"nonsense"}); err == nil || !strings.Contains(err.Error(), "bolt-1k") {
		t.Errorf("an unknown scenario: %v", err)
	}
	some := scenarios(t, "h2-get", "bolt-128")
	if len(some) != 2 || some[0].id != "bolt-128" {
		t.Errorf("selected %v", some)
	}
}

// In the order of reports, an allocation is not rounded away and a garbage
// scenario states no memory.
func TestGarbageIsTwoFigures(t *testing.T) {
	r := &runner{contenders: contenders(t, "sideloop"), scenarios: scenarios(t, "gc-bolt")}
	r.record.add("gc-bolt", "sideloop", sample{round: 1, figure: 0.5, allocs: 0.25})
	all := r.report()
	if len(all) != 2 || all[0].Bars[0].Median != 0.5 || all[1].Bars[0].Median != 0.25 || all[0].Bars[0].PeakRSS != 0 {
		t.Errorf("%+v", all)
	}
	if text := (&sample{figure: 0.5, allocs: 0.0123}).text(r.scenarios[0]); text != "0.50 % of the CPU time in the collector, 0.0123 allocations per request" {
		t.Error(text)
	}
}

func histogram(ns ...int64) *result.Histogram {
	h := result.NewHistogram()
	for _, v := range ns {
		h.Record(v)
	}
	return h
}

func TestJudge(t *testing.T) {
	target := result.Process{MicrosPerRequest: 4, Usage: result.Usage{PeakRSS: 100}}
	good := func() *result.Result {
		return &result.Result{Requests: 10_000, Latency: histogram(20_000), Targets: []result.Process{target, target}}
	}
	for _, c := range []struct {
		name, scenario, want string // want: the error; empty for none
		change               func(*result.Result)
	}{
		{"good", "bolt-1k", "", func(*result.Result) {}},
		{"partial", "bolt-1k", "the target died", func(r *result.Result) { r.Partial = "the target died" }},
		{"nothing", "bolt-1k", "no request was answered", func(r *result.Result) { r.Requests = 0 }},
		{"errors", "bolt-1k", "20 of 10020 requests failed (15 timeout, 5 wrong_body)", func(r *result.Result) {
			r.Errors = map[string]uint64{"wrong_body": 5, "timeout": 15}
		}},
		{"few errors", "bolt-1k", "", func(r *result.Result) { r.Errors = map[string]uint64{"timeout": 9} }},
		{"busy generator", "bolt-1k", "", func(r *result.Result) { r.Invalid = "busy" }},
		{"rate not kept", "growth-hosts", "not valid: not kept", func(r *result.Result) {
			r.Invalid, r.Schedule = "not kept", &result.Schedule{Due: 10, Limit: result.LimitGenerator}
		}},
		{"late, but not for latency", "growth-hosts", "", func(r *result.Result) {
			r.Invalid, r.Schedule = "late", &result.Schedule{Due: 10, LateShare: 0.5, LateBy: 1e6}
		}},
		{"late for latency", "open-bolt", "not valid: late", func(r *result.Result) {
			r.Invalid, r.Schedule = "late", &result.Schedule{Due: 10, LateShare: 0.5, LateBy: 1e6}
		}},
		{"latency of a rate not kept", "open-bolt", "not valid: not kept", func(r *result.Result) { r.Invalid = "not kept" }},
		{"a process less", "bolt-1k", "1 processes were measured instead of 2", func(r *result.Result) { r.Targets = r.Targets[:1] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, found := &runner{}, good()
			c.change(found)
			s, err := r.judge(scenarios(t, c.scenario)[0], "x", found, 2, nil)
			if c.want != "" {
				if err == nil || err.Error() != c.want {
					t.Fatalf("the error is %v, want %q", err, c.want)
				}
				return
			}
			if told := found.Schedule == nil; err != nil || s.figure != 8 || s.rss != 200 || told && (s.p50 < 19.9 || s.p50 > 20.1) {
				t.Fatalf("%+v, %v", s, err)
			}
			if (len(r.notes) == 1) != (len(found.Errors) > 0) {
				t.Fatalf("the notes are %v", r.notes)
			}
		})
	}
	late := good()
	late.Schedule = &result.Schedule{LateShare: 0.05, LateBy: 1e6}
	late.Steal = 0.07
	s, err := (&runner{}).judge(scenarios(t, "open-bolt")[0], "x", late, 2, nil)
	if err != nil || math.IsNaN(s.p50) || !math.IsNaN(s.p99) || !strings.Contains(s.tail, "5.00 % of the requests") || !strings.Contains(s.tail, "steal") {
		t.Errorf("a late generator: %+v, %v", s, err)
	}
	s, err = (&runner{}).judge(scenarios(t, "h2-upload")[0], "x", good(), 2, nil)
	if err != nil || s.figure != 0.008 {
		t.Errorf("a transfer costs %v ms, %v", s.figure, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name, want string
		options    Options
	}{
		{"no rounds", "number of rounds", Options{Measure: 1e9}},
		{"no time", "time of a measurement", Options{Rounds: 1}},
		{"unknown scenario", "no scenario", Options{Rounds: 1, Measure: 1e9, Scenarios: []string{"x"}}},
		{"unknown peer", "no peer", Options{Rounds: 1, Measure: 1e9, Peers: []string{"x"}}},
		{"unwritable folder", "not a directory", Options{Rounds: 1, Measure: 1e9, Peers: []string{"relay"}, JSON: "/dev/null/x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Run(t.Context(), c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) || len(s.Scenarios) > 0 {
				t.Fatalf("%d scenarios and %v, want %q", len(s.Scenarios), err, c.want)
			}
		})
	}
}
