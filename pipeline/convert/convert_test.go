// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// sameHead compares heads by what they say.
var sameHead = cmpopts.IgnoreUnexported(bolt.Head{})

func boltMap(pairs ...bolt.Pair) bolt.HeaderMap {
	var b []byte
	for _, p := range pairs {
		b = bolt.AppendPair(b, p.Key, p.Value)
	}
	return b
}

// kv is a pair of texts; the text "<null>" is null.
func kv(key, value string) bolt.Pair {
	return bolt.Pair{Key: textOrNull(key), Value: textOrNull(value)}
}

func textOrNull(s string) []byte {
	if s == "<null>" {
		return nil
	}
	return []byte(s)
}

func request(m bolt.HeaderMap) *bolt.Head {
	return &bolt.Head{
		Version: bolt.V1, Ver1: 1, Type: bolt.TypeRequest, Command: bolt.CommandRequest, Ver2: 1,
		ID: 7, Codec: 11, TimeoutMS: 3000, Class: []byte("a.B"), Map: m, ContentLength: 5,
	}
}

// wire is what arrives of h at the other end: a copy with an :authority, in
// which empty values may have become nil.
func wire(h codec.Head) *http2.Head {
	n := *h.(*http2.Head)
	n.Fields = append([]hpack.Field(nil), n.Fields...)
	return &n
}

func dump(h *http2.Head) []string {
	var lines []string
	for _, f := range h.Fields {
		lines = append(lines, fmt.Sprintf("%s: %s", f.Name, f.Value))
	}
	return lines
}

func fields(lines ...string) *http2.Head {
	h := &http2.Head{MethodName: []byte("POST"), Scheme: []byte("http"), PathName: []byte("/"), ContentLength: codec.BodyUnknown}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		h.Fields = append(h.Fields, hpack.Field{Name: []byte(name), Value: []byte(value)})
	}
	return h
}

func TestRequestToHTTP2IsMOSNs(t *testing.T) {
	var c Converter
	h, r := c.Request(request(boltMap(kv("service", "com.x.Y:1.0"))), codec.HTTP2)
	if r != codec.ReasonNone {
		t.Fatal(r)
	}
	got := h.(*http2.Head)
	if string(got.MethodName) != "POST" || string(got.PathName) != "/" || string(got.Scheme) != "http" {
		t.Errorf("%s %s %s", got.MethodName, got.Scheme, got.PathName)
	}
	want := []string{
		"protocol: 1", "cmdtype: 1", "cmdcode: 1", "version: 1", "requestid: 0", "codec: 11",
		"timeout: 3000", "contentlen: 5", "classname: a.B", "service: com.x.Y:1.0", "content-length: 5",
	}
	if d := cmp.Diff(want, dump(got)); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
}

func TestRequestOfVersion2(t *testing.T) {
	var there, back Converter
	in := request(boltMap(kv("service", "s")))
	in.Version, in.Ver1, in.Switch, in.TimeoutMS, in.Type = bolt.V2, 2, 1, -1, bolt.TypeOneWay
	h, _ := there.Request(in, codec.HTTP2)
	out, r := back.Request(wire(h), codec.Bolt)
	if r != codec.ReasonNone {
		t.Fatal(r)
	}
	got := *out.(*bolt.Head)
	want := *in
	want.ID = 0
	want.ContentLength = got.ContentLength
	if d := cmp.Diff(want, got, sameHead); d != "" {
		t.Errorf("head (-want +got):\n%s", d)
	}
	if !got.CRC() {
		t.Error("the checksum was lost")
	}
}

func TestTimeoutOfMOSN(t *testing.T) {
	var c Converter
	for value, want := range map[string]int32{"4294967295": -1, "-1": -1, "0": 0, "2147483647": 2147483647} {
		h, r := c.Request(fields("protocol: 1", "timeout: "+value), codec.Bolt)
		if r != codec.ReasonNone || h.(*bolt.Head).TimeoutMS != want {
			t.Errorf("%s: %v, %v", value, h, r)
		}
	}
}

// carried is pairs and the fields that carry them, the description last.
var carried = []struct {
	name  string
	pairs []bolt.Pair
	want  []string
}{
	{"plain", []bolt.Pair{kv("service", "s"), kv("a", "")}, []string{"service: s", "a: "}},
	{"repeated", []bolt.Pair{kv("a", "1"), kv("b", "2"), kv("a", "3")}, []string{"a: 1", "b: 2", "a: 3"}},
	{"utf-8 value", []bolt.Pair{kv("a", "\u4f60\u597d")}, []string{"a: \u4f60\u597d"}},
	{"case", []bolt.Pair{kv("service", "s"), kv("rpc_trace_context.sofaTraceId", "0a")},
		[]string{"service: s", "rpc_trace_context.sofatraceid: 0a", BoltHeader + ": service,rpc_trace_context.sofaTraceId"}},
	{"two cases", []bolt.Pair{kv("Key", "1"), kv("key", "2"), kv("KEY", "3")},
		[]string{"key: 1", "key: 2", "key: 3", BoltHeader + ": Key,key,KEY"}},
	{"pseudo-header", []bolt.Pair{kv(":path", "/x"), kv("a", "1")}, []string{"a: 1", BoltHeader + ": %3Apath=%2Fx,a"}},
	{"property", []bolt.Pair{kv("timeout", "5"), kv("Codec", "x")}, []string{BoltHeader + ": timeout=5,Codec=x"}},
	{"reserved", []bolt.Pair{kv("Content-Length", "3"), kv("grpc-Timeout", "1S"), kv("x-mosn-status", "200"), kv(BoltHeader, "z")},
		[]string{BoltHeader + ": Content-Length=3,grpc-Timeout=1S,x-mosn-status=200,x-sideloop-bolt=z"}},
	{"line break", []bolt.Pair{kv("a", "x\r\nservice: y")}, []string{BoltHeader + ": a=x%0D%0Aservice%3A%20y"}},
	{"spaces", []bolt.Pair{kv("a", " x"), kv("b", "x\t"), kv("c d", "1")}, []string{BoltHeader + ": a=%20x,b=x%09,c%20d=1"}},
	{"null", []bolt.Pair{kv("a", "<null>"), kv("<null>", "v"), kv("<null>", "<null>")}, []string{BoltHeader + ": a~,!=v,!~"}},
	{"empty key", []bolt.Pair{kv("", ""), kv("", "v"), kv("", "<null>")}, []string{BoltHeader + ": =,=v,~"}},
	{"marks", []bolt.Pair{kv("!", "a"), kv(";", ","), kv("a~", "=")}, []string{"!: a", "a~: =", BoltHeader + ": %21,%3B=%2C,a%7E"}},
	{"utf-8 key", []bolt.Pair{kv("\u00e9", "1")}, []string{BoltHeader + ": %C3%A9=1"}},
}

func TestPairsCrossHTTP2(t *testing.T) {
	for _, tt := range carried {
		t.Run(tt.name, func(t *testing.T) {
			var there, back Converter
			in := request(boltMap(tt.pairs...))
			h, _ := there.Request(in, codec.HTTP2)
			lines := dump(h.(*http2.Head))
			if d := cmp.Diff(tt.want, lines[9:len(lines)-1]); d != "" {
				t.Errorf("fields (-want +got):\n%s", d)
			}
			out, r := back.Request(wire(h), codec.Bolt)
			if r != codec.ReasonNone {
				t.Fatal(r)
			}
			if got := out.(*bolt.Head); !bytes.Equal(got.Map, in.Map) || string(got.Class) != "a.B" {
				t.Errorf("map %q came back as %q", in.Map, got.Map)
			}
		})
	}
}

// Any map and class arrive unchanged, in requests and in replies.
func TestAnyMapCrossesHTTP2(t *testing.T) {
	text := rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 0, 12),
		rapid.Just([]byte(nil)),
		rapid.Map(rapid.SampledFrom([]string{"service", "Service", "a", "A", "timeout", "te", "x-sideloop-bolt",
			"x-sideloop-reason", "classname", ":status", "!", ";x", "a,b", "%41", "cookie", "x-MOSN-host"}),
			func(s string) []byte { return []byte(s) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		var m []byte
		for range rapid.IntRange(0, 8).Draw(t, "pairs") {
			m = bolt.AppendPair(m, text.Draw(t, "key"), text.Draw(t, "value"))
		}
		class := rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "class")
		var there, back Converter
		in := request(m)
		in.Class = class
		h, _ := there.Request(in, codec.HTTP2)
		out, r := back.Request(wire(h), codec.Bolt)
		if r != codec.ReasonNone {
			t.Fatalf("request: %v; fields %q", r, dump(h.(*http2.Head)))
		}
		if got := out.(*bolt.Head); !bytes.Equal(got.Map, m) || !bytes.Equal(got.Class, class) {
			t.Fatalf("request: %q %q became %q %q", m, class, got.Map, got.Class)
		}
		reply := *in
		reply.Type, reply.Command, reply.Status = bolt.TypeResponse, bolt.CommandResponse, 2
		h, _, _ = there.Reply(&reply, codec.HTTP2, Asked{Sidecar: true})
		out, body, r := back.Reply(wire(h), codec.Bolt, Asked{})
		if r != codec.ReasonNone || !body {
			t.Fatalf("reply: %v, body %v; fields %q", r, body, dump(h.(*http2.Head)))
		}
		if got := out.(*bolt.Head); !bytes.Equal(got.Map, m) || !bytes.Equal(got.Class, class) || got.Status != 2 {
			t.Fatalf("reply: %q %q became %q %q, status %d", m, class, got.Map, got.Class, got.Status)
		}
	})
}

func TestDescriptionThatDisagrees(t *testing.T) {
	for name, lines := range map[string][]string{
		"empty":                  {BoltHeader + ": "},
		"named field missing":    {BoltHeader + ": a"},
		"named field once":       {"a: 1", BoltHeader + ": a,A"},
		"field besides an entry": {"service: good", "service: evil", BoltHeader + ": service"},
		"whole but carriable":    {BoltHeader + ": service=x"},
		"whole and a field":      {"service: x", BoltHeader + ": service=%0A"},
		"case and a field":       {"service: x", BoltHeader + ": Service=%0A"},
		"reserved name":          {"te: trailers", BoltHeader + ": te"},
		"property name":          {"codec: 1", BoltHeader + ": codec"},
		"bad escape":             {BoltHeader + ": a%4"},
		"lower-case escape":      {BoltHeader + ": a=%0a"},
		"needless escape":        {BoltHeader + ": %41=%0A"},
		"unescaped":              {BoltHeader + ": a b=%0A"},
		"comma at the end":       {"a: 1", BoltHeader + ": a,"},
		"null with a rest":       {BoltHeader + ": a~b"},
		"class twice":            {"classname: x", BoltHeader + ": ;%0A"},
		"class carriable":        {BoltHeader + ": ;x"},
		"class not first":        {"a: 1", BoltHeader + ": a,;%0A"},
		"header twice":           {"a: 1", BoltHeader + ": a", BoltHeader + ": a"},
	} {
		t.Run(name, func(t *testing.T) {
			var c Converter
			if h, r := c.Request(fields(lines...), codec.Bolt); r != codec.ProtocolError {
				t.Errorf("converted to %v, %v", h, r)
			}
			if _, _, r := c.View(fields(lines...), codec.HTTP2); r != codec.ProtocolError {
				t.Errorf("seen by routes, %v", r)
			}
		})
	}
}

func TestFieldsThatOthersAddBecomePairs(t *testing.T) {
	var c Converter
	h, r := c.Request(fields("key: 1", "x-request-id: 9", "te: trailers", "x-mosn-host: h", BoltHeader+": Key"), codec.Bolt)
	if r != codec.ReasonNone {
		t.Fatal(r)
	}
	if want := boltMap(kv("Key", "1"), kv("x-request-id", "9")); !bytes.Equal(h.(*bolt.Head).Map, want) {
		t.Errorf("map %q", h.(*bolt.Head).Map)
	}
}

func TestPlainHTTP2Request(t *testing.T) {
	var c Converter
	in := fields("service: com.x.Y:1.0", "content-type: application/json", "accept: */*", "codec: 12")
	in.ContentLength = 9
	v, head, r := c.View(in, codec.Bolt)
	if r != codec.ReasonNone {
		t.Fatal(r)
	}
	if s, _ := v.Get("service"); string(s) != "com.x.Y:1.0" || string(v.Path()) != "/" {
		t.Errorf("routes see service %q, path %q", s, v.Path())
	}
	got := head.(*bolt.Head)
	want := &bolt.Head{Version: 1, Ver1: 1, Type: 1, Command: 1, Ver2: 1, Codec: 12, Class: requestClass,
		Map: boltMap(kv("service", "com.x.Y:1.0"), kv("accept", "*/*")), ContentLength: 9}
	if d := cmp.Diff(want, got, sameHead); d != "" {
		t.Errorf("head (-want +got):\n%s", d)
	}
}

func TestBadProperties(t *testing.T) {
	for _, line := range []string{
		"protocol: 3", "protocol: 0", "protocol: x", "protocol: ", "cmdtype: 0", "cmdtype: 3", "cmdcode: 2",
		"codec: 256", "timeout: 4294967294", "timeout: -", "timeout: 99999999999", "version: 1.0", "ver1: 3",
	} {
		var c Converter
		in := fields("protocol: 2", line) // as a sidecar
		if strings.HasPrefix(line, "protocol") {
			in = fields(line)
		}
		if h, r := c.Request(in, codec.Bolt); r != codec.ProtocolError {
			t.Errorf("%s: %v, %v", line, h, r)
		}
	}
	var c Converter
	if _, r := c.Request(fields("protocol: 1", "timeout: 1", "timeout: 2"), codec.Bolt); r != codec.ProtocolError {
		t.Errorf("timeout twice: %v", r)
	}
}

// Where no sidecar speaks, such names are an application's own.
func TestPropertiesOfPlainPeers(t *testing.T) {
	var c Converter
	h, r := c.Request(fields("service: s", "version: v1.2", "requestid: abc", "cmdcode: x", "respstatus: gone"), codec.Bolt)
	if got, ok := h.(*bolt.Head); r != codec.ReasonNone || !ok || got.Command != bolt.CommandRequest || got.Ver2 != 1 {
		t.Errorf("request: %v, %v", h, r)
	}
	if _, r := c.Request(fields("service: s", "codec: json"), codec.Bolt); r != codec.ProtocolError {
		t.Errorf("a codec that is no number: %v", r)
	}
	reply := fields("version: v1.2", "codec: json", "classname: x", "respstatus: 2")
	reply.Status = 200
	h, body, r := c.Reply(reply, codec.Bolt, Asked{})
	got, _ := h.(*bolt.Head)
	if r != codec.ReasonNone || !body || got == nil || got.Status != 0 || string(got.Class) != string(replyClass) {
		t.Errorf("reply: %v, body %v, %v", h, body, r)
	}
}

func TestTrailersLoseBoltHeader(t *testing.T) {
	var c Converter
	in := &http2.Head{Fields: fields("a: 1", BoltHeader+": A").Fields}
	if d := cmp.Diff([]string{"a: 1"}, dump(c.Trailers(in, codec.HTTP2).(*http2.Head))); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
	if c.Trailers(in, codec.Bolt) != nil {
		t.Error("Bolt has trailers")
	}
}

func TestUnconvertedRequestLosesBoltHeader(t *testing.T) {
	var c Converter
	in := fields("a: 1", BoltHeader+": A", "b: 2")
	h, r := c.Request(in, codec.HTTP2)
	if r != codec.ReasonNone {
		t.Fatal(r)
	}
	if d := cmp.Diff([]string{"a: 1", "b: 2"}, dump(h.(*http2.Head))); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
	if len(in.Fields) != 3 {
		t.Error("the request itself was changed")
	}
}

func TestReplyStatus(t *testing.T) {
	reply := &bolt.Head{Version: 1, Type: bolt.TypeResponse, Command: 2, Ver2: 1, Status: bolt1Busy}
	var c Converter
	h, _, _ := c.Reply(reply, codec.HTTP2, Asked{Sidecar: true})
	if s := h.(*http2.Head).Status; s != 200 {
		t.Errorf("to a sidecar: %d", s)
	}
	h, _, _ = c.Reply(reply, codec.HTTP2, Asked{})
	if s := h.(*http2.Head).Status; s != 503 {
		t.Errorf("to a plain client: %d", s)
	}
	for status, want := range map[int]uint16{200: 0, 404: 6, 502: 6, 503: 4, 504: 7, 403: 2, 500: 3, 400: 9} {
		in := fields("x-sideloop-reason: no_route", "content-type: text/plain")
		in.Status = status
		in.ContentLength = 3
		h, body, r := c.Reply(in, codec.Bolt, Asked{})
		got := h.(*bolt.Head)
		if r != codec.ReasonNone || got.Status != want || body != (want == 0) {
			t.Errorf("HTTP %d: status %d, body %v, %v", status, got.Status, body, r)
		}
		if reason, _ := got.Get(codec.ReasonHeader); string(reason) != "no_route" {
			t.Errorf("HTTP %d: the reason was not passed on", status)
		}
	}
}

const bolt1Busy = 4

func TestLocalReplies(t *testing.T) {
	var c Converter
	for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
		h, body := c.Local(codec.Bolt, r, Asked{})
		if v, _ := h.Get(codec.ReasonHeader); string(v) != r.String() || len(body) > 0 || h.(*bolt.Head).Status != r.BoltStatus() {
			t.Errorf("bolt: %v: %v", r, h)
		}
		h, body = c.Local(codec.HTTP2, r, Asked{})
		if v, _ := h.Get(codec.ReasonHeader); string(v) != r.String() || !strings.HasPrefix(string(body), r.String()) || h.HTTPStatus() != r.HTTPStatus() {
			t.Errorf("http2: %v: %v %q", r, h, body)
		}
		h, body = c.Local(codec.HTTP2, r, Asked{GRPC: true})
		if v, _ := h.Get("grpc-status"); string(v) != fmt.Sprint(r.GRPCStatus()) || len(body) > 0 || h.HTTPStatus() != 200 {
			t.Errorf("grpc: %v: %v %q", r, h, body)
		}
		if v, _ := h.Get("grpc-message"); string(v) != r.String()+": "+r.Text() {
			t.Errorf("grpc: %v: message %q", r, v)
		} else if strings.ContainsFunc(string(v), func(c rune) bool { return c < ' ' || c > '~' || c == '%' }) {
			t.Errorf("grpc: %v: %q needs percent-encoding", r, v)
		}
		if v, _ := h.Get("content-type"); string(v) != "application/grpc" {
			t.Errorf("grpc: %v: content-type %q", r, v)
		}
		h = c.LocalTrailers(r)
		if v, _ := h.Get("grpc-status"); string(v) != fmt.Sprint(r.GRPCStatus()) || h.HTTPStatus() != 0 {
			t.Errorf("grpc trailers: %v: %v", r, h)
		}
	}
}

func FuzzDescription(f *testing.F) {
	for _, tt := range carried {
		var c Converter
		h, _ := c.Request(request(boltMap(tt.pairs...)), codec.HTTP2)
		d, _ := h.Get(BoltHeader)
		f.Add([]byte("service"), []byte("v"), d)
	}
	f.Fuzz(func(t *testing.T, name, value, description []byte) {
		in := fields()
		in.Fields = []hpack.Field{{Name: bytes.ToLower(name), Value: value}, {Name: []byte(BoltHeader), Value: description}}
		var c, again, back Converter
		h, r := c.Request(in, codec.Bolt)
		if r != codec.ReasonNone {
			return
		}
		first := h.(*bolt.Head)
		if !first.Map.Valid() {
			t.Fatalf("an invalid map: %q", first.Map)
		}
		// What was understood is understood the same after another crossing.
		h, _ = again.Request(first, codec.HTTP2)
		h, r = back.Request(wire(h), codec.Bolt)
		if r != codec.ReasonNone || !bytes.Equal(h.(*bolt.Head).Map, first.Map) {
			t.Fatalf("map %q, then %v %v", first.Map, h, r)
		}
	})
}
