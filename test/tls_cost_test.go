// SPDX-License-Identifier: Apache-2.0

//go:build !race

package test

import (
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"testing"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/eventloop"
)

// startEcho is a service that allocates nothing per request.
func startEcho(t testing.TB, c *tls.Config) string {
	t.Helper()
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- bench.RunEcho(ctx, "127.0.0.1:0", bench.Service{Speaks: bench.SpeaksAll, TLS: c}, 1, func(a net.Addr) { ready <- a })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return (<-ready).String()
}

// With TLS and certificates on both legs, and the client's identity in a header, a
// request costs no memory: neither one at a time, each with records of its own, nor
// many. Both ends of all connections are in this process, so that four of them are
// counted.
func TestTLSAllocations(t *testing.T) {
	m := newMesh(t)
	echo := startEcho(t, m.hostConfig("h2"))
	const set = `, "forward_client_cert_details": "SANITIZE_SET", "set_current_client_cert_details": {"subject": true, "uri": true}`
	in := hop{listen: "127.0.0.1:0", hosts: []string{echo}, tls: m.toClients(mutual)}
	var hops []hop
	for _, h := range []struct{ name, protocol, more string }{
		{"bolt", "SofaRpc", ""}, {"h2", "Http2", ""}, {"bolt-identity", "SofaRpc", set}, {"h2-identity", "Http2", set},
	} {
		one := in
		one.name, one.down, one.up, one.proxyKV = h.name, h.protocol, h.protocol, h.more
		if h.protocol == "Http2" {
			one.match = anyRequest
		}
		one.clusterKV = m.toHosts(`, "server_name": "127.0.0.1"`) + `, "max_request_per_conn": 4000000000`
		hops = append(hops, one)
	}
	p := startProxy(t, configOf(hops...))
	for _, tc := range []struct {
		listener string
		protocol load.Protocol
		inFlight int
	}{
		{"bolt", load.Bolt, 1}, {"bolt", load.Bolt, 32}, {"bolt-identity", load.Bolt, 1},
		{"h2", load.HTTP2, 1}, {"h2", load.HTTP2, 32}, {"h2-identity", load.HTTP2, 1},
	} {
		c := m.clientConfig()
		if tc.protocol == load.HTTP2 {
			c.NextProtos = []string{"h2"}
		}
		o := load.Options{
			Target: p.address(tc.listener), Protocol: tc.protocol, InFlight: tc.inFlight, Body: 500, Service: service, TLS: c,
		}
		allocated := func(count uint64) uint64 {
			o.Count = count
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r, err := load.Run(t.Context(), o, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Requests != count {
				t.Fatalf("%s: %d requests, errors %v", tc.listener, r.Requests, r.Errors)
			}
			runtime.ReadMemStats(&after)
			return after.Mallocs - before.Mallocs
		}
		const short, long = 1000, 6000
		allocated(short)
		first := allocated(short)
		per := (float64(allocated(long)) - float64(first)) / (long - short)
		t.Logf("%s, %d in flight: %.3f allocations per request", tc.listener, tc.inFlight, per)
		// Handshakes differ by some hundred allocations. One for each record of
		// one end alone would be 1.
		if per > 0.6 {
			t.Errorf("%s, %d in flight: %.3f allocations per request", tc.listener, tc.inFlight, per)
		}
	}
	if n := p.Handshakes(eventloop.HandshakeDone); n < 18 {
		t.Errorf("%d handshakes", n)
	}
}
