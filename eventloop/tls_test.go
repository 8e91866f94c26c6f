// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"testing"
	"time"

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

// TestTLSEcho: what arrives behind the handshake, in one piece with it, cut at
// every byte or in bulk, arrives in plain, and so do the answers; the loop knows
// who the client is.
func TestTLSEcho(t *testing.T) {
	k := newKeys(t)
	versions(t, func(t *testing.T, version uint16) {
		for name, wrap := range map[string]func(net.Conn) net.Conn{
			"plain": nil,
			"bytes": func(c net.Conn) net.Conn { return dribble{c} },
			"glued": func(c net.Conn) net.Conn { return &glued{Conn: c, number: 2} },
		} {
			t.Run(name, func(t *testing.T) {
				r := start(t, 1)
				s := newScript()
				s.data = echo
				accept, conns := one(s)
				ln := listenTLS(t, r, &ServerTLS{Config: k.server()}, accept)
				config := k.dialer()
				config.MinVersion, config.MaxVersion = version, version
				size := 4 << 20
				if name == "bytes" {
					size = 40_000
				}
				if name == "glued" && version == tls.VersionTLS12 {
					t.Log("a client of TLS 1.2 speaks after the server's Finished; only the handshake is glued")
					wrap = nil
				}
				c := connectTLS(t, ln.Addr(), config, wrap)
				write(t, c, []byte("first"))
				expect(t, c, "first")
				want := pattern(size)
				go func() { _, _ = c.Write(want) }()
				got := make([]byte, len(want))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("the echo differs: %v", err)
				}
				conn := receive(t, conns, "the connection")
				hello := onLoop(t, conn.Loop(), conn.Hello)
				if hello.Protocol != "h2" || hello.ServerName != "localhost" || hello.Version != version {
					t.Fatalf("hello is %+v", hello)
				}
				p := hello.Peer
				if p == nil || !p.Verified || p.Subject != "CN=client" || !slices.Equal(p.URIs, []string{"spiffe://tests/ns/a/sa/client"}) || len(p.Hash) != 64 {
					t.Fatalf("the peer is %+v", p)
				}
				if n := r.Handshakes(HandshakeDone); n != 1 {
					t.Fatalf("%d handshakes done", n)
				}
			})
		}
	})
}

// TestTLSClose: close_notify works as a FIN does, both ways, and nothing that was
// appended is lost.
func TestTLSClose(t *testing.T) {
	k := newKeys(t)
	versions(t, func(t *testing.T, version uint16) {
		config := k.dialer()
		config.MaxVersion = version
		config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		t.Run("ours", func(t *testing.T) {
			r := start(t, 1)
			s := newScript()
			accept, conns := one(s)
			ln := listenTLS(t, r, &ServerTLS{Config: k.server()}, accept)
			var wire *lastBytes
			c := connectTLS(t, ln.Addr(), config, func(c net.Conn) net.Conn {
				wire = &lastBytes{Conn: c}
				return wire
			})
			conn := receive(t, conns, "the connection")
			want := pattern(8 << 20)
			onLoop(t, conn.Loop(), func() any {
				conn.Append(want)
				conn.Close()
				return nil
			})
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %d of %d bytes, %v", len(got), len(want), err)
			}
			// An alert of two bytes, and what seals it.
			record := []byte{21, 3, 3, 0, 2 + 24}
			if version == tls.VersionTLS13 {
				record = []byte{23, 3, 3, 0, 2 + 17}
			}
			if n := len(wire.last) - recordHeader - int(record[4]); n < 0 || !bytes.Equal(wire.last[n:n+recordHeader], record) {
				t.Errorf("no close_notify came last, but % x", wire.last)
			}
			c.Close()
			if cause := receive(t, s.ended, "the end"); cause != CauseLocal {
				t.Fatalf("ended by %v", cause)
			}
		})
		t.Run("theirs", func(t *testing.T) {
			r := start(t, 1)
			s := newScript()
			fins := make(chan any, 8)
			s.fin = func(c *Conn) {
				c.Append([]byte("answer"))
				c.Close()
				fins <- nil
			}
			accept, _ := one(s)
			ln := listenTLS(t, r, &ServerTLS{Config: k.server()}, accept)
			c := connectTLS(t, ln.Addr(), config, nil)
			write(t, c, []byte("question"))
			closeWrite(t, c)
			expect(t, c, "answer")
			expectEOF(t, c)
			c.Close()
			if cause := receive(t, s.ended, "the end"); cause != CausePeerClosed || len(fins) != 1 {
				t.Fatalf("ended by %v after %d closes", cause, len(fins))
			}
		})
	})
}

// TestTLSPauseHoldsCloseNotify: a paused handler gets what came before the
// peer's close_notify first, and the news of it once.
func TestTLSPauseHoldsCloseNotify(t *testing.T) {
	k := newKeys(t)
	r := start(t, 1)
	s := newScript()
	var got []byte
	s.data = func(c *Conn, b []byte) int {
		if len(got) == 0 {
			got = append(got, b[0])
			c.PauseRead()
			return 1
		}
		got = append(got, b...)
		return len(b)
	}
	fins := make(chan string, 8)
	s.fin = func(c *Conn) {
		fins <- string(got)
		c.Close()
	}
	accept, conns := one(s)
	ln := listenTLS(t, r, &ServerTLS{Config: k.server()}, accept)
	c := connectTLS(t, ln.Addr(), k.dialer(), nil)
	conn := receive(t, conns, "the connection")
	release := hold(t, conn.Loop())
	write(t, c, []byte("abc"))
	write(t, c, []byte("def"))
	c.Close() // close_notify and FIN
	release()
	eventually(t, "reading has paused", func() bool { return onLoop(t, conn.Loop(), conn.ReadPaused) })
	onLoop(t, conn.Loop(), func() any { conn.ResumeRead(); return nil })
	if all := receive(t, fins, "the news of the end"); all != "abcdef" {
		t.Fatalf("got %q", all)
	}
	if cause := receive(t, s.ended, "the end"); cause != CausePeerClosed || len(fins) != 0 {
		t.Fatalf("ended by %v", cause)
	}
}

// TestTLSBackpressure: a client that does not read blocks the connection at its
// watermark, and all of it arrives when it reads.
func TestTLSBackpressure(t *testing.T) {
	k := newKeys(t)
	r := start(t, 1)
	s := newScript()
	chunk, sent := pattern(100_000), 0
	var most int
	const total = 24 << 20
	pump := func(c *Conn) {
		for sent < total && !c.Blocked() {
			c.WriteThrough(chunk)
			sent += len(chunk)
			most = max(most, c.Buffered())
		}
	}
	s.writable = pump
	accept, conns := one(s)
	ln := listenTLS(t, r, &ServerTLS{Config: k.server()}, accept)
	c := connectTLS(t, ln.Addr(), k.dialer(), nil)
	conn := receive(t, conns, "the connection")
	onLoop(t, conn.Loop(), func() any { pump(conn); return nil })
	eventually(t, "the connection is blocked", func() bool { return onLoop(t, conn.Loop(), conn.Blocked) })
	got := make([]byte, len(chunk))
	for n := 0; n < total; n += len(chunk) {
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, chunk) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
	if limit := HighWatermark + len(chunk) + 2*connOutput; onLoop(t, conn.Loop(), func() int { return most }) > limit {
		t.Fatalf("held %d bytes, over %d", most, limit)
	}
}

// TestTLSBrokenRecords: whatever a peer sends after its handshake, the connection
// ends for that, and no other does.
func TestTLSBrokenRecords(t *testing.T) {
	k := newKeys(t)
	for name, send := range map[string]func(t *testing.T, socket net.Conn){
		"garbage":    func(t *testing.T, c net.Conn) { write(t, c, []byte("GET / HTTP/1.1\r\n\r\n")) },
		"bad seal":   func(t *testing.T, c net.Conn) { write(t, c, append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...)) },
		"too long":   func(t *testing.T, c net.Conn) { write(t, c, []byte{23, 3, 3, 0xff, 0xff}) },
		"plain text": func(t *testing.T, c net.Conn) { write(t, c, []byte{21, 3, 3, 0, 2, 1, 0}) },
		"cut": func(t *testing.T, c net.Conn) {
			write(t, c, []byte{23, 3, 3, 0, 40, 1, 2, 3})
			closeWrite(t, c)
		},
		"cut header": func(t *testing.T, c net.Conn) {
			write(t, c, []byte{23, 3})
			closeWrite(t, c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			versions(t, func(t *testing.T, version uint16) {
				r := start(t, 1)
				s := newScript()
				s.data = echo
				accept, conns := one(s)
				ln := listenTLS(t, r, &ServerTLS{Config: k.server()}, accept)
				config := k.dialer()
				config.MaxVersion = version
				other := connectTLS(t, ln.Addr(), config, nil)
				receive(t, conns, "the other connection")
				var socket net.Conn
				c := connectTLS(t, ln.Addr(), config, func(c net.Conn) net.Conn { socket = c; return c })
				conn := receive(t, conns, "the connection")
				write(t, c, []byte("well"))
				expect(t, c, "well")
				send(t, socket)
				if cause := receive(t, s.ended, "the end"); cause != CauseTLS || onLoop(t, conn.Loop(), conn.Err) == nil {
					t.Fatalf("ended by %v, %v", cause, conn.Err())
				}
				write(t, other, []byte("still here"))
				expect(t, other, "still here")
			})
		})
	}
}

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

// host is a server of package tls that echoes.
func host(t testing.TB, config *tls.Config) net.Listener {
	t.Helper()
	ln := plainListener(t)
	go func() {
		for {
			socket, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer socket.Close()
				c := net.Conn(socket)
				if config != nil {
					c = tls.Server(socket, config)
				}
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return ln
}

// dialed is the result of one dial.
type dialed struct {
	*script
	conns  chan *Conn
	errors chan error
}

func (d *dialed) OnDialed(c *Conn) Handler { d.conns <- c; return d.script }
func (d *dialed) OnDialFailed(err error)   { d.errors <- err }

func dialTLS(t testing.TB, l *Loop, addr net.Addr, config *ClientTLS, timeout time.Duration) *dialed {
	d := &dialed{newScript(), make(chan *Conn, 1), make(chan error, 1)}
	onLoop(t, l, func() any {
		l.Dial(DialConfig{Network: "tcp", Address: addr.String(), TLS: config, Timeout: timeout}, d)
		return nil
	})
	return d
}

// TestTLSDial speaks TLS as a client, with sessions that are resumed at the same
// host and not offered to another.
func TestTLSDial(t *testing.T) {
	k := newKeys(t)
	versions(t, func(t *testing.T, version uint16) {
		r := start(t, 1)
		server := k.server()
		server.ClientAuth = tls.RequireAndVerifyClientCert
		server.MaxVersion = version
		first, second := host(t, server), host(t, server.Clone())
		config := k.dialer()
		config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		want := pattern(3 << 20)
		for i, step := range []struct {
			host    net.Listener
			resumed bool
		}{{first, false}, {first, true}, {second, false}, {first, true}, {second, true}} {
			var got []byte
			d := dialTLS(t, r.Loops()[0], step.host.Addr(), &ClientTLS{Config: config}, 0)
			done := make(chan any)
			d.data = func(c *Conn, b []byte) int {
				if got = append(got, b...); len(got) == len(want) {
					close(done)
				}
				return len(b)
			}
			conn := receive(t, d.conns, "the connection")
			hello := onLoop(t, conn.Loop(), func() *Hello {
				conn.WriteThrough(want)
				return conn.Hello()
			})
			receive(t, done, "the echo")
			if !bytes.Equal(got, want) || hello.Protocol != "h2" || hello.Resumed != step.resumed || hello.Peer == nil {
				t.Fatalf("step %d: %+v", i, hello)
			}
			onLoop(t, conn.Loop(), func() any { conn.Close(); return nil })
			receive(t, d.ended, "the end")
		}
	})
}

// TestTLSDialFails with a reason, and never in plain text unless that is asked
// for.
func TestTLSDialFails(t *testing.T) {
	k := newKeys(t)
	strange := authority.New(t, "strangers")
	silent := plainListener(t)
	expired := k.server()
	expired.Certificates = []tls.Certificate{k.ca.Sign(t, authority.Request{Names: []string{"localhost"}, Expired: true}).TLS(t)}
	cases := map[string]struct {
		host   net.Listener
		change func(*ClientTLS)
		want   string
	}{
		"wrong authority": {host(t, k.server()), func(c *ClientTLS) { c.Config.RootCAs = strange.Pool() }, "tls_bad_certificate"},
		"wrong name":      {host(t, k.server()), func(c *ClientTLS) { c.Config.ServerName = "other" }, "tls_bad_certificate"},
		"expired":         {host(t, expired), func(*ClientTLS) {}, "tls_bad_certificate"},
		"plain text":      {host(t, nil), func(*ClientTLS) {}, "tls_"},
		"silent":          {silent, func(*ClientTLS) {}, "tls_handshake_timeout"},
		"nothing common":  {host(t, k.server()), func(c *ClientTLS) { c.Config.NextProtos = []string{"smtp"} }, "tls_rejected_by_peer"},
		"fallback":        {host(t, nil), func(c *ClientTLS) { c.Fallback = true }, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := start(t, 1)
			config := &ClientTLS{Config: k.dialer()}
			tc.change(config)
			timeout := 5 * time.Second
			if tc.host == silent {
				timeout = time.Second / 4
			}
			d := dialTLS(t, r.Loops()[0], tc.host.Addr(), config, timeout)
			if tc.want == "" {
				conn := receive(t, d.conns, "the connection")
				if onLoop(t, conn.Loop(), conn.Hello) != nil {
					t.Fatal("it is encrypted")
				}
				return
			}
			err := receive(t, d.errors, "the failure")
			if !errors.Is(err, ErrHandshake) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("failed with %v", err)
			}
		})
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

// TestTLSAnswersAreBounded: a peer that has us answer on the level of TLS, and
// does not read that, is let go.
func TestTLSAnswersAreBounded(t *testing.T) {
	k := newKeys(t)
	r := start(t, 1)
	s := newScript()
	accept, conns := one(s)
	ln := listenTLS(t, r, &ServerTLS{Config: k.server()}, accept)
	c := connectTLS(t, ln.Addr(), k.dialer(), nil)
	conn := receive(t, conns, "the connection")
	release := hold(t, conn.Loop())
	write(t, c, []byte("x"))
	conn.Loop().Post(func() {
		conn.waiting = true // as if the kernel had refused them
		conn.tls.keep(make([]byte, answersMax+1))
	})
	release()
	onLoop(t, conn.Loop(), func() any { return nil })
	if len(s.ended) == 0 {
		write(t, c, []byte("y"))
	}
	if cause := receive(t, s.ended, "the end"); cause != CauseTLS || !errors.Is(conn.Err(), errAnswers) {
		t.Fatalf("ended by %v, %v", cause, conn.Err())
	}
}
