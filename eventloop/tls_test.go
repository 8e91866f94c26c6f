// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"

	"testing"
)

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
