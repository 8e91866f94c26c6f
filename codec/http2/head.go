// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"slices"
	"time"
	"unsafe"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// Head is the header block of an HTTP/2 request, reply or trailer section.
// Pseudo-header fields have members of their own; an empty member is absent.
type Head struct {
	MethodName    []byte // :method, requests
	Scheme        []byte // :scheme, requests
	AuthorityName []byte // :authority, requests; host where that stood alone
	PathName      []byte // :path with query, requests
	ConnectProto  []byte // :protocol of an extended CONNECT (RFC 8441)
	Status        int    // :status, replies; 0 in requests and trailers

	// Fields are the regular fields in the order they came, names in lower
	// case. Cookie crumbs stay separate fields.
	Fields []hpack.Field

	// ContentLength is the validated content-length, 0 when the block ended
	// the message, else codec.BodyUnknown.
	ContentLength int64

	// names are the lengths of the fields' names; see nameLengths.
	names nameLengths

	// common is what a frozen head is the head of. A copy of the struct is not
	// frozen.
	common *common
}

var _ codec.Head = (*Head)(nil)

// Protocol implements codec.Head.
func (h *Head) Protocol() codec.Protocol { return codec.HTTP2 }

// nameLengths is a set of lengths, modulo 64: most names that are asked for and
// are not there are of a length that no name has. The empty set says nothing.
type nameLengths uint64

func (l *nameLengths) add(name []byte) { *l |= 1 << (uint(len(name)) % 64) }

// MayHave is false where there surely is no such field, and costs less than to
// look.
func (h *Head) MayHave(name string) bool { return h.names == 0 || h.names>>(uint(len(name))%64)&1 != 0 }

// Get implements codec.Head over the regular fields. Cookie crumbs are one value
// outside of HTTP/2 (RFC 9113, 8.2.3).
func (h *Head) Get(name string) ([]byte, bool) {
	if !h.MayHave(name) {
		return nil, false
	}
	for i := range h.Fields {
		if string(h.Fields[i].Name) != name {
			continue
		}
		if name == "cookie" {
			return joinCrumbs(h.Fields[i:]), true
		}
		return h.Fields[i].Value, true
	}
	return nil, false
}

// joinCrumbs is the value of a cookie whose first crumb is the first field. A
// cookie that is not split is not copied.
func joinCrumbs(fields []hpack.Field) []byte {
	joined, copied := fields[0].Value, false
	for i := range fields[1:] {
		f := &fields[1+i]
		if string(f.Name) != "cookie" {
			continue
		}
		if !copied {
			joined, copied = slices.Clip(joined), true
		}
		joined = append(append(joined, "; "...), f.Value...)
	}
	return joined
}

// Method implements codec.Head.
func (h *Head) Method() []byte { return h.MethodName }

// Path implements codec.Head.
func (h *Head) Path() []byte { return h.PathName }

// URIScheme is what variables and redirects use of :scheme.
func (h *Head) URIScheme() []byte { return h.Scheme }

// Authority implements codec.Head.
func (h *Head) Authority() []byte { return h.AuthorityName }

// HTTPStatus implements codec.Head.
func (h *Head) HTTPStatus() int { return h.Status }

// BodyLength implements codec.Head.
func (h *Head) BodyLength() int64 { return h.ContentLength }

// OneWay implements codec.Head.
func (h *Head) OneWay() bool { return false }

// Timeout implements codec.Head by grpc-timeout: at most eight digits and a
// unit. A value that does not parse states no timeout.
func (h *Head) Timeout() (time.Duration, bool) {
	v, ok := h.Get("grpc-timeout")
	if !ok || len(v) < 2 || len(v) > 9 {
		return 0, false
	}
	var n int64
	for _, c := range v[:len(v)-1] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	unit, ok := grpcUnit(v[len(v)-1])
	if !ok {
		return 0, false
	}
	// 99999999 hours overflow int64 nanoseconds; such a deadline is none.
	if n > int64(1<<63-1)/int64(unit) {
		return 1<<63 - 1, true
	}
	return time.Duration(n) * unit, true
}

func grpcUnit(c byte) (time.Duration, bool) {
	switch c {
	case 'H':
		return time.Hour, true
	case 'M':
		return time.Minute, true
	case 'S':
		return time.Second, true
	case 'm':
		return time.Millisecond, true
	case 'u':
		return time.Microsecond, true
	case 'n':
		return time.Nanosecond, true
	}
	return 0, false
}

// isConnect tells a request for a tunnel, plain or extended.
func (h *Head) isConnect() bool { return string(h.MethodName) == "CONNECT" }

// Streaming implements codec.Head: gRPC exchanges may last.
func (h *Head) Streaming() bool {
	v, ok := h.Get("content-type")
	return ok && bytes.HasPrefix(v, []byte("application/grpc"))
}

// fieldSize is what a field takes beside its bytes.
const fieldSize = int(unsafe.Sizeof(hpack.Field{}))

// Copy implements codec.Head.
func (h *Head) Copy(a *codec.Arena) codec.Head {
	if h.Frozen() {
		return h
	}
	dst, _ := a.Head(codec.HTTP2).(*Head)
	if dst == nil {
		dst = new(Head)
		a.SetHead(codec.HTTP2, dst)
	}
	// At once: a peer may send as many as it is allowed, and what grows by
	// steps leaves as much behind again.
	fields := slices.Grow(dst.Fields[:0], len(h.Fields))
	*dst = *h
	a.Reserve(h.textSize())
	dst.MethodName, dst.Scheme = a.Keep(h.MethodName), a.Keep(h.Scheme)
	dst.AuthorityName, dst.PathName = a.Keep(h.AuthorityName), a.Keep(h.PathName)
	dst.ConnectProto = a.Keep(h.ConnectProto)
	for i := range h.Fields {
		f := &h.Fields[i]
		fields = append(fields, hpack.Field{Name: a.Keep(f.Name), Value: a.Keep(f.Value), Sensitive: f.Sensitive})
	}
	dst.Fields = fields
	a.Account(len(fields) * fieldSize)
	return dst
}

// textSize is the number of bytes of names and values that a copy keeps.
func (h *Head) textSize() int {
	size := len(h.MethodName) + len(h.Scheme) + len(h.AuthorityName) + len(h.PathName) + len(h.ConnectProto)
	for i := range h.Fields {
		size += len(h.Fields[i].Name) + len(h.Fields[i].Value)
	}
	return size
}
