// SPDX-License-Identifier: Apache-2.0

package config

import (
	"regexp"
	"strings"
)

// TLS is one tls_context that is on.
type TLS struct {
	// ServerName is empty when the file states none.
	ServerName string
	// CACert, CertChain and PrivateKey are each the path of a file, PEM text,
	// or empty.
	CACert, CertChain, PrivateKey string
	VerifyClient, RequireClient   bool
	InsecureSkip                  bool
	// Names are what the peer's certificate must have one of; none for any.
	Names []NameMatch
	// CipherSuites and Curves are numbers of package tls, none for its choice.
	CipherSuites []uint16
	Curves       []uint16
	// MinVersion and MaxVersion are numbers of package tls, never 0.
	MinVersion, MaxVersion uint16
	// ALPN is nil when the file says nothing.
	ALPN   []string
	Ticket string
	// Fallback allows plain text; of a listener it includes the inspector of
	// MOSN 0.x.
	Fallback bool
	Path     string
}

// NameMatch is a condition for one name of a certificate.
type NameMatch struct {
	Kind       NameMatchKind
	Text       string
	IgnoreCase bool
}

// NameMatchKind says how a name is compared.
type NameMatchKind uint8

const (
	NameExact NameMatchKind = iota
	NamePrefix
	NameSuffix
	NameContains
	// NameRegex matches the whole name; Text is valid for package regexp.
	NameRegex
)

// Match compares a name.
func (m *NameMatch) Match(name string) bool {
	text := m.Text
	if m.Kind == NameRegex {
		return wholeName(text).MatchString(name)
	}
	if m.IgnoreCase {
		text, name = strings.ToLower(text), strings.ToLower(name)
	}
	switch m.Kind {
	case NamePrefix:
		return strings.HasPrefix(name, text)
	case NameSuffix:
		return strings.HasSuffix(name, text)
	case NameContains:
		return strings.Contains(name, text)
	}
	return name == text
}

// wholeName compiles an expression that was checked. Certificates are verified
// once per handshake, which costs far more.
func wholeName(text string) *regexp.Regexp {
	return regexp.MustCompile("^(?:" + text + ")$")
}

// IsPEM tells a certificate or key from the path of one.
func IsPEM(text string) bool { return strings.Contains(text, "-----BEGIN") }
