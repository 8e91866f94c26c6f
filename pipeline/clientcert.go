// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"strings"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline/convert"
)

// clientCert is what the requests of one connection tell of their client. It is
// made once, when the connection is there.
type clientCert struct {
	rule  convert.CertRule
	value []byte
}

// newClientCert follows Envoy's forward_client_cert_details, but for one thing: a
// certificate that was not verified counts as none, since anyone can make one.
func newClientCert(c *config.ClientCert, h *eventloop.Hello) clientCert {
	verified := h != nil && h.Peer != nil && h.Peer.Verified
	switch {
	case c.Forward == config.ForwardAlways, c.Forward == config.ForwardOnly && verified:
		return clientCert{rule: convert.CertKeep}
	case !verified:
	case c.Forward == config.ForwardAppend:
		return clientCert{convert.CertAppend, certElement(c, h)}
	case c.Forward == config.ForwardSet:
		return clientCert{convert.CertSet, certElement(c, h)}
	}
	return clientCert{rule: convert.CertRemove}
}

// certElement is one element of x-forwarded-client-cert: this client's.
func certElement(c *config.ClientCert, h *eventloop.Hello) []byte {
	var b []byte
	add := func(key, value string) {
		if len(b) > 0 {
			b = append(b, ';')
		}
		b = append(append(append(b, key...), '='), value...)
	}
	if h.Own != nil {
		for _, u := range h.Own.URIs {
			add("By", certValue(u.String()))
		}
	}
	id := h.Peer
	add("Hash", id.Hash)
	if c.Cert {
		add("Cert", certPEM(id.Chain[:1]))
	}
	if c.Chain {
		add("Chain", certPEM(id.Chain))
	}
	if c.Subject {
		add("Subject", `"`+certSubject(id.Subject)+`"`)
	}
	if c.URI {
		if len(id.URIs) == 0 {
			add("URI", "") // as in Envoy: it was asked for
		}
		for _, u := range id.URIs {
			add("URI", certValue(u))
		}
	}
	if c.DNS {
		for _, name := range id.DNSNames {
			add("DNS", certValue(name))
		}
	}
	return b
}

// certPEM is certificates in PEM with URL encoding, in quotes.
func certPEM(chain []*x509.Certificate) string {
	var text strings.Builder
	for _, c := range chain {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return `"` + strings.ReplaceAll(url.QueryEscape(text.String()), "+", "%20") + `"`
}

const hexDigits = "0123456789ABCDEF"

// certSubject is a distinguished name that can stand in quotes, and in a header.
// What would end the quotes, or would look to some readers as if it did not, is
// written as the hexadecimal pair that RFC 4514 has for any byte; so is what no
// header may contain.
func certSubject(subject string) string {
	b := make([]byte, 0, len(subject))
	for i := 0; i < len(subject); i++ {
		c := subject[i]
		if c == '\\' && i+1 < len(subject) {
			if next := subject[i+1]; next != '"' && next != '\\' {
				b = append(b, c) // of a pair that needs none
				continue
			}
			i++
			c = subject[i]
		}
		if c == '"' || c == '\\' || c < ' ' || c > '~' {
			b = append(b, '\\', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// certValue is a name of a certificate, in quotes where it has a delimiter. What
// would end the quotes and what no header may contain is URL encoded.
func certValue(name string) string {
	b := make([]byte, 0, len(name)+2)
	for i := 0; i < len(name); i++ {
		if c := name[i]; c == '"' || c == '\\' || c <= ' ' || c > '~' {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, c)
		}
	}
	if strings.ContainsAny(name, ",;=") {
		return `"` + string(b) + `"`
	}
	return string(b)
}
