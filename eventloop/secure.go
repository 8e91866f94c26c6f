// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"time"
)

// HandshakeTimeout bounds what comes before a connection is given to its loop:
// the look at its first byte and the TLS handshake together.
const HandshakeTimeout = 10 * time.Second

// ErrHandshake is what a dial fails with when its host was connected to, but the
// TLS handshake did not succeed.
var ErrHandshake = errors.New("TLS handshake")

// ServerTLS says how an accepted connection is secured. It is not changed once a
// listener was given it.
type ServerTLS struct {
	// Config may leave everything to its GetConfigForClient.
	Config *tls.Config
	// Plaintext also takes connections whose first byte does not begin a TLS
	// handshake, as they are.
	Plaintext bool
	// Timeout is HandshakeTimeout if 0.
	Timeout time.Duration
}

// ClientTLS says how a dialled connection is secured.
type ClientTLS struct {
	// Config verifies the host. Its session cache, if it has one, is shared by
	// dials to several addresses and keeps their sessions apart.
	Config *tls.Config
	// Fallback connects in plain text to a host with which the handshake
	// failed.
	Fallback bool
}

// Hello is what the handshake of a connection has found. It never changes.
type Hello struct {
	// Protocol is the one agreed on by ALPN, empty without.
	Protocol string
	// ServerName is the name that the client asked for by SNI.
	ServerName string
	// Version and CipherSuite are the numbers of package tls.
	Version, CipherSuite uint16
	// Resumed tells that a session was resumed.
	Resumed bool
	// Peer is who the peer has proved to be, nil without a certificate.
	Peer *Identity
	// Own is the certificate that was shown to a client, as far as Present
	// was told.
	Own *x509.Certificate
}

// Present notes which certificate a handshake shows. It is for a
// GetConfigForClient, and does nothing for connections of others.
func Present(hello *tls.ClientHelloInfo, own *x509.Certificate) {
	if w, ok := hello.Conn.(*wire); ok {
		w.own = own
	}
}

// Identity is what a peer's certificate says.
type Identity struct {
	// Verified tells that the certificate was held against the trusted ones.
	Verified bool
	// Subject and Issuer are distinguished names (RFC 4514), Serial is in
	// hexadecimal.
	Subject, Issuer, Serial string
	// URIs and DNSNames are alternative names; a SPIFFE id is a URI.
	URIs, DNSNames []string
	// Hash is the SHA-256 of the certificate in hexadecimal.
	Hash     string
	NotAfter time.Time
	// Chain is what the peer has sent, its own certificate first.
	Chain []*x509.Certificate
}

// AlternativeNames are all of a certificate as text.
func AlternativeNames(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return append(names, c.EmailAddresses...)
}

// Hello is what the connection's TLS handshake has found, nil in plain text.
func (c *Conn) Hello() *Hello { return c.hello }

func newHello(s *tls.ConnectionState) *Hello {
	h := &Hello{
		Protocol: s.NegotiatedProtocol, ServerName: s.ServerName,
		Version: s.Version, CipherSuite: s.CipherSuite, Resumed: s.DidResume,
	}
	if len(s.PeerCertificates) > 0 {
		h.Peer = newIdentity(s.PeerCertificates)
		h.Peer.Verified = len(s.VerifiedChains) > 0
	}
	return h
}

func newIdentity(chain []*x509.Certificate) *Identity {
	c := chain[0]
	sum := sha256.Sum256(c.Raw)
	id := &Identity{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), DNSNames: c.DNSNames,
		Hash: hex.EncodeToString(sum[:]), NotAfter: c.NotAfter, Chain: chain,
	}
	if c.SerialNumber != nil {
		id.Serial = c.SerialNumber.Text(16)
	}
	for _, u := range c.URIs {
		id.URIs = append(id.URIs, u.String())
	}
	return id
}

// sessionsOf is the sessions of one address in a cache that dials to several
// share. package tls would keep them by the server's name, which the hosts of a
// cluster may have in common.
type sessionsOf struct {
	cache   tls.ClientSessionCache
	address string
}

// Get implements tls.ClientSessionCache.
func (s sessionsOf) Get(key string) (*tls.ClientSessionState, bool) {
	return s.cache.Get(s.address + " " + key)
}

// Put implements tls.ClientSessionCache.
func (s sessionsOf) Put(key string, state *tls.ClientSessionState) {
	s.cache.Put(s.address+" "+key, state)
}

// forAddress is the configuration of a dial to an address.
func (t *ClientTLS) forAddress(address string) *tls.Config {
	if t.Config.ClientSessionCache == nil {
		return t.Config
	}
	config := t.Config.Clone()
	config.ClientSessionCache = sessionsOf{t.Config.ClientSessionCache, address}
	return config
}
