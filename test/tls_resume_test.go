// SPDX-License-Identifier: Apache-2.0

package test

import (
	"crypto/tls"
	"fmt"
	"io"
	"testing"

	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/test/authority"
)

// session makes one call over a new connection of a client and tells whether its
// session was resumed. The ticket arrives before the reply.
func (m *mesh) session(address string, c *tls.Config) (resumed bool, err error) {
	m.t.Helper()
	conn, err := tls.Dial("tcp", address, c)
	if err != nil {
		return false, err
	}
	bolt := newBoltClient(m.t, conn)
	defer bolt.close()
	resumed = conn.ConnectionState().DidResume
	return resumed, echoOnce(bolt, "hello")
}

// resuming is the configuration of a client that remembers its sessions.
func (m *mesh) resuming(version uint16) *tls.Config {
	c := m.clientConfig()
	c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	c.MinVersion, c.MaxVersion = version, version
	return c
}

// Sessions are resumed, also after the proxy's certificate has changed and after a
// reload; never where the client's authority is not trusted any more, and never
// where its certificate has come to lack a name.
func TestTLSResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			m := newMesh(t)
			v := &volume{t: t, dir: t.TempDir()}
			v.put(m.proxy, m.ca.PEM)
			up := startBoltService(t, "127.0.0.1:0", echoBolt)
			shape := func(names string) string {
				return configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, tls: v.context(mutual + names)})
			}
			p := startProxy(t, shape(""))
			address := p.address("in")
			c := m.resuming(version)
			want := func(resumed bool, when string) {
				t.Helper()
				if got, err := m.session(address, c); err != nil || got != resumed {
					t.Errorf("%s: resumed %v, %v", when, got, err)
				}
			}
			want(false, "the first")
			want(true, "the second")
			v.put(m.ca.Issue(t, "proxy", "127.0.0.1"), m.ca.PEM)
			p.RefreshCertificates()
			want(true, "after another certificate of the proxy")

			// The mesh's authority is replaced: a session is no way round it.
			next := authority.New(t, "next")
			v.put(m.proxy, next.PEM)
			p.RefreshCertificates()
			if resumed, err := m.session(address, c); err == nil || resumed {
				t.Errorf("a client of an authority that is not trusted any more: resumed %v, %v", resumed, err)
			}
			// It sees who is trusted, and has no certificate for that.
			eventually(t, "it is refused", func() bool { return p.Handshakes(eventloop.HandshakeNoCertificate) == 1 })
			v.put(m.proxy, m.ca.PEM)
			p.RefreshCertificates()

			c = m.resuming(version)
			want(false, "the first after the authority is back")
			want(true, "the second")
			p.reload(shape(`, "match_subject_alt_names": [{"exact": "spiffe://mesh/ns/a/sa/another"}]`), `listener "in" changed`)
			address = p.address("in")
			if resumed, err := m.session(address, c); err == nil {
				t.Errorf("a client without the name: resumed %v", resumed)
			}
			eventually(t, "its certificate is refused", func() bool { return p.Handshakes(eventloop.HandshakeBadCertificate) == 1 })
			p.wantNothingHeld()
		})
	}
}

// Proxies with the same ticket secret resume each other's sessions; one without it
// does not, and is not confused by tickets that it cannot read.
func TestTLSSharedTickets(t *testing.T) {
	m := newMesh(t)
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	start := func(secret string) string {
		more := ""
		if secret != "" {
			more = fmt.Sprintf(`, "ticket": %q`, secret)
		}
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, tls: m.toClients(mutual + more)}))
		return p.address("in")
	}
	const secret = "a secret of the cluster"
	c := m.resuming(tls.VersionTLS13)
	for i, step := range []struct {
		address string
		resumed bool
	}{{start(secret), false}, {start(secret), true}, {start("another secret of it"), false}, {start(""), false}} {
		if got, err := m.session(step.address, c); err != nil || got != step.resumed {
			t.Errorf("proxy %d: resumed %v, %v", i, got, err)
		}
	}
}

// What else a scanner looks for: no renegotiation, no compression, no session
// tickets without encryption behind them.
func TestTLSScan(t *testing.T) {
	m := newMesh(t)
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, tls: m.toClients("")}))
	t.Run("compression", func(t *testing.T) {
		// A ClientHello of TLS 1.2 that offers DEFLATE beside none.
		c := dial(t, p.address("in"))
		defer c.Close()
		hello := []byte{3, 3}
		hello = append(hello, make([]byte, 32)...) // random
		hello = append(hello, 0, 0, 2, 0xC0, 0x2B) // no session; ECDHE-ECDSA-AES128-GCM-SHA256
		hello = append(hello, 2, 1, 0)             // DEFLATE, null
		extensions := []byte{0, 10, 0, 4, 0, 2, 0, 23 /* P-256 */, 0, 13, 0, 4, 0, 2, 4, 3 /* ECDSA with SHA-256 */}
		hello = append(append(hello, 0, byte(len(extensions))), extensions...)
		message := append([]byte{1, 0, 0, byte(len(hello))}, hello...)
		c.Write(append([]byte{22, 3, 1, 0, byte(len(message))}, message...))
		answer := make([]byte, 5+4+2+32+1)
		if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 22 || answer[5] != 2 {
			t.Fatalf("the answer is % x, %v", answer, err)
		}
		rest := make([]byte, int(answer[43])+3)
		if _, err := io.ReadFull(c, rest); err != nil || rest[len(rest)-1] != 0 {
			t.Errorf("compression method %d, %v", rest[len(rest)-1], err)
		}
	})
	t.Run("renegotiation", func(t *testing.T) {
		config := m.resuming(tls.VersionTLS12)
		config.Renegotiation = tls.RenegotiateFreelyAsClient
		conn, err := tls.Dial("tcp", p.address("in"), config)
		if err != nil {
			t.Fatal(err)
		}
		// What asks for another handshake is a handshake record; one that only
		// says so is answered by an end, and no handshake.
		raw := conn.NetConn()
		raw.Write([]byte{22, 3, 3, 0, 4, 0, 0, 0, 0})
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("it went on: %d, %v", n, err)
		}
		conn.Close()
	})
}
