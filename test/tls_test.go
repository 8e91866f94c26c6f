// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
)

// Every size of body goes through TLS on both legs, with certificates on all
// sides.
func TestTLSBothLegs(t *testing.T) {
	m := newMesh(t)
	bolt := startBoltServiceOn(t, tlsListener(t, m.hostConfig()), echoBolt)
	h2 := startH2TLS(t, m.hostConfig("h2"), echoH2)
	p := startProxy(t, configOf(
		hop{name: "bolt", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address()}, tls: m.toClients(mutual), clusterKV: m.toHosts("")},
		hop{name: "h2", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2}, match: anyRequest, tls: m.toClients(mutual), clusterKV: m.toHosts(`, "match_subject_alt_names": [{"exact": "spiffe://mesh/ns/b/sa/host"}]`)},
	))
	echoOverBolt(t, m.dialBolt(p.address("bolt")))
	c := m.h2Client(m.clientConfig("h2"))
	for _, known := range []bool{true, false} {
		for _, n := range sizes {
			if r := postH2(t, c, p.address("h2"), body(n), known, nil); r.status != 200 || !bytes.Equal(r.body, body(n)) {
				t.Errorf("%d bytes: status %d, %d bytes back", n, r.status, len(r.body))
			}
		}
	}
	p.wantOK(6 * len(sizes))
	if n := p.Handshakes(eventloop.HandshakeDone); n != 2 {
		t.Errorf("%d handshakes for two clients", n)
	}
}

// Two sidecars speak HTTP/2 over TLS to each other, and Bolt in plain text to
// their own sides.
func TestTLSBetweenSidecars(t *testing.T) {
	m := newMesh(t)
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	far := startProxy(t, configOf(hop{name: "server", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}, tls: m.toClients(mutual + `, "match_subject_alt_names": [{"prefix": "spiffe://mesh/"}]`)}))
	near := startProxy(t, configOf(hop{name: "client", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{far.address("server")}, clusterKV: m.toHosts("")}))
	echoOverBolt(t, dialBolt(t, near.address("client")))
	near.wantOK(4 * len(sizes))
	far.wantOK(4 * len(sizes))
}

// gRPC's own client and server understand each other with TLS on both legs.
func TestTLSGRPCInterop(t *testing.T) {
	m := newMesh(t)
	up := startGRPC(t, "127.0.0.1:0", interop.NewTestServer(), grpc.Creds(credentials.NewTLS(m.hostConfig())))
	h := grpcHop(up.address)
	h.tls, h.clusterKV = m.toClients(mutual), m.toHosts("")
	p := startProxy(t, configOf(h))
	for _, tt := range interopCases {
		if tt.name == "channel_soak" {
			continue // it makes channels of its own, in plain text
		}
		t.Run(tt.name, func(t *testing.T) {
			grpcLog.test.Store(t)
			ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
			defer cancel()
			cc := dialGRPC(t, p.address("grpc"), grpc.WithDefaultServiceConfig(reportingBalancer), grpc.WithTransportCredentials(credentials.NewTLS(m.clientConfig())))
			silenced(t, func() { tt.run(ctx, cc, testgrpc.NewTestServiceClient(cc)) })
		})
	}
	p.wantNothingHeld()
}

// One port takes TLS and plain text; what a client agreed on by ALPN is what it
// is spoken to in, and without that its first bytes tell.
func TestTLSInspector(t *testing.T) {
	m := newMesh(t)
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc,Http2", up: "SofaRpc", hosts: []string{up.address()},
		listenerKV: `, "inspector": true`, tls: m.toClients("")}))
	echoOnce := func(c *boltClient) {
		f := newBoltRequest(service, []byte("hello"))
		wantBoltEcho(t, f, c.mustCall(t, f))
	}
	echoOnce(dialBolt(t, p.address("in")))
	echoOnce(m.dialBolt(p.address("in")))
	header := http.Header{"Service": {service}}
	for _, c := range []*http.Client{newH2Client(t), m.h2Client(m.clientConfig("h2")), m.h2Client(m.clientConfig())} {
		if r := postH2(t, c, p.address("in"), []byte("hello"), true, header); r.status != 200 || string(r.body) != "hello" {
			t.Errorf("status %d, %q", r.status, r.body)
		}
	}
	if n := p.Handshakes(eventloop.HandshakeDone); n != 3 {
		t.Errorf("%d handshakes; want 3", n)
	}
	// Bolt where HTTP/2 was agreed on.
	c, err := tls.Dial("tcp", p.address("in"), m.clientConfig("h2"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f := newBoltRequest(service, nil)
	c.Write(f.encode())
	if b, _ := io.ReadAll(c); bytes.Contains(b, []byte{1, 0, 0, 2}) {
		t.Errorf("it was answered: %q", b)
	}
}

// A set of contexts is chosen from by the client's server name: an exact one, a
// wildcard's, one that the context states, else by its protocols, else the first.
func TestTLSContextSet(t *testing.T) {
	m := newMesh(t)
	set := []string{
		m.context(m.ca.Issue(t, "first.example"), ""),
		m.context(m.ca.Issue(t, "*.wild.example"), ""),
		m.context(m.ca.Issue(t, "anything"), `, "server_name": "stated.example"`),
		m.context(m.ca.Issue(t, "bolt.example"), `, "alpn": "sofa"`),
		`{"status": false}`,
	}
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2",
		hosts: []string{freeAddress(t)}, tls: `, "tls_context_set": [` + strings.Join(set, ",") + "]"}))
	for _, tc := range []struct{ name, alpn, want string }{
		{"first.example", "h2", "first.example"},
		{"a.wild.example", "h2", "*.wild.example"},
		{"A.WILD.example", "h2", "*.wild.example"},
		{"a.b.wild.example", "h2", "first.example"},
		{"stated.example", "h2", "anything"},
		{"unknown.example", "sofa", "bolt.example"},
		{"", "h2", "first.example"},
	} {
		c, err := tls.Dial("tcp", p.address("in"), &tls.Config{ServerName: tc.name, InsecureSkipVerify: true, NextProtos: []string{tc.alpn}})
		if err != nil {
			t.Errorf("%q: %v", tc.name, err)
			continue
		}
		if got := c.ConnectionState().PeerCertificates[0].Subject.CommonName; got != tc.want {
			t.Errorf("%q, %s: got the certificate of %q, want %q", tc.name, tc.alpn, got, tc.want)
		}
		c.Close()
	}
}

// A cluster that turns to TLS in a reload sends nothing over the connections in
// plain text from before; a listener that does closes those of its clients.
func TestTLSReload(t *testing.T) {
	m := newMesh(t)
	plain := startBoltService(t, "127.0.0.1:0", echoBolt)
	shape := func(context, chain string) string {
		return configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{plain.address()}, clusterKV: context, tls: chain})
	}
	p := startProxy(t, shape("", ""))
	c := dialBolt(t, p.address("in"))
	if err := echoOnce(c, "in plain text"); err != nil {
		t.Fatal(err)
	}
	p.reload(shape(m.toHosts(""), ""), `cluster "in" changed`)
	if r := c.mustCall(t, newBoltRequest(service, nil)); r.get(codec.ReasonHeader) != "upstream_tls_failed" {
		t.Errorf("after the reload: status %d, %q", r.status, r.get(codec.ReasonHeader))
	}
	p.reload(shape("", m.toClients("")), `listener "in" changed`, `cluster "in" changed`)
	if err := echoOnce(m.dialBolt(p.address("in")), "encrypted"); err != nil {
		t.Error(err)
	}
	bad := strings.Replace(shape("", m.toClients("")), "BEGIN CERTIFICATE", "BEGIN NOTHING", 1)
	if _, err := p.tryReload(bad); err == nil || !strings.Contains(err.Error(), "listener in: servers[0].listeners[0].filter_chains[0].tls_context: ") {
		t.Errorf("a listener without a certificate: %v", err)
	}
}

// Of the hosts of an encrypted cluster one may be spoken to in plain text, and a
// cluster may use what the cluster manager says.
func TestTLSOfClusterManager(t *testing.T) {
	m := newMesh(t)
	plain, secret := startBoltService(t, "127.0.0.1:0", echoBolt), startBoltServiceOn(t, tlsListener(t, m.hostConfig()), echoBolt)
	text := configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{plain.address(), secret.address()}, clusterKV: `, "cluster_manager_tls": true`})
	text = strings.Replace(text, fmt.Sprintf(`{"address": %q}`, plain.address()), fmt.Sprintf(`{"address": %q, "tls_disable": true}`, plain.address()), 1)
	text = strings.Replace(text, `"cluster_manager": {`, `"cluster_manager": {"tls_context": `+m.context(m.proxy, "")+", ", 1)
	p := startProxy(t, text)
	c := dialBolt(t, p.address("in"))
	for range 8 {
		if err := echoOnce(c, "hello"); err != nil {
			t.Fatal(err)
		}
	}
	if plain.accepted.Load() == 0 || secret.accepted.Load() == 0 {
		t.Error("not both hosts were used")
	}
}

// Health checks are encrypted as requests are: a host that can be trusted is
// healthy, and one that cannot is not, whatever it would answer.
func TestTLSHealthChecks(t *testing.T) {
	m, strange := newMesh(t), newMesh(t)
	good, bad := startH2TLS(t, m.hostConfig("h2"), echoH2), startH2TLS(t, strange.hostConfig("h2"), echoH2)
	for _, tc := range []struct {
		host, protocol string
		healthy        bool
	}{{good, "Http2", true}, {bad, "Http2", false}, {good, "TCP", true}, {bad, "TCP", false}} {
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{tc.host}, match: anyRequest,
			clusterKV: m.toHosts("") + probing(tc.protocol, "")}))
		eventually(t, fmt.Sprintf("%s: the host is judged to be healthy: %v", tc.protocol, tc.healthy), func() bool {
			h := p.Health()[0].Hosts[0]
			return !h.Probe.At.IsZero() && h.FailedCheck != tc.healthy
		})
	}
}
