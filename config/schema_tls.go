// SPDX-License-Identifier: Apache-2.0

package config

// tlsObject is off, as in MOSN, unless status is true.
var tlsObject = &object{name: "a TLS context", switchedBy: "status", keys: []key{
	{name: "status", kind: flagKind, fallback: `false`, doc: "Whether TLS is on; without it nothing else here counts."},
	{name: "type", kind: textKind, status: refused, note: "providers of TLS settings are not implemented; the certificate must be given here", doc: "Registered provider of the settings."},
	{name: "server_name", kind: textKind, doc: "Toward hosts: the name to ask for and to verify; their hostname or address by default. Toward clients: a name that selects this context."},
	{name: "ca_cert", kind: textKind, doc: "Certificates to trust: a path or PEM text. Toward hosts, the system's by default."},
	{name: "cert_chain", kind: textKind, doc: "Own certificate, the issuers' behind it: a path or PEM text. Files are read again when they change."},
	{name: "private_key", kind: textKind, doc: "Key of the own certificate: a path or PEM text."},
	{name: "verify_client", kind: flagKind, doc: "Verify a certificate that the client sends, against ca_cert."},
	{name: "verify_server", kind: flagKind, status: ignored, doc: "A switch of MOSN 0.x; hosts are always verified unless insecure_skip is set."},
	{name: "require_client_cert", kind: flagKind, doc: "Refuse clients without a certificate; it is verified only with verify_client."},
	{name: "insecure_skip", kind: flagKind, doc: "Do not verify the host."},
	{name: "match_subject_alt_names", kind: objectsKind, object: nameMatcherObject, doc: "Alternative names, URIs such as SPIFFE ids among them, of which the peer's certificate must have one that matches. Toward hosts they take the place of the verification by name. Envoy's key; MOSN has none."},
	{name: "cipher_suites", kind: textKind, doc: "Cipher suites up to TLS 1.2, by OpenSSL's or IANA's names, joined by colons; Go's choice by default. Those of TLS 1.3 are fixed."},
	{name: "ecdh_curves", kind: textKind, doc: "Key exchanges, joined by commas: x25519, p256, p384, p521, x25519mlkem768; Go's choice by default."},
	{name: "min_version", kind: textKind, values: tlsVersions, doc: "Lowest version of TLS; 1.2 by default, where MOSN has 1.0."},
	{name: "max_version", kind: textKind, values: tlsVersions, doc: "Highest version of TLS; 1.3 by default."},
	{name: "alpn", kind: textKind, doc: "Protocols to negotiate, joined by commas: h2, sofa. By default h2 wherever HTTP/2 is spoken."},
	{name: "ticket", kind: textKind, doc: "Secret of at least 16 characters that session tickets are sealed with, so that several proxies know each other's; keys that rotate daily by default."},
	{name: "fall_back", kind: flagKind, doc: "Use plain text where TLS fails; toward clients the same as inspector."},
	{name: "inspector", kind: flagKind, doc: "The listener's inspector (MOSN 0.x)."},
	{name: "extend_verify", kind: anyKind, status: refused, note: "verifiers of one's own are not implemented; use match_subject_alt_names", doc: "Settings of a registered verifier."},
	{name: "callbacks", kind: textsKind, status: refused, note: "hooks are not implemented", doc: "Hooks to run after the settings were read."},
	{name: "sds_source", kind: anyKind, status: refused, note: "SDS is not implemented; the certificate must be given here", doc: "Where certificates are fetched from by SDS."},
}}

var tlsVersions = named("tls_auto", "tlsv1_0", "tlsv1_1", "tlsv1_2", "tlsv1_3")

// nameMatcherObject is Envoy's StringMatcher.
var nameMatcherObject = &object{name: "a name matcher", keys: []key{
	{name: "exact", kind: textKind, doc: "The whole name."},
	{name: "prefix", kind: textKind, doc: "What the name begins with."},
	{name: "suffix", kind: textKind, doc: "What the name ends with."},
	{name: "contains", kind: textKind, doc: "What the name contains."},
	{name: "safe_regex", kind: objectKind, object: regexObject, doc: "An expression that matches the whole name."},
	{name: "ignore_case", kind: flagKind, doc: "Compare without regard to case; not with safe_regex."},
}}

var regexObject = &object{name: "a safe expression", keys: []key{
	{name: "regex", kind: textKind, required: true, doc: "The expression, in RE2's syntax."},
	{name: "google_re2", kind: anyKind, status: ignored, doc: "Envoy's choice of an engine."},
}}
