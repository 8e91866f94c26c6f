// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// h2Service is an HTTP/2 server with prior knowledge.
type h2Service struct {
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
	accepted atomic.Int64
}

func startH2Service(t testing.TB, address string, h http.HandlerFunc) *h2Service {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &h2Service{listener: l, conns: make(map[net.Conn]bool)}
	s.wg.Go(func() { s.accept(h) })
	t.Cleanup(s.stop)
	return s
}

func (s *h2Service) accept(h http.HandlerFunc) {
	var server http2.Server
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.accepted.Add(1)
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.wg.Go(func() {
			server.ServeConn(c, &http2.ServeConnOpts{Handler: h})
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *h2Service) address() string { return s.listener.Addr().String() }

// closeConns tears down every connection as a crash would.
func (s *h2Service) closeConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func (s *h2Service) stop() {
	s.listener.Close()
	s.closeConns()
	s.wg.Wait()
}

// echoH2 sends the request's body back as it arrives, with its length where it
// is known, and its headers under an x-echo prefix.
func echoH2(w http.ResponseWriter, r *http.Request) {
	for k, v := range r.Header {
		w.Header()["X-Echo-"+k] = v
	}
	if n := r.Header.Get("Content-Length"); n != "" {
		w.Header().Set("Content-Length", n)
	}
	w.WriteHeader(http.StatusOK)
	io.Copy(w, r.Body)
}

// newH2Client returns a client that speaks HTTP/2 without TLS over one
// connection per address.
func newH2Client(t testing.TB) *http.Client {
	tr := &http2.Transport{
		AllowHTTP: true,
		DialTLSContext: func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: callTimeout}
}
