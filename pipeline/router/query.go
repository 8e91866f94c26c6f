// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

// Request is what a match may look at. codec.Head satisfies it.
type Request interface {
	Get(name string) (value []byte, ok bool)
	Method() []byte
	Path() []byte
	Authority() []byte
}

// What only one protocol's requests have.
type (
	// schemed requests are of HTTP.
	schemed interface{ URIScheme() []byte }
	// classed requests are of Bolt.
	classed interface{ ClassName() []byte }
)

// Peer is a connection by its addresses and by what TLS has found.
type Peer interface {
	RemoteAddr() net.Addr
	LocalAddr() net.Addr
	// AppendSecurity appends the value of a variable of TLS: nothing where it
	// has none.
	AppendSecurity(b []byte, v config.VariableKind) []byte
}

// Query is a request together with what is known of where it came from. A loop
// has one, so that asking costs no memory; what Value returns is valid until the
// next call on it.
type Query struct {
	Request
	// Peer is the client's connection, nil where there is none.
	Peer     Peer
	Protocol codec.Protocol
	// Cluster is the one that was chosen, and Reply what came of it, where
	// variables are used after that.
	Cluster string
	Reply   codec.Head

	room [addressSize]byte
	// text is room for what has no bound of its own.
	text []byte
}

// addressSize is room for any IP address with zone and port, and for a status.
const addressSize = 96

// header is a header, or what stands in for one of that name.
func (q *Query) header(name string) ([]byte, bool) {
	v, ok := q.Get(name)
	if ok {
		return v, true
	}
	switch name {
	case "method", ":method":
		// MOSN lets "method" stand for the pseudo-header.
		v = q.Method()
	case "classname":
		if c, is := q.Request.(classed); is {
			v = c.ClassName()
		}
	}
	return v, len(v) > 0
}

// Value is the value of a variable; ok is false where the request has none.
func (q *Query) Value(v *config.Variable) (value []byte, ok bool) {
	switch v.Kind {
	case config.VariableHost:
		value = q.Authority()
	case config.VariablePath:
		value = withoutQuery(q.Path())
	case config.VariableURI:
		value = q.Path()
	case config.VariableQuery:
		value = queryOf(q.Path())
	case config.VariableMethod:
		value = q.Method()
	case config.VariableScheme:
		value = q.scheme()
	case config.VariableHeader:
		return q.header(v.Name)
	case config.VariableParameter:
		return parameter(queryOf(q.Path()), v.Name)
	case config.VariableCookie:
		return q.cookie(v.Name)
	case config.VariableRemote:
		value = q.remote()
	case config.VariableLocal:
		value = q.local()
	case config.VariableProtocol:
		value = append(q.room[:0], q.Protocol.MOSNName()...)
	case config.VariableTLSVersion, config.VariableTLSCipher, config.VariableServerName, config.VariablePeerSubject,
		config.VariablePeerIssuer, config.VariablePeerSerial, config.VariablePeerURI, config.VariablePeerDNS, config.VariablePeerFingerprint:
		value = q.security(v.Kind)
	case config.VariableCluster:
		value = append(q.room[:0], q.Cluster...)
	case config.VariableStatus:
		value = q.status()
	case config.VariableReplyHeader:
		if q.Reply != nil {
			return q.Reply.Get(v.Name)
		}
	}
	return value, len(value) > 0
}

func (q *Query) scheme() []byte {
	if s, ok := q.Request.(schemed); ok {
		return s.URIScheme()
	}
	return nil
}

func (q *Query) status() []byte {
	if q.Reply == nil {
		return nil
	}
	n := q.Reply.HTTPStatus()
	return append(q.room[:0], byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}

// address is an address with its port; a Unix socket's is its path.
func (q *Query) address(a net.Addr) []byte {
	switch a := a.(type) {
	case *net.TCPAddr:
		if ip, ok := addressOf(a); ok {
			return netip.AddrPortFrom(ip, uint16(a.Port)).AppendTo(q.room[:0])
		}
	case *net.UnixAddr:
		return append(q.room[:0], a.Name...)
	}
	return nil
}

// remote and local are the addresses of the client's connection.
func (q *Query) remote() []byte {
	if q.Peer == nil {
		return nil
	}
	return q.address(q.Peer.RemoteAddr())
}

func (q *Query) local() []byte {
	if q.Peer == nil {
		return nil
	}
	return q.address(q.Peer.LocalAddr())
}

// security is what TLS has found of the client's connection.
func (q *Query) security(v config.VariableKind) []byte {
	if q.Peer == nil {
		return nil
	}
	q.text = q.Peer.AppendSecurity(q.text[:0], v)
	return q.text
}

// source is the client's address without its port.
func (q *Query) source() []byte {
	if q.Peer == nil {
		return nil
	}
	if a, ok := q.Peer.RemoteAddr().(*net.TCPAddr); ok {
		if ip, ok := addressOf(a); ok {
			return ip.AppendTo(q.room[:0])
		}
	}
	return q.remote()
}

func addressOf(a *net.TCPAddr) (netip.Addr, bool) {
	ip, ok := netip.AddrFromSlice(a.IP)
	return ip.Unmap(), ok
}

// cookie is the value of a cookie.
func (q *Query) cookie(name string) ([]byte, bool) {
	rest, _ := q.Get("cookie")
	for len(rest) > 0 {
		var crumb []byte
		crumb, rest, _ = bytes.Cut(rest, []byte(";"))
		if key, value, ok := bytes.Cut(bytes.TrimLeft(crumb, " "), []byte("=")); ok && string(key) == name {
			return bytes.Trim(value, `"`), true
		}
	}
	return nil, false
}

func withoutQuery(path []byte) []byte {
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		return path[:i]
	}
	return path
}

// queryOf is what follows the question mark.
func queryOf(path []byte) []byte {
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		return path[i+1:]
	}
	return nil
}

// parameter is the first value of a parameter, as it stands in the query.
func parameter(query []byte, name string) ([]byte, bool) {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte("&"))
		if key, value, _ := bytes.Cut(pair, []byte("=")); string(key) == name {
			return value, true
		}
	}
	return nil, false
}
