// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/cluster/health"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
)

// clientSessions bounds the sessions that are kept for resumption with a
// cluster's hosts: one or two each of the largest clusters.
const clientSessions = 1024

// serverTLS is how the connections of one listener are secured.
type serverTLS struct {
	contexts []*credentials
	ready    eventloop.ServerTLS
}

// newServerTLS returns nil for a listener in plain text.
func newServerTLS(l *config.Listener) (*serverTLS, error) {
	if len(l.TLS) == 0 {
		return nil, nil
	}
	s := new(serverTLS)
	for i := range l.TLS {
		c, err := newCredentials(&l.TLS[i], "listener "+l.Name, func(m *material) *tls.Config {
			return serverConfig(&l.TLS[i], &l.Proxy, m)
		})
		if err != nil {
			return nil, err
		}
		s.contexts = append(s.contexts, c)
	}
	// Session tickets are sealed with keys of this configuration, which rotate
	// by themselves and live on when certificates change.
	s.ready.Config = &tls.Config{GetConfigForClient: s.choose, MinVersion: tls.VersionTLS10}
	s.ready.Plaintext = l.Inspector
	return s, nil
}

// serverConfig is a context's side of a handshake with a client.
func serverConfig(t *config.TLS, p *config.Proxy, m *material) *tls.Config {
	c := baseConfig(t, m)
	c.ClientCAs = m.trusted
	switch {
	case t.VerifyClient && t.RequireClient:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	case t.VerifyClient:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case t.RequireClient:
		c.ClientAuth = tls.RequireAnyClientCert
	}
	if len(t.Names) > 0 {
		c.VerifyConnection = func(s tls.ConnectionState) error {
			return verifyNames(t.Names, s.PeerCertificates)
		}
	}
	if c.NextProtos = t.ALPN; t.ALPN == nil && slices.Contains(p.Downstream, config.ProtocolHTTP2) {
		c.NextProtos = []string{"h2"}
		if slices.Contains(p.Downstream, config.ProtocolBolt) {
			c.NextProtos = append(c.NextProtos, "sofa")
		}
	}
	if t.Ticket != "" {
		c.SetSessionTicketKeys([][32]byte{ticketKey(t.Ticket)})
	}
	return c
}

// baseConfig is what both sides have in common.
func baseConfig(t *config.TLS, m *material) *tls.Config {
	c := &tls.Config{
		MinVersion: t.MinVersion, MaxVersion: t.MaxVersion,
		CipherSuites:                t.CipherSuites,
		DynamicRecordSizingDisabled: true, // the loop's flushes are as large as they can be
	}
	for _, id := range t.Curves {
		c.CurvePreferences = append(c.CurvePreferences, tls.CurveID(id))
	}
	if m.own != nil {
		c.Certificates = []tls.Certificate{*m.own}
	}
	return c
}

// choose is tls.Config.GetConfigForClient.
func (s *serverTLS) choose(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	m := s.material(hello)
	eventloop.Present(hello, m.own.Leaf)
	return m.config, nil
}

// material is that of the context whose names, or else whose protocols, are those
// of the client; else of the first.
func (s *serverTLS) material(hello *tls.ClientHelloInfo) *material {
	for _, c := range s.contexts {
		if m := c.current.Load(); hello.ServerName != "" && m.serves(c.tls, hello.ServerName) {
			return m
		}
	}
	for _, c := range s.contexts {
		m := c.current.Load()
		for _, p := range m.config.NextProtos {
			if slices.Contains(hello.SupportedProtos, p) {
				return m
			}
		}
	}
	return s.contexts[0].current.Load()
}

// serves tells whether a context is for a name that a client asks for.
func (m *material) serves(t *config.TLS, name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if matchesName(t.ServerName, name) || m.own.Leaf.VerifyHostname(name) == nil {
		return true
	}
	return matchesName(m.own.Leaf.Subject.CommonName, name)
}

// matchesName compares a name with a pattern whose first label may be "*".
func matchesName(pattern, name string) bool {
	pattern = strings.ToLower(pattern)
	if rest, ok := strings.CutPrefix(pattern, "*."); ok {
		_, parent, found := strings.Cut(name, ".")
		return found && parent == rest
	}
	return pattern != "" && pattern == name
}

// next is eventloop.ListenConfig.TLS.
func (s *serverTLS) next() *eventloop.ServerTLS {
	if s == nil {
		return nil
	}
	return &s.ready
}

// clientTLS is how connections to the hosts of one cluster are secured.
type clientTLS struct {
	*credentials
}

func newClientTLS(c *config.Cluster) (*clientTLS, error) {
	credentials, err := newCredentials(c.TLS, "cluster "+c.Name, func(m *material) *tls.Config {
		return clientConfig(c.TLS, m)
	})
	if err != nil {
		return nil, err
	}
	return &clientTLS{credentials}, nil
}

// clientConfig is a context's side of a handshake with a host, but for what
// depends on the host.
func clientConfig(t *config.TLS, m *material) *tls.Config {
	c := baseConfig(t, m)
	c.RootCAs = m.trusted
	c.ServerName = t.ServerName
	c.NextProtos = t.ALPN
	c.ClientSessionCache = tls.NewLRUClientSessionCache(clientSessions)
	c.InsecureSkipVerify = t.InsecureSkip
	if len(t.Names) > 0 {
		// The names take the place of the host's, so that the chain alone is
		// verified as package tls would have.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(s tls.ConnectionState) error {
			if err := verifyChain(s.PeerCertificates, m.trusted); err != nil {
				return err
			}
			return verifyNames(t.Names, s.PeerCertificates)
		}
	}
	return c
}

// Secure implements cluster.Security.
func (c *clientTLS) Secure(h *cluster.Host, p codec.Protocol) *eventloop.ClientTLS {
	protocol := ""
	if p == codec.HTTP2 {
		protocol = "h2"
	}
	return &eventloop.ClientTLS{Config: c.toward(h.ServerName, protocol), Fallback: c.tls.Fallback}
}

// toward is the configuration of one connection to a host of that name.
func (c *clientTLS) toward(name, protocol string) *tls.Config {
	config := c.current.Load().config.Clone()
	if config.ServerName == "" {
		config.ServerName = name
	}
	if config.NextProtos == nil && protocol != "" {
		config.NextProtos = []string{protocol}
	}
	return config
}

// probe is how a health check secures a connection of its own: with no session
// that connections for requests would resume.
func (c *clientTLS) probe(h health.Host, protocol string) *tls.Config {
	config := c.toward(h.Name, protocol)
	config.ClientSessionCache = nil
	if protocol == "http/1.1" {
		config.NextProtos = []string{protocol}
	}
	return config
}

// verifyChain holds a host's certificate against the trusted ones, whatever its
// names.
func verifyChain(chain []*x509.Certificate, trusted *x509.CertPool) error {
	o := x509.VerifyOptions{Roots: trusted, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(o)
	return err
}

// verifyNames tells whether the peer's certificate has one of the names that are
// wanted.
func verifyNames(wanted []config.NameMatch, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return fmt.Errorf("%w: there is no certificate", eventloop.ErrPeerName)
	}
	names := eventloop.AlternativeNames(chain[0])
	for i := range wanted {
		if slices.ContainsFunc(names, wanted[i].Match) {
			return nil
		}
	}
	return fmt.Errorf("%w: it has %q", eventloop.ErrPeerName, names)
}

// transportOf is the same for contexts that say the same, wherever they stand.
func transportOf(t *config.TLS) string {
	n := *t
	n.Path = ""
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", n))
	return hex.EncodeToString(sum[:])
}
