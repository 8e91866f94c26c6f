// SPDX-License-Identifier: Apache-2.0

package convert

import "bytes"

// Fields of a Bolt frame as HTTP/2 header names (MOSN's property headers).
const (
	nameProtocol   = "protocol"
	nameType       = "cmdtype"
	nameCommand    = "cmdcode"
	nameVersion    = "version"
	nameRequestID  = "requestid"
	nameCodec      = "codec"
	nameTimeout    = "timeout"
	nameContentLen = "contentlen"
	nameClass      = "classname"
	nameVer1       = "ver1"
	nameSwitch     = "switchcode"
	nameStatus     = "respstatus"
	nameStatusTime = "resptimemills"
)

// BoltHeader carries what the fields of an HTTP/2 header block cannot say of a
// Bolt header map.
const BoltHeader = "x-sideloop-bolt"

// mosnPrefix begins the names that MOSN keeps for itself.
const mosnPrefix = "x-mosn-"

// ownPrefix begins our own names; of them only codec.ReasonHeader is passed on.
const ownPrefix = "x-sideloop-"

// grpcPrefix begins names that would make an HTTP/2 peer take the exchange for
// gRPC.
const grpcPrefix = "grpc-"

// isProperty tells whether a field name stands for a part of the Bolt frame.
func isProperty(name []byte) bool {
	switch string(name) {
	case nameProtocol, nameType, nameCommand, nameVersion, nameRequestID, nameCodec, nameTimeout,
		nameContentLen, nameClass, nameVer1, nameSwitch, nameStatus, nameStatusTime:
		return true
	}
	return false
}

// isReserved tells whether a field name means something to HTTP/2, to gRPC or
// to a proxy on the way. A pair of the Bolt map under such a name never becomes
// a field, and such a field never becomes a pair.
func isReserved(name []byte) bool {
	switch string(name) {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te",
		"trailer", "content-length", "content-type", "content-encoding", "host", "expect", "cookie", "set-cookie",
		"authorization", "proxy-authorization", "proxy-authenticate":
		return true
	}
	if bytes.HasPrefix(name, []byte(ownPrefix)) {
		return string(name) != reasonHeader
	}
	return bytes.HasPrefix(name, []byte(mosnPrefix)) || bytes.HasPrefix(name, []byte(grpcPrefix))
}

// tokenBytes are the characters of an HTTP field name (RFC 9110, 5.6.2).
var tokenBytes = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// fieldValue tells whether HTTP/2 carries v as it is: no control character and
// no space at either end (RFC 9113, 8.2.1).
func fieldValue(v []byte) bool {
	if len(v) == 0 {
		return true
	}
	if isSpace(v[0]) || isSpace(v[len(v)-1]) {
		return false
	}
	for _, c := range v {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// isLower tells whether lower-casing changes nothing.
func isLower(b []byte) bool {
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// equalLower tells whether key, in lower case, is name.
func equalLower(key, name []byte) bool {
	if len(key) != len(name) {
		return false
	}
	for i, c := range key {
		if lowerByte(c) != name[i] {
			return false
		}
	}
	return true
}
