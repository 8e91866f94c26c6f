// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"math"
	"slices"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// nameByte tells which bytes a field name may have: those of a token (RFC 9110,
// 5.6.2) without upper case (RFC 9113, 8.2.1). methodByte has upper case too.
var nameByte, methodByte [256]bool

func init() {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
		nameByte[c], methodByte[c] = true, true
	}
	for c := 'A'; c <= 'Z'; c++ {
		methodByte[c] = true
	}
}

func all(b []byte, allowed *[256]bool) bool {
	for _, c := range b {
		if !allowed[c] {
			return false
		}
	}
	return len(b) > 0
}

// validValue tells that a field value has no control character but HTAB and no
// white space at its ends (RFC 9113, 8.2.1; RFC 9110, 5.5).
func validValue(b []byte) bool {
	for _, c := range b {
		if (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return len(b) == 0 || (!blank(b[0]) && !blank(b[len(b)-1]))
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// fieldRule is what is special about a field.
type fieldRule uint8

const (
	plain fieldRule = iota
	// hop fields are of one HTTP/1 connection and illegal in HTTP/2 (RFC 9113,
	// 8.2.2).
	hop
	te
	contentLength
	host
	// secret values are never indexed; crumb values only if they are too long
	// to be guessed.
	secret
	crumb
)

func ruleOf(name []byte) fieldRule {
	switch string(name) {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return hop
	case "te":
		return te
	case "content-length":
		return contentLength
	case "host":
		return host
	case "authorization", "proxy-authorization":
		return secret
	case "cookie", "set-cookie":
		return crumb
	}
	return plain
}

// guessable is the length below which a cookie might be found out by trying
// (RFC 7541, 7.1.3).
const guessable = 20

// teTrailers is all that te may say (RFC 9113, 8.2.2).
var teTrailers = []byte("trailers")

// legal tells that a field may be in a message of HTTP/2.
func legal(f *hpack.Field, rule fieldRule) bool {
	switch {
	case rule == hop || !all(f.Name, &nameByte) || !validValue(f.Value):
		return false
	case rule == te:
		return bytes.EqualFold(f.Value, teTrailers)
	}
	return true
}

// appendFields encodes the regular fields. What HTTP/2 does not allow is left
// out, and so is host where it differs from :authority (RFC 9113, 8.3.1).
func (c *conn) appendFields(b []byte, fields []hpack.Field, authority []byte) []byte {
	for i := range fields {
		f := &fields[i]
		rule := ruleOf(f.Name)
		if !legal(f, rule) || (rule == host && differs(f, authority)) {
			continue
		}
		sensitive := f.Sensitive || rule == secret || (rule == crumb && len(f.Value) < guessable)
		b = c.enc.AppendField(b, f.Name, f.Value, sensitive)
	}
	return b
}

// regular checks the fields behind the pseudo-header fields and makes them the
// head's. It returns the word of what is wrong.
func (m *message) regular(fields []hpack.Field) string {
	h := &m.head
	h.ContentLength = codec.BodyUnknown
	for i := range fields {
		f := &fields[i]
		h.names.add(f.Name)
		rule := ruleOf(f.Name)
		if !legal(f, rule) {
			return fault(f, rule)
		}
		if rule != contentLength {
			continue
		}
		n, ok := parseLength(f.Value)
		if !ok || (h.ContentLength != codec.BodyUnknown && h.ContentLength != n) {
			return "content_length"
		}
		h.ContentLength = n
	}
	h.Fields = fields
	return ""
}

// fault names what is illegal about a field.
func fault(f *hpack.Field, rule fieldRule) string {
	switch {
	case rule == hop || rule == te:
		return "connection_field"
	case len(f.Name) > 0 && f.Name[0] == ':':
		return "pseudo_field_misplaced"
	case !all(f.Name, &nameByte):
		return "field_name"
	}
	return "field_value"
}

// parseLength reads a content-length: digits only, within 63 bits.
func parseLength(b []byte) (int64, bool) {
	const most = 1<<63 - 1
	n := int64(0)
	for _, c := range b {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n > (most-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}

// trailers checks a trailer section (RFC 9113, 8.1).
func (m *message) trailers() string {
	if m.known != nil {
		return ""
	}
	word := m.regular(m.fields)
	m.head.ContentLength = 0
	return word
}

// setOnce sets a pseudo-header field, which may come once.
func setOnce(dst *[]byte, f *hpack.Field) bool {
	if *dst != nil {
		return false
	}
	*dst = f.Value
	if *dst == nil {
		*dst = []byte{}
	}
	return true
}

// request checks the fields of a request (RFC 9113, 8.3.1) and fills in the
// head. end tells that no body follows, connect that extended CONNECT was
// announced (RFC 8441).
func (m *message) request(end, connect bool) string {
	if m.known != nil {
		return ""
	}
	h := &m.head
	i := 0
	for ; i < len(m.fields) && len(m.fields[i].Name) > 0 && m.fields[i].Name[0] == ':'; i++ {
		f := &m.fields[i]
		known := false
		switch string(f.Name) {
		case ":method":
			known = setOnce(&h.MethodName, f)
		case ":scheme":
			known = setOnce(&h.Scheme, f)
		case ":authority":
			known = setOnce(&h.AuthorityName, f)
		case ":path":
			known = setOnce(&h.PathName, f)
		case ":protocol":
			known = connect && setOnce(&h.ConnectProto, f)
		}
		if !known {
			return "pseudo_field"
		}
	}
	if word := m.regular(m.fields[i:]); word != "" {
		return word
	}
	if word := h.checkTarget(); word != "" {
		return word
	}
	if word := m.settleHost(); word != "" {
		return word
	}
	if h.isConnect() {
		m.dropLength()
	}
	return m.endLength(end)
}

// settleHost checks host against :authority: it must name the same, so that
// nobody behind us decides otherwise. Where it stands alone it becomes
// :authority, which a request that is forwarded must have (RFC 9113, 8.3.1).
func (m *message) settleHost() string {
	h := &m.head
	at := -1
	for i := range h.Fields {
		if ruleOf(h.Fields[i].Name) != host {
			continue
		}
		if at >= 0 {
			return "host"
		}
		at = i
	}
	switch {
	case at < 0:
		return ""
	case len(h.AuthorityName) > 0:
		if !sameAuthority(h.Fields[at].Value, h.AuthorityName, h.Scheme) {
			return "host_mismatch"
		}
	case !validAuthority(h.Fields[at].Value):
		return "host"
	default:
		h.AuthorityName = h.Fields[at].Value
		h.Fields = append(h.Fields[:at], h.Fields[at+1:]...)
	}
	return ""
}

// sameAuthority compares two authorities of a scheme as RFC 3986, 6.2 does.
func sameAuthority(a, b, scheme []byte) bool {
	var port string
	switch string(scheme) {
	case "http":
		port = ":80"
	case "https":
		port = ":443"
	}
	trim := func(x []byte) []byte {
		if n := len(x) - len(port); n > 0 && string(x[n:]) == port {
			return x[:n]
		}
		return x
	}
	return bytes.EqualFold(trim(a), trim(b))
}

// differs tells that a host field contradicts :authority.
func differs(f *hpack.Field, authority []byte) bool {
	return len(authority) > 0 && !bytes.EqualFold(f.Value, authority)
}

// dropLength takes the content-length off a message that has none: CONNECT and
// the reply that accepts it (RFC 9110, 9.3.6).
func (m *message) dropLength() {
	h := &m.head
	if h.ContentLength == codec.BodyUnknown {
		return
	}
	h.ContentLength = codec.BodyUnknown
	h.Fields = slices.DeleteFunc(h.Fields, func(f hpack.Field) bool { return ruleOf(f.Name) == contentLength })
}

// endLength settles the content-length of a message that may end with its head.
func (m *message) endLength(end bool) string {
	if !end {
		return ""
	}
	if m.head.ContentLength > 0 {
		return "content_length_mismatch"
	}
	m.head.ContentLength = 0
	return ""
}

// checkTarget checks the pseudo-header fields of a request against each other.
func (h *Head) checkTarget() string {
	switch {
	case !all(h.MethodName, &methodByte):
		return "method"
	case !validAuthority(h.AuthorityName):
		return "authority"
	case h.ConnectProto != nil && (!h.isConnect() || !all(h.ConnectProto, &methodByte)):
		// RFC 8441, 4
		return "protocol"
	case h.isConnect() && h.ConnectProto == nil:
		// RFC 9113, 8.5
		if h.Scheme != nil || h.PathName != nil || !hasPort(h.AuthorityName) {
			return "connect"
		}
		return ""
	case !validScheme(h.Scheme):
		return "scheme"
	case !validPath(h.PathName, string(h.MethodName) == "OPTIONS"):
		return "path"
	}
	return ""
}

// validAuthority allows what a host and port may have (RFC 3986, 3.2) but no
// user information (RFC 9113, 8.3.1). Empty is absent.
func validAuthority(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || c == '@' || c == '/' || c == '?' || c == '#' || c == '\\' {
			return false
		}
	}
	return true
}

// hasPort tells that an authority ends with a port number, as that of CONNECT
// must (RFC 9110, 9.3.6).
func hasPort(authority []byte) bool {
	i := bytes.LastIndexByte(authority, ':')
	if i <= 0 {
		return false
	}
	port, ok := parseLength(authority[i+1:])
	return ok && port > 0 && port <= math.MaxUint16
}

// validScheme is RFC 3986, 3.1.
func validScheme(b []byte) bool {
	for i, c := range b {
		letter := (c|0x20) >= 'a' && (c|0x20) <= 'z'
		other := (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return len(b) > 0
}

// validPath wants an absolute path without white space, control characters or a
// fragment, or the asterisk of OPTIONS.
func validPath(b []byte, asterisk bool) bool {
	if len(b) == 0 || (b[0] != '/' && (!asterisk || string(b) != "*")) {
		return false
	}
	for _, c := range b {
		if c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return true
}
