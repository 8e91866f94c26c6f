// SPDX-License-Identifier: Apache-2.0

package router

import (
	"testing"

	"github.com/sideloop/sideloop/config"
)

// ask is a request as a match sees it.
type ask struct {
	method, path, authority string
	headers                 map[string]string
}

func (a ask) Get(name string) ([]byte, bool) {
	v, ok := a.headers[name]
	return []byte(v), ok
}
func (a ask) Method() []byte    { return []byte(a.method) }
func (a ask) Path() []byte      { return []byte(a.path) }
func (a ask) Authority() []byte { return []byte(a.authority) }

func compile(t testing.TB, hosts ...config.VirtualHost) *Table {
	t.Helper()
	table, err := Compile(&config.Router{Name: "r", VirtualHosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func host(cluster string, domains ...string) config.VirtualHost {
	return config.VirtualHost{Name: cluster, Domains: domains, Routes: []config.Route{{
		Match: config.Match{Kind: config.MatchPrefix, Prefix: "/"}, Action: config.Action{Cluster: cluster},
	}}}
}

func TestDomains(t *testing.T) {
	table := compile(t,
		host("exact port", "a.com:80"), host("exact any", "A.com:*"), host("exact none", "b.com"),
		host("suffix", "*.x.com"), host("long suffix", "*.y.x.com"), host("suffix port", "*.z.com:81"),
		host("suffix any", "*.z.com:*"), host("v6", "[::1]:80"), host("default", "*"))
	for authority, want := range map[string]string{
		"a.com:80": "exact port", "A.COM:80": "exact port", "a.com:81": "exact any", "a.com": "exact any",
		"b.com": "exact none", "b.com:1": "default", "q.x.com": "suffix", "q.y.x.com": "long suffix",
		".x.com": "default", "x.com": "default", "q.z.com:81": "suffix port", "q.z.com:82": "suffix any",
		"q.z.com": "suffix any", "[::1]:80": "v6", "[::1]": "default", "": "default", "other": "default",
	} {
		r := table.Match(&Query{Request: ask{path: "/", authority: authority}})
		if r == nil || r.Cluster != want {
			t.Errorf("%q: %v, want %q", authority, r, want)
		}
	}
}

func TestDomainsWithoutDefault(t *testing.T) {
	table := compile(t, host("a", "a.com"))
	for _, authority := range []string{"", "b.com", string(make([]byte, 300))} {
		if r := table.Match(&Query{Request: ask{path: "/", authority: authority}}); r != nil {
			t.Errorf("%q goes to %q", authority, r.Cluster)
		}
	}
}

func TestDomainTwice(t *testing.T) {
	for _, domains := range [][2]string{{"a.com", "A.com"}, {"*", "*:*"}, {"*.a:1", "*.A:1"}} {
		_, err := Compile(&config.Router{VirtualHosts: []config.VirtualHost{host("a", domains[0]), host("b", domains[1])}})
		if err == nil {
			t.Errorf("%q was accepted", domains)
		}
	}
}

func TestMatches(t *testing.T) {
	headers := func(h ...config.HeaderMatch) config.Match { return config.Match{Headers: h} }
	for name, tt := range map[string]struct {
		match    config.Match
		yes, not []ask
	}{
		"any service": {headers(config.HeaderMatch{Name: "service", Value: ".*"}),
			[]ask{{headers: map[string]string{"service": "x"}}},
			[]ask{{}, {headers: map[string]string{"service": ""}}, {headers: map[string]string{"Service": "x"}}}},
		"one service": {headers(config.HeaderMatch{Name: "service", Value: "a.*"}),
			[]ask{{headers: map[string]string{"service": "a.*"}}},
			[]ask{{headers: map[string]string{"service": "abc"}}, {}}},
		"service and more": {headers(config.HeaderMatch{Name: "service", Value: "^a", Compare: config.CompareRegex}, config.HeaderMatch{Name: "x", Value: "1"}),
			[]ask{{headers: map[string]string{"service": "abc", "x": "1"}}},
			[]ask{{headers: map[string]string{"service": "abc"}}, {headers: map[string]string{"service": "b", "x": "1"}}}},
		"prefix": {config.Match{Kind: config.MatchPrefix, Prefix: "/a"},
			[]ask{{path: "/a"}, {path: "/ab?x"}}, []ask{{path: "/A"}, {path: "/?/a"}, {}}},
		"prefix not in the query": {config.Match{Kind: config.MatchPrefix, Prefix: "/a?x"},
			nil, []ask{{path: "/a?x"}}},
		"path": {config.Match{Kind: config.MatchPath, PathExact: "/Abc"},
			[]ask{{path: "/abc"}, {path: "/ABC?q=1"}}, []ask{{path: "/abcd"}, {path: "/ab"}}},
		"regex": {config.Match{Kind: config.MatchRegex, Regex: "b+c"},
			[]ask{{path: "/abbbc/d"}}, []ask{{path: "/ac"}, {path: "/a?bc"}}},
		"path and header": {config.Match{Kind: config.MatchPrefix, Prefix: "/", Headers: []config.HeaderMatch{{Name: "method", Value: "GET"}}},
			[]ask{{path: "/", method: "GET"}, {path: "/", headers: map[string]string{"method": "GET"}}},
			[]ask{{path: "/", method: "POST"}, {path: "/"}}},
		"everything": {config.Match{}, []ask{{}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			table := compile(t, config.VirtualHost{Domains: []string{"*"}, Routes: []config.Route{{Match: tt.match}}})
			for _, a := range tt.yes {
				if table.Match(&Query{Request: a}) == nil {
					t.Errorf("%+v does not match", a)
				}
			}
			for _, a := range tt.not {
				if table.Match(&Query{Request: a}) != nil {
					t.Errorf("%+v matches", a)
				}
			}
		})
	}
}

func TestFirstRouteWins(t *testing.T) {
	route := func(prefix, cluster string) config.Route {
		return config.Route{Match: config.Match{Kind: config.MatchPrefix, Prefix: prefix}, Action: config.Action{Cluster: cluster}}
	}
	table := compile(t, config.VirtualHost{Domains: []string{"*"}, Routes: []config.Route{route("/a", "1"), route("/", "2"), route("/b", "3")}})
	for path, want := range map[string]string{"/a": "1", "/b": "2", "/c": "2"} {
		if r := table.Match(&Query{Request: ask{path: path}}); r == nil || r.Cluster != want {
			t.Errorf("%s: %v", path, r)
		}
	}
}

func TestBadPatterns(t *testing.T) {
	for _, m := range []config.Match{
		{Kind: config.MatchRegex, Regex: "("},
		{Headers: []config.HeaderMatch{{Name: "x", Value: "(", Compare: config.CompareRegex}}},
	} {
		_, err := Compile(&config.Router{VirtualHosts: []config.VirtualHost{{Domains: []string{"*"}, Routes: []config.Route{{Match: m}}}}})
		if err == nil {
			t.Errorf("%+v was accepted", m)
		}
	}
}

// flat is a request whose accessors allocate nothing.
type flat struct{ service, path, authority []byte }

func (f *flat) Get(name string) ([]byte, bool) { return f.service, name == "service" }
func (f *flat) Method() []byte                 { return nil }
func (f *flat) Path() []byte                   { return f.path }
func (f *flat) Authority() []byte              { return f.authority }

func TestMatchAllocatesNothing(t *testing.T) {
	rpc := config.VirtualHost{Domains: []string{"*"}, Routes: []config.Route{
		{Match: config.Match{Kind: config.MatchRegex, Regex: "^/x/[0-9]+$"}},
		{Match: config.Match{Headers: []config.HeaderMatch{{Name: "service", Value: "a"}}}},
		{Match: config.Match{Headers: []config.HeaderMatch{{Name: "service", Value: ".*"}}}},
	}}
	table := compile(t, host("a", "a.com:*"), host("b", "*.b.com"), rpc)
	r := &flat{service: []byte("b"), path: []byte("/y"), authority: []byte("C.com:80")}
	q := &Query{Request: r}
	n := testing.AllocsPerRun(10, func() {
		for range 1000 {
			if table.Match(q) == nil {
				t.Fatal("no route")
			}
		}
	})
	if n > 10 {
		t.Errorf("%v allocations in 1,000 matches", n)
	}
}
