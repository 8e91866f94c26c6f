// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sideloop/sideloop/cluster"
	clusterhealth "github.com/sideloop/sideloop/cluster/health"
	"github.com/sideloop/sideloop/config"
)

// probing is a health_check that looks often; more are further keys, each
// beginning with a comma.
func probing(protocol, more string) string {
	return fmt.Sprintf(`, "health_check": {"protocol": %q, "timeout": "500ms", "interval": "20ms", "interval_jitter": "5ms", "initial_delay_seconds": "1ms"%s}`, protocol, more)
}

// hostHealth is what is known of a host of the cluster "in".
func (p *proxy) hostHealth(address string) clusterhealth.HostView {
	p.t.Helper()
	for _, c := range p.Health() {
		for _, h := range c.Hosts {
			if c.Name == "in" && h.Address == address {
				return h
			}
		}
	}
	p.t.Fatalf("no host %s in %+v", address, p.Health())
	return clusterhealth.HostView{}
}

// turnsOut waits for a verdict on a host.
func (p *proxy) turnsOut(address string, v clusterhealth.Verdict) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s is %+v", address, v), func() bool { return p.hostHealth(address).Verdict == v })
}

var failedCheck, healthyHost = clusterhealth.Verdict{FailedCheck: true}, clusterhealth.Verdict{}

// marked echoes, and counts.
func marked(n *atomic.Int64) func(boltFrame) []boltFrame {
	return func(f boltFrame) []boltFrame {
		n.Add(1)
		return echoBolt(f)
	}
}

// Bolt: a host whose process is gone gets no requests until it has answered
// heartbeats again.
func TestBoltHeartbeatCheck(t *testing.T) {
	var counts [2]atomic.Int64
	a := startBoltService(t, "127.0.0.1:0", marked(&counts[0]))
	b := startBoltService(t, "127.0.0.1:0", marked(&counts[1]))
	for _, protocol := range []string{"bolt", "boltv2", "SofaRpc"} {
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
			hosts: []string{a.address(), b.address()}, clusterKV: probing(protocol, `, "healthy_threshold": 3, "unhealthy_threshold": 2`)}))
		c := dialBolt(t, p.address("in"))
		eventually(t, "both hosts have been probed", func() bool {
			return !p.hostHealth(a.address()).Probe.At.IsZero() && !p.hostHealth(b.address()).Probe.At.IsZero()
		})
		address := b.address()
		b.stop()
		p.turnsOut(address, failedCheck)
		wantEchoes(t, c, 50)
		before := counts[1].Load()
		b = startBoltService(t, address, marked(&counts[1]))
		p.turnsOut(address, healthyHost)
		eventually(t, "the host is used again", func() bool { wantEchoes(t, c, 2); return counts[1].Load() > before })
		p.Stop(t.Context())
	}
}

// wantEchoes makes n calls, all of which succeed.
func wantEchoes(t *testing.T, c *boltClient, n int) {
	t.Helper()
	for range n {
		f := newBoltRequest(service, []byte("x"))
		wantBoltEcho(t, f, c.mustCall(t, f))
	}
}

// HTTP/2: a host that answers with another status is out of use, and back when
// it answers well again. Requests themselves have worked all the time.
func TestHTTP2StatusCheck(t *testing.T) {
	var sick atomic.Bool
	var used [2]atomic.Int64
	serve := func(i int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path != "/healthz":
				used[i].Add(1)
			case r.Host != "checks.example" || r.Method != "HEAD" || r.URL.RawQuery != "full=1":
				t.Errorf("probe asks %s %s of %s", r.Method, r.URL, r.Host)
			case i == 1 && sick.Load():
				w.WriteHeader(503)
			default:
				w.WriteHeader(204)
			}
		}
	}
	a, b := startH2Service(t, "127.0.0.1:0", serve(0)), startH2Service(t, "127.0.0.1:0", serve(1))
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", match: anyRequest,
		hosts: []string{a.address(), b.address()}, clusterKV: probing("Http2",
			`, "check_config": {"http_check_config": {"path": "/healthz?full=1", "method": "HEAD", "domain": "checks.example", "codes": [{"start": 200, "end": 200}, {"start": 204, "end": 299}]}}`)}))
	c := newH2Client(t)
	call := func(n int) {
		for range n {
			if r := postH2(t, c, p.address("in"), nil, true, nil); r.status != 200 {
				t.Fatalf("status %d", r.status)
			}
		}
	}
	sick.Store(true)
	p.turnsOut(b.address(), failedCheck)
	if h := p.hostHealth(b.address()); h.Probe.Failure != clusterhealth.Active || h.Probe.Reason != "status 503" {
		t.Errorf("the last probe is %+v", h.Probe)
	}
	eventually(t, "the verdict has reached the loops", func() bool {
		before := used[1].Load()
		call(10)
		return used[1].Load() == before
	})
	before := used[1].Load()
	call(20)
	if used[1].Load() != before {
		t.Error("an unhealthy host was used")
	}
	sick.Store(false)
	p.turnsOut(b.address(), healthyHost)
	eventually(t, "the host is used again", func() bool { call(2); return used[1].Load() > before })
	if n := a.accepted.Load(); n > 8 {
		t.Errorf("probes and requests made %d connections; probes are to keep theirs", n)
	}
}

// gRPC: NOT_SERVING is unhealthy, and so is a service that the server does not
// know.
func TestGRPCHealthCheck(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	checks := health.NewServer()
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, checks)
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	address := l.Addr().String()
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", match: anyRequest,
		hosts: []string{address}, clusterKV: probing("gRPC", `, "check_config": {"grpc_check_config": {"service_name": "shop.Cart"}}`)}))
	p.turnsOut(address, failedCheck) // NOT_FOUND
	if h := p.hostHealth(address); h.Probe.Reason != `grpc-status "5"` {
		t.Errorf("the last probe is %+v", h.Probe)
	}
	checks.SetServingStatus("shop.Cart", healthpb.HealthCheckResponse_SERVING)
	p.turnsOut(address, healthyHost)
	checks.SetServingStatus("shop.Cart", healthpb.HealthCheckResponse_NOT_SERVING)
	p.turnsOut(address, failedCheck)
	if h := p.hostHealth(address); h.Probe.Failure != clusterhealth.Active || h.Probe.Reason != "NOT_SERVING" {
		t.Errorf("the last probe is %+v", h.Probe)
	}
	checks.SetServingStatus("shop.Cart", healthpb.HealthCheckResponse_SERVING)
	p.turnsOut(address, healthyHost)
}

// A host that accepts and never answers fails every check but that of TCP.
func TestChecksOfAMuteHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	address := l.Addr().String() // the kernel accepts, nobody else does
	request := `, "check_config": {"http_check_config": {"path": "/"}}`
	for _, tt := range []struct{ protocol, more string }{
		{"Http1", request}, {"Http2", request}, {"Http2", ""}, {"gRPC", ""}, {"bolt", ""}, {"boltv2", ""},
	} {
		kv := strings.Replace(probing(tt.protocol, tt.more), `"500ms"`, `"50ms"`, 1)
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{address}, clusterKV: kv}))
		p.turnsOut(address, failedCheck)
		if h := p.hostHealth(address); h.Probe.Failure != clusterhealth.NetworkTimeout {
			t.Errorf("%s: the last probe is %+v", tt.protocol, h.Probe)
		}
		p.Stop(t.Context())
	}
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{address}, clusterKV: probing("TCP", "")}))
	eventually(t, "the host has been probed", func() bool { return !p.hostHealth(address).Probe.At.IsZero() })
	p.turnsOut(address, healthyHost)
}

// With initially_unhealthy a host serves from its first good probe on, and not
// before.
func TestInitiallyUnhealthy(t *testing.T) {
	address := freeAddress(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{address},
		clusterKV: probing("bolt", `, "initially_unhealthy": true, "healthy_threshold": 2`)}))
	p.turnsOut(address, failedCheck)
	startBoltService(t, address, echoBolt)
	p.turnsOut(address, healthyHost)
}

// The event log has a line for each change, as Envoy's has.
func TestHealthEventLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "events", "health.log")
	s := startBoltService(t, "127.0.0.1:0", echoBolt)
	address := s.address()
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{address},
		clusterKV: probing("bolt", fmt.Sprintf(`, "service_name": "cart", "unhealthy_threshold": 2, "event_log_path": %q`, log))}))
	eventually(t, "the host has been probed", func() bool { return !p.hostHealth(address).Probe.At.IsZero() })
	s.stop()
	p.turnsOut(address, failedCheck)
	startBoltService(t, address, echoBolt)
	p.turnsOut(address, healthyHost)
	p.Stop(t.Context())
	var kinds []string
	for _, e := range readEvents(t, log) {
		host := e["host"].(map[string]any)["socket_address"].(map[string]any)
		if e["cluster_name"] != "in" || e["health_checker_type"] != "BOLT" || e["service_name"] != "cart" ||
			fmt.Sprintf("%v:%v", host["address"], host["port_value"]) != address || e["timestamp"] == "" {
			t.Errorf("event %v", e)
		}
		for _, kind := range []string{"health_check_failure_event", "eject_unhealthy_event", "add_healthy_event"} {
			if e[kind] != nil {
				kinds = append(kinds, kind)
			}
		}
	}
	if want := "health_check_failure_event eject_unhealthy_event add_healthy_event"; strings.Join(kinds, " ") != want {
		t.Errorf("events %v, want %s", kinds, want)
	}
}

// readEvents reads a log of JSON lines.
func readEvents(t *testing.T, path string) (events []map[string]any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e map[string]any
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		events = append(events, e)
	}
	return events
}

// What is wrong with a health_check is said where it stands.
func TestBadHealthCheck(t *testing.T) {
	for _, tt := range []struct{ kv, want string }{
		{`"health_check": {"protocol": "Http1", "check_config": {"http_check_config": {"path": "no slash"}}}`, `path: expected a path that begins with /`},
		{`"health_check": {"protocol": "Http1", "check_path": "/a b"}`, `path: expected a path that begins with /`},
		{`"health_check": {"protocol": "Http1", "check_config": {"http_check_config": {"method": "ge t"}}}`, `expected a method such as GET`},
		{`"health_check": {"protocol": "Http1", "check_config": {"http_check_config": {"domain": "a\r\nb"}}}`, `expected a name without spaces`},
		{`"health_check": {"protocol": "Http1", "check_config": {"http_check_config": {"codes": [{"start": 300, "end": 200}]}}}`, `a range ends where it starts`},
		{`"health_check": {"protocol": "Http1", "check_config": {"http_check_config": {"codes": [{"start": 99, "end": 200}]}}}`, `expected a whole number from 100 to 599, found 99`},
		{`"health_check": {"protocol": "Http1", "check_config": {"http_check_config": {"port": 65536}}}`, `from 0 to 65535`},
		{`"health_check": {"protocol": "Http1", "check_config": {"http_check_config": {"scheme": "https"}}}`, `probes over TLS are not implemented`},
		{`"health_check": {"protocol": "Http3"}`, `unknown value "Http3"`},
		{`"health_check": {"protocol": "TCP", "interval": "1ms"}`, `expected a duration from 10ms`},
		{`"health_check": {"protocol": "TCP", "interval": 15}`, `a duration with a unit`},
		{`"health_check": {"timeout": "1s"}`, `without protocol or service_name hosts are not probed`},
		{`"health_check": {"protocol": "Http1", "service_name": "s"}`, `a probe only connects, as in MOSN`},
		{`"outlier_detection": {"max_ejection_percent": 101}`, `from 0 to 100`},
		{`"outlier_detection": {"latency_factor": 900, "always_eject_one_host": true}`, `a host is as slow as the median at 1000`},
		{`"outlier_detection": {}`, `are less than one, so that none is ejected`},
		{`"outlier_detection": {"consecutive5xx": 3, "always_eject_one_host": true}`, `did you mean "consecutive_5xx"`},
	} {
		_, problems := config.Parse("test.json", []byte(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{"127.0.0.1:1"}, clusterKV: ", " + tt.kv})))
		found := ""
		for _, p := range problems {
			found += p.String() + "\n"
		}
		if !strings.Contains(found, tt.want) {
			t.Errorf("%s: found %q, want %q", tt.kv, found, tt.want)
		}
	}
}

// Discovery may replace the hosts as often as it likes: each is probed by one
// prober, and the verdict on those that stay stands in every Snapshot.
func TestVerdictsOutliveUpdates(t *testing.T) {
	good := startBoltService(t, "127.0.0.1:0", echoBolt)
	bad := freeAddress(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{good.address(), bad}, clusterKV: probing("bolt", "")}))
	p.turnsOut(bad, failedCheck)
	c := dialBolt(t, p.address("in"))
	for i := range scale(50) {
		err := p.Update("in", func(old *cluster.Cluster) *cluster.Cluster {
			h := []*cluster.Host{
				{Network: "tcp", Address: bad, Authority: []byte(bad)},
				{Network: "tcp", Address: good.address(), Authority: []byte(good.address())},
				{Network: "tcp", Address: fmt.Sprintf("127.0.0.1:%d", 1+i%7), Down: cluster.FailedCheck},
			}
			return old.With(h)
		})
		if err != nil {
			t.Fatal(err)
		}
		p.turnsOut(bad, failedCheck)
	}
	if err := p.Update("in", func(old *cluster.Cluster) *cluster.Cluster { return old.With(old.Hosts[:2]) }); err != nil {
		t.Fatal(err)
	}
	p.turnsOut(bad, failedCheck)
	wantEchoes(t, c, 50)
	if hosts := p.Health()[0].Hosts; len(hosts) != 2 {
		t.Errorf("%d hosts are followed", len(hosts))
	}
	// The connections are the caller's, one for each loop, and that of probes.
	if n := good.accepted.Load(); n > 4 {
		t.Errorf("%d connections to one host", n)
	}
}

// A reload keeps what is known of the hosts, also where the cluster's settings
// change, and forgets it where they are not checked any more.
func TestVerdictsOutliveReload(t *testing.T) {
	good := startBoltService(t, "127.0.0.1:0", echoBolt)
	bad := freeAddress(t)
	in := hop{name: "in", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc", hosts: []string{good.address(), bad}, clusterKV: probing("bolt", "")}
	p := startProxy(t, configOf(in))
	p.turnsOut(bad, failedCheck)
	reload := func() error {
		c, problems := config.Parse("test.json", []byte(configOf(in)))
		if c == nil {
			t.Fatal(problems)
		}
		_, err := p.Reload(c)
		return err
	}
	in.clusterKV = probing("bolt", "") + `, "connect_timeout": "3s"`
	if err := reload(); err != nil || p.hostHealth(bad).Verdict != failedCheck {
		t.Errorf("%v, %+v", err, p.hostHealth(bad))
	}
	wantEchoes(t, dialBolt(t, p.address("in")), 20)
	in.clusterKV = probing("bolt", `, "event_log_path": "/proc/nowhere/health.log"`)
	if err := reload(); err == nil || p.hostHealth(bad).Verdict != failedCheck {
		t.Errorf("%v, %+v", err, p.hostHealth(bad))
	}
	in.clusterKV = ""
	if err := reload(); err != nil || len(p.Health()) != 0 {
		t.Errorf("%v, %+v", err, p.Health())
	}
	var revived atomic.Int64
	startBoltService(t, bad, marked(&revived))
	eventually(t, "both hosts serve again", func() bool {
		wantEchoes(t, dialBolt(t, p.address("in")), 4)
		return revived.Load() > 0
	})
}
