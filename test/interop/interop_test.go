// SPDX-License-Identifier: Apache-2.0

//go:build interop

// Package interop runs SOFARPC for Node.js through the proxy. Its peers are
// installed by scripts/interop.sh.
package interop

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// near and far are the seed's listeners, service is where it expects the
	// service. One sidecar alone uses the first and the last.
	near, far, service = "127.0.0.1:2045", "127.0.0.1:2046", "127.0.0.1:8080"
	// clientTimeout bounds the run of one client.
	clientTimeout = 90 * time.Second
)

// chains are the ways from client to service.
var chains = []struct {
	name  string
	start func(t *testing.T)
}{
	{"one sidecar", func(t *testing.T) { startSidecar(t, "one", "SofaRpc", near, "SofaRpc", service) }},
	{"seed chain", func(t *testing.T) { startProxy(t, "../../examples/seed/config.json", near, far) }},
}

// clients are how the service is called, and the cases that each prints.
var clients = []struct {
	name  string
	args  []string
	cases []string
}{
	{"sofa-rpc-node", []string{"client.js", near}, callCases},
	{"sofa-bolt-node v1", []string{"bolt_client.js", near, "v1"}, boltCases},
	{"sofa-bolt-node v2", []string{"bolt_client.js", near, "v2"}, boltCases},
	{"sofa-bolt-node v2 with CRC", []string{"bolt_client.js", near, "crc"}, boltCases},
	{"sofa-bolt-node, all on one connection", []string{"bolt_client.js", near, "mixed"}, boltCases},
}

var (
	callCases = []string{"sync", "one megabyte", "five megabytes", "unicode", "object", "exception", "timeout", "200 concurrent"}
	boltCases = append([]string{"one-way", "heartbeat"}, callCases...)
)

// runClient runs a client and reports each of its cases as a subtest.
func runClient(t *testing.T, args, cases []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clientTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "node", args...).CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			if slices.Contains(lines, "ok "+name) {
				return
			}
			t.Errorf("not ok; the client printed\n%s", out)
		})
	}
	if err != nil || len(lines) != len(cases) {
		t.Errorf("%d cases, %v:\n%s", len(lines), err, out)
	}
}

func TestSofaRPC(t *testing.T) {
	for _, chain := range chains {
		for _, server := range []string{"server.js", "bolt_server.js"} {
			t.Run(chain.name+" to "+server, func(t *testing.T) {
				startNode(t, server, service[strings.Index(service, ":")+1:])
				chain.start(t)
				for _, c := range clients {
					t.Run(c.name, func(t *testing.T) { runClient(t, c.args, c.cases) })
				}
			})
		}
	}
}

// A service that is silent gets heartbeats from the sidecar, and its connection
// lives on.
func TestHeartbeatsOfTheSidecar(t *testing.T) {
	server := startNode(t, "bolt_server.js", "8080")
	startSidecar(t, "one", "SofaRpc", near, "SofaRpc", service)
	runClient(t, clients[1].args, clients[1].cases)
	for range 3 {
		server.wantLine(t, "heartbeat")
	}
	runClient(t, clients[1].args, clients[1].cases)
}

// Whatever of the chain is restarted, calls succeed again without anybody's
// help.
func TestReconnect(t *testing.T) {
	server := startNode(t, "server.js", "8080")
	nearby := startSidecar(t, "near", "SofaRpc", near, "Http2", far)
	remote := startSidecar(t, "far", "Http2", far, "SofaRpc", service)
	client := startNode(t, "steady.js", near)
	steady := func() {
		t.Helper()
		for len(client.lines) > 0 {
			<-client.lines // of before
		}
		for range 10 {
			client.wantLine(t, "ok")
		}
	}
	steady()
	for _, part := range []struct {
		name    string
		process **process
	}{{"client", &client}, {"server", &server}, {"near sidecar", &nearby}, {"far sidecar", &remote}} {
		t.Run(part.name, func(t *testing.T) {
			*part.process = (*part.process).restart(t)
			steady()
		})
	}
}
