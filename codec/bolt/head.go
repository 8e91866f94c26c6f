// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"time"

	"github.com/sideloop/sideloop/codec"
)

// Protocol codes: the first byte of every frame.
const (
	V1 byte = 1
	V2 byte = 2
)

// Frame types.
const (
	TypeResponse byte = 0
	TypeRequest  byte = 1
	TypeOneWay   byte = 2
)

// Command codes.
const (
	CommandHeartbeat uint16 = 0
	CommandRequest   uint16 = 1
	CommandResponse  uint16 = 2
	// CommandGoAway is MOSN's extension: the peer wants no new requests on
	// this connection.
	CommandGoAway uint16 = 100
)

// Serialisation codecs that the proxy itself writes in frames of its own.
const CodecHessian byte = 1

// SwitchCRC is the bit of Switch that, when Ver1 is 2, says that a CRC32
// follows the frame.
const SwitchCRC byte = 1

// Head is everything of a Bolt frame before its content.
type Head struct {
	Version byte   // V1 or V2
	Ver1    byte   // v2 only: 1 or 2
	Type    byte   // TypeResponse, TypeRequest or TypeOneWay
	Command uint16 // CommandRequest, ...
	Ver2    byte   // 1
	ID      uint32 // request id, of this connection only
	Codec   byte   // serialisation of class and content: 1 hessian, 11 protobuf, ...
	Switch  byte   // v2 only; see SwitchCRC
	// TimeoutMS is the client's timeout in milliseconds; requests only. Zero
	// means that none was stated, a negative value that there is none.
	TimeoutMS int32
	Status    uint16 // responses only
	Class     []byte
	Map       HeaderMap
	// ContentLength is the number of content bytes that follow the head.
	ContentLength uint32

	// Raw is the head as it came off the wire, protocol byte through header
	// map, while none of the fields above has been changed; nil for a head
	// that was built. It allows to forward it with only the id patched.
	Raw []byte

	// names are the lengths of the keys in Map; see keyLengths.
	names keyLengths
}

var _ codec.Head = (*Head)(nil)

// CRC tells whether a checksum follows the content.
func (h *Head) CRC() bool { return h.Version == V2 && h.Ver1 == 2 && h.Switch&SwitchCRC != 0 }

// Protocol implements codec.Head.
func (h *Head) Protocol() codec.Protocol { return codec.Bolt }

// Get implements codec.Head over the header map.
func (h *Head) Get(name string) ([]byte, bool) {
	if !h.MayHave(name) {
		return nil, false
	}
	return h.Map.Get(name)
}

// MayHave is false where the header map surely has no such key, and costs less
// than to look.
func (h *Head) MayHave(name string) bool { return h.names == 0 || h.names.has(len(name)) }

// ClassName is the class of the content; routes may name it.
func (h *Head) ClassName() []byte { return h.Class }

// Method implements codec.Head; Bolt has none.
func (h *Head) Method() []byte { return nil }

// Path implements codec.Head; Bolt has none.
func (h *Head) Path() []byte { return nil }

// Authority implements codec.Head; Bolt has none.
func (h *Head) Authority() []byte { return nil }

// HTTPStatus implements codec.Head.
func (h *Head) HTTPStatus() int {
	if h.Type != TypeResponse {
		return 0
	}
	return codec.HTTPStatusFromBolt(h.Status)
}

// BodyLength implements codec.Head. Bolt always states it.
func (h *Head) BodyLength() int64 { return int64(h.ContentLength) }

// OneWay implements codec.Head.
func (h *Head) OneWay() bool { return h.Type == TypeOneWay }

// Timeout implements codec.Head.
func (h *Head) Timeout() (time.Duration, bool) {
	if h.Type == TypeResponse || h.TimeoutMS == 0 {
		return 0, false
	}
	return time.Duration(h.TimeoutMS) * time.Millisecond, true
}

// Streaming implements codec.Head.
func (h *Head) Streaming() bool { return false }

// Copy implements codec.Head.
func (h *Head) Copy(a *codec.Arena) codec.Head {
	dst, _ := a.Head(codec.Bolt).(*Head)
	if dst == nil {
		dst = new(Head)
		a.SetHead(codec.Bolt, dst)
	}
	*dst = *h
	a.Reserve(len(h.Raw) + len(h.Class) + len(h.Map))
	if h.Raw == nil {
		dst.Class, dst.Map = a.Keep(h.Class), HeaderMap(a.Keep(h.Map))
		return dst
	}
	dst.Raw = a.Keep(h.Raw)
	fixed := len(h.Raw) - len(h.Class) - len(h.Map)
	dst.Class = dst.Raw[fixed : fixed+len(h.Class)]
	dst.Map = HeaderMap(dst.Raw[fixed+len(h.Class):])
	return dst
}
