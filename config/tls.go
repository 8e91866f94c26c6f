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
func (m *NameMatch) Match(name string) bool { return m.Compile()(name) }

// Compile returns what compares names, for those who do it often.
func (m *NameMatch) Compile() func(name string) bool {
	text := m.Text
	var match func(name string) bool
	switch m.Kind {
	case NameRegex:
		return regexp.MustCompile("^(?:" + text + ")$").MatchString
	case NamePrefix:
		match = func(name string) bool { return strings.HasPrefix(name, text) }
	case NameSuffix:
		match = func(name string) bool { return strings.HasSuffix(name, text) }
	case NameContains:
		match = func(name string) bool { return strings.Contains(name, text) }
	default:
		match = func(name string) bool { return name == text }
	}
	if !m.IgnoreCase {
		return match
	}
	text = strings.ToLower(text)
	return func(name string) bool { return match(strings.ToLower(name)) }
}

// IsPEM tells a certificate or key from the path of one.
func IsPEM(text string) bool { return strings.Contains(text, "-----BEGIN") }
