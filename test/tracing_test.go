// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/sideloop/sideloop/config"
)

const (
	theTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	theSpan   = "00f067aa0ba902b7"
	sofaTrace = "rpc_trace_context.sofaTraceId"
	sofaRPC   = "rpc_trace_context.sofaRpcId"
)

// world is a proxy with the listeners "b" (Bolt), "h" (HTTP/2), "hb" (HTTP/2 to Bolt)
// and "bh" (Bolt to HTTP/2, to "hb").
func tracedWorld(t *testing.T, c *collector, more string) *proxy {
	t.Helper()
	bolt, h2 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
	between := freeAddress(t)
	return startProxy(t, c.traced(configOf(
		hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address()}},
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest},
		hop{name: "hb", listen: between, down: "Http2", up: "SofaRpc", hosts: []string{bolt.address()}},
		hop{name: "bh", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{between}, listenerKV: `, "type": "egress"`},
	), more))
}

func TestTracingHTTP2(t *testing.T) {
	c := startCollector(t)
	p := tracedWorld(t, c, `, "config_map": {"deployment.environment": "test"}, "headers": {"x-key": "secret"}`)
	for _, tt := range []struct {
		name    string
		headers []string
		parent  string // "" for a trace that begins here
		want    map[string]string
	}{
		{"no context", nil, "", map[string]string{"Traceparent": "00-$T-$S-01"}},
		{"W3C", []string{"traceparent", "00-" + theTrace + "-" + theSpan + "-01", "tracestate", "a=b,c=d"}, theSpan,
			map[string]string{"Traceparent": "00-" + theTrace + "-$S-01", "Tracestate": "a=b,c=d"}},
		{"W3C with a random id", []string{"traceparent", "00-" + theTrace + "-" + theSpan + "-03"}, theSpan,
			map[string]string{"Traceparent": "00-" + theTrace + "-$S-03"}},
		{"B3", []string{"b3", theTrace + "-" + theSpan + "-1"}, theSpan,
			map[string]string{"Traceparent": "00-" + theTrace + "-$S-01", "B3": theTrace + "-$S-1"}},
		{"B3 of 64 bits", []string{"b3", theTrace[16:] + "-" + theSpan}, theSpan,
			map[string]string{"Traceparent": "00-0000000000000000" + theTrace[16:] + "-$S-01", "B3": theTrace[16:] + "-$S-1"}},
		{"B3 in several", []string{"x-b3-traceid", theTrace, "x-b3-spanid", theSpan, "x-b3-sampled", "1"}, theSpan,
			map[string]string{"Traceparent": "00-" + theTrace + "-$S-01", "X-B3-Traceid": theTrace, "X-B3-Spanid": "$S", "X-B3-Parentspanid": theSpan, "X-B3-Sampled": "1"}},
		{"B3 debug", []string{"x-b3-traceid", theTrace, "x-b3-spanid", theSpan, "x-b3-flags", "1"}, theSpan,
			map[string]string{"X-B3-Flags": "1", "X-B3-Sampled": "", "X-B3-Spanid": "$S"}},
		{"B3 wants a span", []string{"b3", "1"}, "", map[string]string{"Traceparent": "00-$T-$S-01", "B3": "$T-$S-1"}},
		{"malformed", []string{"traceparent", "00-" + theTrace + "-" + theSpan, "tracestate", "a=b", "b3", "x", "x-b3-traceid", "\x80\xff", "x-b3-sampled", "7"}, "",
			map[string]string{"Traceparent": "00-$T-$S-01", "Tracestate": "", "B3": "$T-$S-1", "X-B3-Traceid": "$T", "X-B3-Sampled": "1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := p.ask("h", "POST", "/some/path?q=1", "body", tt.headers...)
			s := c.one()
			if r.StatusCode != 200 || s.parent() != tt.parent || len(s.trace()) != 32 || len(s.id()) != 16 || s.id() == theSpan {
				t.Errorf("status %d, trace %s, span %s, parent %s", r.StatusCode, s.trace(), s.id(), s.parent())
			}
			for name, want := range tt.want {
				want = strings.NewReplacer("$T", s.trace(), "$S", s.id()).Replace(want)
				if got := r.Header.Get("X-Echo-" + name); got != want {
					t.Errorf("the host gets %s %q, want %q", name, got, want)
				}
			}
			if want := r.Header.Get("X-Echo-Tracestate"); s.TraceState != want {
				t.Errorf("the span's state is %q, want %q", s.TraceState, want)
			}
			s.want(t, "http.request.method", "POST", "url.path", "/some/path", "url.query", "q=1", "url.scheme", "http",
				"http.response.status_code", "200", "server.address", p.address("h"), "client.address", "127.0.0.1",
				"sideloop.listener", "h", "sideloop.cluster", "h", "sideloop.tries", "1", "sideloop.reason", "", "error.type", "",
				"http.request.body.size", "4", "http.response.body.size", "4",
				"sideloop.route", "servers[0].listeners[1].filter_chains[0].filters[1].config.virtual_hosts[0].routers[0]")
			if s.Name != "POST" || s.Kind != otlp.Span_SPAN_KIND_SERVER || s.Status.GetCode() != 0 || s.EndTimeUnixNano < s.StartTimeUnixNano || s.StartTimeUnixNano < 1e18 {
				t.Errorf("name %q, kind %v, status %v, %d to %d", s.Name, s.Kind, s.Status, s.StartTimeUnixNano, s.EndTimeUnixNano)
			}
		})
	}
	if c.resource["service.name"] != "tests" || c.resource["deployment.environment"] != "test" || c.header.Get("X-Key") != "secret" {
		t.Errorf("resource %v, header %v", c.resource, c.header)
	}
	p.wantNothingHeld()
}

// What the sender has decided against passes as it is.
func TestTracingNotSampled(t *testing.T) {
	c := startCollector(t)
	p := tracedWorld(t, c, "")
	for _, headers := range [][]string{
		{"Traceparent", "00-" + theTrace + "-" + theSpan + "-00", "Tracestate", "a=b"},
		{"B3", theTrace + "-" + theSpan + "-0"},
		{"B3", "0"},
		{"X-B3-Sampled", "0"},
	} {
		r, _ := p.ask("h", "GET", "/", "", headers...)
		for i := 0; i < len(headers); i += 2 {
			if got := r.Header.Get("X-Echo-" + headers[i]); got != headers[i+1] {
				t.Errorf("%s: the host gets %q", headers, got)
			}
		}
		if len(headers) == 2 && r.Header.Get("X-Echo-Traceparent") != "" {
			t.Errorf("%s: the host gets a traceparent, too", headers)
		}
	}
	// The only span is that of a request that comes afterwards.
	p.ask("h", "PUT", "/", "")
	if s := c.one(); s.Name != "PUT" {
		t.Errorf("a span of %s", s.Name)
	}
}

// A line of an access log has the trace and the span of its own request.
func TestTracingInAccessLogs(t *testing.T) {
	c := startCollector(t)
	h2 := startH2Service(t, "127.0.0.1:0", echoH2)
	path := filepath.Join(t.TempDir(), "log")
	p := startProxy(t, c.traced(configOf(hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest,
		listenerKV: fmt.Sprintf(`, "access_logs": [{"log_path": %q, "log_format": "%%trace_id%% %%span_id%%"}]`, path)}), ""))
	client := newH2Client(t) // of one connection, so that one loop has all lines
	get := func(b3 string) http.Header {
		r, err := http.NewRequest("GET", "http://"+p.address("h")+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if b3 != "" {
			r.Header.Set("B3", b3)
		}
		reply, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := reply.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return reply.Header
	}
	var want string
	for range 2 {
		ids := strings.Split(get("").Get("X-Echo-Traceparent"), "-")
		get("0")
		want += ids[1] + " " + ids[2] + "\n- -\n"
	}
	var got []byte
	eventually(t, "four lines", func() bool {
		got, _ = os.ReadFile(path)
		return bytes.Count(got, []byte("\n")) >= 4
	})
	if string(got) != want {
		t.Errorf("the log has\n%s, want\n%s", got, want)
	}
}

// By a rate of nothing hosts are told that the trace is not sampled.
func TestTracingRates(t *testing.T) {
	c := startCollector(t)
	h2 := startH2Service(t, "127.0.0.1:0", echoH2)
	text := routed(routes(
		`{"match": {"prefix": "/all"}, "route": {"cluster_name": "c"}, "per_filter_config": {"tracing": {"sample_rate": 1}}}`,
		`{"match": {"prefix": "/"}, "route": {"cluster_name": "c"}}`), clusterOf("c", h2.address()))
	p := startProxy(t, c.traced(text, `, "sample_rate": 0, "propagators": ["w3c", "b3", "b3multi"]`))
	r, _ := p.ask("h2", "GET", "/none", "")
	parent := r.Header.Get("X-Echo-Traceparent")
	if len(parent) != 55 || !strings.HasSuffix(parent, "-00") || !strings.HasSuffix(r.Header.Get("X-Echo-B3"), "-0") || r.Header.Get("X-Echo-X-B3-Sampled") != "0" {
		t.Errorf("the host gets %v", r.Header)
	}
	sofa := []string{"sofa-traceid", "0a0fe8ac1716000000001100112345", "sofa-rpcid", "0.1"}
	r, _ = p.ask("h2", "GET", "/none", "", sofa...)
	if parent := r.Header.Get("X-Echo-Traceparent"); !strings.HasPrefix(parent, "00-00"+sofa[1]) || !strings.HasSuffix(parent, "-00") {
		t.Errorf("the host gets %v", parent)
	}
	r, _ = p.ask("h2", "GET", "/all", "")
	if s := c.one(); s.attributes["url.path"] != "/all" || r.Header.Get("X-Echo-X-B3-Sampled") != "1" {
		t.Errorf("a span of %v", s.attributes)
	}

	// A client's decision counts unless clients are not trusted with it.
	for _, own := range []bool{false, true} {
		p := startProxy(t, c.traced(text, fmt.Sprintf(`, "sample_rate": 0, "own_decision": %v`, own)))
		r, _ := p.ask("h2", "GET", "/none", "", "traceparent", "00-"+theTrace+"-"+theSpan+"-01")
		want := "00-" + theTrace + "-" + theSpan + "-00"
		if !own {
			want = "00-" + theTrace + "-" + c.one().id() + "-01"
		}
		if got := r.Header.Get("X-Echo-Traceparent"); got != want {
			t.Errorf("own_decision %v: the host gets %q, want %q", own, got, want)
		}
	}
}

// SOFATracer's keys are the parent where nothing else is, and stay what they are,
// with their case, over two conversions.
func TestTracingBolt(t *testing.T) {
	c := startCollector(t)
	p := tracedWorld(t, c, "")
	ids := []string{sofaTrace, "0a0fe8ac1716000000001100112345", sofaRPC, "0.1", "sofa_head_method_name", "echo"}
	trace := "00" + ids[1]
	for _, listener := range []string{"b", "bh"} {
		r := p.call(listener, ids...)
		spans := c.wait(map[string]int{"b": 1, "bh": 2}[listener])
		first, last := &spans[0], &spans[len(spans)-1]
		if first.attributes["sideloop.listener"] != listener {
			first, last = last, first
		}
		if got := r.get("traceparent"); got != "00-"+trace+"-"+last.id()+"-01" {
			t.Errorf("%s: the host gets %q, want the span %s", listener, got, last.id())
		}
		for i := 0; i < len(ids); i += 2 {
			if got := r.values(ids[i]); len(got) != 1 || got[0] != ids[i+1] {
				t.Errorf("%s: the host gets %s %q", listener, ids[i], got)
			}
		}
		first.want(t, "rpc.system", "sofarpc", "rpc.service", service, "rpc.method", "echo", "rpc.sofarpc.status_code", "0",
			"network.protocol.name", "bolt", "sofa.trace_id", ids[1], "sofa.rpc_id", "0.1", "sideloop.tries", "1", "sideloop.cluster", listener)
		if first.Name != service+"/echo" || first.parent() != "5dd24052fd761a0b" {
			t.Errorf("%s: span %q with the parent %q", listener, first.Name, first.parent())
		}
		if listener == "b" {
			continue
		}
		// The other sidecar's span is the child of this one.
		last.want(t, "rpc.system", "sofarpc", "rpc.service", service, "sideloop.listener", "hb", "sofa.trace_id", "")
		if last.parent() != first.id() || last.trace() != trace || first.Kind != otlp.Span_SPAN_KIND_CLIENT || last.Kind != otlp.Span_SPAN_KIND_SERVER {
			t.Errorf("the second span's parent is %s of %s, kinds %v, %v", last.parent(), last.trace(), first.Kind, last.Kind)
		}
	}
	// A plain client of HTTP/2, whose traceparent becomes a pair.
	r, _ := p.ask("hb", "POST", "/"+service+"/echo", "x", "traceparent", "00-"+theTrace+"-"+theSpan+"-01")
	s := c.one()
	if got := r.Header.Get("Traceparent"); got != "00-"+theTrace+"-"+s.id()+"-01" || s.parent() != theSpan {
		t.Errorf("the Bolt host gets %q; parent %s", got, s.parent())
	}
	p.wantNothingHeld()
}

// A one-way request has a span; nobody waits for its status.
func TestTracingOneWay(t *testing.T) {
	c := startCollector(t)
	got := make(chan string, 1)
	host := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		got <- f.get("traceparent")
		return nil
	})
	p := startProxy(t, c.traced(configOf(hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{host.address()}}), ""))
	f := newBoltRequest(service, body(10))
	f.kind = kindOneWay
	if err := dialBolt(t, p.address("b")).send(f); err != nil {
		t.Fatal(err)
	}
	s := c.one()
	s.want(t, "rpc.service", service, "rpc.sofarpc.status_code", "", "sideloop.reason", "", "sideloop.tries", "1")
	if parent := <-got; s.Status.GetCode() != 0 || parent != "00-"+s.trace()+"-"+s.id()+"-01" {
		t.Errorf("status %v, the host gets %q", s.Status, parent)
	}
}

func TestTracingFailures(t *testing.T) {
	c := startCollector(t)
	nobody := freeAddress(t)
	p := startProxy(t, c.traced(configOf(
		hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{nobody}},
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{nobody}, match: anyRequest},
		hop{name: "none", listen: "127.0.0.1:0", down: "Http2", up: "Http2", match: `{"prefix": "/not"}`, hosts: []string{nobody}},
	), ""))
	p.call("b")
	s := c.one()
	s.want(t, "sideloop.reason", "connect_failed", "error.type", "connect_failed", "sideloop.cluster", "b", "rpc.sofarpc.status_code", "6", "sideloop.tries", "0")
	if s.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR || !strings.Contains(s.Status.Message, "no connection") {
		t.Errorf("status %v", s.Status)
	}
	p.ask("h", "GET", "/", "")
	s = c.one()
	s.want(t, "sideloop.reason", "connect_failed", "http.response.status_code", "502")
	p.ask("none", "GET", "/", "", "traceparent", "00-"+theTrace+"-"+theSpan+"-01")
	s = c.one()
	s.want(t, "sideloop.reason", "no_route", "http.response.status_code", "404", "sideloop.cluster", "", "sideloop.route", "")
	if s.parent() != theSpan || s.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("parent %s, status %v", s.parent(), s.Status)
	}
}

// A request that is sent again is one span, whatever host it comes to.
func TestTracingRetries(t *testing.T) {
	c := startCollector(t)
	parents := make(chan string, 3)
	h2 := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		parents <- r.Header.Get("Traceparent")
		if len(parents) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	p := startProxy(t, c.traced(configOf(hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest,
		route: `, "retry_policy": {"retry_on": true, "num_retries": 3}`}), ""))
	r, _ := p.ask("h", "GET", "/", "")
	s := c.one()
	s.want(t, "sideloop.tries", "3", "http.response.status_code", "200", "sideloop.reason", "")
	for range 3 {
		if parent := <-parents; r.StatusCode != 200 || parent != "00-"+s.trace()+"-"+s.id()+"-01" {
			t.Errorf("status %d; a try has %q", r.StatusCode, parent)
		}
	}
}

// A route's changes of headers and a filter's delay come together with the trace.
func TestTracingBesideOtherFilters(t *testing.T) {
	c := startCollector(t)
	bolt, h2 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
	edits := `, "request_headers_to_add": [{"header": {"key": "x-added", "value": "yes"}}]`
	delay := `, "stream_filters": [{"type": "fault", "config": {"delay": {"percentage": 100, "fixed_delay": "5ms"}}}, {"type": "tracing", "config": {"sample_rate": 1}}]`
	between := freeAddress(t)
	p := startProxy(t, c.traced(configOf(
		hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address()}, route: edits, listenerKV: delay},
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest, route: edits, listenerKV: delay},
		hop{name: "hb", listen: between, down: "Http2", up: "SofaRpc", hosts: []string{bolt.address()}, route: edits, listenerKV: delay},
		hop{name: "bh", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{between}, route: edits, listenerKV: delay},
	), `, "sample_rate": 0`))
	for _, listener := range []string{"b", "bh"} {
		r := p.call(listener)
		spans := c.wait(map[string]int{"b": 1, "bh": 2}[listener])
		ids := fmt.Sprint(spans[0].id(), spans[len(spans)-1].id())
		if parent := r.get("traceparent"); r.get("x-added") == "" || len(parent) != 55 || !strings.Contains(ids, parent[36:52]) {
			t.Errorf("%s: the host gets %q of %s, and %q", listener, parent, ids, r.get("x-added"))
		}
	}
	r, _ := p.ask("h", "GET", "/", "")
	if s := c.one(); r.Header.Get("X-Echo-X-Added") == "" || r.Header.Get("X-Echo-Traceparent") != "00-"+s.trace()+"-"+s.id()+"-01" {
		t.Errorf("the host gets %v", r.Header)
	}
	p.wantNothingHeld()
}

// Reloads switch it on and off. What is on its way meanwhile is served.
func TestTracingReload(t *testing.T) {
	c := startCollector(t)
	h2 := startH2Service(t, "127.0.0.1:0", echoH2)
	off := configOf(hop{name: "h", listen: freeAddress(t), down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest})
	p := startProxy(t, off)
	reload := func(text, change string) {
		t.Helper()
		parsed, problems := config.Parse("test.json", []byte(text))
		if problems.FailCheck() {
			t.Fatal(problems)
		}
		changes, err := p.Reload(parsed)
		if err != nil || !strings.Contains(fmt.Sprint(changes), change) {
			t.Fatalf("%v, %v", changes, err)
		}
	}
	ask := func() string {
		t.Helper()
		r, _ := p.ask("h", "GET", "/", "")
		return r.Header.Get("X-Echo-Traceparent")
	}
	other := startCollector(t)
	for range 2 {
		if parent := ask(); parent != "" {
			t.Errorf("without tracing the host gets %q", parent)
		}
		reload(c.traced(off, ""), `tracing "http://`+c.address+`/v1/traces" added`)
		if parent := ask(); len(parent) != 55 || c.one().id() != parent[36:52] {
			t.Errorf("the host gets %q", parent)
		}
		reload(other.traced(off, ""), `tracing "http://`+other.address+`/v1/traces" changed`)
		if parent := ask(); len(parent) != 55 || other.one().id() != parent[36:52] {
			t.Errorf("the host gets %q", parent)
		}
		reload(off, "removed")
	}
	if len(c.spans) > 0 {
		t.Errorf("%d spans too many", len(c.spans))
	}
}

// A collector that is slow, away or of another mind costs spans, which are counted,
// and no request anything.
func TestTracingCollectorInTrouble(t *testing.T) {
	const requests = 100 << 8 // more than the queue holds
	c := startCollector(t)
	release := make(chan struct{})
	c.set(func() { c.hold = release })
	p := tracedWorld(t, c, "")
	client := dialBolt(t, p.address("b"))
	f := newBoltRequest(service, nil)
	calls := uint64(0)
	for ; calls < requests; calls++ {
		if n, _ := p.Spans(); n.Dropped > 0 {
			break
		}
		if r := client.mustCall(t, f); r.status != 0 {
			t.Fatalf("request %d: status %d", calls, r.status)
		}
	}
	eventually(t, "spans are dropped", func() bool { n, _ := p.Spans(); return n.Dropped > 0 })
	close(release)
	eventually(t, "the queue is sent", func() bool { n, _ := p.Spans(); return n.Sent > 0 && n.Sent+n.Dropped == calls })

	c.set(func() { c.refuse = http.StatusBadRequest })
	before, _ := p.Spans()
	p.call("b")
	eventually(t, "a refused span is counted", func() bool { n, _ := p.Spans(); return n.Failed > before.Failed })
	c.set(func() { c.refuse, c.spans = http.StatusServiceUnavailable, nil })
	posts := func() (n int) { c.set(func() { n = c.posts }); return n }
	at := posts()
	r := p.call("b")
	eventually(t, "it is sent again", func() bool { return posts() >= at+2 })
	c.set(func() { c.refuse = 0 })
	if s := c.one(); s.id() != r.get("traceparent")[36:52] {
		t.Error("another span was sent again")
	}
	c.set(func() { c.reject = 1 })
	before, _ = p.Spans()
	p.call("b")
	eventually(t, "a rejected span is counted", func() bool { n, _ := p.Spans(); return n.Failed == before.Failed+1 })
	p.wantNothingHeld()
}

// The last spans are sent when the process ends, also by a signal, and a collector
// that is away does not keep it.
func TestTracingAtTheEnd(t *testing.T) {
	for _, away := range []bool{false, true} {
		c := startCollector(t)
		if away {
			c.server.Close()
		}
		h2 := startH2Service(t, "127.0.0.1:0", echoH2)
		in := hop{name: "h", listen: freeAddress(t), down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest}
		text := strings.Replace(c.traced(configOf(in), ""), `"10ms"`, `"60s"`, 1)
		p := startProcess(t, in.listen, "-c", writeConfig(t, text))
		r, err := newH2Client(t).Get("http://" + in.listen)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		p.signal(syscall.SIGTERM)
		p.wantEnd()
		if !away && c.one().Name != "GET" {
			t.Error("another span")
		}
	}
}
