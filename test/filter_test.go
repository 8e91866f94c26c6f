// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// filtered is configOf with stream filters on every listener.
func filtered(filters string, hops ...hop) string {
	return strings.ReplaceAll(configOf(hops...), `"bind_port"`, `"stream_filters": [`+filters+`], "bind_port"`)
}

// startFiltered runs a proxy whose listeners "b" (Bolt), "h" (HTTP/2) and "hb" (HTTP/2
// to Bolt) have the filters.
func startFiltered(t *testing.T, filters string) *proxy {
	t.Helper()
	bolt, h2 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
	return startProxy(t, filtered(filters,
		hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address()}},
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest},
		hop{name: "hb", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{bolt.address()}},
	))
}

// serviceHeader names the service for listeners that lead to Bolt.
func serviceHeader(more ...string) http.Header {
	h := http.Header{"Service": {service}}
	for i := 0; i < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

// wantH2 checks the status and the reason of a reply, "" being none.
func wantH2(t *testing.T, r h2Reply, status int, reason string) {
	t.Helper()
	if r.status != status || r.header.Get(codec.ReasonHeader) != reason {
		t.Errorf("status %d, reason %q; want %d, %q", r.status, r.header.Get(codec.ReasonHeader), status, reason)
	}
}

// wantGRPCReply checks the status of a gRPC reply of the proxy.
func wantGRPCReply(t *testing.T, r h2Reply, status string) {
	t.Helper()
	if got := r.header.Get("Grpc-Status") + r.trailer.Get("Grpc-Status"); r.status != 200 || got != status {
		t.Errorf("status %d, gRPC status %q; want %q", r.status, got, status)
	}
}

// wantRefused asks each listener once and checks how it is refused.
func (p *proxy) wantRefused(reason codec.Reason, bolt uint16, status int, grpc string) {
	t := p.t.(*testing.T)
	t.Helper()
	wantBoltFailure(t, dialBolt(t, p.address("b")).mustCall(t, newBoltRequest(service, body(10))), bolt, reason)
	c := newH2Client(t)
	for _, listener := range []string{"h", "hb"} {
		wantH2(t, postH2(t, c, p.address(listener), body(10), true, serviceHeader()), status, reason.String())
		wantGRPCReply(t, postH2(t, c, p.address(listener), body(10), true, serviceHeader("Content-Type", "application/grpc")), grpc)
	}
}

// wantServed asks each listener once, with an echo.
func (p *proxy) wantServed(n int) {
	t := p.t.(*testing.T)
	t.Helper()
	f := newBoltRequest(service, body(n))
	wantBoltEcho(t, f, dialBolt(t, p.address("b")).mustCall(t, f))
	for _, listener := range []string{"h", "hb"} {
		for _, known := range []bool{true, false} {
			r := postH2(t, newH2Client(t), p.address(listener), body(n), known, serviceHeader())
			if wantH2(t, r, 200, ""); !bytes.Equal(r.body, body(n)) {
				t.Errorf("%s: %d bytes came back, want %d", listener, len(r.body), n)
			}
		}
	}
}

func TestAccessFilter(t *testing.T) {
	p := startFiltered(t, `{"type": "ip_access", "config": {"default_action": "allow", "ips": [{"action": "deny", "addrs": ["127.0.0.0/8"]}]}}`)
	p.wantRefused(codec.AccessDenied, 2, 403, "7")
	p.wantEnded(codec.AccessDenied, 5)

	p = startFiltered(t, `{"type": "ip_access", "config": {"default_action": "deny", "header": "x-real-ip", "ips": [{"action": "allow", "addrs": ["10.0.0.0/8"]}]}}`)
	for address, status := range map[string]int{"10.1.2.3": 200, "11.1.2.3": 403, "nonsense": 403} {
		reason := map[int]string{403: "access_denied"}[status]
		wantH2(t, postH2(t, newH2Client(t), p.address("h"), nil, true, serviceHeader("X-Real-Ip", address)), status, reason)
		f := newBoltRequest(service, nil)
		f.pairs = append(f.pairs, pair{[]byte("x-real-ip"), []byte(address)})
		if r := dialBolt(t, p.address("b")).mustCall(t, f); (r.status == 0) != (status == 200) {
			t.Errorf("%s: Bolt status %d", address, r.status)
		}
	}
	p.wantNothingHeld()
}

func TestFaultAbort(t *testing.T) {
	p := startFiltered(t, `{"type": "fault", "config": {"abort": {"percentage": 100, "status": 404}}}`)
	p.wantRefused(codec.FaultAbort, 6, 404, "12")
	p = startFiltered(t, `{"type": "fault", "config": {"abort": {"percentage": 100, "status": 503}}}`)
	p.wantRefused(codec.FaultAbort, 4, 503, "14")
	p.wantEnded(codec.FaultAbort, 5)
	p = startFiltered(t, `{"type": "fault", "config": {"upstream_cluster": "b", "headers": [{"name": "service", "value": "faulty"}], "abort": {"percentage": 100, "status": 500}}}`)
	p.wantServed(10)
	wantBoltFailure(t, dialBolt(t, p.address("b")).mustCall(t, newBoltRequest("faulty", nil)), 3, codec.FaultAbort)
	if r := postH2(t, newH2Client(t), p.address("h"), nil, true, http.Header{"Service": {"faulty"}}); r.status != 200 {
		t.Errorf("a request to another cluster: status %d", r.status)
	}
	p.wantNothingHeld()
}

// A route says to the listener's filters what they do, before the virtual host
// does, which says it before the listener.
func TestFiltersByRoute(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	abort := func(status int) string {
		return fmt.Sprintf(`"per_filter_config": {"fault": {"abort": {"percentage": 100, "status": %d}}}`, status)
	}
	text := filtered(`{"type": "fault", "config": {}}, {"type": "local_rate_limit", "config": {"token_bucket": {"max_tokens": 1000, "fill_interval": "1s"}}}, {"type": "payload_limit", "config": {}}`,
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}})
	text = strings.Replace(text, `"routers": [`, abort(500)+`, "routers": [
 {"match": {"headers": [{"name": "service", "value": "own"}]}, "route": {"cluster_name": "h"}, `+abort(418)+`},
 {"match": {"headers": [{"name": "service", "value": "none"}]}, "route": {"cluster_name": "h"}, "per_filter_config": {"fault": {}}},
 {"match": {"headers": [{"name": "service", "value": "small"}]}, "route": {"cluster_name": "h"}, "per_filter_config": {"fault": {}, "payload_limit": {"max_entity_size": 5}}},
 {"match": {"headers": [{"name": "service", "value": "rare"}]}, "route": {"cluster_name": "h"}, "per_filter_config": {"fault": {}, "local_rate_limit": {"token_bucket": {"max_tokens": 1, "fill_interval": "1h"}}}},
`, 1)
	p, c := startProxy(t, text), newH2Client(t)
	for _, want := range []struct {
		service string
		status  int
		reason  string
	}{
		{"own", 418, "fault_abort"}, {"none", 200, ""}, {"other", 500, "fault_abort"},
		{"small", 413, "body_too_large"}, {"rare", 200, ""}, {"rare", 429, "rate_limited"}, {"none", 200, ""},
	} {
		wantH2(t, postH2(t, c, p.address("h"), body(10), true, http.Header{"Service": {want.service}}), want.status, want.reason)
	}
	p.wantNothingHeld()
}

// A delayed request arrives as it was sent, whatever its size, and no earlier than
// it may.
func TestFaultDelay(t *testing.T) {
	p := startFiltered(t, `{"type": "fault", "config": {"delay": {"percentage": 100, "fixed_delay": "60ms"}}}`)
	for _, n := range []int{0, 10, 60 << 10, 300 << 10, 900 << 10} {
		began := time.Now()
		f := newBoltRequest(service, body(n))
		wantBoltEcho(t, f, dialBolt(t, p.address("b")).mustCall(t, f))
		if d := time.Since(began); d < 60*time.Millisecond {
			t.Errorf("%d bytes came back after %v", n, d)
		}
		p.wantServed(n)
	}
	p.wantNothingHeld()
}

// Trailers that arrive while a request is held follow its body.
func TestFaultDelayKeepsTrailers(t *testing.T) {
	up := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Write(append(b, r.Trailer.Get("X-Last")...))
	})
	p := startProxy(t, filtered(`{"type": "fault", "config": {"delay": {"percentage": 100, "fixed_delay": "60ms"}}}`,
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest}))
	q, err := http.NewRequest("POST", "http://"+p.address("h")+"/", io.MultiReader(strings.NewReader("body")))
	if err != nil {
		t.Fatal(err)
	}
	q.Trailer = http.Header{"X-Last": {"+trailers"}}
	r, err := newH2Client(t).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, _ := io.ReadAll(r.Body); string(b) != "body+trailers" {
		t.Errorf("%q came back", b)
	}
	p.wantNothingHeld()
}

// A deadline also passes while a request is held, a client may go, and so may the
// proxy: in each case nothing is left.
func TestHeldRequestsEnd(t *testing.T) {
	p := startFiltered(t, `{"type": "fault", "config": {"delay": {"percentage": 100, "fixed_delay": "1h"}}}`)
	c := dialBolt(t, p.address("b"))
	for _, n := range []int{10, 300 << 10} {
		f := newBoltRequest(service, body(n))
		f.timeout = 50
		if n < 64<<10 {
			wantBoltFailure(t, c.mustCall(t, f), 7, codec.UpstreamTimeout)
		}
	}
	h := newH2Client(t)
	wantGRPCReply(t, postH2(t, h, p.address("h"), body(10), true, serviceHeader("Content-Type", "application/grpc", "Grpc-Timeout", "50m")), "4")
	for _, listener := range []string{"h", "hb"} {
		for _, known := range []bool{true, false} {
			impatient := newH2Client(t)
			impatient.Timeout = 200 * time.Millisecond
			if r, err := tryH2(impatient, p.address(listener), body(300<<10), known, serviceHeader()); err == nil {
				t.Errorf("%s: status %d", listener, r.status)
			}
		}
	}
	p.wantNothingHeld()
	left := dialBolt(t, p.address("b"))
	if err := left.send(newBoltRequest(service, body(10))); err != nil {
		t.Fatal(err)
	}
	p.Stop(t.Context())
}

func TestPayloadLimit(t *testing.T) {
	p := startFiltered(t, `{"type": "payload_limit", "config": {"max_entity_size ": 100000, "http_status": 413}}`)
	p.wantServed(100_000)
	for _, n := range []int{100_001, 3 << 20} {
		wantBoltFailure(t, dialBolt(t, p.address("b")).mustCall(t, newBoltRequest(service, body(n))), 8, codec.BodyTooLarge)
		for _, listener := range []string{"h", "hb"} {
			for _, known := range []bool{true, false} {
				if !known && listener == "h" {
					continue // the echo has begun to answer by then
				}
				wantH2(t, postH2(t, newH2Client(t), p.address(listener), body(n), known, serviceHeader()), 413, "body_too_large")
			}
		}
		// Streamed, and found out when the reply has begun: the client sees that
		// it is not complete.
		if r, err := tryH2(newH2Client(t), p.address("h"), body(n), false, nil); err == nil && r.status == 200 {
			t.Errorf("%d bytes of unknown length: %d came back", n, len(r.body))
		}
	}
	p.wantServed(1000)
	p.wantNothingHeld()
}

func TestLocalRateLimit(t *testing.T) {
	p := startFiltered(t, `{"type": "local_rate_limit", "config": {"token_bucket": {"max_tokens": 5, "fill_interval": "1h"}}}`)
	ok := 0
	// Connections of both loops take from one bucket.
	for range 4 {
		c := dialBolt(t, p.address("b"))
		for range 5 {
			if r := c.mustCall(t, newBoltRequest(service, nil)); r.status == 0 {
				ok++
			} else {
				wantBoltFailure(t, r, 4, codec.RateLimited)
			}
		}
	}
	if ok != 5 {
		t.Errorf("%d Bolt requests passed a bucket of 5", ok)
	}
	for range 5 {
		for _, listener := range []string{"h", "hb"} {
			wantH2(t, postH2(t, newH2Client(t), p.address(listener), nil, true, serviceHeader()), 200, "")
		}
	}
	p.wantRefused(codec.RateLimited, 4, 429, "14")

	p = startFiltered(t, `{"type": "local_rate_limit", "config": {"rate_limited_as_resource_exhausted": true,
 "descriptors": [{"entries": [{"key": "user"}], "token_bucket": {"max_tokens": 1, "fill_interval": "1h"}}]}}`)
	for _, user := range []string{"a", "b"} {
		wantH2(t, postH2(t, newH2Client(t), p.address("h"), nil, true, serviceHeader("User", user)), 200, "")
		wantH2(t, postH2(t, newH2Client(t), p.address("h"), nil, true, serviceHeader("User", user)), 429, "rate_limited")
		wantGRPCReply(t, postH2(t, newH2Client(t), p.address("h"), nil, true, serviceHeader("User", user, "Content-Type", "application/grpc")), "8")
	}
	p.wantServed(10)
	p.wantNothingHeld()
}

func TestFlowControl(t *testing.T) {
	p := startFiltered(t, `{"type": "flowControlFilter", "config": {"global_switch": true, "limit_key_type": "PATH", "action": {"status": 509, "body": "slow down"},
 "rules": [{"resource": "/", "threshold": 0}, {"resource": "`+service+`", "threshold": 0}]}}`)
	p.wantRefused(codec.RateLimited, 3, 509, "2")
	if r := postH2(t, newH2Client(t), p.address("h"), nil, true, nil); string(r.body) != "slow down" {
		t.Errorf("the reply is %q", r.body)
	}
	// Spaced requests wait for their turn.
	p = startFiltered(t, `{"type": "flowControlFilter", "config": {"global_switch": true,
 "rules": [{"resource": "`+service+`", "threshold": 50, "controlBehavior": 1, "maxQueueingTimeMs": 10000}]}}`)
	c, began := dialBolt(t, p.address("b")), time.Now()
	for range 10 {
		f := newBoltRequest(service, body(100))
		wantBoltEcho(t, f, c.mustCall(t, f))
	}
	if d := time.Since(began); d < 9*20*time.Millisecond {
		t.Errorf("10 requests at 50 per second took %v", d)
	}
	p.wantNothingHeld()
}

// Requests beyond what may be in progress are refused at once, and the place of one
// that ends, however it ends, is free again.
func TestAdaptiveConcurrency(t *testing.T) {
	var hanging atomic.Int64
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		if f.get("service") == "hang" {
			hanging.Add(1)
			return nil
		}
		return echoBolt(f)
	})
	p := startProxy(t, filtered(`{"type": "adaptive_concurrency", "config": {"gradient_controller_config": {
 "concurrency_limit_params": {"max_concurrency_limit": 2}, "min_rtt_calc_params": {"fixed_value": "1s", "min_concurrency": 2}}}}`,
		hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}},
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}},
	))
	for round := range int64(2) {
		slow := dialBolt(t, p.address("b"))
		for range 2 {
			f := newBoltRequest("hang", nil)
			f.timeout = 2000
			if err := slow.send(f); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "both places are taken", func() bool { return hanging.Load() == 2*(round+1) })
		wantBoltFailure(t, dialBolt(t, p.address("b")).mustCall(t, newBoltRequest(service, nil)), 4, codec.Overloaded)
		// Each listener has places of its own.
		wantH2(t, postH2(t, newH2Client(t), p.address("h"), nil, true, serviceHeader()), 200, "")
		// Until both have timed out.
		eventually(t, "both places are free", func() bool {
			return dialBolt(t, p.address("b")).mustCall(t, newBoltRequest(service, nil)).status == 0
		})
	}
	p.wantNothingHeld()
}

// fault_inject delays what is read first of a connection.
func TestConnectionFault(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	text := configOf(hop{name: "b", listen: "127.0.0.1:0", down: "Auto", up: "SofaRpc", hosts: []string{up.address()}})
	p := startProxy(t, strings.Replace(text, `{"type": "proxy"`, `{"type": "fault_inject", "config": {"delay_percent": 100, "delay_duration": "80ms"}}, {"type": "proxy"`, 1))
	began := time.Now()
	f := newBoltRequest(service, body(100))
	wantBoltEcho(t, f, dialBolt(t, p.address("b")).mustCall(t, f))
	if d := time.Since(began); d < 80*time.Millisecond {
		t.Errorf("the first reply came after %v", d)
	}
	// One that is gone by then is no harm.
	dial(t, p.address("b")).Close()
	p.wantNothingHeld()
}
