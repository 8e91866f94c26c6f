// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/tls"
	"regexp"
	"slices"
	"strings"
)

// side is which end of connections a TLS context is for.
type side uint8

const (
	serverSide side = iota
	clientSide
)

// ticketMin is the length from which a secret is hard to guess.
const ticketMin = 16

// serverTLS reads the contexts of a filter chain that are on.
func (b *builder) serverTLS(chain view) []TLS {
	var list []TLS
	if t := b.tls(chain, "tls_context", serverSide); t != nil {
		list = append(list, *t)
	}
	for _, v := range chain.children("tls_context_set") {
		if t := b.context(v, serverSide); t != nil {
			list = append(list, *t)
		}
	}
	return list
}

func (b *builder) tls(v view, key string, s side) *TLS { return b.context(v.child(key), s) }

// context reads one context; nil when it is off.
func (b *builder) context(v view, s side) *TLS {
	if !v.flag("status") {
		return nil
	}
	t := &TLS{
		ServerName: v.text("server_name"),
		CACert:     v.text("ca_cert"), CertChain: v.text("cert_chain"), PrivateKey: v.text("private_key"),
		VerifyClient: v.flag("verify_client"), RequireClient: v.flag("require_client_cert"),
		InsecureSkip: v.flag("insecure_skip"),
		Names:        v.nameMatches("match_subject_alt_names"),
		CipherSuites: v.cipherSuites(), Curves: v.curves(),
		ALPN: v.alpn(), Ticket: v.text("ticket"),
		Fallback: v.flag("fall_back") || s == serverSide && v.flag("inspector"),
		Path:     b.place(v),
	}
	t.MinVersion, t.MaxVersion = v.versions()
	if s == serverSide {
		v.checkServer(t)
	} else {
		v.checkClient(t)
	}
	return t
}

// checkServer finds contradictions in a context toward clients.
func (v view) checkServer(t *TLS) {
	for _, key := range []string{"cert_chain", "private_key"} {
		if v.text(key) == "" {
			v.errorf(key, "TLS toward clients needs a certificate and its key")
		}
	}
	if t.VerifyClient && t.CACert == "" {
		v.errorf("verify_client", "without ca_cert it is not said whose certificates are accepted")
	}
	if len(t.Names) > 0 && !t.VerifyClient {
		v.errorf("match_subject_alt_names", "without verify_client a certificate may have any name")
	}
	if t.RequireClient && !t.VerifyClient {
		v.warnf("require_client_cert", "without verify_client any certificate is accepted, also one that the client made itself")
	}
	if t.Ticket != "" && len(t.Ticket) < ticketMin {
		v.errorf("ticket", "a secret of %d characters can be guessed; it needs %d", len(t.Ticket), ticketMin)
	}
}

// checkClient finds contradictions in a context toward hosts.
func (v view) checkClient(t *TLS) {
	if (t.CertChain == "") != (t.PrivateKey == "") {
		v.errorf("cert_chain", "a certificate and its key go together; one of cert_chain and private_key is missing")
	}
	if t.InsecureSkip {
		v.warnf("insecure_skip", "hosts are not verified: whoever is on the way can read and change everything")
		if len(t.Names) > 0 {
			v.errorf("match_subject_alt_names", "with insecure_skip a certificate may have any name")
		}
	}
	if t.Fallback {
		v.warnf("fall_back", "whoever is on the way can turn TLS off by breaking the handshake")
	}
}

// hostName reports a host of an encrypted cluster that nothing says the name of.
func (b *builder) hostName(v view, t *TLS, h *Host) {
	if t == nil || h.Plain || t.InsecureSkip || len(t.Names) > 0 || t.ServerName != "" || h.Hostname != "" {
		return
	}
	if isSocketPath(h.Address) {
		v.errorf("hostname", "a path is no name to verify; give a hostname, or the tls_context a server_name")
	}
}

func (v view) versions() (lowest, highest uint16) {
	numbers := map[string]uint16{
		"tlsv1_0": tls.VersionTLS10, "tlsv1_1": tls.VersionTLS11,
		"tlsv1_2": tls.VersionTLS12, "tlsv1_3": tls.VersionTLS13,
	}
	lowest, highest = tls.VersionTLS12, tls.VersionTLS13
	if n := numbers[v.text("max_version")]; n != 0 {
		highest = n
	}
	if n := numbers[v.text("min_version")]; n != 0 {
		lowest = n
	} else {
		lowest = min(lowest, highest)
	}
	if lowest < tls.VersionTLS12 {
		key := "min_version"
		if v.text(key) == "" {
			key = "max_version"
		}
		v.warnf(key, "TLS 1.0 and 1.1 are broken (RFC 8996); use tlsv1_2")
	}
	if lowest > highest {
		v.errorf("min_version", "it is above max_version")
	}
	return lowest, highest
}

// oldSuiteNames are those of OpenSSL and MOSN that are not IANA's.
var oldSuiteNames = map[string]uint16{
	"ECDHE-ECDSA-AES128-GCM-SHA256":      tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES256-GCM-SHA384":      tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-ECDSA-CHACHA20-POLY1305":      tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-ECDSA-WITH-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-ECDSA-AES128-CBC-SHA":         tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	"ECDHE-ECDSA-AES128-SHA":             tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	"ECDHE-ECDSA-AES256-CBC-SHA":         tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	"ECDHE-ECDSA-AES256-SHA":             tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	"ECDHE-RSA-AES128-GCM-SHA256":        tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-RSA-AES256-GCM-SHA384":        tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-CHACHA20-POLY1305":        tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-WITH-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-AES128-CBC-SHA":           tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	"ECDHE-RSA-AES128-SHA":               tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	"ECDHE-RSA-AES256-CBC-SHA":           tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	"ECDHE-RSA-AES256-SHA":               tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	"ECDHE-RSA-3DES-EDE-CBC-SHA":         tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
	"RSA-AES128-GCM-SHA256":              tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	"RSA-AES256-GCM-SHA384":              tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	"RSA-AES128-CBC-SHA":                 tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	"RSA-AES256-CBC-SHA":                 tls.TLS_RSA_WITH_AES_256_CBC_SHA,
	"RSA-3DES-EDE-CBC-SHA":               tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA,
	"AES128-SHA":                         tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	"AES256-SHA":                         tls.TLS_RSA_WITH_AES_256_CBC_SHA,
	"AES128-GCM-SHA256":                  tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	"AES256-GCM-SHA384":                  tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
}

// suites are those of package tls by all their names.
func suites() (byName map[string]*tls.CipherSuite, names []string) {
	byName = make(map[string]*tls.CipherSuite)
	byID := make(map[uint16]*tls.CipherSuite)
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		byName[s.Name], byID[s.ID] = s, s
	}
	for name, id := range oldSuiteNames {
		byName[name] = byID[id]
		if !byID[id].Insecure {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return byName, names
}

func (v view) cipherSuites() []uint16 {
	const key = "cipher_suites"
	given := split(v.text(key), ":")
	byName, names := suites()
	var list []uint16
	for _, name := range given {
		switch s := byName[name]; {
		case s == nil:
			at, path := v.at(key)
			v.c.report(Error, at, path, name, names, "unknown cipher suite %q", name)
			return nil
		case s.Insecure:
			v.warnf(key, "%s is insecure and left out", name)
		case slices.Contains(s.SupportedVersions, tls.VersionTLS13):
			v.warnf(key, "%s is of TLS 1.3, whose cipher suites are fixed", name)
		default:
			list = append(list, s.ID)
		}
	}
	if len(given) > 0 && len(list) == 0 {
		v.errorf(key, "none of these cipher suites can be used")
	}
	return list
}

func (v view) curves() []uint16 {
	numbers := map[string]tls.CurveID{
		"x25519": tls.X25519, "p256": tls.CurveP256, "p384": tls.CurveP384,
		"p521": tls.CurveP521, "x25519mlkem768": tls.X25519MLKEM768,
	}
	names := []string{"x25519", "p256", "p384", "p521", "x25519mlkem768"}
	var list []uint16
	for _, name := range split(v.text("ecdh_curves"), ",") {
		id, ok := numbers[strings.ToLower(name)]
		if !ok {
			at, path := v.at("ecdh_curves")
			v.c.report(Error, at, path, name, names, "unknown curve %q; expected some of %s", name, strings.Join(names, ", "))
			return nil
		}
		list = append(list, uint16(id))
	}
	return list
}

func (v view) alpn() []string {
	var list []string
	for _, name := range split(v.text("alpn"), ",") {
		switch name {
		case "h2", "sofa":
			list = append(list, name)
		case "http/1.1":
			v.warnf("alpn", "HTTP/1.1 is not spoken; %q is left out", name)
		default:
			v.errorf("alpn", "unknown protocol %q; expected some of h2, sofa", name)
			return nil
		}
	}
	return list
}

// nameMatches reads Envoy's matchers, of which each has one condition.
func (v view) nameMatches(key string) []NameMatch {
	var list []NameMatch
	for _, m := range v.children(key) {
		conditions := 0
		match := NameMatch{IgnoreCase: m.flag("ignore_case")}
		for i, name := range []string{"exact", "prefix", "suffix", "contains"} {
			if text := m.text(name); text != "" {
				match.Kind, match.Text = NameMatchKind(i), text
				conditions++
			}
		}
		if text := m.child("safe_regex").text("regex"); text != "" {
			match.Kind, match.Text = NameRegex, text
			conditions++
			if _, err := regexp.Compile(text); err != nil {
				m.child("safe_regex").errorf("regex", "%v", err)
			}
			if match.IgnoreCase {
				m.errorf("ignore_case", "it has no effect on safe_regex; begin the expression with (?i)")
			}
		}
		if conditions != 1 {
			m.errorf("exact", "expected exactly one of exact, prefix, suffix, contains and safe_regex, found %d", conditions)
		}
		list = append(list, match)
	}
	return list
}

// split is the parts of a list in a text, without white space and empty ones.
func split(text, separator string) []string {
	var list []string
	for part := range strings.SplitSeq(text, separator) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
