// SPDX-License-Identifier: Apache-2.0

package test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/test/authority"
)

// xfcc is the header by which hosts know who the client is.
const xfcc = "x-forwarded-client-cert"

// as is the configuration of a client of another name than the mesh's usual one.
func (m *mesh) as(p authority.Pair, protocols ...string) *tls.Config {
	c := m.clientConfig(protocols...)
	c.Certificates = []tls.Certificate{p.TLS(m.t)}
	return c
}

func (m *mesh) boltAs(p authority.Pair, address string) *boltClient {
	m.t.Helper()
	c, err := tls.Dial("tcp", address, m.as(p))
	if err != nil {
		m.t.Fatal(err)
	}
	return newBoltClient(m.t, c)
}

// hashOf is what Hash tells of a certificate.
func (m *mesh) hashOf(p authority.Pair) string {
	sum := sha256.Sum256(p.TLS(m.t).Certificate[0])
	return "Hash=" + hex.EncodeToString(sum[:])
}

// What a host is told of the client, by mode, for both protocols and through the
// conversion, and that routes are told the same.
func TestForwardedClientCert(t *testing.T) {
	m := newMesh(t)
	bolt, h2 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
	own := "By=spiffe://mesh/ns/a/sa/proxy;" + m.hashOf(m.client) + `;Subject="CN=client";URI=spiffe://mesh/ns/a/sa/client`
	const optional = `, "verify_client": true, "inspector": true`
	const details = `, "set_current_client_cert_details": {"subject": true, "uri": true, "dns": true}`
	for _, tc := range []struct {
		mode                   string
		plain, anonymous, mine []string // what comes of "Hash=spoof"
	}{
		{"", nil, nil, nil},
		{"FORWARD_ONLY", nil, nil, []string{"Hash=spoof"}},
		{"APPEND_FORWARD", nil, nil, []string{"Hash=spoof," + own + ";DNS=client"}},
		{"SANITIZE_SET", nil, nil, []string{own + ";DNS=client"}},
		{"ALWAYS_FORWARD_ONLY", []string{"Hash=spoof"}, []string{"Hash=spoof"}, []string{"Hash=spoof"}},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			mode := ""
			if tc.mode != "" {
				mode = `, "forward_client_cert_details": "` + tc.mode + `"` + details
			}
			in := hop{listen: "127.0.0.1:0", tls: m.toClients(optional), proxyKV: mode}
			b, h, hb := in, in, in
			b.name, b.down, b.up, b.hosts = "b", "SofaRpc", "SofaRpc", []string{bolt.address()}
			h.name, h.down, h.up, h.hosts, h.match = "h", "Http2", "Http2", []string{h2.address()}, anyRequest
			hb.name, hb.down, hb.up, hb.hosts = "hb", "Http2", "SofaRpc", []string{bolt.address()}
			p := startProxy(t, configOf(b, h, hb))
			nobody := m.clientConfig()
			nobody.Certificates = nil
			for name, of := range map[string]struct {
				config *tls.Config
				want   []string
			}{"plain": {nil, tc.plain}, "anonymous": {nobody, tc.anonymous}, "client": {m.clientConfig(), tc.mine}} {
				told := func(where string, got []string) {
					t.Helper()
					if strings.Join(got, "|") != strings.Join(of.want, "|") {
						t.Errorf("%s, %s: the host is told %q, want %q", name, where, got, of.want)
					}
				}
				bc, hc := dialBolt, newH2Client(t)
				if of.config != nil {
					secure := of.config.Clone()
					bc = func(t testing.TB, address string) *boltClient {
						c, err := tls.Dial("tcp", address, of.config)
						if err != nil {
							t.Fatal(err)
						}
						return newBoltClient(t, c)
					}
					secure.NextProtos = []string{"h2"}
					hc = m.h2Client(secure)
				}
				f := newBoltRequest(service, []byte("x"))
				f.pairs = append(f.pairs, pair{[]byte("X-Forwarded-Client-Cert"), []byte("Hash=spoof")})
				r := bc(t, p.address("b")).mustCall(t, f)
				told("Bolt", append(r.values(xfcc), r.values("X-Forwarded-Client-Cert")...))
				header := http.Header{"Service": {service}, "X-Forwarded-Client-Cert": {"Hash=spoof"}}
				told("HTTP/2", postH2(t, hc, p.address("h"), []byte("x"), true, header).header.Values("X-Echo-X-Forwarded-Client-Cert"))
				told("HTTP/2 to Bolt", postH2(t, hc, p.address("hb"), []byte("x"), true, header).header.Values(xfcc))
			}
			p.wantNothingHeld()
		})
	}
}

// Between two sidecars the far one tells its host who the near one is, and what a
// client of the near one wrote does not get through.
func TestForwardedClientCertThroughTheChain(t *testing.T) {
	m := newMesh(t)
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	far := startProxy(t, configOf(hop{name: "server", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}, tls: m.toClients(mutual),
		proxyKV: `, "forward_client_cert_details": "SANITIZE_SET", "set_current_client_cert_details": {"uri": true}`}))
	near := startProxy(t, configOf(hop{name: "client", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{far.address("server")},
		clusterKV: `, "tls_context": ` + m.context(m.client, ""), proxyKV: `, "forward_client_cert_details": "ALWAYS_FORWARD_ONLY"`}))
	want := "By=spiffe://mesh/ns/a/sa/proxy;" + m.hashOf(m.client) + ";URI=spiffe://mesh/ns/a/sa/client"
	for _, spelling := range []string{xfcc, "X-Forwarded-Client-Cert", "X-FORWARDED-client-cert"} {
		r := near.call("client", spelling, "Hash=spoof")
		if got := r.values(xfcc); len(got) != 1 || got[0] != want || len(r.pairs) != 2 {
			t.Errorf("%s: the host is told %q", spelling, r.pairs)
		}
	}
}

// Routes, headers and access lists know the client by its verified certificate.
func TestClientIdentity(t *testing.T) {
	m := newMesh(t)
	bolt, h2 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
	fromA := `{"prefix": "/", "variables": [{"name": "downstream_peer_uri_san", "value": "spiffe://mesh/ns/a/sa/client"}, {"name": "requested_server_name", "value": "proxy"}]}`
	added := func(names ...string) string {
		var list []string
		for _, n := range names {
			list = append(list, `{"header": {"key": "x-`+strings.ReplaceAll(n, "_", "-")+`", "value": "%`+n+`%"}}`)
		}
		return `, "request_headers_to_add": [` + strings.Join(list, ",") + `]`
	}
	names := []string{"downstream_tls_version", "downstream_tls_cipher", "requested_server_name", "downstream_peer_subject", "downstream_peer_issuer",
		"downstream_peer_serial", "downstream_peer_uri_san", "downstream_peer_dns_san", "downstream_peer_fingerprint_256"}
	log := filepath.Join(t.TempDir(), "access.log")
	logged := `, "access_logs": [{"log_path": "` + log + `", "log_format": "%` + strings.Join(names, "%|%") + `%|%tls_peer_san%"}]`
	optional := m.toClients(`, "verify_client": true, "inspector": true`)
	access := `, "stream_filters": [{"type": "ip_access", "config": {"default_action": "deny", "ips": [{"action": "allow", "names": [{"prefix": "spiffe://mesh/ns/a/"}]}]}}]`
	p := startProxy(t, configOf(
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: fromA, tls: optional, route: added(names...), listenerKV: logged},
		hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address()}, tls: optional, listenerKV: access},
	))
	r := postH2(t, m.h2Client(m.clientConfig("h2")), p.address("h"), nil, true, nil)
	leaf := m.client.TLS(t).Leaf
	want := map[string]string{
		"downstream_tls_version": "TLSv1.3", "downstream_tls_cipher": "TLS_AES_128_GCM_SHA256", "requested_server_name": "proxy",
		"downstream_peer_subject": "CN=client", "downstream_peer_issuer": "CN=mesh", "downstream_peer_serial": leaf.SerialNumber.Text(16),
		"downstream_peer_uri_san": "spiffe://mesh/ns/a/sa/client", "downstream_peer_dns_san": "client",
		"downstream_peer_fingerprint_256": strings.TrimPrefix(m.hashOf(m.client), "Hash="),
	}
	for _, n := range names {
		if got := r.header.Get("X-Echo-X-" + strings.ReplaceAll(n, "_", "-")); got != want[n] {
			t.Errorf("%s is %q, want %q", n, got, want[n])
		}
	}
	var line []string
	for _, n := range names {
		line = append(line, want[n])
	}
	wantLine := strings.Join(append(line, "spiffe://mesh/ns/a/sa/client"), "|") + "\n"
	eventually(t, "the access log says who the client is", func() bool {
		b, _ := os.ReadFile(log)
		if len(b) > 0 && string(b) != wantLine {
			t.Errorf("the access log says %q, want %q", b, wantLine)
		}
		return len(b) > 0
	})
	for name, c := range map[string]*http.Client{"another client": m.h2Client(m.as(m.host, "h2")), "plain text": newH2Client(t)} {
		if r := postH2(t, c, p.address("h"), nil, true, nil); r.status != 404 || r.header.Get(codec.ReasonHeader) != "no_route" {
			t.Errorf("%s: status %d", name, r.status)
		}
	}
	f := newBoltRequest(service, []byte("hello"))
	wantBoltEcho(t, f, m.dialBolt(p.address("b")).mustCall(t, f))
	for name, c := range map[string]*boltClient{"another client": m.boltAs(m.host, p.address("b")), "plain text": dialBolt(t, p.address("b"))} {
		if r := c.mustCall(t, f); r.get(codec.ReasonHeader) != "access_denied" {
			t.Errorf("%s: status %d, reason %q", name, r.status, r.get(codec.ReasonHeader))
		}
	}
}

// A certificate that nobody verified is no identity, whatever it says.
func TestUnverifiedClientIsNobody(t *testing.T) {
	m, strange := newMesh(t), newMesh(t)
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()},
		tls:        m.toClients(`, "require_client_cert": true`),
		proxyKV:    `, "forward_client_cert_details": "SANITIZE_SET"`,
		listenerKV: `, "stream_filters": [{"type": "ip_access", "config": {"ips": [{"action": "deny", "names": [{"contains": "/"}]}]}}]`,
		route:      `, "request_headers_to_add": [{"header": {"key": "x-uri", "value": "%downstream_peer_uri_san%"}}]`}))
	f := newBoltRequest(service, nil)
	f.pairs = append(f.pairs, pair{[]byte(xfcc), []byte("Hash=spoof")})
	r := m.boltAs(strange.client, p.address("in")).mustCall(t, f)
	if r.status != 0 || len(r.values(xfcc)) > 0 || r.get("x-uri") != "" {
		t.Errorf("status %d, %q", r.status, r.pairs)
	}
}
