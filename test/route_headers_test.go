// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// edits are header changes at all three levels.
const edits = `"request_headers_to_add": [{"header": {"key": "X-Level", "value": "%s"}}, {"header": {"key": "x-set-%[1]s", "value": "%%request_header_x-in%%/%%protocol%%/%%upstream_cluster%%"}, "append": false}],
 "request_headers_to_remove": ["x-gone-%[1]s", "Rpc_Trace.Sofa%[1]s"],
 "response_headers_to_add": [{"header": {"key": "x-reply", "value": "%[1]s"}}, {"header": {"key": "x-status-%[1]s", "value": "%%response_code%%-%%request_header_x-in%%-%%response_header_x-name%%"}}],
 "response_headers_to_remove": ["x-secret-%[1]s"]`

func level(name string) string { return fmt.Sprintf(edits, name) }

// editedWorld changes headers at all levels toward a service of each protocol.
func editedWorld(t *testing.T) *proxy {
	h2, bolt := namedH2(t, "h"), namedBolt(t, "b")
	route := func(match, cluster string) string {
		return fmt.Sprintf(`{"match": %s, "route": {"cluster_name": %q, %s}}`, match, cluster, level("route"))
	}
	router := level("router") + `, "virtual_hosts": [{"domains": ["*"], ` + level("host") + `, "routers": [` +
		route(`{"headers": [{"name": "to", "value": "bolt"}]}`, "bolt") + `,` + route(`{}`, "h2") + `]}]`
	return startProxy(t, routed(router, clusterOf("h2", h2.address()), clusterOf("bolt", bolt.address())))
}

func TestRouteEditsHeadersHTTP2(t *testing.T) {
	p := editedWorld(t)
	for range 2 { // the second time from memory
		r, _ := p.ask("h2", "GET", "/", "", "x-in", "v", "x-level", "own", "x-set-host", "old", "x-gone-route", "1", "x-gone-host", "1", "x-gone-router", "1", "kept", "1")
		for name, want := range map[string]string{
			"x-echo-x-level": "own,route,host,router", "x-echo-x-set-route": "v/Http2/h2", "x-echo-x-set-host": "v/Http2/h2",
			"x-echo-kept": "1", "x-echo-x-gone-route": "", "x-echo-x-gone-host": "", "x-echo-x-gone-router": "",
			"x-reply": "route,host,router", "x-status-host": "200-v-h", "x-name": "h",
		} {
			if found := r.Header.Get(name); found != want || len(r.Header.Values(name)) > 1 {
				t.Errorf("%s: %q, want %q", name, r.Header.Values(name), want)
			}
		}
	}
	p.wantNothingHeld()
}

// TestRouteEditsHeadersBolt: keys of mixed case are met, and keep their spelling;
// the frame keeps everything else. The same goes by way of HTTP/2.
func TestRouteEditsHeadersBolt(t *testing.T) {
	p := editedWorld(t)
	for range 2 {
		f := p.call("bolt", "to", "bolt", "x-in", "v", "X-LEVEL", "own", "rpc_trace.sofaRoute", "1", "rpc_trace.sofaHost", "1", "rpc_trace.kept", "1", "X-Gone-Router", "2")
		for key, want := range map[string][]string{
			"service": {service}, "X-LEVEL": {"own,route,host,router"}, "x-level": nil, "x-set-router": {"v/bolt/bolt"},
			"rpc_trace.sofaRoute": nil, "rpc_trace.sofaHost": nil, "rpc_trace.kept": {"1"}, "X-Gone-Router": nil,
			"x-reply": {"route,host,router"}, "x-status-route": {"200-v-b"}, "x-name": {"b"},
		} {
			if found := f.values(key); !slices.Equal(found, want) {
				t.Errorf("%s: %q, want %q", key, found, want)
			}
		}
		if string(f.content) != "content" || f.status != 0 {
			t.Errorf("status %d, content %q", f.status, f.content)
		}
	}
	c := dialBolt(t, p.address("bolt"))
	for _, size := range []int{10, 300 << 10} { // whole, and streamed
		f := newBoltRequest(service, body(size))
		f.version, f.ver1, f.switches = 2, 2, 1
		f.pairs = append(f.pairs, pair{[]byte("to"), []byte("bolt")}, pair{[]byte("rpc_trace.sofaRoute"), []byte("1")})
		r := c.mustCall(t, f)
		if r.get("x-reply") != "route,host,router" || r.get("rpc_trace.sofaRoute") != "" || !r.crc() || !bytes.Equal(r.content, body(size)) {
			t.Errorf("version 2 with checksum: %d bytes, pairs %q", len(r.content), r.pairs)
		}
	}
	p.wantNothingHeld()
}

// TestRouteEditsHeadersOnConversion: Bolt goes through two proxies with HTTP/2
// between them, both of which change headers; the map arrives as it was changed.
func TestRouteEditsHeadersOnConversion(t *testing.T) {
	bolt := namedBolt(t, "b")
	second := startProxy(t, routed(`"request_headers_to_add": [{"header": {"key": "x-hops", "value": "second"}}], `+
		`"response_headers_to_add": [{"header": {"key": "x-hops", "value": "second-back"}}], `+
		routes(`{"match": {"headers": [{"name": "service", "value": ".*"}]}, "route": {"cluster_name": "c"}}`), clusterOf("c", bolt.address())))
	first := startProxy(t, routed(`"request_headers_to_add": [{"header": {"key": "x-hops", "value": "first"}}], "request_headers_to_remove": ["rpc.sofagone"], `+
		`"response_headers_to_add": [{"header": {"key": "x-hops", "value": "first-back"}}], "response_headers_to_remove": ["rpc.away"], `+
		routes(`{"match": {}, "route": {"cluster_name": "c"}}`), clusterOf("c", second.address("h2bolt"))))
	f := first.call("bolth2", "rpc.sofaKept", "Mixed", "rpc.sofaGone", "x", "rpc.Away", "y", "X-Hops", "own")
	for key, want := range map[string][]string{
		"service": {service}, "rpc.sofaKept": {"Mixed"}, "rpc.sofaGone": nil, "rpc.Away": nil,
		"X-Hops": {"own,first,second,second-back,first-back"}, "x-name": {"b"},
	} {
		if found := f.values(key); !slices.Equal(found, want) {
			t.Errorf("%s: %q, want %q", key, found, want)
		}
	}
	first.wantNothingHeld()
	second.wantNothingHeld()
}

// TestRouteEditsOutgrowTheMap: a header map that no frame can hold is refused
// before anything is sent, and the connection lives on.
func TestRouteEditsOutgrowTheMap(t *testing.T) {
	bolt := namedBolt(t, "b")
	p := startProxy(t, routed(routes(`{"match": {}, "route": {"cluster_name": "c", "request_headers_to_add": [{"header": {"key": "x-copy", "value": "%request_header_big%"}}]}}`), clusterOf("c", bolt.address())))
	c := dialBolt(t, p.address("bolt"))
	f := newBoltRequest(service, nil)
	f.pairs = append(f.pairs, pair{[]byte("big"), []byte(strings.Repeat("x", 40000))})
	if r := c.mustCall(t, f); r.status != 9 || r.get("x-sideloop-reason") != "header_too_large" {
		t.Errorf("status %d, reason %q", r.status, r.get("x-sideloop-reason"))
	}
	if r := c.mustCall(t, newBoltRequest(service, nil)); r.status != 0 {
		t.Errorf("the next request has status %d", r.status)
	}
}

func TestRouteRewrites(t *testing.T) {
	h2 := namedH2(t, "h")
	p := startProxy(t, routed(routes(
		`{"match": {"prefix": "/api/"}, "route": {"cluster_name": "h2", "prefix_rewrite": "/v2/", "host_rewrite": "new.example:81"}}`,
		`{"match": {"path": "/exact"}, "route": {"cluster_name": "h2", "prefix_rewrite": "/other"}}`,
		`{"match": {"prefix": "/re/"}, "route": {"cluster_name": "h2", "regex_rewrite": {"pattern": {"regex": "^/re/([^/]+)/([^/]+)"}, "substitution": "/\\2/$/\\1"}, "auto_host_rewrite_header": "x-to"}}`,
		`{"match": {"prefix": "/auto"}, "route": {"cluster_name": "named", "auto_host_rewrite": true}}`,
		`{"match": {"prefix": "/address"}, "route": {"cluster_name": "h2", "auto_host_rewrite": true}}`,
	), clusterOf("h2", h2.address()), fmt.Sprintf(`{"name": "named", "hosts": [{"address": %q, "hostname": "backend.example"}]}`, h2.address())))
	for _, tt := range [][4]string{ // path, x-to, and what arrives
		{"/api/x?q=1", "", "/v2/x?q=1", "new.example:81"},
		{"/EXACT?q=/exact", "", "/other?q=/exact", "own.example"},
		{"/re/a/b/c?d", "there.example", "/b/$/a/c?d", "there.example"},
		{"/re/a/b", "bad host", "/b/$/a", "own.example"},
		{"/auto", "", "/auto", "backend.example"},
		{"/address", "", "/address", h2.address()},
	} {
		r, _ := p.ask("h2", "GET", tt[0], "", "host", "own.example", "x-to", tt[1])
		if uri, host := r.Header.Get("x-uri"), r.Header.Get("x-host"); uri != tt[2] || host != tt[3] {
			t.Errorf("%s arrives as %q at %q, want %q at %q", tt[0], uri, host, tt[2], tt[3])
		}
	}
	// A request of Bolt has neither; toward HTTP/2 it gets the host.
	hosted := startProxy(t, routed(routes(`{"match": {}, "route": {"cluster_name": "h2", "host_rewrite": "new.example"}}`), clusterOf("h2", h2.address())))
	if f := hosted.call("bolth2"); f.get("x-host") != "new.example" {
		t.Errorf("Bolt arrives at %q", f.get("x-host"))
	}
}

func TestRouteAnswers(t *testing.T) {
	p := startProxy(t, routed(`"response_headers_to_add": [{"header": {"key": "x-by", "value": "%response_code% of %x-mosn-path%"}}], `+routes(
		`{"match": {"prefix": "/moved"}, "redirect": {"path_redirect": "/new", "host_redirect": "new.example", "scheme_redirect": "https", "response_code": 308}}`,
		`{"match": {"prefix": "/secure"}, "redirect": {"scheme_redirect": "https"}}`,
		`{"match": {"headers": [{"name": "service", "value": "busy"}]}, "direct_response": {"status": 503, "body": "later"}}`,
		`{"match": {"headers": [{"name": "service", "value": "redirected"}]}, "redirect": {"path_redirect": "/x"}}`,
		`{"match": {}, "direct_response": {"status": 404, "body": "nothing here"}}`)))
	r, _ := p.ask("h2", "GET", "/moved/x?q=1", "")
	if r.StatusCode != 308 || r.Header.Get("location") != "https://new.example/new?q=1" || r.Header.Get("x-by") != "308 of /moved/x" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	if r, _ = p.ask("h2", "GET", "/secure?q", "", "host", "a.example:80"); r.StatusCode != 301 || r.Header.Get("location") != "https://a.example/secure?q" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	r, text := p.ask("h2", "POST", "/", strings.Repeat("x", 1<<20))
	if r.StatusCode != http.StatusNotFound || text != "nothing here" || r.Header.Get("content-length") != "12" {
		t.Errorf("%d %q %v", r.StatusCode, text, r.Header)
	}
	if r, text = p.ask("h2", "HEAD", "/", ""); r.StatusCode != http.StatusNotFound || text != "" || r.ContentLength != 12 {
		t.Errorf("HEAD: %d %q %v", r.StatusCode, text, r.Header)
	}
	r, _ = p.ask("h2", "POST", "/a.B/C", "", "content-type", "application/grpc")
	if r.StatusCode != 200 || r.Header.Get("grpc-status") != "12" || r.Header.Get("grpc-message") != "nothing here" {
		t.Errorf("gRPC: %d %v", r.StatusCode, r.Header)
	}
	c := dialBolt(t, p.address("bolt"))
	for service, want := range map[string]uint16{"busy": 4, "redirected": 3, "other": 6} {
		if f := c.mustCall(t, newBoltRequest(service, nil)); f.status != want {
			t.Errorf("Bolt %s: status %d, want %d", service, f.status, want)
		}
	}
	p.wantNothingHeld()
}
