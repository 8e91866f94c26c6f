// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

func headOf(fields ...string) *Head {
	h := new(Head)
	for i := 0; i < len(fields); i += 2 {
		h.Fields = append(h.Fields, hpack.Field{Name: []byte(fields[i]), Value: []byte(fields[i+1])})
	}
	return h
}

// TestGRPCTimeout: at most eight digits and a unit (gRPC over HTTP/2, Requests).
// What does not parse states nothing.
func TestGRPCTimeout(t *testing.T) {
	const none = -1
	for v, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond,
		"5u": 5 * time.Microsecond, "6n": 6, "0n": 0, "0H": 0, "00000001S": time.Second,
		"99999999n": 99999999, "99999999u": 99999999 * time.Microsecond, "99999999m": 99999999 * time.Millisecond,
		"99999999S": 99999999 * time.Second, "99999999M": 99999999 * time.Minute, "99999999H": math.MaxInt64,
		"": none, "S": none, "1": none, "123456789S": none, "1s": none, "1h": none, "1U": none, "-1S": none, "+1S": none,
		"1.5S": none, " 1S": none, "1 S": none, "1S ": none, "1SS": none, "0x1S": none, "\u0661S": none, "1\xff": none,
	} {
		d, ok := headOf("grpc-timeout", v).Timeout()
		if ok != (want != none) || ok && d != want {
			t.Errorf("%q is %v, %v; want %v", v, d, ok, want)
		}
	}
	if _, ok := headOf("a", "b").Timeout(); ok {
		t.Error("a head without grpc-timeout states one")
	}
}

// TestCookieIsOneValue: whoever is not HTTP/2 gets the crumbs as one (RFC 9113,
// 8.2.3), and nothing is changed by that.
func TestCookieIsOneValue(t *testing.T) {
	for _, tt := range []struct {
		want   string
		fields []string
	}{
		{"a=1", []string{"cookie", "a=1"}},
		{"a=1; b=2", []string{"cookie", "a=1", "cookie", "b=2"}},
		{"a=1; b=2; c=3", []string{"x", "y", "cookie", "a=1", "z", "", "cookie", "b=2", "cookie", "c=3", "x", "y"}},
		{"; ", []string{"cookie", "", "cookie", ""}},
	} {
		h := headOf(tt.fields...)
		// The crumbs lie one behind the other, as in the table of HPACK.
		text := []byte(strings.Join(tt.fields, ""))
		at := 0
		for i := range h.Fields {
			f := &h.Fields[i]
			at += len(f.Name)
			f.Value = text[at : at+len(f.Value)]
			at += len(f.Value)
		}
		before := string(text)
		if v, ok := h.Get("cookie"); !ok || string(v) != tt.want {
			t.Errorf("%q gives %q", tt.fields, v)
		}
		if string(text) != before {
			t.Errorf("%q became %q", before, text)
		}
	}
	if _, ok := headOf("x", "y").Get("cookie"); ok {
		t.Error("a head without cookies has one")
	}
}

// TestHeaderTooLarge: the reply says so to gRPC in its terms.
func TestHeaderTooLarge(t *testing.T) {
	const reason = "x-sideloop-reason=header_too_large"
	message := "grpc-message=" + codec.HeaderTooLarge.String() + ": " + codec.HeaderTooLarge.Text()
	runScripts(t, []script{
		{name: "plain", limits: func(l *Limits) { l.HeaderFields = 6 }, text: `
			> HEADERS 1 end GET a=1 b=2 c=3
			< HEADERS 1 :status=431 ` + reason + ` end
			= glitch header_too_large`},
		{name: "gRPC", limits: func(l *Limits) { l.HeaderFields = 6 }, text: `
			> HEADERS 1 POST content-type=application/grpc b=2 c=3
			< HEADERS 1 :status=200 content-type=application/grpc grpc-status=8 ` + message + ` ` + reason + ` end
			< RST_STREAM 1 NO_ERROR
			= glitch header_too_large
			= glitch header_too_large`},
		{name: "gRPC says so beyond the limit", limits: func(l *Limits) { l.HeaderFields = 6 }, text: `
			> HEADERS 1 end POST a=1 b=2 content-type=application/grpc
			< HEADERS 1 :status=431 ` + reason + ` end
			= glitch header_too_large`},
	})
}
