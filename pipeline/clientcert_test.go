// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"crypto/x509"
	"net/url"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline/convert"
)

// Which requests tell what, by mode and by what is known of the client.
func TestClientCertModes(t *testing.T) {
	verified := &eventloop.Hello{Peer: &eventloop.Identity{Verified: true, Hash: "abc"}}
	unverified := &eventloop.Hello{Peer: &eventloop.Identity{Hash: "abc"}}
	for _, tt := range []struct {
		mode                             config.ForwardCert
		plain, anonymous, claimed, known convert.CertRule
	}{
		{config.ForwardNone, convert.CertRemove, convert.CertRemove, convert.CertRemove, convert.CertRemove},
		{config.ForwardOnly, convert.CertRemove, convert.CertRemove, convert.CertRemove, convert.CertKeep},
		{config.ForwardAppend, convert.CertRemove, convert.CertRemove, convert.CertRemove, convert.CertAppend},
		{config.ForwardSet, convert.CertRemove, convert.CertRemove, convert.CertRemove, convert.CertSet},
		{config.ForwardAlways, convert.CertKeep, convert.CertKeep, convert.CertKeep, convert.CertKeep},
	} {
		c := &config.ClientCert{Forward: tt.mode}
		for name, of := range map[string]struct {
			hello *eventloop.Hello
			want  convert.CertRule
		}{"plain text": {nil, tt.plain}, "no certificate": {&eventloop.Hello{}, tt.anonymous}, "not verified": {unverified, tt.claimed}, "verified": {verified, tt.known}} {
			got := newClientCert(c, of.hello)
			if tells := of.want == convert.CertSet || of.want == convert.CertAppend; got.rule != of.want || tells != (string(got.value) == "Hash=abc") {
				t.Errorf("mode %d, %s: rule %d, %q", tt.mode, name, got.rule, got.value)
			}
		}
	}
}

// One element, with everything that Envoy tells, in its order.
func TestClientCertElement(t *testing.T) {
	uri := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	h := &eventloop.Hello{
		Own: &x509.Certificate{URIs: []*url.URL{uri("spiffe://mesh/own")}},
		Peer: &eventloop.Identity{
			Subject: `CN=client,O=a\, b`, URIs: []string{"spiffe://mesh/client", "urn:a;b"}, DNSNames: []string{"a.example", "b.example"},
			Hash: "0123", Chain: []*x509.Certificate{{Raw: []byte("own+/==")}, {Raw: []byte("issuer")}},
		},
	}
	all := &config.ClientCert{Subject: true, Cert: true, Chain: true, DNS: true, URI: true}
	own := "-----BEGIN%20CERTIFICATE-----%0Ab3duKy89PQ%3D%3D%0A-----END%20CERTIFICATE-----%0A"
	issuer := "-----BEGIN%20CERTIFICATE-----%0AaXNzdWVy%0A-----END%20CERTIFICATE-----%0A"
	want := `By=spiffe://mesh/own;Hash=0123;Cert="` + own + `";Chain="` + own + issuer + `";Subject="CN=client,O=a\, b";` +
		`URI=spiffe://mesh/client;URI="urn:a;b";DNS=a.example;DNS=b.example`
	if got := string(certElement(all, h)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(certElement(&config.ClientCert{URI: true}, &eventloop.Hello{Peer: &eventloop.Identity{Hash: "1"}})); got != "Hash=1;URI=" {
		t.Errorf("without names: %s", got)
	}
}

// A certificate's names, whoever wrote them, neither end their quotes nor the
// header.
func TestClientCertQuoting(t *testing.T) {
	for subject, want := range map[string]string{
		`CN=plain`:              `CN=plain`,
		`CN=a\,b\+c\;d`:         `CN=a\,b\+c\;d`,
		`CN=x\";Hash=0;By=\"`:   `CN=x\22;Hash=0;By=\22`,
		`CN=ends with \\`:       `CN=ends with \5C`,
		`CN=\\\"`:               `CN=\5C\22`,
		"CN=line\r\nHost: evil": `CN=line\0D\0AHost: evil`,
		"CN=null\x00\x7f":       `CN=null\00\7F`,
		"CN=é":                  `CN=\C3\A9`,
		`CN=odd\`:               `CN=odd\5C`,
	} {
		if got := certSubject(subject); got != want {
			t.Errorf("%q becomes %s, want %s", subject, got, want)
		}
	}
	for name, want := range map[string]string{
		"spiffe://a/b":      "spiffe://a/b",
		"a,b":               `"a,b"`,
		"https://a/?b=c;d":  `"https://a/?b=c;d"`,
		`x";Hash=0`:         `"x%22;Hash=0"`,
		"x\\":               "x%5C",
		"line\r\nHost:evil": "line%0D%0AHost:evil",
		"a b":               "a%20b",
		"":                  "",
	} {
		if got := certValue(name); got != want {
			t.Errorf("%q becomes %s, want %s", name, got, want)
		}
	}
}

func FuzzClientCertQuoting(f *testing.F) {
	f.Add(`CN=x\",O=y`)
	f.Add("\\\"\x00,;=")
	f.Fuzz(func(t *testing.T, name string) {
		for _, got := range []string{certSubject(name), strings.Trim(certValue(name), `"`)} {
			for i := 0; i < len(got); i++ {
				if c := got[i]; c == '"' || c < ' ' || c > '~' {
					t.Fatalf("%q becomes %q", name, got)
				}
			}
			if strings.HasSuffix(got, `\`) || strings.Contains(got, `\\`) {
				t.Fatalf("%q becomes %q, whose quotes do not end for all readers", name, got)
			}
		}
	})
}
