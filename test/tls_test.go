// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/server"
	"github.com/sideloop/sideloop/test/authority"
)

// mesh is the certificates of a test: those of the proxy, a client and a host,
// all by one authority.
type mesh struct {
	t                   testing.TB
	ca                  *authority.Authority
	proxy, client, host authority.Pair
}

func newMesh(t testing.TB) *mesh {
	ca := authority.New(t, "mesh")
	return &mesh{t, ca,
		ca.Issue(t, "proxy", "127.0.0.1", "spiffe://mesh/ns/a/sa/proxy"),
		ca.Issue(t, "client", "spiffe://mesh/ns/a/sa/client"),
		ca.Issue(t, "host", "127.0.0.1", "spiffe://mesh/ns/b/sa/host"),
	}
}

// context is a tls_context that is on. more are further members, each beginning
// with a comma.
func (m *mesh) context(own authority.Pair, more string) string {
	quoted := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			m.t.Fatal(err)
		}
		return string(b)
	}
	return fmt.Sprintf(`{"status": true, "ca_cert": %s, "cert_chain": %s, "private_key": %s%s}`,
		quoted(m.ca.PEM), quoted(own.Certificate), quoted(own.Key), more)
}

// toClients is the member of a filter chain.
func (m *mesh) toClients(more string) string {
	return `, "tls_context": ` + m.context(m.proxy, more)
}

// toHosts is the member of a cluster.
func (m *mesh) toHosts(more string) string { return m.toClients(more) }

const mutual = `, "verify_client": true, "require_client_cert": true`

// clientConfig is that of a client of the proxy.
func (m *mesh) clientConfig(protocols ...string) *tls.Config {
	return &tls.Config{
		RootCAs: m.ca.Pool(), ServerName: "proxy", NextProtos: protocols,
		Certificates: []tls.Certificate{m.client.TLS(m.t)},
	}
}

// hostConfig is that of a host, which wants the proxy's certificate.
func (m *mesh) hostConfig(protocols ...string) *tls.Config {
	return &tls.Config{
		ClientCAs: m.ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: protocols,
		Certificates: []tls.Certificate{m.host.TLS(m.t)},
	}
}

func (m *mesh) dialBolt(address string) *boltClient {
	m.t.Helper()
	c, err := tls.Dial("tcp", address, m.clientConfig())
	if err != nil {
		m.t.Fatal(err)
	}
	return newBoltClient(m.t, c)
}

// h2Client speaks HTTP/2 over TLS to addresses of the form http://host:port.
func (m *mesh) h2Client(c *tls.Config) *http.Client {
	tr := &http.Transport{Protocols: onlyH2(), DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&tls.Dialer{Config: c}).DialContext(ctx, network, address)
	}}
	m.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: callTimeout}
}

func tlsListener(t testing.TB, c *tls.Config) net.Listener {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// startH2TLS is an HTTP/2 service over TLS.
func startH2TLS(t testing.TB, c *tls.Config, h http.HandlerFunc) string {
	t.Helper()
	l := tlsListener(t, c)
	p := onlyH2()
	p.SetHTTP2(true)
	s := &http.Server{Handler: h, Protocols: p, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return l.Addr().String()
}

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

// volume is a directory as Kubernetes mounts secrets: the files are links through
// a link that is replaced as a whole.
type volume struct {
	t       testing.TB
	dir     string
	version int
}

func (v *volume) put(p authority.Pair, ca string) {
	v.t.Helper()
	v.version++
	data := filepath.Join(v.dir, fmt.Sprintf("..%d", v.version))
	fresh := filepath.Join(v.dir, "..data_tmp")
	must := func(err error) {
		v.t.Helper()
		if err != nil {
			v.t.Fatal(err)
		}
	}
	must(os.Mkdir(data, 0o700))
	for name, text := range map[string]string{"tls.crt": p.Certificate, "tls.key": p.Key, "ca.crt": ca} {
		must(os.WriteFile(filepath.Join(data, name), []byte(text), 0o600))
		if link := filepath.Join(v.dir, name); v.version == 1 {
			must(os.Symlink(filepath.Join("..data", name), link))
		}
	}
	must(os.Symlink(filepath.Base(data), fresh))
	must(os.Rename(fresh, filepath.Join(v.dir, "..data")))
}

func (v *volume) context(more string) string {
	return fmt.Sprintf(`, "tls_context": {"status": true, "ca_cert": %q, "cert_chain": %q, "private_key": %q%s}`,
		filepath.Join(v.dir, "ca.crt"), filepath.Join(v.dir, "tls.crt"), filepath.Join(v.dir, "tls.key"), more)
}

// Certificates change a hundred times under load: no call fails, new connections
// get the new one, old ones live on. One that is wrong is reported and leaves the
// one before.
func TestTLSCertificateChange(t *testing.T) {
	m := newMesh(t)
	v := &volume{t: t, dir: t.TempDir()}
	v.put(m.proxy, m.ca.PEM)
	up := startBoltServiceOn(t, tlsListener(t, m.hostConfig()), echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()},
		tls: v.context(mutual), clusterKV: v.context("")}))
	lasting := m.dialBolt(p.address("in"))
	stop := make(chan struct{})
	var load sync.WaitGroup
	var calls, failures atomic.Int64
	for range 4 {
		load.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := tls.Dial("tcp", p.address("in"), m.clientConfig())
				if err == nil {
					c := newBoltClient(t, conn)
					err = echoOnce(c, fmt.Sprint("call ", i))
					c.close()
				}
				if calls.Add(1); err != nil {
					failures.Add(1)
					t.Errorf("call %d: %v", i, err)
				}
			}
		})
	}
	for i := range 100 {
		name := fmt.Sprintf("proxy%d", i)
		v.put(m.ca.Issue(t, name, "proxy", "127.0.0.1"), m.ca.PEM)
		p.RefreshCertificates()
		if got := p.subject(m); got != name {
			t.Fatalf("a new connection got the certificate of %q, want %q", got, name)
		}
		if err := echoOnce(lasting, name); err != nil {
			t.Fatalf("the connection from before: %v", err)
		}
	}
	v.put(authority.Pair{Certificate: "nothing", Key: "nothing"}, m.ca.PEM)
	p.RefreshCertificates()
	if got := p.subject(m); got != "proxy99" {
		t.Errorf("after a wrong certificate %q is used", got)
	}
	all := p.Certificates()
	if len(all) != 2 || !strings.Contains(all[0].Failure, "private_key") || all[0].Subject != "CN=proxy99" || all[0].NotAfter.IsZero() || all[1].Owner != "cluster in" {
		t.Errorf("%+v", all)
	}
	v.put(m.proxy, m.ca.PEM)
	p.RefreshCertificates()
	if all := p.Certificates(); all[0].Failure != "" || all[1].Failure != "" || p.subject(m) != "proxy" {
		t.Errorf("after a good one: %+v", all)
	}
	close(stop)
	load.Wait()
	if calls.Load() == 0 || failures.Load() > 0 {
		t.Errorf("%d of %d calls failed", failures.Load(), calls.Load())
	}
}

// subject is the name in the certificate that a new connection gets.
func (p *proxy) subject(m *mesh) string {
	p.t.Helper()
	c, err := tls.Dial("tcp", p.address("in"), m.clientConfig())
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
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

// A configuration whose certificates cannot be used is refused by the check and
// by the start, with the place.
func TestTLSCheck(t *testing.T) {
	m := newMesh(t)
	other := authority.New(t, "other").Issue(t, "x")
	expired := m.ca.Sign(t, authority.Request{Names: []string{"x"}, Expired: true})
	for name, tc := range map[string]struct{ tls, want string }{
		"missing file": {`, "tls_context": {"status": true, "cert_chain": "/nowhere/a.pem", "private_key": "/nowhere/b.pem"}`, "cert_chain: open /nowhere/a.pem: no such file or directory"},
		"directory":    {`, "tls_context": {"status": true, "cert_chain": "/", "private_key": "/"}`, "cert_chain: / is not a regular file"},
		"mismatch":     {`, "tls_context": ` + m.context(authority.Pair{Certificate: m.proxy.Certificate, Key: other.Key}, ""), "private key does not match public key"},
		"expired":      {`, "tls_context": ` + m.context(expired, ""), "the certificate of CN=x has expired"},
		"no authority": {strings.Replace(m.toClients(""), "BEGIN CERTIFICATE", "BEGIN NOTHING", 1), "ca_cert: there is no certificate in it"},
	} {
		t.Run(name, func(t *testing.T) {

			for place, h := range map[string]hop{
				"listener in: servers[0].listeners[0].filter_chains[0].tls_context": {tls: tc.tls},
				"cluster in: cluster_manager.clusters[0].tls_context":               {clusterKV: tc.tls},
			} {
				with := hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{"127.0.0.1:1"}, tls: h.tls, clusterKV: h.clusterKV}
				c, problems := config.Parse("test.json", []byte(configOf(with)))
				if problems.HasErrors() {
					t.Fatal(problems)
				}
				err := server.Check(c)
				if err == nil || !strings.Contains(err.Error(), place+": ") || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("check: %v", err)
				}
				if s, started := server.Start(c, server.Options{Concurrency: 1}); started == nil {
					s.Stop(t.Context())
					t.Error("it started")
				}
			}

		})
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
