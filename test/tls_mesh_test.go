// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"testing"

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
