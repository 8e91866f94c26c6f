// SPDX-License-Identifier: Apache-2.0

package test

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/test/authority"
)

// Hosts that cannot be trusted, or do not trust the proxy, fail requests with a
// reason of their own, and get none of their bytes in plain text.
func TestTLSBadHosts(t *testing.T) {
	m, strange := newMesh(t), newMesh(t)
	plain := startH2Service(t, "127.0.0.1:0", echoH2)
	expired := m.hostConfig("h2")
	expired.Certificates = []tls.Certificate{m.ca.Sign(t, authority.Request{Names: []string{"127.0.0.1"}, Expired: true}).TLS(t)}
	for _, tc := range []struct{ name, host, context string }{
		{"wrong authority", startH2TLS(t, strange.hostConfig("h2"), echoH2), m.toHosts("")},
		{"wrong name", startH2TLS(t, m.hostConfig("h2"), echoH2), m.toHosts(`, "server_name": "other.example"`)},
		{"wrong spiffe id", startH2TLS(t, m.hostConfig("h2"), echoH2), m.toHosts(`, "match_subject_alt_names": [{"exact": "spiffe://mesh/ns/b/sa/other"}]`)},
		{"expired", startH2TLS(t, expired, echoH2), m.toHosts("")},
		{"plain text", plain.address(), m.toHosts("")},
		{"no protocol in common", startH2TLS(t, m.hostConfig("http/1.1"), echoH2), m.toHosts("")},
		// In TLS 1.3 the host says so only after our part is done.
		{"no certificate", startH2TLS(t, m.hostConfig("h2"), echoH2), `, "tls_context": {"status": true, "insecure_skip": true}`},
		{"no certificate in 1.2", startH2TLS(t, m.hostConfig("h2"), echoH2), `, "tls_context": {"status": true, "insecure_skip": true, "max_version": "tlsv1_2"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{tc.host}, match: anyRequest, clusterKV: tc.context}))
			c := newH2Client(t)
			for range 3 {
				r := postH2(t, c, p.address("in"), []byte("secret"), true, nil)
				if word := r.header.Get(codec.ReasonHeader); r.status != 502 || word != "upstream_tls_failed" {
					t.Errorf("status %d, reason %q", r.status, word)
				}
			}
			p.wantNothingHeld()
		})
	}
}

// Clients that are not to be served are refused before a byte of theirs reaches
// the protocol, each under its own word; others go on.
func TestTLSBadClients(t *testing.T) {
	m, strange := newMesh(t), newMesh(t)
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(
		hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()},
			tls: m.toClients(mutual + `, "match_subject_alt_names": [{"suffix": "/sa/client"}]`)},
		hop{name: "plain", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	good := m.dialBolt(p.address("in"))
	other := m.clientConfig()
	other.Certificates = []tls.Certificate{m.host.TLS(t)}
	wrong := m.clientConfig()
	certificate := strange.client.TLS(t)
	wrong.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	none := m.clientConfig()
	none.Certificates = nil
	for word, c := range map[eventloop.HandshakeOutcome]*tls.Config{
		eventloop.HandshakeNoCertificate: none, eventloop.HandshakeBadCertificate: wrong,
	} {
		refused(t, p, c, word, 1)
	}
	refused(t, p, other, eventloop.HandshakeBadCertificate, 2) // of the mesh, but not of that name

	c, err := net.Dial("tcp", p.address("in"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f := newBoltRequest(service, nil)
	c.Write(f.encode())
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("plain text was answered: %q", b)
	}
	eventually(t, "plain text is counted", func() bool { return p.Handshakes(eventloop.HandshakePlaintext) == 1 })
	if _, err := tls.Dial("tcp", p.address("plain"), m.clientConfig()); err == nil {
		t.Error("a listener in plain text spoke TLS")
	}
	wantBoltEcho(t, f, good.mustCall(t, f))
	p.wantOK(1)
}

// refused wants a client to learn of its refusal, and it to be counted.
func refused(t *testing.T, p *proxy, c *tls.Config, word eventloop.HandshakeOutcome, count uint64) {
	t.Helper()
	conn, err := tls.Dial("tcp", p.address("in"), c)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "tls:") {
		t.Errorf("%v: the client is told %v", word, err)
	}
	eventually(t, "it is counted as "+word.String(), func() bool { return p.Handshakes(word) == count })
}

// Metrics tell how handshakes have ended, and of connections that broke TLS later.
func TestTLSMetrics(t *testing.T) {
	m := newMesh(t)
	in := echoThrough(t, "127.0.0.1:0")
	in.tls = m.toClients("")
	o := operate(t, configOf(in))
	plain := dial(t, o.address("in"))
	plain.Write([]byte("no TLS at all"))
	wantClosed(t, plain)
	for range 2 {
		c, err := tls.Dial("tcp", o.address("in"), m.clientConfig())
		if err != nil {
			t.Fatal(err)
		}
		c.NetConn().Write([]byte{23, 3, 3, 0, 40})
		c.NetConn().Write(make([]byte, 40))
		wantClosed(t, c.NetConn())
		c.Close()
	}
	wantEchoOn(t, m.dialBolt(o.address("in")))
	var got map[string]*dto.MetricFamily
	eventually(t, "all is told", func() bool {
		got = o.scrape()
		return valueOf(series(got, "sideloop_glitches_total", "kind", "tls_error")) == 2
	})
	wantValue(t, got, "sideloop_tls_handshakes_total", 3, "result", "tls_handshake_done")
	wantValue(t, got, "sideloop_tls_handshakes_total", 1, "result", "tls_plaintext")
	wantValue(t, got, "sideloop_tls_handshakes_total", 0, "result", "tls_bad_certificate")
}

// What a scanner would look for: old versions, weak suites and renegotiation are
// off unless they are asked for, and limits that are stated hold.
func TestTLSVersionsAndSuites(t *testing.T) {
	m := newMesh(t)
	up := hop{down: "Http2", up: "Http2", hosts: []string{freeAddress(t)}, listen: "127.0.0.1:0"}
	listeners := map[string]string{
		"defaults": "", "new": `, "min_version": "tlsv1_3"`, "old": `, "max_version": "tlsv1_2", "cipher_suites": "ECDHE-ECDSA-AES256-GCM-SHA384", "ecdh_curves": "p384"`,
	}
	var hops []hop
	for name, more := range listeners {
		h := up
		h.name, h.tls = name, m.toClients(more)
		hops = append(hops, h)
	}
	p := startProxy(t, configOf(hops...))
	for _, tc := range []struct {
		listener string
		change   func(*tls.Config)
		ok       bool
	}{
		{"defaults", func(c *tls.Config) {}, true},
		{"defaults", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		{"defaults", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		{"defaults", func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, weakSuites() }, false},
		{"new", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, false},
		{"new", func(c *tls.Config) {}, true},
		{"old", func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, false},
		{"old", func(c *tls.Config) {}, true},
		{"old", func(c *tls.Config) {
			c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		}, false},
		{"old", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} }, false},
	} {
		c := m.clientConfig("h2")
		tc.change(c)
		conn, err := tls.Dial("tcp", p.address(tc.listener), c)
		if (err == nil) != tc.ok {
			t.Errorf("%s, %s to %s: %v", tc.listener, tls.VersionName(c.MinVersion), tls.VersionName(c.MaxVersion), err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

func weakSuites() (ids []uint16) {
	for _, s := range tls.InsecureCipherSuites() {
		ids = append(ids, s.ID)
	}
	return ids
}
