// SPDX-License-Identifier: Apache-2.0

package test

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
)

// h2Service is an HTTP/2 server with prior knowledge.
type h2Service struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
	accepted atomic.Int64
}

func onlyH2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

func startH2Service(t testing.TB, address string, h http.HandlerFunc) *h2Service {
	t.Helper()
	return startH2Limited(t, address, h, 0)
}

// startH2Limited is startH2Service with a limit of streams per connection; 0 is
// the default.
func startH2Limited(t testing.TB, address string, h http.HandlerFunc, streams int) *h2Service {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &h2Service{listener: l, done: make(chan struct{})}
	s.server = &http.Server{Handler: h, Protocols: onlyH2(), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streams}, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.accepted.Add(1)
		}
	}}
	go func() {
		defer close(s.done)
		s.server.Serve(l)
	}()
	t.Cleanup(s.stop)
	return s
}

func (s *h2Service) address() string { return s.listener.Addr().String() }

// stop tears down every connection as a crash would.
func (s *h2Service) stop() {
	s.server.Close()
	<-s.done
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

// newH2Client returns a client that speaks HTTP/2 without TLS.
func newH2Client(t testing.TB) *http.Client {
	tr := &http.Transport{Protocols: onlyH2()}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: callTimeout}
}
