// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestProblemString(t *testing.T) {
	for _, test := range []struct {
		problem Problem
		want    string
	}{
		{
			Problem{Severity: Error, File: "config.json", Line: 12, Column: 5, Path: "servers[0].listeners[1]", Message: `unknown protocol "Http3"`, Suggestion: "Http2"},
			`config.json:12:5: error: servers[0].listeners[1]: unknown protocol "Http3" (did you mean "Http2"?)`,
		},
		{Problem{Severity: Warning, File: "config.json", Line: 1, Column: 2, Message: "odd"}, "config.json:1:2: warning: odd"},
		{Problem{Severity: UnknownKey, File: "a.yaml", Path: "pit", Message: "no such key"}, "a.yaml: unknown key: pit: no such key"},
	} {
		if found := test.problem.String(); found != test.want {
			t.Errorf("found %s\nwant %s", found, test.want)
		}
	}
	if found := Severity(9).String(); found != "invalid severity" {
		t.Errorf("severity 9 is %q", found)
	}
}

// TestProblemsClasses: a check fails on what a start only warns of.
func TestProblemsClasses(t *testing.T) {
	for _, test := range []struct {
		severities  []Severity
		start, fail bool
	}{
		{nil, false, false},
		{[]Severity{Warning}, false, false},
		{[]Severity{Warning, UnknownKey}, false, true},
		{[]Severity{Warning, Error}, true, true},
	} {
		var problems Problems
		for _, s := range test.severities {
			problems = append(problems, Problem{Severity: s})
		}
		if problems.HasErrors() != test.start || problems.FailCheck() != test.fail {
			t.Errorf("%v: errors %v, check fails %v; want %v, %v", test.severities, problems.HasErrors(), problems.FailCheck(), test.start, test.fail)
		}
	}
}

// TestProblemLimit: a file full of problems is cut to the limit, and an error
// beyond it still counts.
func TestProblemLimit(t *testing.T) {
	var b strings.Builder
	b.WriteString("{\n")
	for i := range problemLimit + 7 {
		fmt.Fprintf(&b, "\"key %d\": 0,\n", i)
	}
	b.WriteString("\"servers\": [], \"pid\": 7}")
	c, problems := Parse("full.json", []byte(b.String()))
	if c != nil || !problems.HasErrors() || !problems.FailCheck() {
		t.Error("the errors beyond the limit are lost")
	}
	var tail []string
	for _, p := range problems[problemLimit:] {
		tail = append(tail, p.String())
	}
	want := "full.json: error: 2 more of this class are not listed\nfull.json: unknown key: 7 more of this class are not listed"
	if found := strings.Join(tail, "\n"); found != want {
		t.Errorf("after the limit:\n%s\nwant\n%s", found, want)
	}
}

func TestNearest(t *testing.T) {
	for _, test := range []struct {
		name, want string
		candidates []string
	}{
		{"routerConfigName", "router_config_name", []string{"router_configs", "router_config_name"}},
		{"Http3", "Http2", []string{"bolt", "Http2", "Http1"}},
		{"lb-type", "lb_type", []string{"sub_type", "lb_type"}},
		{"adress", "address", []string{"name", "address"}},
		{"addrses", "address", []string{"name", "address"}},
		{"hsot", "host", []string{"hist", "host"}},
		{"xyz", "", []string{"name", "address"}},
		{"a", "", []string{"b"}},
		{"", "", []string{"a"}},
		{strings.Repeat("a", 200), "", []string{strings.Repeat("a", 199)}},
	} {
		if found := nearest(test.name, test.candidates); found != test.want {
			t.Errorf("nearest to %q is %q, want %q", test.name, found, test.want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3},
	} {
		if found := editDistance(test.a, test.b); found != test.want {
			t.Errorf("from %q to %q: %d, want %d", test.a, test.b, found, test.want)
		}
	}
}

func TestProtocolString(t *testing.T) {
	for p, want := range map[Protocol]string{ProtocolSame: "same", ProtocolBolt: "bolt", ProtocolHTTP2: "http2"} {
		if p.String() != want {
			t.Errorf("protocol %d is %q, want %q", uint8(p), p.String(), want)
		}
	}
}
