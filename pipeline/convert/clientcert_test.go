// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

// Every rule for both protocols; Bolt's keys count in any case.
func TestClientCertRules(t *testing.T) {
	value := []byte("Hash=1")
	for _, tt := range []struct {
		rule   CertRule
		name   string
		fields []string
		want   []string
		pairs  bolt.HeaderMap
		left   bolt.HeaderMap
	}{
		{CertKeep, "kept", []string{CertHeader + ": a", "x: y"}, []string{CertHeader + ": a", "x: y"},
			boltMap(kv("X-Forwarded-Client-Cert", "a")), boltMap(kv("X-Forwarded-Client-Cert", "a"))},
		{CertRemove, "removed", []string{CertHeader + ": a", "x: y", CertHeader + ": b"}, []string{"x: y"},
			boltMap(kv("X-Forwarded-Client-Cert", "a"), kv("x", "y"), kv(CertHeader, "b")), boltMap(kv("x", "y"))},
		{CertRemove, "not there", []string{"x: y"}, []string{"x: y"}, boltMap(kv("x", "y")), boltMap(kv("x", "y"))},
		{CertSet, "replaced", []string{CertHeader + ": a", "x: y", CertHeader + ": b"}, []string{"x: y", CertHeader + ": Hash=1"},
			boltMap(kv("X-FORWARDED-CLIENT-CERT", "a"), kv("x", "y")), boltMap(kv("x", "y"), kv(CertHeader, "Hash=1"))},
		{CertSet, "added", []string{"x: y"}, []string{"x: y", CertHeader + ": Hash=1"}, boltMap(kv("x", "y")), boltMap(kv("x", "y"), kv(CertHeader, "Hash=1"))},
		{CertAppend, "appended", []string{CertHeader + ": a"}, []string{CertHeader + ": a,Hash=1"},
			boltMap(kv(CertHeader, "a")), boltMap(kv(CertHeader, "a,Hash=1"))},
		{CertAppend, "the first", nil, []string{CertHeader + ": Hash=1"}, boltMap(), boltMap(kv(CertHeader, "Hash=1"))},
	} {
		var c Converter
		h, r := c.ClientCert(fields(tt.fields...), tt.rule, value)
		if r != codec.ReasonNone {
			t.Fatal(r)
		}
		if d := cmp.Diff(tt.want, dump(h.(*http2.Head))[len(dump(fields())):]); d != "" {
			t.Errorf("%s, HTTP/2 (-want +got):\n%s", tt.name, d)
		}
		h, r = c.ClientCert(request(tt.pairs), tt.rule, value)
		if r != codec.ReasonNone {
			t.Fatal(r)
		}
		if got := h.(*bolt.Head).Map; string(got) != string(tt.left) {
			t.Errorf("%s, Bolt: %q, want %q", tt.name, got, tt.left)
		}
	}
}

// The value crosses from Bolt to HTTP/2 as a field that proxies on the way may take
// away or change, and no description brings another one.
func TestClientCertCrosses(t *testing.T) {
	var c Converter
	bad := boltMap(kv("Service", "s"), kv("X-Forwarded-Client-Cert", "a"))
	h, _ := c.Request(request(bad), codec.HTTP2)
	over := wire(h)
	if d, _ := over.Get(BoltHeader); strings.Contains(strings.ToLower(string(d)), CertHeader) {
		t.Errorf("the description is %q", d)
	}
	for rule, want := range map[CertRule]bolt.HeaderMap{
		CertKeep:   boltMap(kv("Service", "s"), kv(CertHeader, "a")),
		CertRemove: boltMap(kv("Service", "s")),
		CertSet:    boltMap(kv("Service", "s"), kv(CertHeader, "Hash=1")),
		CertAppend: boltMap(kv("Service", "s"), kv(CertHeader, "a,Hash=1")),
	} {
		var far Converter
		h, r := far.ClientCert(over, rule, []byte("Hash=1"))
		if r != codec.ReasonNone {
			t.Fatal(r)
		}
		view, head, r := far.View(h, codec.Bolt)
		if r != codec.ReasonNone {
			t.Fatalf("rule %d: %v", rule, r)
		}
		if got := head.(*bolt.Head).Map; string(got) != string(want) {
			t.Errorf("rule %d: %q, want %q", rule, got, want)
		}
		seen, _ := view.Get(CertHeader)
		if sent, _ := want.Get(CertHeader); string(seen) != string(sent) {
			t.Errorf("rule %d: routes see %q", rule, seen)
		}
	}
	for _, description := range []string{
		CertHeader, "X-Forwarded-Client-Cert", "X-Forwarded-Client-Cert=a%0A", CertHeader + "=a%00", CertHeader + "~",
	} {
		var far Converter
		if _, _, r := far.View(fields(BoltHeader+": "+description, CertHeader+": a"), codec.Bolt); r == codec.ReasonNone {
			t.Errorf("the description %q is taken", description)
		}
	}
}
