// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/sideloop/sideloop/config"
)

// walk is what the index stands for: the routes one after the other.
func walk(t *Table, q *Query) *Route {
	vh := t.domains.find(q.Authority())
	if vh == nil {
		return nil
	}
	for i := range vh.routes {
		if vh.routes[i].match.matches(q) {
			return &vh.routes[i]
		}
	}
	return nil
}

var (
	somePaths   = []string{"/", "/a", "/A", "/ab", "/abc", "/abd", "/b", "/b/c", "/b/C", "/b/cd/e", "/z", "/b?q"}
	someNames   = []string{"service", "env", "zone", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "method"}
	someValues  = []string{"", "a", "b", "GET", "12"}
	someRegexes = []string{"^/a", "^/b/c[a-z]*/e$", "c", "^(/a|/b)", "^/a?b", "(?i)^/AB", "^/ab+"}
)

func drawMatch(t *rapid.T) config.Match {
	m := config.Match{Kind: config.MatchKind(rapid.IntRange(0, 3).Draw(t, "kind"))}
	switch m.Kind {
	case config.MatchPrefix:
		m.Prefix = rapid.SampledFrom(somePaths).Draw(t, "prefix")
	case config.MatchPath:
		m.PathExact = rapid.SampledFrom(somePaths).Draw(t, "path")
	case config.MatchRegex:
		m.Regex = rapid.SampledFrom(someRegexes).Draw(t, "regex")
	}
	for range rapid.IntRange(0, 2).Draw(t, "headers") {
		h := config.HeaderMatch{
			Name: rapid.SampledFrom(someNames).Draw(t, "name"), Value: rapid.SampledFrom(someValues).Draw(t, "value"),
			Compare: config.Compare(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3, 4, 5}).Draw(t, "compare")), Most: 20,
			Invert: rapid.IntRange(0, 4).Draw(t, "invert") == 0,
		}
		m.Headers = append(m.Headers, h)
	}
	if rapid.IntRange(0, 4).Draw(t, "any service") == 0 {
		m = config.Match{Headers: []config.HeaderMatch{{Name: "service", Value: anyService}}}
	}
	return m
}

func drawAsk(t *rapid.T) ask {
	a := ask{path: rapid.SampledFrom(somePaths).Draw(t, "path"), headers: map[string]string{}}
	if rapid.Bool().Draw(t, "query") {
		a.path += "?q=/a"
	}
	if rapid.IntRange(0, 3).Draw(t, "http") > 0 {
		a.method = "GET"
	} else {
		a.path = ""
	}
	for range rapid.IntRange(0, 4).Draw(t, "sent") {
		a.headers[rapid.SampledFrom(someNames).Draw(t, "name")] = rapid.SampledFrom(someValues).Draw(t, "value")
	}
	return a
}

// TestIndexFindsWhatAWalkFinds: whatever the routes and the request, the index
// gives the first route that matches.
func TestIndexFindsWhatAWalkFinds(t *testing.T) { rapid.Check(t, compareIndex) }

func FuzzIndex(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Fuzz(rapid.MakeFuzz(compareIndex))
}

func compareIndex(t *rapid.T) {
	vh := config.VirtualHost{Domains: []string{"*"}}
	for i := range rapid.IntRange(0, 30).Draw(t, "routes") {
		vh.Routes = append(vh.Routes, config.Route{Match: drawMatch(t), Action: config.Action{Cluster: fmt.Sprint(i)}})
	}
	table, err := Compile(&config.Router{VirtualHosts: []config.VirtualHost{vh}})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		q := &Query{Request: drawAsk(t)}
		if want, found := walk(table, q), table.Match(q); want != found {
			t.Fatalf("%+v: the index finds %v, a walk %v", q.Request, found, want)
		}
	}
}

func TestAnchoredPrefix(t *testing.T) {
	for expression, want := range map[string]string{
		"^/api/[0-9]+": "/api/", "/api": "", "^/a?b": "/", "^(a|b)": "", "(?i)^/a": "", "(?m)^/a": "", "^": "", "^/é": "/", "^/ab+": "/a", `\A/x$`: "/x", "^/a|/b": "", "(": "",
	} {
		if found := anchoredPrefix(expression); found != want {
			t.Errorf("%s: %q, want %q", expression, found, want)
		}
	}
}

// bigHost is a virtual host of n routes of a kind, behind which comes one for
// everything.
func bigHost(n int, match func(i int) config.Match) config.VirtualHost {
	vh := config.VirtualHost{Domains: []string{"*"}}
	for i := range n {
		vh.Routes = append(vh.Routes, config.Route{Match: match(i), Action: config.Action{Cluster: fmt.Sprint(i)}})
	}
	return vh
}

// kinds are routes of which the last of many is asked for.
var kinds = map[string]struct {
	match func(i int) config.Match
	ask   func(i int) flat
}{
	"service": {
		func(i int) config.Match {
			return config.Match{Headers: []config.HeaderMatch{{Name: "service", Value: fmt.Sprintf("com.example.Service%04d:1.0", i)}}}
		},
		func(i int) flat { return flat{service: fmt.Appendf(nil, "com.example.Service%04d:1.0", i)} },
	},
	"path": {
		func(i int) config.Match {
			return config.Match{Kind: config.MatchPath, PathExact: fmt.Sprintf("/service%04d/method", i)}
		},
		func(i int) flat { return flat{path: fmt.Appendf(nil, "/service%04d/method?q=1", i)} },
	},
	"prefix": {
		func(i int) config.Match {
			return config.Match{Kind: config.MatchPrefix, Prefix: fmt.Sprintf("/service%04d/", i)}
		},
		func(i int) flat { return flat{path: fmt.Appendf(nil, "/service%04d/method?q=1", i)} },
	},
	"anchored regex": {
		func(i int) config.Match {
			return config.Match{Kind: config.MatchRegex, Regex: fmt.Sprintf("^/service%04d/[a-z]+$", i)}
		},
		func(i int) flat { return flat{path: fmt.Appendf(nil, "/service%04d/method?q=1", i)} },
	},
	// Expressions that are not anchored have to be tried one by one; here are
	// ten of them whatever the number of the others.
	"mix with ten regexes": {
		func(i int) config.Match {
			if i < 10 {
				return config.Match{Kind: config.MatchRegex, Regex: fmt.Sprintf("x%d/[a-z]+$", i)}
			}
			return config.Match{Kind: config.MatchPrefix, Prefix: fmt.Sprintf("/service%04d/", i)}
		},
		func(i int) flat { return flat{path: fmt.Appendf(nil, "/service%04d/method?q=1", i)} },
	},
}

// BenchmarkMatch: a thousand routes cost little more than ten.
func BenchmarkMatch(b *testing.B) {
	for name, kind := range kinds {
		for _, n := range []int{11, 1000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				table := compile(b, bigHost(n, kind.match))
				a := kind.ask(n - 1)
				q := &Query{Request: &a}
				b.ReportAllocs()
				for b.Loop() {
					if table.Match(q) == nil {
						b.Fatal("no route")
					}
				}
			})
		}
	}
}

// TestManyRoutesCompareFew: of a thousand routes with different keys, one is
// looked at.
func TestManyRoutesCompareFew(t *testing.T) {
	for name, kind := range kinds {
		table := compile(t, bigHost(1000, kind.match))
		for _, i := range []int{10, 500, 999} {
			a := kind.ask(i)
			r := table.Match(&Query{Request: &a})
			if r == nil || r.Cluster != fmt.Sprint(i) {
				t.Errorf("%s: route %d is not found but %v", name, i, r)
			}
		}
		n := table.domains.fallback.index
		if most := longestList(n); most > 10 {
			t.Errorf("%s: %d routes stand in one place", name, most)
		}
	}
}

// longestList is the most routes that one request may be compared with in one
// place.
func longestList(n *index) int {
	most := len(n.rest)
	for _, h := range n.headers {
		for _, list := range h.values {
			most = max(most, len(list))
		}
	}
	for _, list := range n.paths {
		most = max(most, len(list))
	}
	var tree func(t *prefixTree)
	tree = func(t *prefixTree) {
		most = max(most, len(t.routes))
		for _, c := range t.children {
			tree(c)
		}
	}
	tree(&n.prefixes)
	return most
}
