// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/test/traffic"
)

// startEchoes runs two echo services, which speak what they are asked in.
func startEchoes(t *testing.T) (addresses [2]string) {
	t.Helper()
	reactor, err := eventloop.Start(eventloop.Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		if err := reactor.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	for i := range addresses {
		e, err := bench.Serve(reactor, "127.0.0.1:0", bench.Service{Speaks: bench.SpeaksAll})
		if err != nil {
			t.Fatal(err)
		}
		addresses[i] = e.Addr().String()
	}
	return addresses
}

// reloadConfig has the service of Node.js behind near, and the echo service behind a
// listener of each protocol.
func reloadConfig(admin, echo string) string {
	var listeners, routers, clusters []string
	for _, h := range []struct{ name, address, protocol, host string }{
		{"node", near, "SofaRpc", service}, {"b", "127.0.0.1:2047", "SofaRpc", echo}, {"h", "127.0.0.1:2048", "Http2", echo},
	} {
		listeners = append(listeners, fmt.Sprintf(`{"name": %q, "address": %q, "bind_port": true, "filter_chains": [{"filters": [
 {"type": "proxy", "config": {"downstream_protocol": %q, "upstream_protocol": %[3]q, "router_config_name": %[1]q}}]}]}`, h.name, h.address, h.protocol))
		routers = append(routers, fmt.Sprintf(`{"router_config_name": %q, "virtual_hosts": [{"name": "all", "domains": ["*"], "routers": [
 {"match": {"headers": [{"name": "service", "value": ".*"}]}, "route": {"cluster_name": %[1]q}}]}]}`, h.name))
		clusters = append(clusters, fmt.Sprintf(`{"name": %q, "hosts": [{"address": %q}]}`, h.name, h.host))
	}
	_, port, _ := strings.Cut(admin, ":")
	return fmt.Sprintf(`{"admin": {"address": {"socket_address": {"port_value": %s}}},
 "servers": [{"default_log_path": "stderr", "default_log_level": "ERROR", "listeners": [%s], "routers": [%s]}], "cluster_manager": {"clusters": [%s]}}`,
		port, strings.Join(listeners, ","), strings.Join(routers, ","), strings.Join(clusters, ","))
}

// Reloads in every way lose no call of sofa-rpc-node, nor of the load beside it, and
// no connection.
func TestReloads(t *testing.T) {
	startNode(t, "server.js", "8080")
	echoes := startEchoes(t)
	dir := t.TempDir()
	file, admin := filepath.Join(dir, "c.json"), "127.0.0.1:34901"
	text := func(i int) string { return reloadConfig(admin, echoes[i%2]) }
	if err := os.WriteFile(file, []byte(text(0)), 0o644); err != nil {
		t.Fatal(err)
	}
	sidecar := startProxyWith(t, []string{"-c", file, "--watch"}, near, admin)
	path, _ := binary()
	process := &traffic.Process{Binary: path, File: file, Admin: admin, Signal: sidecar.cmd.Process.Signal}
	client := startNode(t, "steady.js", near)
	client.wantLine(t, "ok")
	reloads, rate := traffic.Ways, 200.0
	if os.Getenv("SIDELOOP_SOAK") != "" {
		reloads, rate = 100, 2500
	}
	o := load.Options{Connections: 8, InFlight: 64, Body: 100, Service: "x", Rate: rate}
	bolt, h2 := o, o
	bolt.Target, bolt.Protocol = "127.0.0.1:2047", load.Bolt
	h2.Target, h2.Protocol = "127.0.0.1:2048", load.HTTP2
	connections := func() string {
		return regexp.MustCompile(`(?m)^downstream_connections_total: .*$`).FindString(process.Get("/stats"))
	}
	calls := 0
	var before, after string
	results := traffic.During(t, func() {
		before = connections()
		for i := range reloads {
			process.Reload(t, i, text(i+1))
			for n := len(client.lines); n > 0; n-- {
				if line := <-client.lines; line != "ok" {
					t.Errorf("sofa-rpc-node after %d reloads: %s", i+1, line)
				}
				calls++
			}
		}
		client.wantLine(t, "ok")
		after = connections()
	}, bolt, h2)
	for _, r := range results {
		t.Logf("%d reloads, %d calls of sofa-rpc-node; %s: %d requests in %.0f s", reloads, calls, r.Command.Protocol, r.Requests, r.Elapsed)
		if len(r.Errors) > 0 {
			t.Errorf("%s: %v", r.Command.Protocol, r.Errors)
		}
	}
	if before == "" || before != after {
		t.Errorf("connections of clients: %q before, %q after", before, after)
	}
}
