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
)

// rounded records a sample per value.
func (r *runner) rounded(id, peer string, of func(*sample) *float64, values ...float64) {
	r.Rounds = max(r.Rounds, len(values))
	for i, v := range values {
		s := sample{round: i + 1}
		*of(&s) = v
		r.record.add(id, peer, s)
	}
}

func theCPU(s *sample) *float64    { return &s.cpu }
func theP50(s *sample) *float64    { return &s.p50 }
func theRSS(s *sample) *float64    { return &s.rss }
func theFigure(s *sample) *float64 { return &s.figure }

// verdict is the one of that goal.
func (r *runner) verdict(t *testing.T, name string) report.Verdict {
	t.Helper()
	all := r.verdicts()
	at := slices.IndexFunc(all, func(v report.Verdict) bool { return v.Goal == name })
	if at < 0 {
		t.Fatalf("no verdict on %s in %+v", name, all)
	}
	return all[at]
}

func TestVerdicts(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name, goal string
		scenarios  []string
		record     func(*runner)
		want       report.Verdict // but for the goal and the limit
	}{
		{"met", "Bolt 1 KB: CPU", []string{"bolt-1k"}, func(r *runner) {
			r.rounded("bolt-1k", "sideloop", theCPU, 1, 2, 3)
			r.rounded("bolt-1k", "haproxy-tcp", theCPU, 2, 4, 4)
		}, report.Verdict{Measured: "2.00 µs to 4.00 µs of HAProxy tcp, 0.50× [0.50× – 0.75×]", Outcome: report.Met}},
		{"a slow round is of both", "Bolt 1 KB: CPU", []string{"bolt-1k"}, func(r *runner) {
			r.rounded("bolt-1k", "sideloop", theCPU, 5, 50, 6)
			r.rounded("bolt-1k", "haproxy-tcp", theCPU, 4, 40, 5)
		}, report.Verdict{Measured: "6.00 µs to 5.00 µs of HAProxy tcp, 1.25× [1.20× – 1.25×]", Outcome: report.Missed}},
		{"rounds that disagree", "Bolt 1 KB: CPU", []string{"bolt-1k"}, func(r *runner) {
			r.rounded("bolt-1k", "sideloop", theCPU, 1, 1, 3)
			r.rounded("bolt-1k", "haproxy-tcp", theCPU, 2, 2, 2)
		}, report.Verdict{Measured: "1.00 µs to 2.00 µs of HAProxy tcp, 0.50× [0.50× – 1.50×]", Outcome: report.Met, Doubtful: true}},
		{"the hardest rival", "HTTP/2 GET: CPU", []string{"h2-get"}, func(r *runner) {
			r.rounded("h2-get", "sideloop", theCPU, 3)
			r.rounded("h2-get", "haproxy-h2", theCPU, 9)
			r.rounded("h2-get", "nghttpx", theCPU, 2)
			r.rounded("h2-get", "relay", theCPU, 1)
		}, report.Verdict{Measured: "3.00 µs to 2.00 µs of nghttpx, 1.50× [1.50× – 1.50×]", Outcome: report.Missed}},
		{"a rival that is missing", "HTTP/2 GET: CPU", []string{"h2-get"}, func(r *runner) {
			r.rounded("h2-get", "sideloop", theCPU, 3)
			r.record.fail("h2-get", "haproxy-h2", errors.New("x"))
			r.rounded("h2-get", "nghttpx", theCPU, 12)
		}, report.Verdict{Measured: "3.00 µs to 12.0 µs of nghttpx, 0.25× [0.25× – 0.25×]", Outcome: report.Met}},
		{"all rivals are missing", "HTTP/2 GET: CPU", []string{"h2-get"}, func(r *runner) {
			r.rounded("h2-get", "sideloop", theCPU, 3)
		}, report.Verdict{Measured: "not measured"}},
		{"ours is missing", "Bolt 1 KB: CPU", []string{"bolt-1k"}, func(r *runner) {
			r.rounded("bolt-1k", "haproxy-tcp", theCPU, 3)
		}, report.Verdict{Measured: "not measured"}},
		{"no round of both", "Bolt 1 KB: CPU", []string{"bolt-1k"}, func(r *runner) {
			r.Rounds = 2
			r.record.add("bolt-1k", "sideloop", sample{round: 1, cpu: 1})
			r.record.add("bolt-1k", "haproxy-tcp", sample{round: 2, cpu: 2})
		}, report.Verdict{Measured: "not measured"}},
		{"not told", "Bolt at low load: added p50", []string{"low-bolt"}, func(r *runner) {
			r.rounded("low-bolt", "sideloop", theP50, nan, 3)
			r.rounded("low-bolt", "haproxy-tcp", theP50, 3, nan)
		}, report.Verdict{Measured: "not told"}},
		{"rounds that tell", "Bolt at low load: added p50", []string{"low-bolt"}, func(r *runner) {
			r.rounded("low-bolt", "sideloop", theP50, nan, 30, 40)
			r.rounded("low-bolt", "haproxy-tcp", theP50, 3, 60, 60)
		}, report.Verdict{Measured: "35.0 µs to 60.0 µs of HAProxy tcp, 0.58× [0.50× – 0.67×]", Outcome: report.Met}},
		{"within the noise", "Bolt at low load: added p50", []string{"low-bolt"}, func(r *runner) {
			r.rounded("low-bolt", "sideloop", theP50, -20)
			r.rounded("low-bolt", "haproxy-tcp", theP50, 10)
		}, report.Verdict{Measured: "-20.0 µs to 10.0 µs of HAProxy tcp", Outcome: report.Met, Doubtful: true}},
		{"a limit above the rival", "Bolt at low load: added p50, floor", []string{"low-bolt"}, func(r *runner) {
			r.rounded("low-bolt", "sideloop", theP50, 108)
			r.rounded("low-bolt", "relay", theP50, 100)
			r.rounded("low-bolt", "haproxy-tcp", theP50, 1)
		}, report.Verdict{Measured: "108 µs to 100 µs of bare relay, 1.08× [1.08× – 1.08×]", Outcome: report.Met}},
		{"a sum", "Seed chain, both sidecars: CPU", []string{"chain", "bolt-1k", "h2-post"}, func(r *runner) {
			r.rounded("chain", "sideloop", theCPU, 7, 8, 9)
			r.rounded("bolt-1k", "sideloop", theCPU, 2, 2, 2)
			r.rounded("h2-post", "sideloop", theCPU, 3, 3)
		}, report.Verdict{Measured: "7.50 µs to 5.00 µs of Bolt 1 KB + HTTP/2 POST 1 KB, 1.50× [1.40× – 1.60×]", Outcome: report.Missed}},
		{"growth", "1 to 1,000 hosts: CPU", []string{"growth-hosts"}, func(r *runner) {
			r.rounded("growth-hosts", "sideloop-1", theCPU, 10, 10, 10)
			r.rounded("growth-hosts", "sideloop-2", theCPU, 10, 10.5, 12)
		}, report.Verdict{Measured: "10.5 µs to 10.0 µs of before, 1.05× [1.00× – 1.20×]", Outcome: report.Met, Doubtful: true}},
		{"the peak of each process in any round", "Peak RSS with up to 32 connections", []string{"chain", "bolt-1k", "idle-bolt"}, func(r *runner) {
			r.rounded("chain", "sideloop", theRSS, 40<<20, 40<<20, 40<<20)
			r.rounded("bolt-1k", "sideloop", theRSS, 10<<20, 10<<20, 26<<20)
			r.rounded("idle-bolt", "sideloop", theRSS, 90<<20)
		}, report.Verdict{Measured: "26.0 MiB (Bolt 1 KB)", Outcome: report.Missed}},
		{"a figure", "Idle Bolt connection, bytes", []string{"idle-bolt"}, func(r *runner) {
			r.rounded("idle-bolt", "sideloop", theFigure, 1500, 1500, 1600)
		}, report.Verdict{Measured: "1,500", Outcome: report.Met, Doubtful: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &runner{contenders: contenders(t, "sideloop", "relay", "haproxy-tcp", "haproxy-h2", "nghttpx"), scenarios: scenarios(t, c.scenarios...)}
			c.record(r)
			got := r.verdict(t, c.goal)
			if !strings.HasPrefix(got.Limit, "at most ") {
				t.Errorf("the limit is %q", got.Limit)
			}
			c.want.Goal, c.want.Limit = got.Goal, got.Limit
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// There is no verdict on what was not asked for: other scenarios, a sum of which
// a part is not there, and rivals or a Sideloop that do not take part.
func TestNoVerdict(t *testing.T) {
	for _, c := range []struct{ scenarios, peers, none string }{
		{"bolt-1k", "sideloop haproxy-tcp", "Bolt 128 B: CPU"},
		{"chain h2-post", "sideloop", "Seed chain, both sidecars: CPU"},
		{"h2-get", "sideloop relay", "HTTP/2 GET: CPU"},
		{"bolt-1k", "relay haproxy-tcp", "Bolt 1 KB: CPU"},
	} {
		r := &runner{contenders: contenders(t, strings.Fields(c.peers)...), scenarios: scenarios(t, strings.Fields(c.scenarios)...)}
		for _, v := range r.verdicts() {
			if v.Goal == c.none {
				t.Errorf("%+v: %+v", c, v)
			}
		}
	}
}

// Goals speak of scenarios that take part unasked and of peers that there are.
func TestGoalsAreMeasured(t *testing.T) {
	all := scenarios(t)
	var ids []string
	for _, p := range peers.All() {
		ids = append(ids, p.ID)
	}
	ids = append(ids, before...)
	names := map[string]bool{}
	for _, g := range goals {
		if names[g.name] || len(g.works) == 0 || g.limit <= 0 || len(g.than) > 0 && len(g.sum) > 0 {
			t.Errorf("goal %q is there twice or lacks something", g.name)
		}
		names[g.name] = true
		for _, id := range slices.Concat(g.works, g.sum) {
			if !slices.ContainsFunc(all, func(sc *scenario) bool { return sc.id == id }) {
				t.Errorf("%s: no scenario %s", g.name, id)
			}
		}
		for _, id := range g.than {
			if !slices.Contains(ids, id) {
				t.Errorf("%s: no peer %s", g.name, id)
			}
		}
	}
	// Nobody forgets to put a new scenario on the list.
	for _, sc := range all {
		few := sc.connections <= connections && len(sc.sizes) == 0 && sc.figure != collectorPercent
		if few != slices.Contains(fewConnections, sc.id) {
			t.Errorf("%s has %d connections", sc.id, sc.connections)
		}
	}
}
