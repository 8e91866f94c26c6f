// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"
)

// Variable is one of MOSN's variables: something of a request, its connection
// or its reply.
type Variable struct {
	Kind VariableKind
	// Name is that of the header, the cookie or the parameter, in lower case for
	// headers.
	Name string
}

// VariableKind is what a variable stands for.
type VariableKind uint8

const (
	VariableHost VariableKind = iota
	// VariablePath is without the query, VariableURI with it.
	VariablePath
	VariableURI
	VariableQuery
	VariableMethod
	VariableScheme
	VariableHeader
	VariableParameter
	VariableCookie
	// VariableRemote and VariableLocal are the addresses of the client's
	// connection, with port.
	VariableRemote
	VariableLocal
	VariableProtocol
	// The next are of the client's TLS, empty in plain text. VariableTLSVersion
	// is the first and VariablePeerFingerprint the last of them; those of the
	// peer are of a certificate that was verified.
	VariableTLSVersion
	VariableTLSCipher
	VariableServerName
	VariablePeerSubject
	VariablePeerIssuer
	VariablePeerSerial
	VariablePeerURI
	VariablePeerDNS
	VariablePeerFingerprint
	// VariableCluster is known when the route is.
	VariableCluster
	// VariableStatus and VariableReplyHeader are of the reply.
	VariableStatus
	VariableReplyHeader
)

// scope is where a variable may stand: everything known in one is known in those
// that come after it.
type scope uint8

const (
	inMatch scope = iota
	inRequest
	inReply
)

func (k VariableKind) scope() scope {
	switch {
	case k >= VariableStatus:
		return inReply
	case k >= VariableCluster:
		return inRequest
	}
	return inMatch
}

// Known tells whether a variable has its value before there is a reply.
func (v Variable) Known() bool { return v.Kind.scope() < inReply }

// variableNames are the variables without an argument.
var variableNames = map[string]VariableKind{
	"x-mosn-host":                 VariableHost,
	"x-mosn-path":                 VariablePath,
	"x-mosn-path-original":        VariablePath,
	"x-mosn-querystring":          VariableQuery,
	"x-mosn-method":               VariableMethod,
	"x-mosn-scheme":               VariableScheme,
	"Http1_request_path":          VariablePath,
	"Http2_request_path":          VariablePath,
	"Http1_request_path_original": VariablePath,
	"Http2_request_path_original": VariablePath,
	"Http1_request_uri":           VariableURI,
	"Http2_request_uri":           VariableURI,
	"Http1_request_method":        VariableMethod,
	"Http2_request_method":        VariableMethod,
	"Http1_request_scheme":        VariableScheme,
	"Http2_request_scheme":        VariableScheme,
	"downstream_remote_address":   VariableRemote,
	"downstream_local_address":    VariableLocal,
	"protocol":                    VariableProtocol,
	// Envoy's names, in lower case as MOSN's are.
	"downstream_tls_version":          VariableTLSVersion,
	"downstream_tls_cipher":           VariableTLSCipher,
	"requested_server_name":           VariableServerName,
	"downstream_peer_subject":         VariablePeerSubject,
	"downstream_peer_issuer":          VariablePeerIssuer,
	"downstream_peer_serial":          VariablePeerSerial,
	"downstream_peer_uri_san":         VariablePeerURI,
	"downstream_peer_dns_san":         VariablePeerDNS,
	"downstream_peer_fingerprint_256": VariablePeerFingerprint,
	"upstream_cluster":                VariableCluster,
	"response_code":                   VariableStatus,
}

// variablePrefixes are those whose name goes on with an argument.
var variablePrefixes = []struct {
	prefix string
	kind   VariableKind
}{
	{"request_header_", VariableHeader},
	{"response_header_", VariableReplyHeader},
	{"Http1_request_arg_", VariableParameter},
	{"Http2_request_arg_", VariableParameter},
	{"Http1_cookie_", VariableCookie},
	{"Http2_cookie_", VariableCookie},
}

// ParseVariable is the variable of that name.
func ParseVariable(name string) (v Variable, ok bool) {
	if kind, known := variableNames[name]; known {
		return Variable{Kind: kind}, true
	}
	for _, p := range variablePrefixes {
		if arg, has := strings.CutPrefix(name, p.prefix); has && arg != "" {
			if p.kind == VariableHeader || p.kind == VariableReplyHeader {
				arg = strings.ToLower(arg)
			}
			return Variable{p.kind, arg}, true
		}
	}
	return v, false
}

// TemplatePart is a part of a template: literal text, or a variable where Variable
// is not nil.
type TemplatePart[V any] struct {
	Text     string
	Variable *V
}

// Segment is a part of a value that may hold variables.
type Segment = TemplatePart[Variable]

// ParseTemplate splits a value at its %variables%. "%%" is a percent sign, and so
// is one that no name of a variable can follow. unknown is the first name that
// is none of a variable.
func ParseTemplate(value string) (list []Segment, unknown string) {
	list = splitTemplate(value, func(name string, closed bool) (*Variable, bool) {
		if !closed || strings.Trim(name, variableBytes) != "" {
			return nil, false
		}
		v, ok := ParseVariable(name)
		if !ok && unknown == "" {
			unknown = name
		}
		return &v, true
	})
	return list, unknown
}

// splitTemplate splits a template at its %names%; "%%" is a percent sign. find is
// asked for the variable behind each other one: of the name up to the next percent
// sign, or, not closed, of the rest. Where ok is false, the percent sign is text.
func splitTemplate[V any](template string, find func(name string, closed bool) (v *V, ok bool)) (list []TemplatePart[V]) {
	text := func(s string) {
		if n := len(list); n > 0 && list[n-1].Variable == nil {
			list[n-1].Text += s
		} else if s != "" {
			list = append(list, TemplatePart[V]{Text: s})
		}
	}
	for {
		before, rest, found := strings.Cut(template, "%")
		text(before)
		if !found {
			return list
		}
		name, after, closed := strings.Cut(rest, "%")
		if closed && name == "" {
			text("%")
		} else if v, ok := find(name, closed); ok {
			list = append(list, TemplatePart[V]{Variable: v})
		} else {
			text("%")
			after = rest
		}
		template = after
	}
}

// variableBytes are what names of variables consist of.
const variableBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

// variable reads a key with the name of a variable.
func (v view) variable(name string, where scope) {
	if s := v.text(name); s != "" {
		v.knownVariable(name, s, where)
	}
}

// template reads a key with a value that may hold variables.
func (v view) template(name string, where scope) string {
	value := v.text(name)
	list, unknown := ParseTemplate(value)
	if unknown != "" {
		v.knownVariable(name, unknown, where)
		return value
	}
	for _, s := range list {
		if s.Variable != nil && s.Variable.Kind.scope() > where {
			v.early(name, where)
		}
	}
	return value
}

// knownVariable reports a name that is none of a variable, or one that has no
// value yet where it stands.
func (v view) knownVariable(key, name string, where scope) {
	found, ok := ParseVariable(name)
	switch {
	case !ok:
		at, path := v.at(key)
		v.c.report(Error, at, path, name, variableSuggestions(where), "unknown variable %q", name)
	case found.Kind.scope() > where:
		v.early(key, where)
	}
}

func (v view) early(key string, where scope) {
	when := "before its route is chosen"
	if where == inRequest {
		when = "before there is a reply"
	}
	v.errorf(key, "the variable has no value yet: it is needed %s", when)
}

// variableSuggestions are the names that may be meant.
func variableSuggestions(where scope) []string {
	var names []string
	for name, kind := range variableNames {
		if kind.scope() <= where {
			names = append(names, name)
		}
	}
	for _, p := range variablePrefixes {
		if p.kind.scope() <= where {
			names = append(names, p.prefix+"NAME")
		}
	}
	slices.Sort(names) // the first of two that are as near
	return names
}
