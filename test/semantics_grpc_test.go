// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
)

var grpcFields = []string{"content-type", "application/grpc+proto", "te", "trailers"}

// wantTrailersOnly checks a reply that the proxy made to a gRPC request: trailers only,
// with the status and the message of its reason.
func wantTrailersOnly(t testing.TB, h *http2.MetaHeadersFrame, r codec.Reason) {
	t.Helper()
	if field(h, ":status") != "200" || !h.StreamEnded() || !strings.HasPrefix(field(h, "content-type"), "application/grpc") {
		t.Errorf("not a trailers-only reply: %v", h)
	}
	message, err := url.PathUnescape(field(h, "grpc-message"))
	if field(h, "grpc-status") != fmt.Sprint(r.GRPCStatus()) || err != nil || message != r.String()+": "+r.Text() {
		t.Errorf("grpc-status %s, grpc-message %q, want those of %v", field(h, "grpc-status"), message, r)
	}
	if field(h, codec.ReasonHeader) != r.String() {
		t.Errorf("reason %q, want %v", field(h, codec.ReasonHeader), r)
	}
}

// Whatever fails, a gRPC client reads it from grpc-status.
func TestGRPCFailuresOnTheWire(t *testing.T) {
	reply := func(do func(up *framePeer, id uint32)) func(*framePeer) {
		return func(up *framePeer) { do(up, up.wantHeaders().StreamID) }
	}
	for _, tt := range []struct {
		reason codec.Reason
		// fields are those of the request, beside grpcFields.
		fields []string
		// serve is the upstream; nil where none need be reached.
		serve func(up *framePeer)
	}{
		{codec.NoRoute, []string{"service", ""}, nil},
		{codec.HeaderTooLarge, slices.Repeat([]string{"field", "x"}, 300), nil},
		{codec.UpstreamTimeout, []string{"service", service, "grpc-timeout", "100m"}, func(up *framePeer) { up.wantHeaders(); up.wantReset() }},
		// Its time may be over before there is a connection to send it on.
		{codec.UpstreamTimeout, []string{"service", service, "grpc-timeout", "0n"}, nil},
		{codec.UpstreamReset, []string{"service", service}, reply(func(up *framePeer, id uint32) { up.fr.WriteRSTStream(id, http2.ErrCodeInternal) })},
		{codec.UpstreamClosed, []string{"service", service}, reply(func(up *framePeer, _ uint32) { up.conn.Close() })},
		{codec.UpstreamProtocolError, []string{"service", service}, reply(func(up *framePeer, id uint32) { up.send(id, true, ":status", "99") })},
		{codec.UpstreamRefused, []string{"service", service}, func(up *framePeer) {
			for range 4 {
				up.fr.WriteRSTStream(up.wantHeaders().StreamID, http2.ErrCodeRefusedStream)
			}
		}},
	} {
		t.Run(tt.reason.String(), func(t *testing.T) {
			p, c, accept := between(t)
			c.send(1, true, append(append([]string{":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/s/m"}, grpcFields...), tt.fields...)...)
			if tt.serve != nil {
				tt.serve(accept())
			}
			wantTrailersOnly(t, c.wantHeaders(), tt.reason)
			if tt.reason != codec.HeaderTooLarge {
				p.wantEnded(tt.reason, 1)
			}
			p.wantNothingHeld()
		})
	}
	t.Run("connect_failed", func(t *testing.T) {
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{freeAddress(t)}}))
		c := dialFrames(t, p.address("in"))
		// The rest of the stream of requests is of no use.
		c.ask(1, false, grpcFields...)
		wantTrailersOnly(t, c.wantHeaders(), codec.ConnectFailed)
		if r := c.wantReset(); r.ErrCode != http2.ErrCodeNo {
			t.Errorf("reset with %v", r.ErrCode)
		}
		p.wantEnded(codec.ConnectFailed, 1)
	})
	t.Run("to Bolt", func(t *testing.T) {
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{freeAddress(t)}}))
		c := dialFrames(t, p.address("in"))
		c.ask(1, true, grpcFields...)
		wantTrailersOnly(t, c.wantHeaders(), codec.ConnectFailed)
	})
}

// The shorter of grpc-timeout and the route's timeout bounds a stream, however
// busy it is. The client gets the status in trailers; the upstream is cancelled.
func TestGRPCDeadlineOfAStream(t *testing.T) {
	const short = 200 * time.Millisecond
	for _, tt := range []struct{ name, route, timeout string }{
		{"grpc-timeout alone", "", "200m"},
		{"grpc-timeout is shorter", `, "timeout": "20s"`, "200000u"},
		{"the route's is shorter", `, "timeout": "200ms"`, "1M"},
		{"grpc-timeout is malformed", `, "timeout": "200ms"`, "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listenScript(t)
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, route: tt.route}))
			c := dialFrames(t, p.address("in"))
			begun := time.Now()
			c.ask(1, false, append([]string{"grpc-timeout", tt.timeout}, grpcFields...)...)
			up := acceptFrames(t, l)
			h := up.wantHeaders()
			if got := field(h, "grpc-timeout"); got != tt.timeout {
				t.Errorf("the upstream is told grpc-timeout %q", got)
			}
			up.send(h.StreamID, false, ":status", "200", "content-type", "application/grpc")
			c.wantHeaders()
			go func() {
				// Until the connection ends.
				for up.fr.WriteData(h.StreamID, false, []byte("x")) == nil {
					time.Sleep(time.Millisecond)
				}
			}()
			end := c.next()
			for end.Header().Type == http2.FrameData {
				end = c.next()
			}
			if trailers, ok := end.(*http2.MetaHeadersFrame); !ok || !trailers.StreamEnded() || field(trailers, "grpc-status") != "4" {
				t.Errorf("the client was told %v", end)
			}
			if d := time.Since(begun); d < short {
				t.Errorf("the stream ended after %v", d)
			}
			if r := up.wantReset(); r.ErrCode != http2.ErrCodeCancel {
				t.Errorf("the upstream was told %v", r.ErrCode)
			}
			up.conn.Close()
			p.wantEnded(codec.UpstreamTimeout, 1)
			p.wantNothingHeld()
		})
	}
}
