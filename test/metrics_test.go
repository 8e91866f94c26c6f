// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// withMetrics adds MOSN's key to a configuration.
func withMetrics(text, metrics string) string {
	return strings.Replace(text, `{"servers"`, `{"metrics": {`+metrics+`}, "servers"`, 1)
}

// The stats_matcher leaves out metrics by name and by label, all of them with
// reject_all, and takes effect with a reload.
func TestStatsMatcher(t *testing.T) {
	text := configOf(echoThrough(t, "127.0.0.1:0"))
	o := operate(t, text)
	dialBolt(t, o.address("in")).mustCall(t, newBoltRequest(service, nil))
	all := []string{"sideloop_reads_total", "sideloop_listener_requests_total", "sideloop_host_healthy", "sideloop_hosts_omitted", "go_goroutines", "go_cpu_classes_gc_total_cpu_seconds_total", "process_open_fds", "sideloop_loop_turns_total"}
	for _, tt := range []struct{ matcher, without string }{
		{``, ``},
		{`"exclusion_keys": ["sideloop_reads_total", "go_goroutines"]`, "sideloop_reads_total go_goroutines"},
		{`"exclusion_labels": ["host", "listener"]`, "sideloop_listener_requests_total sideloop_host_healthy"},
		{`"exclusion_keys": ["process_open_fds", "sideloop_hosts_omitted"], "exclusion_labels": ["loop"]`, "process_open_fds sideloop_hosts_omitted sideloop_loop_turns_total"},
		{`"reject_all": true`, strings.Join(all, " ")},
	} {
		if _, err := o.tryReload(withMetrics(text, `"stats_matcher": {`+tt.matcher+`}`)); err != nil {
			t.Fatal(err)
		}
		_, page := o.ask("GET", "/metrics?hosts=true", "")
		_, plain := o.ask("GET", "/stats?hosts=true", "")
		for _, name := range all {
			shown := !strings.Contains(" "+tt.without+" ", " "+name+" ")
			if strings.Contains(page, "\n"+name) != shown && !strings.HasPrefix(page, name) {
				t.Errorf("%s: %s is shown: %v", tt.matcher, name, !shown)
			}
			short, ours := strings.CutPrefix(name, "sideloop_")
			if ours && strings.Contains("\n"+plain, "\n"+short) != shown {
				t.Errorf("%s: /stats shows %s: %v", tt.matcher, short, !shown)
			}
		}
		if strings.Contains(tt.matcher, "reject_all") && page+plain != "" {
			t.Errorf("with reject_all there is %q", page+plain)
		}
	}
}

// A Prometheus sink is a port of its own that answers scrapes and nothing else,
// plain and compressed.
func TestPrometheusSink(t *testing.T) {
	in := echoThrough(t, freeAddress(t))
	first, second := freeAddress(t), freeAddress(t)
	port := func(address string) string { _, p, _ := net.SplitHostPort(address); return p }
	text := withMetrics(configOf(in), fmt.Sprintf(`"sinks": [
 {"type": "prometheus", "config": {"address": "127.0.0.1", "port": %s}},
 {"type": "prometheus", "config": {"port": %s, "endpoint": "/prom", "disable_collect_go": true, "disable_collect_process": true}},
 {"type": "console"}]`, port(first), port(second)))
	p := startProcess(t, in.listen, "-c", writeConfig(t, text))
	dialBolt(t, in.listen).mustCall(t, newBoltRequest(service, nil))
	// The default transport asks for gzip and undoes it.
	for _, tt := range []struct {
		address, path string
		status        int
		has, hasNot   string
	}{
		{first, "/metrics", 200, "go_goroutines ", "sideloop_host_healthy"},
		{first, "/metrics?hosts=true", 200, `sideloop_host_healthy{cluster="in"`, "sideloop_hosts_omitted 1"},
		{second, "/prom", 200, `sideloop_listener_requests_total{listener="in"} 1`, "go_goroutines"},
		{second, "/prom", 200, "sideloop_draining 0", "process_"},
		{first, "/stats", 404, "", "sideloop_"}, {first, "/config_dump", 404, "", "in"}, {second, "/metrics", 404, "", "sideloop_"},
	} {
		r, err := adminClient.Get("http://" + tt.address + tt.path)
		if err != nil {
			t.Fatal(tt.address, err, p.out)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if page := string(b); err != nil || r.StatusCode != tt.status || !strings.Contains(page, tt.has) || strings.Contains(page, tt.hasNot) {
			t.Errorf("%s%s: %s, %v: %s", tt.address, tt.path, r.Status, err, page)
		}
		if r.StatusCode == http.StatusOK && !r.Uncompressed {
			t.Errorf("%s%s is not compressed", tt.address, tt.path)
		}
	}
	for _, path := range []string{"/drain?exit=true", "/metrics"} {
		r, err := adminClient.Post("http://"+first+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode < 400 {
			t.Errorf("POST %s: %s", path, r.Status)
		}
	}
	p.signal(syscall.SIGTERM)
	p.wantEnd()
}

// A sink's port that is taken keeps the process from starting.
func TestPrometheusSinkPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	text := withMetrics(configOf(echoThrough(t, "127.0.0.1:0")), `"sinks": [{"type": "prometheus", "config": {"address": "127.0.0.1", "port": `+port+`}}]`)
	out, err := sideloop(t, "start", "-c", writeConfig(t, strings.Replace(text, "{", `{"pid": "`+filepath.Join(t.TempDir(), "pid")+`",`, 1))).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "metrics: ") {
		t.Errorf("%v: %s", err, out)
	}
}
