// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"crypto/tls"
	"net"
	"strings"

	"testing"
	"time"

	"github.com/sideloop/sideloop/test/authority"
)

// TestTLSHandshakeOutcomes: each failed handshake has its own word, is counted
// under it, and leaves nothing behind.
func TestTLSHandshakeOutcomes(t *testing.T) {
	k := newKeys(t)
	strange := authority.New(t, "strangers")
	withCertificate := func(p authority.Pair) func(*tls.Config) {
		return func(c *tls.Config) { c.Certificates = []tls.Certificate{p.TLS(t)} }
	}
	cases := map[string]struct {
		want   HandshakeOutcome
		raw    func(c net.Conn)
		change func(*tls.Config)
	}{
		"done":           {want: HandshakeDone, change: func(*tls.Config) {}},
		"plain text":     {want: HandshakePlaintext, raw: func(c net.Conn) { write(t, c, []byte("PRI * HTTP/2.0\r\n")) }},
		"not a hello":    {want: HandshakePlaintext, raw: func(c net.Conn) { write(t, c, []byte{22, 0xff, 0xff, 0xff, 0xff, 0xff}) }},
		"silence":        {want: HandshakeTimedOut, raw: func(net.Conn) {}},
		"half a hello":   {want: HandshakeTimedOut, raw: func(c net.Conn) { write(t, c, []byte{22, 3, 1, 0, 200, 1, 0}) }},
		"abandoned":      {want: HandshakeAbandoned, raw: func(c net.Conn) { c.Close() }},
		"reset":          {want: HandshakeAbandoned, raw: func(c net.Conn) { write(t, c, []byte{22, 3, 1}); sendReset(t, c) }},
		"cut":            {want: HandshakeAbandoned, raw: func(c net.Conn) { write(t, c, []byte{22, 3, 1}); closeWrite(t, c) }},
		"broken hello":   {want: HandshakeBroken, raw: func(c net.Conn) { write(t, c, []byte{22, 3, 1, 0, 4, 1, 0, 0, 0}) }},
		"no certificate": {want: HandshakeNoCertificate, change: func(c *tls.Config) { c.Certificates = nil }},
		// A Go client has no certificate for an authority that was not asked for.
		"wrong authority": {want: HandshakeBadCertificate, change: func(c *tls.Config) {
			wrong := strange.Issue(t, "client").TLS(t)
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &wrong, nil }
		}},
		"expired": {want: HandshakeBadCertificate, change: withCertificate(k.ca.Sign(t, authority.Request{Names: []string{"client"}, Expired: true}))},
		"old":     {want: HandshakeMismatch, change: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }},
		"alpn":    {want: HandshakeMismatch, change: func(c *tls.Config) { c.NextProtos = []string{"smtp"} }},
		"refused": {want: HandshakeRejected, change: func(c *tls.Config) { c.RootCAs = strange.Pool() }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, 1)
			server := k.server()
			server.ClientAuth = tls.RequireAndVerifyClientCert
			timeout := patience
			if tc.want == HandshakeTimedOut {
				timeout = time.Second / 4
			}
			ln := listenTLS(t, r, &ServerTLS{Config: server, Timeout: timeout}, func(*Conn) Handler { return newScript() })
			c := connect(t, ln.Addr())
			if tc.raw != nil {
				tc.raw(c)
			} else {
				config := k.dialer()
				tc.change(config)
				// The server's verdict may come after the client's handshake.
				if client := tls.Client(c, config); client.Handshake() == nil && tc.want != HandshakeDone {
					_, err := client.Read(make([]byte, 1))
					if err == nil || !strings.Contains(err.Error(), "tls:") {
						t.Errorf("the client is told: %v", err)
					}
				}
			}
			eventually(t, "it is counted as "+tc.want.String(), func() bool { return r.Handshakes(tc.want) == 1 })
			for _, o := range HandshakeOutcomes() {
				if n := r.Handshakes(o); o != tc.want && n != 0 {
					t.Errorf("%d counted as %v", n, o)
				}
			}
			if tc.want != HandshakeDone {
				eventually(t, "the connection is forgotten", func() bool { return ln.Conns() == 0 })
			}
		})
	}
}

// TestTLSSlowHandshakes: many clients begin a handshake and never end it; the
// oldest go for the newest, and others are served as ever.
func TestTLSSlowHandshakes(t *testing.T) {
	k := newKeys(t)
	r := start(t, 1)
	const limit = 16
	r.handshakes.limit = limit
	s := newScript()
	s.data = echo
	accept, _ := one(s)
	ln := listenTLS(t, r, &ServerTLS{Config: k.server(), Timeout: time.Hour}, accept)
	for i := range 200 {
		write(t, connect(t, ln.Addr()), []byte{22, 3, 1}[:1+i%3])
		if i%40 == 0 {
			c := connectTLS(t, ln.Addr(), k.dialer(), nil)
			write(t, c, []byte("served"))
			expect(t, c, "served")
		}
	}
	eventually(t, "those that are too many have gone", func() bool {
		return r.Handshakes(HandshakeEvicted) >= 200-limit && ln.Conns() <= limit+5
	})
}

// TestTLSInspector: one port takes both, and plain text loses no byte of it.
func TestTLSInspector(t *testing.T) {
	k := newKeys(t)
	r := start(t, 1)
	s := newScript()
	s.data = echo
	accept, conns := one(s)
	ln := listenTLS(t, r, &ServerTLS{Config: k.server(), Plaintext: true}, accept)
	c := connect(t, ln.Addr())
	write(t, c, []byte{1})
	expect(t, c, "\x01")
	write(t, c, []byte("more"))
	expect(t, c, "more")
	if conn := receive(t, conns, "the connection"); onLoop(t, conn.Loop(), conn.Hello) != nil {
		t.Fatal("a connection in plain text has a hello")
	}
	e := connectTLS(t, ln.Addr(), k.dialer(), nil)
	write(t, e, []byte("secret"))
	expect(t, e, "secret")
	if r.Handshakes(HandshakeDone) != 1 || r.Handshakes(HandshakePlaintext) != 0 {
		t.Fatal("the handshakes are miscounted")
	}
}

// TestTLSStop ends handshakes in progress with the reactor, both ways.
func TestTLSStop(t *testing.T) {
	k := newKeys(t)
	r, err := Start(Options{Loops: 1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	ln := listenTLS(t, r, &ServerTLS{Config: k.server(), Timeout: time.Hour}, func(*Conn) Handler { return nil })
	c := connect(t, ln.Addr())
	write(t, c, []byte{22, 3})
	dialTLS(t, r.Loops()[0], plainListener(t).Addr(), &ClientTLS{Config: k.dialer()}, time.Hour)
	eventually(t, "the handshake has begun", func() bool { return ln.Conns() == 1 })
	stop(t, r)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatal("the client was answered")
	}
}
