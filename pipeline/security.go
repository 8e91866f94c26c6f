// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"crypto/tls"
	"net"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline/router"
)

var _ router.Peer = (*connection)(nil)

// RemoteAddr implements router.Peer.
func (c *connection) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// LocalAddr implements router.Peer.
func (c *connection) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// AppendSecurity implements router.Peer.
func (c *connection) AppendSecurity(b []byte, v config.VariableKind) []byte {
	return AppendSecurity(b, c.conn.Hello(), v)
}

// AppendSecurity appends the value of a variable of TLS, nothing where the handshake
// has none, or h is nil. Several names are joined by commas. What a certificate says
// counts only if it was verified: policies rest on it.
func AppendSecurity(b []byte, h *eventloop.Hello, v config.VariableKind) []byte {
	if h == nil {
		return b
	}
	switch v {
	case config.VariableTLSVersion:
		return append(b, versionName(h.Version)...)
	case config.VariableTLSCipher:
		return append(b, tls.CipherSuiteName(h.CipherSuite)...)
	case config.VariableServerName:
		return append(b, h.ServerName...)
	}
	p := Proven(h)
	if p == nil {
		return b
	}
	switch v {
	case config.VariablePeerSubject:
		return append(b, p.Subject...)
	case config.VariablePeerIssuer:
		return append(b, p.Issuer...)
	case config.VariablePeerSerial:
		return append(b, p.Serial...)
	case config.VariablePeerURI:
		return appendNames(b, p.URIs)
	case config.VariablePeerDNS:
		return appendNames(b, p.DNSNames)
	case config.VariablePeerFingerprint:
		return append(b, p.Hash...)
	}
	return b
}

// versionName is Envoy's.
func versionName(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return ""
}

// Proven is who a client has proved to be, nil for nobody; h may be nil.
func Proven(h *eventloop.Hello) *eventloop.Identity {
	if h == nil || h.Peer == nil || !h.Peer.Verified {
		return nil
	}
	return h.Peer
}

// provenNames are the alternative names of a client that has proved to have them.
func provenNames(h *eventloop.Hello) []string {
	p := Proven(h)
	if p == nil {
		return nil
	}
	return eventloop.AlternativeNames(p.Chain[0])
}

func appendNames(b []byte, names []string) []byte {
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	return b
}
