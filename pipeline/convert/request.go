// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"math"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

var (
	methodGet  = []byte("GET")
	methodPost = []byte("POST")
	schemeHTTP = []byte("http")
	rootPath   = []byte("/")
)

// requestClass is the class of a SOFARPC request, for requests of plain HTTP/2
// clients that name none.
var requestClass = []byte("com.alipay.sofa.rpc.core.request.SofaRequest")

func (c *Converter) requestToHTTP2(h *bolt.Head) *http2.Head {
	b := &c.request.fields
	b.reset()
	b.head.Scheme, b.head.PathName = schemeHTTP, rootPath
	b.head.MethodName = methodPost
	if h.ContentLength == 0 {
		b.head.MethodName = methodGet
	}
	b.head.ContentLength = int64(h.ContentLength)
	b.properties(h)
	b.number(nameTimeout, int64(h.TimeoutMS))
	b.content(h)
	b.pairs(h)
	b.number("content-length", int64(h.ContentLength))
	return &b.head
}

// requestToBolt also serves requests of plain clients: what they do not state
// has the value that a SOFARPC client would send.
func (c *Converter) requestToBolt(h *http2.Head) (*bolt.Head, codec.Reason) {
	s := &c.request
	s.bolt = bolt.Head{
		Version: bolt.V1, Ver1: 1, Type: bolt.TypeRequest, Command: bolt.CommandRequest,
		Ver2: 1, Codec: bolt.CodecHessian, Class: requestClass,
	}
	if h.ContentLength > maxBoltContent {
		return nil, codec.BodyTooLarge
	}
	if h.ContentLength > 0 {
		s.bolt.ContentLength = uint32(h.ContentLength)
	}
	if !readProperties(h, &s.bolt) || s.bolt.Type == bolt.TypeResponse || s.bolt.Command != bolt.CommandRequest {
		return nil, codec.ProtocolError
	}
	if r := rebuild(&s.pairs, h, &s.bolt); r != codec.ReasonNone {
		return nil, r
	}
	return &s.bolt, codec.ReasonNone
}

// rebuild sets the header map, and the class where only the description can
// say it.
func rebuild(m *mapBuilder, h *http2.Head, b *bolt.Head) codec.Reason {
	description, ok := h.Get(BoltHeader)
	switch {
	case !ok:
		m.plainFields(h.Fields)
	case !m.described(h.Fields, description) || repeated(h, BoltHeader):
		return codec.ProtocolError
	case m.class != nil:
		if _, twice := h.Get(nameClass); twice {
			return codec.ProtocolError
		}
		b.Class = m.class
	}
	if len(m.encoded) > math.MaxUint16 || len(b.Class) > math.MaxUint16 {
		return codec.HeaderTooLarge
	}
	b.Map = bolt.HeaderMap(m.encoded)
	return codec.ReasonNone
}

func repeated(h *http2.Head, name string) bool {
	n := 0
	for i := range h.Fields {
		if string(h.Fields[i].Name) == name {
			n++
		}
	}
	return n > 1
}

// readProperties sets the frame fields that h states. It is false where one
// does not parse or stands twice.
func readProperties(h *http2.Head, b *bolt.Head) bool {
	var seen uint32
	for i := range h.Fields {
		f := &h.Fields[i]
		bit, ok := readProperty(f.Name, f.Value, b)
		if !ok || bit != 0 && seen&bit != 0 {
			return false
		}
		seen |= bit
	}
	return b.Version == bolt.V1 || b.Version == bolt.V2 && (b.Ver1 == 1 || b.Ver1 == 2)
}

// readProperty sets one frame field. bit is the field's own, 0 for a name that
// is no property; ok is false for a value out of range.
func readProperty(name, value []byte, b *bolt.Head) (bit uint32, ok bool) {
	var n int64
	switch string(name) {
	case nameProtocol:
		n, ok = number(value, int64(bolt.V2))
		b.Version = byte(n)
		return 1 << 0, ok && n > 0
	case nameType:
		n, ok = number(value, int64(bolt.TypeOneWay))
		b.Type = byte(n)
		return 1 << 1, ok
	case nameCommand:
		n, ok = number(value, math.MaxUint16)
		b.Command = uint16(n)
		return 1 << 2, ok
	case nameVersion:
		n, ok = number(value, math.MaxUint8)
		b.Ver2 = byte(n)
		return 1 << 3, ok
	case nameCodec:
		n, ok = number(value, math.MaxUint8)
		b.Codec = byte(n)
		return 1 << 4, ok
	case nameTimeout:
		b.TimeoutMS, ok = timeout(value)
		return 1 << 5, ok
	case nameClass:
		b.Class = value
		return 1 << 6, true
	case nameVer1:
		n, ok = number(value, math.MaxUint8)
		b.Ver1 = byte(n)
		return 1 << 7, ok
	case nameSwitch:
		n, ok = number(value, math.MaxUint8)
		b.Switch = byte(n)
		return 1 << 8, ok
	case nameStatus:
		n, ok = number(value, math.MaxUint16)
		b.Status = uint16(n)
		return 1 << 9, ok
	}
	// The request id is the connection's own, the content length is what the
	// body turns out to be, the status time says nothing.
	return 0, true
}

// timeout reads milliseconds. MOSN writes -1, no timeout, as 4294967295.
func timeout(v []byte) (int32, bool) {
	if len(v) > 1 && v[0] == '-' {
		n, ok := number(v[1:], math.MaxInt32)
		return int32(-n), ok
	}
	n, ok := number(v, math.MaxUint32)
	if n > math.MaxInt32 {
		return -1, ok && n == math.MaxUint32
	}
	return int32(n), ok
}

// number reads a decimal number from 0 to limit.
func number(v []byte, limit int64) (int64, bool) {
	if len(v) == 0 || len(v) > 10 {
		return 0, false
	}
	var n int64
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n <= limit
}
