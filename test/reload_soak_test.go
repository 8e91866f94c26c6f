// SPDX-License-Identifier: Apache-2.0

package test

import (
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/bench/result"
	"github.com/sideloop/sideloop/test/traffic"
)

// steadyClients call both listeners of a process at a rate: 5,000 requests a second
// in soak.
func steadyClients(bolt, h2 string) []load.Options {
	rate := min(scale(200), 2500)
	o := load.Options{Connections: 8, InFlight: 64, Body: 100, Service: service, Rate: float64(rate)}
	b, h := o, o
	b.Target, b.Protocol = bolt, load.Bolt
	h.Target, h.Protocol = h2, load.HTTP2
	return []load.Options{b, h}
}

// wantNoErrors holds each client to replies that were right.
func wantNoErrors(t *testing.T, results []*result.Result) {
	t.Helper()
	for _, r := range results {
		t.Logf("%s: %d requests in %.0f s, %v", r.Command.Protocol, r.Requests, r.Elapsed, r.Errors)
		if len(r.Errors) > 0 || r.Requests == 0 {
			t.Errorf("%s: %d requests, errors %v", r.Command.Protocol, r.Requests, r.Errors)
		}
	}
}

// Reloads in every way, under load: no request fails and no connection is lost.
func TestReloadsInEveryWay(t *testing.T) {
	bolt := []string{startCounted(t, "SofaRpc").address, startCounted(t, "SofaRpc").address}
	h2 := []string{startCounted(t, "Http2").address, startCounted(t, "Http2").address}
	b := hop{name: "b", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc"}
	h := hop{name: "h", listen: freeAddress(t), down: "Http2", up: "Http2", match: anyRequest}
	admin := freeAddress(t)
	text := func(i int) string {
		b.hosts, h.hosts = bolt[i%2:i%2+1], h2[:1+i%2] // one for another; one more, one less
		b.route = []string{"", `, "timeout": "10s"`}[i/2%2]
		return withAdmin(configOf(b, h), admin, "")
	}
	file := writeConfig(t, text(0))
	p := startProcess(t, b.listen, "-c", file, "--watch")
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	process := &traffic.Process{Binary: path, File: file, Admin: admin, Signal: p.cmd.Process.Signal}
	connections := func() string {
		return regexp.MustCompile(`(?m)^downstream_connections_total: .*$`).FindString(process.Get("/stats"))
	}
	var before, after string
	reloads := min(scale(traffic.Ways), 100)
	results := traffic.During(t, func() {
		before = connections()
		for i := range reloads {
			process.Reload(t, i, text(i+1))
		}
		after = connections()
	}, steadyClients(b.listen, h.listen)...)
	wantNoErrors(t, results)
	if before == "" || before != after {
		t.Errorf("connections of clients: %q before, %q after", before, after)
	}
	if n := strings.Count(p.out.String(), "nothing was changed"); n > 0 {
		t.Errorf("%d reloads were refused: %s", n, p.out)
	}
	p.signal(syscall.SIGTERM)
	p.wantEnd()
}
