// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
	"github.com/sideloop/sideloop/stats"
)

// TestRouteTargets has one route per kind of condition, each to a cluster of
// its own, and asks for each.
func TestRouteTargets(t *testing.T) {
	a, b, ba := namedH2(t, "a"), namedH2(t, "b"), namedBolt(t, "ba")
	text := routed(routes(
		`{"match": {"headers": [{"name": "to", "value": "bolt"}]}, "route": {"cluster_name": "bolt"}}`,
		`{"match": {"headers": [{"name": "classname", "value": "sofa.*SofaRequest$", "regex": true}]}, "route": {"cluster_name": "bolt"}}`,
		`{"match": {"prefix": "/q", "query_parameters": [{"name": "env", "value": "gray"}]}, "route": {"cluster_name": "b"}}`,
		`{"match": {"variables": [{"name": "x-mosn-method", "value": "PUT", "model": "or"}, {"name": "Http2_cookie_env", "regex": "^gr"}]}, "route": {"cluster_name": "b"}}`,
		`{"match": {"variables": [{"name": "downstream_remote_address", "regex": "^192\\.0\\.2\\."}]}, "route": {"cluster_name": "none"}}`,
		`{"match": {"headers": [{"name": "age", "range_match": {"start": 10, "end": 20}}, {"name": "debug", "present_match": true, "invert_match": true}]}, "route": {"cluster_name": "b"}}`,
		`{"match": {"headers": [{"name": "x-cluster", "present_match": true}]}, "route": {"cluster_header": "x-cluster"}}`,
		`{"match": {"prefix": "/var"}, "route": {"cluster_variable": "Http2_request_arg_c"}}`,
		`{"match": {"path": "/exact"}, "route": {"cluster_name": "b"}}`,
		`{"match": {"regex": "^/re/[0-9]+$"}, "route": {"cluster_name": "b"}}`,
		`{"match": {"prefix": "/"}, "route": {"cluster_name": "a"}}`,
	), clusterOf("a", a.address()), clusterOf("b", b.address()), clusterOf("bolt", ba.address()), clusterOf("none"))
	p := startProxy(t, text)
	c, _ := config.Parse("test.json", []byte(text))
	for _, tt := range []struct {
		method, path string
		headers      []string
		want         string // a name, or the word of a reason
	}{
		{"GET", "/", nil, "a"},
		{"GET", "/q?env=gray&x", nil, "b"},
		{"GET", "/q?env=grey", nil, "a"},
		{"PUT", "/", nil, "b"},
		{"GET", "/", []string{"cookie", "x=1; env=gray"}, "b"},
		{"GET", "/", []string{"age", "12"}, "b"},
		{"GET", "/", []string{"age", "20"}, "a"},
		{"GET", "/", []string{"age", "12", "debug", "1"}, "a"},
		{"GET", "/", []string{"x-cluster", "b"}, "b"},
		{"GET", "/", []string{"x-cluster", "nowhere"}, "no_cluster"},
		{"GET", "/var?c=b", nil, "b"},
		{"GET", "/var", nil, "no_cluster"},
		{"GET", "/Exact?x", nil, "b"},
		{"GET", "/re/12", nil, "b"},
		{"GET", "/re/x", nil, "a"},
	} {
		r, _ := p.ask("h2", tt.method, tt.path, "", tt.headers...)
		if found := r.Header.Get("x-name") + r.Header.Get("x-sideloop-reason"); found != tt.want {
			t.Errorf("%s %s %v goes to %q, want %q", tt.method, tt.path, tt.headers, found, tt.want)
		}
		question := server.Question{Listener: "h2", Protocol: config.ProtocolHTTP2, Method: tt.method, Path: tt.path, Authority: p.address("h2"), Source: "127.0.0.1"}
		for i := 0; i+1 < len(tt.headers); i += 2 {
			question.Headers = append(question.Headers, tt.headers[i]+"="+tt.headers[i+1])
		}
		wantExplained(t, c, question, tt.want)
	}
	// Bolt has neither path nor method: the pair and the class decide.
	if f := p.call("bolt", "to", "bolt"); f.get("x-name") != "ba" {
		t.Errorf("a pair of the map: %q", f.pairs)
	}
	if f := p.call("bolt"); f.get("x-name") != "ba" {
		t.Errorf("the class: %q", f.pairs)
	}
	wantExplained(t, c, server.Question{Listener: "bolt", Protocol: config.ProtocolBolt, Class: "com.alipay.sofa.rpc.core.request.SofaRequest"}, "bolt")
	wantExplained(t, c, server.Question{Listener: "bolt", Protocol: config.ProtocolBolt, Class: "other"}, "no_route")
	p.wantNothingHeld()
}

// wantExplained: explain names the cluster that the running proxy took, or the
// reason that it gave.
func wantExplained(t *testing.T, c *config.Config, question server.Question, want string) {
	t.Helper()
	x, err := server.Explain(c, question)
	if err != nil {
		t.Fatal(err)
	}
	found := x.Reason
	if found == "" {
		found = x.Clusters[0].Cluster
	}
	if found != want {
		t.Errorf("explain says %q of %+v, want %q: %+v", found, question, want, x)
	}
}

func TestExplainSaysWhyNot(t *testing.T) {
	c, problems := config.Parse("test.json", []byte(routed(routes(
		`{"match": {"headers": [{"name": "env", "value": "gray"}]}, "route": {"cluster_name": "a"}}`,
		`{"match": {"prefix": "/api", "headers": [{"name": "age", "range_match": {"start": 1, "end": 9}}]}, "route": {"cluster_name": "a"}}`,
		`{"match": {"prefix": "/"}, "route": {"weighted_clusters": [{"cluster": {"name": "a", "weight": 1}}, {"cluster": {"name": "b", "weight": 3}}], "host_rewrite": "x", "timeout": "1s"}}`,
		`{"match": {}, "route": {"cluster_name": "b"}}`,
	), clusterOf("a", "127.0.0.1:1"), clusterOf("b", "127.0.0.1:2", "127.0.0.1:3"))))
	if problems.FailCheck() {
		t.Fatal(problems)
	}
	x, err := server.Explain(c, server.Question{Listener: "h2", Protocol: config.ProtocolHTTP2, Path: "/api/x", Headers: []string{"env=prod"}})
	if err != nil {
		t.Fatal(err)
	}
	const place = "servers[0].routers[0].virtual_hosts[0].routers"
	if x.Route != place+"[2]" || len(x.Clusters) != 2 || x.Clusters[0].Percent != 25 || x.Clusters[1].Percent != 75 || len(x.Clusters[1].Hosts) != 2 {
		t.Errorf("%+v", x)
	}
	for i, want := range []string{
		`header env: want "gray", request has "prod"`, `header age: want a number from 1 to 8, request has none`, `it matches, but the route taken comes before it`,
	} {
		if x.Others[i].Reason != want {
			t.Errorf("%s: %s, want %s", x.Others[i].Place, x.Others[i].Reason, want)
		}
	}
	if len(x.Effects) != 1 || x.Effects[0] != `host becomes "x"` {
		t.Errorf("effects: %q", x.Effects)
	}
	for _, question := range []server.Question{
		{Protocol: config.ProtocolHTTP2}, {Listener: "nowhere", Protocol: config.ProtocolHTTP2}, {Listener: "bolt", Protocol: config.ProtocolHTTP2},
		{Listener: "h2", Protocol: config.ProtocolHTTP2, Headers: []string{"x"}}, {Listener: "h2", Protocol: config.ProtocolHTTP2, Source: "x"},
	} {
		if _, err := server.Explain(c, question); err == nil {
			t.Errorf("%+v was answered", question)
		}
	}
}

// TestRouteWeights: each cluster gets about its share, one of weight 0 nothing.
func TestRouteWeights(t *testing.T) {
	a, b, c := namedH2(t, "a"), namedH2(t, "b"), namedH2(t, "c")
	p := startProxy(t, routed(routes(`{"match": {}, "route": {"weighted_clusters": [
 {"cluster": {"name": "c", "weight": 0}}, {"cluster": {"name": "a", "weight": 80}}, {"cluster": {"name": "b", "weight": 20}}]}}`),
		clusterOf("a", a.address()), clusterOf("b", b.address()), clusterOf("c", c.address())))
	got := map[string]int{}
	n := scale(500)
	client := newH2Client(t)
	for range n {
		r, err := client.Get("http://" + p.address("h2"))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		got[r.Header.Get("x-name")]++
	}
	// 80 +- 18 of a hundred is ten standard deviations of 500.
	if got["a"] < n*62/100 || got["a"] > n*98/100 || got["a"]+got["b"] != n {
		t.Errorf("%v of %d", got, n)
	}
}

// TestRouteMirrors: copies arrive with their bodies, whatever the protocol, and
// the client gets its own reply only.
func TestRouteMirrors(t *testing.T) {
	var copies, bytes atomic.Int64
	shadow := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		copies.Add(1)
		bytes.Add(n)
		io.WriteString(w, strings.Repeat("x", 100000))
	})
	var boltCopies atomic.Int64
	boltShadow := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		boltCopies.Add(int64(len(f.content)))
		return []boltFrame{f.reply()}
	})
	h2, bolt := namedH2(t, "h"), namedBolt(t, "b")
	mirrored := func(match, to, shadow string) string {
		return fmt.Sprintf(`{"match": %s, "route": {"cluster_name": %q}, "request_mirror_policies": {"cluster": %q, "percent": 100}}`, match, to, shadow)
	}
	p := startProxy(t, routed(routes(
		mirrored(`{"headers": [{"name": "service", "value": ".*"}]}`, "bolt", "boltshadow"),
		mirrored(`{"prefix": "/dead"}`, "h2", "dead"), mirrored(`{}`, "h2", "shadow")),
		clusterOf("h2", h2.address()), clusterOf("bolt", bolt.address()), clusterOf("shadow", shadow.address()), clusterOf("boltshadow", boltShadow.address()), clusterOf("dead", freeAddress(t))))
	for range 3 {
		if r, text := p.ask("h2", "POST", "/", strings.Repeat("y", 20000)); r.Header.Get("x-name") != "h" || len(text) != 20000 {
			t.Errorf("%d bytes from %q", len(text), r.Header.Get("x-name"))
		}
		p.ask("h2", "GET", "/", "")
		p.call("bolt")
		p.ask("h2bolt", "POST", "/", "content", "service", service)
	}
	eventually(t, "all copies arrive", func() bool {
		return copies.Load() == 6 && bytes.Load() == 60000 && boltCopies.Load() == 6*int64(len("content"))
	})
	if r, _ := p.ask("h2", "GET", "/dead", ""); r.StatusCode != 200 {
		t.Errorf("a mirror without hosts: %d", r.StatusCode)
	}
	// A body that is too large is not copied; the request itself passes.
	if r, text := p.ask("h2", "POST", "/", strings.Repeat("z", 200000)); r.StatusCode != 200 || len(text) != 200000 {
		t.Errorf("%d, %d bytes", r.StatusCode, len(text))
	}
	eventually(t, "the copies are counted", func() bool {
		s := p.stats()
		return s.Get(stats.Mirrored) == 13 && s.Get(stats.MirrorsFailed) == 1 && s.Get(stats.MirrorsSkipped) == 1
	})
	if n := p.ended(codec.ConnectFailed); n != 0 {
		t.Errorf("%d requests failed with their mirror", n)
	}
	p.wantNothingHeld()
}

// TestRouteCookie: a client without the cookie is given one, once.
func TestRouteCookie(t *testing.T) {
	a := namedH2(t, "a")
	p := startProxy(t, routed(routes(`{"match": {}, "route": {"cluster_name": "a", "hash_policy": [{"cookie": {"name": "stick", "path": "/p", "ttl": "90s"}}]}}`), clusterOf("a", a.address())))
	r, _ := p.ask("h2", "GET", "/", "")
	cookies := r.Cookies()
	if len(cookies) != 1 || cookies[0].Name != "stick" || cookies[0].MaxAge != 90 || cookies[0].Path != "/p" || !cookies[0].HttpOnly || len(cookies[0].Value) != 16 {
		t.Fatalf("cookies: %v", r.Header["Set-Cookie"])
	}
	if r, _ = p.ask("h2", "GET", "/", "", "cookie", "a=b; stick="+cookies[0].Value); r.Header.Get("set-cookie") != "" {
		t.Errorf("a second cookie: %q", r.Header.Get("set-cookie"))
	}
	if f := p.call("bolth2"); len(f.values("set-cookie")) != 0 {
		t.Errorf("Bolt gets a cookie: %q", f.pairs)
	}
}
