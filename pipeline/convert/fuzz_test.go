// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// block reads fields from lines of "name: value".
func block(text []byte) []hpack.Field {
	var fields []hpack.Field
	for line := range bytes.Lines(text) {
		name, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(": "))
		if len(name) > 0 {
			fields = append(fields, hpack.Field{Name: bytes.ToLower(name), Value: value})
		}
	}
	return fields
}

// FuzzRequest converts any request head: routes see the service that the
// upstream is sent, the map is sound, and a frame made of it crosses HTTP/2
// unchanged.
func FuzzRequest(f *testing.F) {
	f.Add("/com.x.Y:1.0/say", []byte("content-type: application/json\ngrpc-timeout: 5S\n"))
	f.Add("/", []byte("protocol: 2\nver1: 2\nswitchcode: 1\ncmdtype: 2\ncmdcode: 1\nservice: s\n"))
	f.Add("/a/b?c", []byte("service: x\nx-sideloop-bolt: service\n"))
	f.Add("//", []byte("timeout: 4294967295\ncodec: 11\nclassname: a.B\n"))
	f.Fuzz(func(t *testing.T, path string, text []byte) {
		in := &http2.Head{MethodName: []byte("POST"), PathName: []byte(path), ContentLength: codec.BodyUnknown, Fields: block(text)}
		var c, there, back Converter
		v, head, r := c.View(in, codec.Bolt)
		if r != codec.ReasonNone {
			return
		}
		h := head.(*bolt.Head)
		seen, _ := v.Get("service")
		sent, _ := h.Map.Get("service")
		if !bytes.Equal(seen, sent) || !h.Map.Valid() || len(h.Map) > 65535 {
			t.Fatalf("routes see %q, the upstream gets %q in %q", seen, sent, h.Map)
		}
		crossed, _ := there.Request(h, codec.HTTP2)
		again, r := back.Request(wire(crossed), codec.Bolt)
		if r != codec.ReasonNone {
			t.Fatalf("it does not cross: %v", r)
		}
		if g := again.(*bolt.Head); !bytes.Equal(g.Map, h.Map) || !bytes.Equal(g.Class, h.Class) || g.TimeoutMS != h.TimeoutMS || g.Type != h.Type || g.Codec != h.Codec {
			t.Fatalf("%+v became %+v", h, g)
		}
	})
}

// FuzzReply does the same to replies, toward both protocols.
func FuzzReply(f *testing.F) {
	f.Add(uint16(200), []byte("protocol: 1\ncmdtype: 0\ncmdcode: 2\nrespstatus: 6\n"))
	f.Add(uint16(404), []byte("x-sideloop-reason: no_route\ncontent-type: text/plain\n"))
	f.Add(uint16(502), []byte("x-sideloop-reason: upstream_closed\n"))
	f.Fuzz(func(t *testing.T, status uint16, text []byte) {
		in := &http2.Head{Status: 200 + int(status%400), ContentLength: codec.BodyUnknown, Fields: block(text)}
		var c, there Converter
		head, _, r := c.Reply(in, codec.Bolt, Asked{})
		if r != codec.ReasonNone {
			return
		}
		h := head.(*bolt.Head)
		if !h.Map.Valid() || h.Type != bolt.TypeResponse || h.Command != bolt.CommandResponse {
			t.Fatalf("%+v", h)
		}
		back, _, r := there.Reply(h, codec.HTTP2, Asked{})
		if s := back.HTTPStatus(); r != codec.ReasonNone || s < 200 || s > 599 {
			t.Fatalf("%v, status %d", r, s)
		}
	})
}
