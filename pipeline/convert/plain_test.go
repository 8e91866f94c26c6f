// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

// What a plain client says in HTTP's terms, and what of it counts.
func TestPlainCalls(t *testing.T) {
	called := func(service, method string) bolt.HeaderMap {
		return boltMap(kv("service", service), kv("sofa_head_target_service", service), kv("sofa_head_method_name", method))
	}
	for _, tt := range []struct {
		name, path string
		fields     []string
		pairs      bolt.HeaderMap
		codec      byte
		timeout    int32
	}{
		{"path", "/com.x.Y:1.0/say", nil, called("com.x.Y:1.0", "say"), 1, 0},
		{"query", "/s/m?a=1/2", nil, called("s", "m"), 1, 0},
		{"one segment", "/s", nil, nil, 1, 0},
		{"three segments", "/s/m/x", nil, nil, 1, 0},
		{"empty method", "/s/", nil, nil, 1, 0},
		{"empty service", "//m", nil, nil, 1, 0},
		{"escapes", "/s%2F/m", nil, nil, 1, 0},
		{"asterisk", "*", nil, nil, 1, 0},
		{"header counts more", "/s/m", []string{"service: t"}, boltMap(kv("service", "t")), 1, 0},
		{"header names the method", "/s/m", []string{"sofa_head_method_name: n"},
			boltMap(kv("sofa_head_method_name", "n"), kv("service", "s"), kv("sofa_head_target_service", "s")), 1, 0},
		{"json", "/s/m", []string{"content-type: application/json; charset=utf-8"}, called("s", "m"), 12, 0},
		{"protobuf", "/s/m", []string{"content-type: application/x-protobuf"}, called("s", "m"), 11, 0},
		{"other type", "/s/m", []string{"content-type: text/plain"}, called("s", "m"), 1, 0},
		{"codec counts more", "/s/m", []string{"content-type: application/json", "codec: 1"}, called("s", "m"), 1, 0},
		{"deadline", "/s/m", []string{"grpc-timeout: 1500m"}, called("s", "m"), 1, 1500},
		{"deadline is not rounded to none", "/s/m", []string{"grpc-timeout: 1n"}, called("s", "m"), 1, 1},
		{"endless deadline", "/s/m", []string{"grpc-timeout: 99999999H"}, called("s", "m"), 1, 1<<31 - 1},
		{"timeout counts more", "/s/m", []string{"grpc-timeout: 1S", "timeout: 7"}, called("s", "m"), 1, 7},
	} {
		var c Converter
		in := fields(tt.fields...)
		in.PathName = []byte(tt.path)
		v, head, r := c.View(in, codec.Bolt)
		if r != codec.ReasonNone {
			t.Errorf("%s: %v", tt.name, r)
			continue
		}
		want := &bolt.Head{Version: 1, Ver1: 1, Type: 1, Command: 1, Ver2: 1, Class: requestClass,
			Codec: tt.codec, TimeoutMS: tt.timeout, Map: tt.pairs}
		got := head.(*bolt.Head)
		if len(got.Map) == 0 {
			got.Map = nil
		}
		if d := cmp.Diff(want, got, sameHead); d != "" {
			t.Errorf("%s: head (-want +got):\n%s", tt.name, d)
		}
		seen, _ := v.Get("service")
		if sent, _ := got.Map.Get("service"); string(seen) != string(sent) {
			t.Errorf("%s: routes see the service %q, the upstream %q", tt.name, seen, sent)
		}
	}
}

// A sidecar's request means what its fields say, whatever its path.
func TestSidecarsPathNamesNothing(t *testing.T) {
	var c Converter
	in := fields("protocol: 1", "content-type: application/json", "grpc-timeout: 1S")
	in.PathName = []byte("/s/m")
	h, r := c.Request(in, codec.Bolt)
	got := h.(*bolt.Head)
	if r != codec.ReasonNone || len(got.Map) != 0 || got.Codec != bolt.CodecHessian || got.TimeoutMS != 0 {
		t.Errorf("%v, %+v", r, got)
	}
}

// Every Bolt status as a plain client gets it, and the reasons of another
// Sideloop, which are more exact.
func TestBoltStatusAsHTTP(t *testing.T) {
	want := map[uint16]int{0: 200, 1: 500, 2: 500, 3: 500, 4: 503, 5: 500, 6: 502, 7: 504, 8: 500, 9: 500, 16: 502, 17: 500, 18: 500, 19: 500, 65535: 500}
	for status, http := range want {
		reply := func(pairs bolt.HeaderMap, sidecar bool) int {
			var c Converter
			h, _, r := c.Reply(&bolt.Head{Version: 1, Type: bolt.TypeResponse, Command: bolt.CommandResponse, Status: status, Map: pairs},
				codec.HTTP2, Asked{Sidecar: sidecar})
			if r != codec.ReasonNone {
				t.Fatal(r)
			}
			if s, _ := h.Get("respstatus"); string(s) == "" {
				t.Errorf("status %d: no respstatus", status)
			}
			return h.HTTPStatus()
		}
		if got := reply(nil, false); got != http {
			t.Errorf("status %d is %d, want %d", status, got, http)
		}
		if got := reply(nil, true); got != 200 {
			t.Errorf("status %d is %d toward a sidecar", status, got)
		}
		if got := reply(boltMap(kv(reasonHeader, "no_such_word")), false); got != http {
			t.Errorf("status %d with an unknown reason is %d, want %d", status, got, http)
		}
		for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
			want := http
			if r.BoltStatus() == status {
				want = r.HTTPStatus()
			}
			if got := reply(boltMap(kv(reasonHeader, r.String())), false); got != want {
				t.Errorf("status %d with reason %v is %d, want %d", status, r, got, want)
			}
		}
	}
}

// Every status of an HTTP service as a Bolt client gets it.
func TestHTTPStatusAsBolt(t *testing.T) {
	want := map[int]uint16{400: 9, 403: 2, 404: 6, 408: 7, 413: 8, 429: 4, 431: 9, 502: 6, 503: 4, 504: 7}
	for status := 200; status < 600; status++ {
		expected, ok := want[status]
		if !ok && status >= 300 {
			expected = 3
		}
		reply := func(lines ...string) (uint16, bool) {
			var c Converter
			in := fields(lines...)
			in.MethodName, in.PathName, in.Scheme, in.Status = nil, nil, nil, status
			h, body, r := c.Reply(in, codec.Bolt, Asked{})
			if r != codec.ReasonNone {
				t.Fatal(r)
			}
			return h.(*bolt.Head).Status, body
		}
		if got, body := reply(); got != expected || body != (status < 300) {
			t.Errorf("%d is %d, its body passed on: %v; want %d", status, got, body, expected)
		}
		for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
			want := expected
			if r.HTTPStatus() == status {
				want = r.BoltStatus()
			}
			if got, _ := reply(reasonHeader + ": " + r.String()); got != want {
				t.Errorf("%d with reason %v is %d, want %d", status, r, got, want)
			}
		}
		for _, stated := range []uint16{0, 6, 18} {
			if got, body := reply("protocol: 1", "cmdtype: 0", "cmdcode: 2", "respstatus: "+strconv.Itoa(int(stated))); got != stated || !body {
				t.Errorf("%d with respstatus %d is %d, its body passed on: %v", status, stated, got, body)
			}
		}
	}
}

// Every reason crosses a chain unchanged, whatever the two sides speak.
func TestReasonsCrossAChain(t *testing.T) {
	for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
		var far, near Converter
		h, body := far.Local(codec.HTTP2, r, Asked{Sidecar: true})
		back, useful, reason := near.Reply(wire(h), codec.Bolt, Asked{})
		if reason != codec.ReasonNone || useful || len(body) == 0 {
			t.Fatalf("%v: %v, %v", r, reason, useful)
		}
		got := back.(*bolt.Head)
		if word, _ := got.Get(reasonHeader); got.Status != r.BoltStatus() || string(word) != r.String() {
			t.Errorf("%v arrives as status %d, %q; want %d", r, got.Status, word, r.BoltStatus())
		}
		h, _ = far.Local(codec.Bolt, r, Asked{})
		back, _, _ = near.Reply(h, codec.HTTP2, Asked{})
		if word, _ := back.Get(reasonHeader); back.HTTPStatus() != r.HTTPStatus() || string(word) != r.String() {
			t.Errorf("%v arrives as %d, %q; want %d", r, back.HTTPStatus(), word, r.HTTPStatus())
		}
	}
}
