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
	if !readProperties(h, &s.bolt, plainRequest) || s.bolt.Type == bolt.TypeResponse || s.bolt.Command != bolt.CommandRequest {
		return nil, codec.ProtocolError
	}
	if r := rebuild(&s.pairs, h, &s.bolt); r != codec.ReasonNone {
		return nil, r
	}
	if _, sidecar := h.Get(nameProtocol); !sidecar {
		return &s.bolt, plainCall(&s.pairs, h, &s.bolt)
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

// Properties that count where no sidecar sent the message, whose other fields
// of such names are an application's own and mean something else.
const (
	plainRequest = propType | propCodec | propTimeout | propClass
	plainReply   = 0
)

// Bits of the properties that a head is made of.
const (
	propProtocol uint32 = 1 << iota
	propType
	propCommand
	propVersion
	propCodec
	propTimeout
	propClass
	propVer1
	propSwitch
	propStatus
)

// readProperties sets the frame fields that h states. It is false where one
// does not parse or stands twice. Without nameProtocol only the plain ones
// count.
func readProperties(h *http2.Head, b *bolt.Head, plain uint32) bool {
	if _, sidecar := h.Get(nameProtocol); sidecar {
		plain = ^uint32(0)
	}
	var seen uint32
	for i := range h.Fields {
		f := &h.Fields[i]
		bit := property(f.Name) & plain
		if bit == 0 {
			continue
		}
		if seen&bit != 0 || !setProperty(bit, f.Value, b) {
			return false
		}
		seen |= bit
	}
	return b.Version == bolt.V1 || b.Version == bolt.V2 && (b.Ver1 == 1 || b.Ver1 == 2)
}

// property is the bit of a field name, 0 for one that is no property or that
// says nothing: the request id is the connection's own, the content length is
// what the body turns out to be.
func property(name []byte) uint32 {
	switch string(name) {
	case nameProtocol:
		return propProtocol
	case nameType:
		return propType
	case nameCommand:
		return propCommand
	case nameVersion:
		return propVersion
	case nameCodec:
		return propCodec
	case nameTimeout:
		return propTimeout
	case nameClass:
		return propClass
	case nameVer1:
		return propVer1
	case nameSwitch:
		return propSwitch
	case nameStatus:
		return propStatus
	}
	return 0
}

// setProperty sets one frame field; it is false for a value out of range.
func setProperty(bit uint32, value []byte, b *bolt.Head) bool {
	switch bit {
	case propClass:
		b.Class = value
		return true
	case propTimeout:
		var ok bool
		b.TimeoutMS, ok = timeout(value)
		return ok
	}
	n, ok := number(value, math.MaxUint16)
	switch bit {
	case propCommand:
		b.Command = uint16(n)
		return ok
	case propStatus:
		b.Status = uint16(n)
		return ok
	case propProtocol:
		b.Version = byte(n)
		return ok && (n == int64(bolt.V1) || n == int64(bolt.V2))
	case propType:
		b.Type = byte(n)
		return ok && n <= int64(bolt.TypeOneWay)
	case propVersion:
		b.Ver2 = byte(n)
	case propCodec:
		b.Codec = byte(n)
	case propVer1:
		b.Ver1 = byte(n)
	case propSwitch:
		b.Switch = byte(n)
	}
	return ok && n <= math.MaxUint8
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
