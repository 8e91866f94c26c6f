// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/bench/result"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// echoBolt answers requests of Bolt v1 until the client leaves; change gets each
// reply before it is sent, and ends the connection by returning nil.
func echoBolt(conn net.Conn, change func(reply []byte) []byte) {
	in := bufio.NewReader(conn)
	fixed := make([]byte, 22)
	for {
		if _, err := io.ReadFull(in, fixed); err != nil {
			return
		}
		class, headers := int(binary.BigEndian.Uint16(fixed[14:])), int(binary.BigEndian.Uint16(fixed[16:]))
		rest := make([]byte, class+headers+int(binary.BigEndian.Uint32(fixed[18:])))
		if _, err := io.ReadFull(in, rest); err != nil {
			return
		}
		reply := append([]byte{1, 0, 0, 2, 1}, fixed[5:9]...)
		reply = append(reply, 1, 0, 0, 0, 0, 0, 0)
		reply = binary.BigEndian.AppendUint32(reply, uint32(len(rest)-class-headers))
		reply = append(reply, rest[class+headers:]...)
		if change != nil {
			if reply = change(reply); reply == nil {
				return
			}
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

// withHeaders puts a header map into a reply.
func withHeaders(reply []byte, key, value string) []byte {
	headers := binary.BigEndian.AppendUint32(nil, uint32(len(key)))
	headers = append(headers, key...)
	headers = binary.BigEndian.AppendUint32(headers, uint32(len(value)))
	headers = append(headers, value...)
	binary.BigEndian.PutUint16(reply[14:], uint16(len(headers)))
	return append(append(reply[:20:20], headers...), reply[20:]...)
}

func TestWrongBoltReplies(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		word   string
	}{
		{"last byte", func(b []byte) []byte { b[len(b)-1]++; return b }, "wrong_body"},
		{"first byte", func(b []byte) []byte { b[20]++; return b }, "wrong_body"},
		{"short", func(b []byte) []byte { b[19]--; return b[:len(b)-1] }, "wrong_length"},
		{"long", func(b []byte) []byte { b[19]++; return append(b, 0) }, "wrong_length"},
		{"status", func(b []byte) []byte { b[11] = 6; return b }, "bolt_no_processor"},
		{"odd status", func(b []byte) []byte { b[10] = 1; return b }, "bolt_status_256"},
		{"reason", func(b []byte) []byte { b[11] = 7; return withHeaders(b, "x-sideloop-reason", "upstream_timeout") }, "upstream_timeout"},
		{"made-up reason", func(b []byte) []byte { b[11] = 7; return withHeaders(b, "x-sideloop-reason", "<b>") }, "bolt_timeout"},
		{"not Bolt", func(b []byte) []byte { b[0] = 'H'; return b }, "protocol_error"},
		{"cut", func(b []byte) []byte { return nil }, "connection_lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			address := script(t, func(conn net.Conn) {
				echoBolt(conn, func(b []byte) []byte {
					n++
					if n%2 == 0 { // every other reply is wrong
						return c.change(b)
					}
					return b
				})
			})
			r := measure(t, Options{Target: address, Body: 100, Count: 20})
			if r.Requests != 10 || r.Partial != "" {
				t.Errorf("%d requests, partial %q", r.Requests, r.Partial)
			}
			onlyErrors(t, r, c.word, 10)
		})
	}
}

// A reply that nobody waits for is an error.
func TestReplyTwice(t *testing.T) {
	address := script(t, func(conn net.Conn) {
		echoBolt(conn, func(b []byte) []byte { return append(b, b...) })
	})
	r := measure(t, Options{Target: address, Body: 10, Count: 20})
	if r.Requests != 20 || r.Errors[wordUnexpected] < 19 { // the last may come too late
		t.Errorf("%d requests, errors %v", r.Requests, r.Errors)
	}
}

// serveHTTP is a server of net/http for HTTP/2 without TLS.
func serveHTTP(t *testing.T, h http.HandlerFunc) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	return l.Addr().String()
}

func TestWrongHTTPReplies(t *testing.T) {
	grpc := func(w http.ResponseWriter, r *http.Request, status string) {
		w.Header().Set("Content-Type", "application/grpc")
		_, _ = io.Copy(w, r.Body)
		if status != "" {
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
		}
	}
	for _, c := range []struct {
		name     string
		protocol Protocol
		serve    http.HandlerFunc
		word     string
	}{
		{"right", HTTP2, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }, ""},
		{"early hints", HTTP2, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(103)
			_, _ = io.Copy(w, r.Body)
		}, ""},
		{"body", HTTP2, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 100)) }, "wrong_body"},
		{"short", HTTP2, func(w http.ResponseWriter, r *http.Request) { _, _ = io.CopyN(w, r.Body, 99) }, "wrong_length"},
		{"empty", HTTP2, func(w http.ResponseWriter, r *http.Request) {}, "wrong_length"},
		{"status", HTTP2, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, "http_503"},
		{"reason", HTTP2, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Sideloop-Reason", "no_route")
			w.WriteHeader(404)
		}, "no_route"},
		{"reset", HTTP2, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "stream_reset"},
		{"right gRPC", GRPC, func(w http.ResponseWriter, r *http.Request) { grpc(w, r, "0") }, ""},
		{"gRPC status", GRPC, func(w http.ResponseWriter, r *http.Request) { grpc(w, r, "14") }, "grpc_14"},
		{"no gRPC status", GRPC, func(w http.ResponseWriter, r *http.Request) { grpc(w, r, "") }, "grpc_no_status"},
		{"bad gRPC status", GRPC, func(w http.ResponseWriter, r *http.Request) { grpc(w, r, "fine") }, "grpc_bad_status"},
		{"gRPC status first", GRPC, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Grpc-Status", "5")
		}, "grpc_5"},
		{"gRPC over 502", GRPC, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) }, "http_502"},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := serveHTTP(t, c.serve)
			r := measure(t, Options{Target: address, Protocol: c.protocol, InFlight: 3, Body: 100, Count: 20})
			if c.word != "" {
				onlyErrors(t, r, c.word, 20)
			} else if r.Requests != 20 || len(r.Errors) != 0 {
				t.Errorf("%d requests, errors %v", r.Requests, r.Errors)
			}
		})
	}
}

// The share of failed requests is that of the service, and a failed one does not
// end its connection.
func TestErrorRate(t *testing.T) {
	address, _ := serve(t, bench.Service{Speaks: bench.SpeaksAll, ErrorRate: 0.25})
	words := map[Protocol]string{
		Bolt: "bolt_server_exception", BoltV2: "bolt_server_exception", HTTP2: "http_500", GRPC: "grpc_13",
	}
	for _, p := range protocols {
		r := measure(t, Options{Target: address, Protocol: p, InFlight: 5, Body: 1000, Count: 1000})
		if r.Requests != 750 {
			t.Errorf("%v: %d requests", p, r.Requests)
		}
		onlyErrors(t, r, words[p], 250)
	}
}

func TestRequestTimeout(t *testing.T) {
	address, _ := serve(t, bench.Service{Speaks: bench.SpeaksAll, Delay: 300 * time.Millisecond})
	for _, p := range protocols {
		// Late replies come while later requests wait: they are no errors of
		// their own.
		r := measure(t, Options{Target: address, Protocol: p, InFlight: 2, Body: 10, Count: 20, RequestTimeout: 40 * time.Millisecond})
		onlyErrors(t, r, wordTimeout, 20)
	}
}

// Requests in flight on a lost connection are errors, and another connection
// takes its place.
func TestConnectionLost(t *testing.T) {
	var conns atomic.Int32
	address := script(t, func(conn net.Conn) {
		conns.Add(1)
		n := 0
		echoBolt(conn, func(b []byte) []byte {
			if n++; n > 10 {
				return nil
			}
			return b
		})
	})
	r := measure(t, Options{Target: address, InFlight: 3, Body: 10, Count: 100})
	if r.Requests+r.Errors[wordLost] != 100 || r.Requests < 50 || len(r.Errors) != 1 || r.Partial != "" {
		t.Errorf("%d requests, errors %v, partial %q", r.Requests, r.Errors, r.Partial)
	}
	if n := conns.Load(); n < 7 {
		t.Errorf("%d connections for 100 requests at 10 each", n)
	}
}

// A target that goes away ends the run, which keeps what it has.
func TestTargetDies(t *testing.T) {
	t.Parallel()
	address, stop := serve(t, bench.Service{})
	r, err := Run(t.Context(), Options{Target: address, Connections: 2, Duration: time.Hour}, func(p Progress) {
		if p.Requests > 0 {
			stop()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !contains(r.Partial, "no connection to the target for 3s") || !contains(r.Partial, "connection refused") {
		t.Errorf("partial %q", r.Partial)
	}
	if r.Requests == 0 || r.Errors[wordLost] == 0 || r.Errors[wordConnect] == 0 {
		t.Errorf("%d requests, errors %v", r.Requests, r.Errors)
	}
}

// What waited when the run was cut short was due and not sent.
func TestUnsentOfAPartialRun(t *testing.T) {
	address, stop := serve(t, bench.Service{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := Run(ctx, Options{Target: address, Connections: 2, Rate: 1000, Duration: time.Hour, RequestTimeout: time.Hour}, func(p Progress) {
		switch {
		case p.Elapsed > 2*time.Second:
			cancel()
		case p.Requests > 0:
			stop()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	// Of what was due, a request was answered, failed with its connection or
	// was never sent.
	s := r.Schedule
	if lost := r.Errors[wordLost]; s.Due < 1500 || s.Sent > r.Requests+lost || s.Limit != result.LimitTarget && s.LateShare < mostLate {
		t.Errorf("%+v, %d requests, errors %v", s, r.Requests, r.Errors)
	}
}

func TestNoTarget(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, err = Run(t.Context(), Options{Target: l.Addr().String(), Connections: 3, Count: 1}, nil)
	if err == nil || !contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}

func TestWrongProtocol(t *testing.T) {
	for _, c := range []struct {
		speaks   bench.Speaks
		protocol Protocol
	}{{bench.SpeaksBolt, HTTP2}, {bench.SpeaksHTTP2, Bolt}} {
		t.Run(c.protocol.String(), func(t *testing.T) {
			t.Parallel()
			address, _ := serve(t, bench.Service{Speaks: c.speaks})
			_, err := Run(t.Context(), Options{Target: address, Protocol: c.protocol, Duration: time.Hour}, nil)
			if err == nil || !contains(err.Error(), "gives no reply to "+c.protocol.String()) {
				t.Error(err)
			}
		})
	}
}

// A target that takes requests and says nothing: none is forgotten.
func TestSilentTarget(t *testing.T) {
	address := script(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	r := measure(t, Options{Target: address, InFlight: 5, Duration: 100 * time.Millisecond})
	if r.Requests != 0 || r.Partial != "" {
		t.Errorf("%d requests, partial %q", r.Requests, r.Partial)
	}
	onlyErrors(t, r, wordUnfinished, 5)
}
