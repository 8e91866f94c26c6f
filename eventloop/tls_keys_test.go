// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"crypto/tls"
	"net"

	"testing"

	"github.com/sideloop/sideloop/test/authority"
)

// keys is the certificates of these tests: one authority, a host and a client.
type keys struct {
	ca           *authority.Authority
	host, client tls.Certificate
}

func newKeys(t testing.TB) *keys {
	ca := authority.New(t, "tests")
	return &keys{
		ca:     ca,
		host:   ca.Issue(t, "localhost", "127.0.0.1").TLS(t),
		client: ca.Issue(t, "client", "spiffe://tests/ns/a/sa/client").TLS(t),
	}
}

func (k *keys) server() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{k.host}, NextProtos: []string{"h2"},
		ClientCAs: k.ca.Pool(), ClientAuth: tls.VerifyClientCertIfGiven,
		DynamicRecordSizingDisabled: true,
	}
}

func (k *keys) dialer() *tls.Config {
	return &tls.Config{
		RootCAs: k.ca.Pool(), ServerName: "localhost", NextProtos: []string{"h2"},
		Certificates: []tls.Certificate{k.client}, DynamicRecordSizingDisabled: true,
	}
}

// listenTLS accepts encrypted connections.
func listenTLS(t testing.TB, r *Reactor, s *ServerTLS, accept func(*Conn) Handler) *Listener {
	t.Helper()
	ln, err := r.Listen(ListenConfig{
		Network: "tcp", Address: "127.0.0.1:0", Accept: accept,
		TLS: func() *ServerTLS { return s },
	})
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// connectTLS is a client of package tls, over a socket that wrap may change.
func connectTLS(t testing.TB, addr net.Addr, config *tls.Config, wrap func(net.Conn) net.Conn) *tls.Conn {
	t.Helper()
	socket := connect(t, addr)
	if wrap != nil {
		socket = wrap(socket)
	}
	c := tls.Client(socket, config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// dribble writes a byte at a time.
type dribble struct{ net.Conn }

func (d dribble) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// lastBytes keeps what was read last.
type lastBytes struct {
	net.Conn
	last []byte
}

func (l *lastBytes) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.last = append(l.last, p[:n]...)
	l.last = l.last[max(0, len(l.last)-64):]
	return n, err
}

// glued holds back the write with this number until the next one, so that both
// arrive as one.
type glued struct {
	net.Conn
	number int
	held   []byte
}

func (g *glued) Write(p []byte) (int, error) {
	if g.number--; g.number == 0 {
		g.held = bytes.Clone(p)
		return len(p), nil
	}
	_, err := g.Conn.Write(append(g.held, p...))
	g.held = nil
	return len(p), err
}

func versions(t *testing.T, run func(t *testing.T, version uint16)) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(v), func(t *testing.T) { run(t, v) })
	}
}
