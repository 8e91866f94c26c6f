// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sideloop/sideloop/admin"
	"github.com/sideloop/sideloop/server"
	"github.com/sideloop/sideloop/stats"
)

// operated is a proxy with its admin server.
type operated struct {
	*proxy
	url            string
	drains, stops  chan struct{}
	path, firstDoc string
}

// operate runs a proxy on a configuration that is a file, and its admin server.
func operate(t *testing.T, text string) *operated {
	t.Helper()
	o := &operated{path: writeConfig(t, text), firstDoc: text, drains: make(chan struct{}, 9), stops: make(chan struct{}, 9)}
	file, _, problems, err := server.OpenFile(o.path)
	if err != nil {
		t.Fatal(problems, err)
	}
	o.proxy = startProxy(t, text)
	file.Serve(o.Server)
	a, err := admin.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.Serve(admin.Options{
		Control: o.Server, File: file, Version: "1.2.3", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Drain: func() { o.drains <- struct{}{} }, Stop: func() { o.stops <- struct{}{} },
	})
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	o.url = "http://" + a.Addr().String()
	return o
}

var adminClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: waitLimit}

// ask sends one request; header is pairs of names and values.
func (o *operated) ask(method, path, body string, header ...string) (int, string) {
	o.t.Helper()
	q, err := http.NewRequest(method, o.url+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			q.Host = header[i+1]
		}
	}
	r, err := adminClient.Do(q)
	if err != nil {
		o.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

func echoThrough(t *testing.T, listen string) hop {
	return hop{name: "in", listen: listen, down: "SofaRpc", up: "SofaRpc", hosts: []string{startBoltService(t, "127.0.0.1:0", echoBolt).address()}}
}

func TestAdminEndpoints(t *testing.T) {
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0")))
	dialBolt(t, o.address("in")).mustCall(t, newBoltRequest(service, nil))
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string // an expression
	}{
		{"GET", "/", "", 200, `(?m)^/reload +POST .*\n(.*\n)*/stats +GET, HEAD`},
		{"GET", "/help", "", 200, `(?m)^/overview +GET, HEAD`},
		{"GET", "/overview", "", 200, `"listeners":\[\{"name":"in","network":"tcp","address":"127[^}]+"connections":1,"draining":false,"protocols":\["bolt"\],"upstream":"bolt","tls":false,"requests":1,`},
		{"GET", "/failures", "", 200, `^$`},
		{"GET", "/failures?format=json", "", 200, `"failures": \[\]`},
		{"GET", "/dashboard/main.js", "", 200, `SPDX-License-Identifier`},
		{"GET", "/dashboard/", "", 404, `there is no`},
		{"GET", "/nothing", "", 404, `there is no "/nothing"`},
		{"GET", "/ready", "", 200, `^ready\n$`},
		{"HEAD", "/ready", "", 200, `^$`},
		{"GET", "/live", "", 200, `^live\n$`},
		{"GET", "/config_dump", "", 200, `"graceful_timeout": "30s"`},
		{"GET", "/config_dump?source", "", 200, `^` + regexp.QuoteMeta(o.firstDoc) + `$`},
		{"GET", "/clusters", "", 200, `(?m)^in::127\.0\.0\.1:\d+::health_flags::healthy\nin::.*::cx_active::1\nin::.*::rq_active::0\n`},
		{"GET", "/clusters?format=json", "", 200, `"health": \[\s*"healthy"\s*\],\s*"connections": 1`},
		{"GET", "/listeners", "", 200, `^in::127\.0\.0\.1:\d+ connections=1\n$`},
		{"GET", "/listeners?format=json", "", 200, `"connections": 1,\s*"draining": false`},
		{"GET", "/stats", "", 200, `(?m)^listener_requests_total\{listener="in"\}: 1\n(.*\n)*listener_request_duration_seconds\{listener="in"\}: count=1 sum=\S+ p50=\S+ p90=\S+ p99=\S+ p99\.9=`},
		{"GET", "/stats?filter=^panics", "", 200, `^panics_total: 0\n$`},
		{"GET", "/stats?filter=(", "", 400, `filter: `},
		{"GET", "/stats?format=xml", "", 400, `format`},
		{"GET", "/stats?format=prometheus", "", 200, `sideloop_listener_requests_total\{listener="in"\} 1`},
		{"GET", "/metrics", "", 200, `sideloop_build_info\{go="go[^"]+",version="1.2.3"\} 1`},
		{"GET", "/metrics?hosts=true", "", 200, `sideloop_host_connections_active\{cluster="in",host="127[^"]+"\} 1`},
		{"GET", "/memory", "", 200, `"resident": [1-9]`},
		{"GET", "/version", "", 200, `"version": "1.2.3"`},
		{"GET", "/debug/pprof/", "", 200, `goroutine`},
		{"GET", "/debug/pprof/heap?debug=1", "", 200, `heap profile`},
		{"GET", "/debug/pprof/profile?seconds=301", "", 400, `seconds`},
		{"GET", "/debug/pprof/profile?seconds=NaN", "", 400, `seconds`},
		{"GET", "/api/v1/version", "", 200, `1\.2\.3`},
		{"GET", "/api/v1/states", "", 200, `^pid=\d+&state=6\n$`},
		{"GET", "/api/v1/config_dump", "", 200, `"clusters": \[`},
		{"GET", "/api/v1/config_dump?allclusters", "", 200, `^\[\s*\{\s*"name": "in"`},
		{"GET", "/api/v1/config_dump?allrouters", "", 200, `^\[\s*\{\s*"name": "in"`},
		{"GET", "/api/v1/config_dump?alllisteners", "", 200, `^\[\s*\{\s*"name": "in"`},
		{"GET", "/api/v1/config_dump?cluster=in", "", 200, `^\{\s*"name": "in"`},
		{"GET", "/api/v1/config_dump?router=in", "", 200, `^\{\s*"name": "in"`},
		{"GET", "/api/v1/config_dump?listener=in", "", 200, `^\{\s*"name": "in"`},
		{"GET", "/api/v1/config_dump?listener=x", "", 404, `there is no "x"`},
		{"GET", "/api/v1/config_dump?x", "", 400, `unknown parameter`},
		{"GET", "/api/v1/config_dump?router=in&cluster=in", "", 400, `one parameter`},
		{"GET", "/api/v1/stats", "", 200, `(?m)^listener_requests_total`},
		{"GET", "/api/v1/get_loglevel", "", 200, `^stderr: as configured\n$`},
		{"POST", "/api/v1/update_loglevel", `{"log_level": "WARN", "log_path": "stderr"}`, 200, `success`},
		{"GET", "/logging", "", 200, `^stderr: WARN\n$`},
		{"POST", "/api/v1/update_loglevel", `{"log_level": "WARN", "log_path": "x"}`, 400, `nothing is logged to "x"`},
		{"POST", "/api/v1/update_loglevel", `{`, 400, `expected`},
		{"POST", "/logging?level=loud", "", 400, `expected one of the levels`},
		{"POST", "/logging", "", 400, `missing`},
		{"POST", "/logging?level=", "", 200, `^stderr: as configured\n$`},
		{"POST", "/ready", "", 405, `/ready takes GET, HEAD`},
		{"GET", "/reload", "", 405, `/reload takes POST`},
		{"GET", "/drain", "", 405, `/drain takes POST`},
		{"DELETE", "/logging", "", 405, `GET, HEAD, POST`},
	} {
		status, text := o.ask(tt.method, tt.path, tt.body)
		if status != tt.status || !regexp.MustCompile(tt.want).MatchString(text) {
			t.Errorf("%s %s: %d %s\nwant %d, %s", tt.method, tt.path, status, text, tt.status, tt.want)
		}
		if strings.Contains(tt.path, "json") && !json.Valid([]byte(text)) {
			t.Errorf("%s is no JSON", tt.path)
		}
	}
}

// What a browser may be led to send is refused.
func TestAdminRefusesOtherSites(t *testing.T) {
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0")))
	host := strings.TrimPrefix(o.url, "http://")
	_, port, _ := net.SplitHostPort(host)
	for _, tt := range []struct {
		method string
		header []string
		status int
	}{
		{"POST", nil, 200},
		{"POST", []string{"Origin", "http://" + host}, 200},
		{"POST", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"POST", []string{"Sec-Fetch-Site", "none"}, 200},
		{"POST", []string{"Origin", "http://evil.example"}, 403},
		{"POST", []string{"Origin", "null"}, 403},
		{"POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"GET", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"}, 200},
		{"GET", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		{"GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		{"GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		{"GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
		{"GET", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"}, 403},
		{"GET", []string{"Host", "localhost:" + port}, 200},
		{"GET", []string{"Host", "evil.example:" + port}, 403},
		{"POST", []string{"Host", "evil.example", "Origin", "http://evil.example"}, 403},
	} {
		if status, text := o.ask(tt.method, "/logging?level=", "", tt.header...); status != tt.status {
			t.Errorf("%s %v: %d %s", tt.method, tt.header, status, text)
		}
	}
}

// Slow and many clients are bounded; probes are answered meanwhile.
func TestAdminUnderSiege(t *testing.T) {
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0")))
	const places = 16
	for range places {
		c := dial(t, strings.TrimPrefix(o.url, "http://"))
		fmt.Fprint(c, "POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n")
	}
	eventually(t, "all places are taken", func() bool {
		status, _ := o.ask("GET", "/version", "")
		return status == http.StatusServiceUnavailable
	})
	for _, path := range []string{"/live", "/ready"} {
		if status, text := o.ask("GET", path, ""); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	c := dial(t, strings.TrimPrefix(o.url, "http://"))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of 64 KiB: %v, %v", r, err)
	}
}

func TestAdminReload(t *testing.T) {
	red, blue := named(t, "red"), named(t, "blue")
	in := hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{red}}
	o := operate(t, configOf(in))
	c := dialBolt(t, o.address("in"))
	wantFrom(t, c, "red")
	in.hosts = []string{blue}
	next := configOf(in)
	for _, tt := range []struct {
		what, file, body string
		header           []string
		status           int
		want, from       string
	}{
		{"an unchanged file", "", "", nil, 200, `^0 changes\n$`, "red"},
		{"a body", "", next, nil, 200, `^1 changes\ncluster "in" changed: hosts \+` + blue + ` -` + red + `\n$`, "blue"},
		{"a body with errors", "", "{\n \"servers\": 5}", nil, 400, `body.json:2:13: error: servers: .*\n(.*\n)*nothing was changed: the configuration has errors\n$`, "blue"},
		{"YAML with errors", "", "servers: 5", []string{"Content-Type", "application/yaml"}, 400, `body.yaml:1:10: error: servers`, "blue"},
		{"the file, which was not changed", "", "", nil, 200, `-` + blue, "red"},
		{"a file with errors", `{"servers": 5}`, "", nil, 400, `config.json:1:13: error: servers`, "red"},
		{"a changed file", next, "", nil, 200, `\+` + blue, "blue"},
		{"a port that is taken", strings.Replace(next, `"address": "127.0.0.1:0"`, `"address": "`+red+`"`, 1), "", nil, 409, `nothing was changed: listener "in".*in use`, "blue"},
	} {
		if tt.file != "" {
			if err := os.WriteFile(o.path, []byte(tt.file), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		status, text := o.ask("POST", "/reload", tt.body, tt.header...)
		if status != tt.status || !regexp.MustCompile(tt.want).MatchString(text) {
			t.Errorf("%s: %d %s\nwant %d %s", tt.what, status, text, tt.status, tt.want)
		}
		wantFrom(t, c, tt.from)
	}
	if _, text := o.ask("GET", "/config_dump?source", ""); text != next {
		t.Errorf("the text in force is %s", text)
	}
	if err := os.Remove(o.path); err != nil {
		t.Fatal(err)
	}
	if status, text := o.ask("POST", "/reload", ""); status != 500 || !strings.Contains(text, "no such file") {
		t.Errorf("a missing file: %d %s", status, text)
	}
	wantValue(t, o.scrape(), "sideloop_config_reloads_total", 4, "result", "applied")
	wantValue(t, o.scrape(), "sideloop_config_reloads_total", 5, "result", "refused")
}

func TestAdminDrain(t *testing.T) {
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0")))
	o.ask("POST", "/drain", "")
	o.ask("POST", "/drain?exit=true", "")
	if len(o.drains) != 1 || len(o.stops) != 1 {
		t.Errorf("%d drains and %d stops", len(o.drains), len(o.stops))
	}
}

// scrape reads /metrics as Prometheus does.
func (o *operated) scrape() map[string]*dto.MetricFamily {
	o.t.Helper()
	_, text := o.ask("GET", "/metrics", "")
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		o.t.Fatal(err)
	}
	return families
}

// series finds one of a family by its labels, in pairs; nil where there is none.
func series(families map[string]*dto.MetricFamily, name string, labels ...string) *dto.Metric {
	for _, m := range families[name].GetMetric() {
		matches := 0
		for _, l := range m.Label {
			for i := 0; i < len(labels); i += 2 {
				if l.GetName() == labels[i] && l.GetValue() == labels[i+1] {
					matches++
				}
			}
		}
		if 2*matches == len(labels) {
			return m
		}
	}
	return nil
}

func valueOf(m *dto.Metric) float64 {
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

func wantValue(t *testing.T, families map[string]*dto.MetricFamily, name string, want float64, labels ...string) {
	t.Helper()
	m := series(families, name, labels...)
	if got := valueOf(m); m == nil && want != 0 || got != want {
		t.Errorf("%s%v is %v, want %v", name, labels, got, want)
	}
}

// A known run is what the metrics say.
func TestMetricsOfAKnownRun(t *testing.T) {
	dead := hop{name: "dead", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{freeAddress(t)}}
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0"), dead))
	const served, failed, oneWay = 57, 9, 5
	c, d := dialBolt(t, o.address("in")), dialBolt(t, o.address("dead"))
	for range served {
		c.mustCall(t, newBoltRequest(service, body(100)))
	}
	for range failed {
		d.mustCall(t, newBoltRequest(service, nil))
	}
	f := newBoltRequest(service, nil)
	f.kind = 2
	for range oneWay {
		if err := c.send(f); err != nil {
			t.Fatal(err)
		}
	}
	var got map[string]*dto.MetricFamily
	eventually(t, "everything has ended and is told", func() bool {
		got = o.scrape()
		return valueOf(series(got, "sideloop_cluster_requests_total", "cluster", "in")) == served+oneWay &&
			valueOf(series(got, "sideloop_cluster_requests_total", "cluster", "dead")) == failed
	})
	for _, tt := range []struct {
		name   string
		want   float64
		labels []string
	}{
		{"sideloop_listener_requests_total", served + oneWay, []string{"listener", "in"}},
		{"sideloop_listener_requests_total", failed, []string{"listener", "dead"}},
		{"sideloop_listener_requests_active", 0, []string{"listener", "in"}},
		{"sideloop_listener_replies_total", served, []string{"listener", "in", "class", "2xx"}},
		{"sideloop_listener_replies_total", oneWay, []string{"listener", "in", "class", "none"}},
		{"sideloop_listener_replies_total", failed, []string{"listener", "dead", "class", "5xx"}},
		{"sideloop_listener_requests_failed_total", failed, []string{"listener", "dead", "reason", "connect_failed"}},
		{"sideloop_listener_requests_failed_total", 0, []string{"listener", "in", "reason", "connect_failed"}},
		{"sideloop_requests_failed_total", failed, []string{"reason", "connect_failed"}},
		{"sideloop_requests_failed_total", 0, []string{"reason", "no_route"}},
		{"sideloop_cluster_replies_total", served, []string{"cluster", "in", "class", "2xx"}},
		{"sideloop_cluster_requests_failed_total", failed, []string{"cluster", "dead", "reason", "connect_failed"}},
		{"sideloop_cluster_requests_active", 0, []string{"cluster", "in"}},
		{"sideloop_cluster_hosts", 1, []string{"cluster", "in"}},
		{"sideloop_cluster_hosts_healthy", 1, []string{"cluster", "in"}},
		{"sideloop_cluster_connections_active", 1, []string{"cluster", "in"}},
		{"sideloop_listener_connections_active", 1, []string{"listener", "dead"}},
		{"sideloop_downstream_requests_total", served + oneWay + failed, nil},
		{"sideloop_downstream_requests_one_way_total", oneWay, nil},
		{"sideloop_loop_stuck", 0, []string{"loop", "1"}},
		{"sideloop_draining", 0, nil},
		{"sideloop_panics_total", 0, nil},
	} {
		wantValue(t, got, tt.name, tt.want, tt.labels...)
	}
	for name, want := range map[string]uint64{"sideloop_listener_request_duration_seconds": served + oneWay, "sideloop_cluster_upstream_duration_seconds": served + oneWay} {
		label := strings.Split(name, "_")[1]
		h := series(got, name, label, "in").GetHistogram()
		if h.GetSampleCount() != want || h.GetSampleSum() <= 0 {
			t.Errorf("%s has %d durations, want %d", name, h.GetSampleCount(), want)
		}
		last := uint64(0)
		for _, b := range h.Bucket {
			if b.GetCumulativeCount() < last {
				t.Errorf("%s decreases at %v", name, b.GetUpperBound())
			}
			last = b.GetCumulativeCount()
		}
	}
	if series(got, "sideloop_host_connections_active") != nil {
		t.Error("there are series of hosts that nobody asked for")
	}
}

// Whoever scrapes, however often and however many: a loop runs one task a second.
func TestScrapesCostOneTaskASecond(t *testing.T) {
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0")))
	o.scrape()
	before := o.turns().Tasks
	began := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				o.ask("GET", "/stats", "")
				o.ask("GET", "/live", "")
				o.ask("GET", "/clusters", "")
			}
		})
	}
	wg.Wait()
	seconds := uint64(time.Since(began)/time.Second) + 1
	const loops, own = 2, 1 // own is the task of the question itself
	if n := o.turns().Tasks - before; n > loops*(seconds+own) {
		t.Errorf("%d tasks in %d s", n, seconds)
	}
}

// The admin server answers while the loops have all that they can do.
func TestAdminBesideSaturatedLoops(t *testing.T) {
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0")))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	batch := strings.Repeat(string(func() []byte { f := newBoltRequest(service, body(100)); return f.encode() }()), 256)
	for range 4 {
		c := dial(t, o.address("in"))
		go io.Copy(io.Discard, c)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := io.WriteString(c, batch); err != nil {
						return
					}
				}
			}
		})
	}
	for range 10 {
		for _, path := range []string{"/live", "/ready", "/stats", "/clusters", "/memory", "/listeners", "/metrics"} {
			if status, text := o.ask("GET", path, ""); status != http.StatusOK {
				t.Errorf("%s: %d %s", path, status, text)
			}
		}
	}
	close(stop)
	wg.Wait()
	if n := valueOf(series(o.scrape(), "sideloop_listener_requests_total", "listener", "in")); n < 1000 {
		t.Errorf("the loops had %v requests only", n)
	}
}

// docs/METRICS.md has every name, and none that is not there.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, name := range regexp.MustCompile("`(sideloop_[a-z0-9_]+)").FindAllStringSubmatch(string(page), -1) {
		documented[name[1]] = true
	}
	known := make(map[string]bool)
	for _, name := range admin.MetricNames() {
		known[name] = true
	}
	for name := range documented {
		if !known[name] {
			t.Errorf("docs/METRICS.md has %s, which there is not", name)
		}
	}
	for c := range stats.CounterCount {
		delete(known, "sideloop_"+c.String()) // the page says where they stand
	}
	for name := range known {
		if !documented[name] {
			t.Errorf("%s is not in docs/METRICS.md", name)
		}
	}
}
