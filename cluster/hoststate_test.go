// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/config"
)

// pairs reads "a=b c=d".
func pairs(text string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, field := range strings.Fields(text) {
			name, value, _ := strings.Cut(field, "=")
			if !yield(name, value) {
				return
			}
		}
	}
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*math.Abs(want)+1e-12 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// A slow reply counts at once, and fades; fast ones bring the average down with
// time, not with their number.
func TestLatencyPeaksAndFades(t *testing.T) {
	var f fading
	f.peak(1e6, 1)
	f.peak(50e6, 2)
	within(t, "the average after a slow reply", f.now(2), 50e6, 0)
	for range 1000 {
		f.peak(1e6, 2)
	}
	within(t, "the average after fast replies in the same turn", f.now(2), 50e6, 0)
	within(t, "the average after a silence", f.now(2+int64(fadeTime)), 50e6/math.E, 1e-6)
	f.peak(1e6, 2+int64(fadeTime))
	within(t, "the average after a fast reply then", f.now(2+int64(fadeTime)), 50e6/math.E+1e6*(1-1/math.E), 1e-6)
}

func TestErrorRateFollowsTheRequests(t *testing.T) {
	var f fading
	for range 200 {
		f.rate(true, 1)
	}
	within(t, "the rate when all fail", f.now(1), 1, 0.001)
	for k := range 2000 {
		f.rate(k%4 == 0, 1)
	}
	within(t, "the rate when a quarter fail", f.now(1), 0.25, 0.25)
	for range 200 {
		f.rate(false, 1)
	}
	within(t, "the rate when none fails any more", f.now(1)+1, 1, 0.001)
}

// What nobody knows of a host is taken to be usual.
func TestUnknownLatencyIsUsual(t *testing.T) {
	shared := new(usually)
	known, unknown := &hostState{usual: shared}, &hostState{usual: shared}
	for range 1000 {
		known.judge(Succeeded, false, int64(4*time.Millisecond), 5)
	}
	within(t, "the latency of a host without replies", unknown.expected(5), 4e6, 0.01)
	unknown.judge(Succeeded, false, int64(time.Millisecond), 5)
	within(t, "that of one reply", unknown.expected(5), 1e6, 0)
}

func TestOutcomesAreJudged(t *testing.T) {
	for _, tt := range []struct {
		outcome                 Outcome
		refused                 bool
		client, server, latency bool
	}{
		{Unjudged, false, false, false, false},
		{Succeeded, false, false, false, true},
		{Succeeded, true, true, false, true},
		{ServerError, false, false, true, true},
		{TimedOut, false, false, true, true},
		{Broken, false, false, true, false},
		{ConnectFailure, false, false, true, false},
	} {
		s := &hostState{usual: new(usually)}
		s.judge(tt.outcome, tt.refused, 1000, 5)
		if c, e, l := s.client.value > 0, s.server.value > 0, s.latency.value > 0; c != tt.client || e != tt.server || l != tt.latency {
			t.Errorf("outcome %d: client error %v, server error %v, latency %v", tt.outcome, c, e, l)
		}
	}
}

// What a loop knows of a host outlives verdicts, other hosts and other settings,
// and ends with the host.
func TestHostStateLivesOn(t *testing.T) {
	c := clusterOf(usual(config.PeakEWMA), "", "", "")
	m := testLoop(c)
	first := m.Cluster("c").states
	first[1].latency.value = 7
	m.Adopt(Set{"c": c.Mark("10.0.0.1:80", Ejected, true)})
	if now := m.Cluster("c").states; &now[0] != &first[0] {
		t.Error("a verdict made new states")
	}
	if !first[0].down {
		t.Error("the verdict was not noted")
	}
	m.Adopt(Set{"c": c.With(clusterOf(usual(config.Random), "", "", "", "").Hosts[1:])})
	now := m.Cluster("c").states
	if len(now) != 3 || now[0] != first[1] || now[1] != first[2] || now[2] == first[0] {
		t.Error("the states of the hosts that stayed are not theirs")
	}
	m.Adopt(Set{})
	m.Adopt(Set{"c": c})
	if m.Cluster("c").states[1] == first[1] {
		t.Error("a cluster that was gone knows of its hosts")
	}
}

// An address that stands twice in the list is one host with two turns.
func TestHostTwice(t *testing.T) {
	c := clusterOf(usual(config.RoundRobin), "", "")
	m := testLoop(c)
	twice := c.With([]*Host{c.Hosts[0], c.Hosts[1], c.Hosts[0]})
	m.Adopt(Set{"c": twice})
	if s := m.Cluster("c").states; s[0] != s[2] || s[0] == s[1] {
		t.Error("one address has two states")
	}
	wantSpread(t, "twice", drawAt(m, Request{}, 0, 3000), 1, 1, 1)
	m.Adopt(Set{"c": c})
	if s := m.Cluster("c").states; len(s) != 2 {
		t.Errorf("%d states", len(s))
	}
}

// A host that becomes healthy again starts slowly, as one does that is new.
func TestHealthyAgainIsNew(t *testing.T) {
	h := &Host{Address: "a:1"}
	c := &Cluster{Hosts: []*Host{h}}
	s := &hostState{}
	if s.adopt(c, h, 7); s.since != 0 {
		t.Errorf("a healthy host is new since %d", s.since)
	}
	s.adopt(c, &Host{Address: "a:1", Down: FailedCheck}, 8)
	s.adopt(c, &Host{Address: "a:1", Down: FailedCheck | Ejected}, 9)
	if s.adopt(c, h, 10); s.since != 10 {
		t.Errorf("new since %d, want 10", s.since)
	}
}

// However a try ends, it is not in progress any more, and is judged once.
func TestTriesAreCountedOut(t *testing.T) {
	m := testLoop(clusterOf(usual(config.PeakEWMA), ""))
	s := m.Cluster("c")
	for name, end := range map[string]func(r *Request){
		"told":   func(r *Request) { r.Tried(Broken); r.Tried(Broken); r.Forget() },
		"forgot": func(r *Request) { r.Answered(ServerError); r.Forget(); r.Forget() },
	} {
		state := &hostState{usual: s.usual, active: 1}
		r := &Request{host: s.cluster.Hosts[0], try: try{members: s, state: state}}
		if end(r); state.active != 0 || math.Abs(state.server.value-errorStep) > 1e-9 {
			t.Errorf("%s: %d in progress, error rate %v", name, state.active, state.server.value)
		}
	}
}
