// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"

	"github.com/sideloop/sideloop/bench"
)

// ServeReverseProxy runs Go's ReverseProxy from h2c at listen to h2c at target
// until ctx ends; ready is called with the address once clients can connect.
func ServeReverseProxy(ctx context.Context, listen, target string, ready func(net.Addr)) error {
	if _, _, err := net.SplitHostPort(target); err != nil {
		return err
	}
	var plain http.Protocols
	plain.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &plain, DisableCompression: true}
	defer transport.CloseIdleConnections()
	out := &url.URL{Scheme: "http", Host: target}
	return serve(ctx, listen, ready, &http.Server{
		Protocols: &plain,
		Handler: &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(out) },
			Transport: transport,
			ErrorLog:  log.New(io.Discard, "", 0), // the client gets the error as its status
		},
	})
}

// ServeHTTP1Echo is the backend of proxies that speak no HTTP/2 to it. It echoes
// bodies over HTTP/1.1 or, when size is not 0, replies with that much of
// bench.Content to whatever it gets.
func ServeHTTP1Echo(ctx context.Context, listen string, size int, ready func(net.Addr)) error {
	if size < 0 {
		return errors.New("the body's size is negative")
	}
	fixed := bench.Content(size)
	return serve(ctx, listen, ready, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if size == 0 {
			echoHTTP1(w, r)
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			w.Header().Set("Content-Length", strconv.Itoa(size))
			_, _ = w.Write(fixed) // an error is the client's, who has gone
		}
	})})
}

func echoHTTP1(w http.ResponseWriter, r *http.Request) {
	// Else the server would read the body to its end first.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if r.ContentLength >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	_, _ = io.Copy(w, r.Body) // the client has gone
}

const (
	// headerTimeout ends clients that send no request head.
	headerTimeout = time.Minute
	// stopTimeout is for requests in progress; on loopback they take less.
	stopTimeout = 5 * time.Second
)

// serve runs s until ctx ends.
func serve(ctx context.Context, listen string, ready func(net.Addr), s *http.Server) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	s.ReadHeaderTimeout = headerTimeout
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	ready(l.Addr())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err = s.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close()
	}
	<-ended
	return err
}
