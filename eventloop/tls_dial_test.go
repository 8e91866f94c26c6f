// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"

	"testing"
	"time"

	"github.com/sideloop/sideloop/test/authority"
)

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
