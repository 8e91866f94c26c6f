// SPDX-License-Identifier: Apache-2.0

package bolt

import "encoding/binary"

// The fixed part of a frame, big endian. Version 2 has a byte ver1 after the
// first and a byte of switches after the codec:
//
//	v1  proto type command:2 ver2 id:4 codec          tail lengths
//	v2  proto ver1 type command:2 ver2 id:4 codec switch tail lengths
//
// The tail is timeout:4 in requests and status:2 in responses; the lengths are
// class:2 header map:2 content:4 and end the fixed part.
const (
	tailOffsetV1  = 10
	tailOffsetV2  = 12
	requestTail   = 4
	responseTail  = 2
	lengthsSize   = 8
	crcSize       = 4
	smallestFixed = tailOffsetV1 + responseTail + lengthsSize
)

// fixedSize is the size of the fixed part: 20 to 24 bytes.
func fixedSize(version, typ byte) int {
	n := tailOffsetV1 + lengthsSize + requestTail
	if version == V2 {
		n += tailOffsetV2 - tailOffsetV1
	}
	if typ == TypeResponse {
		n -= requestTail - responseTail
	}
	return n
}

// fault is what is wrong with a frame.
type fault uint8

const (
	faultNone     fault = iota
	faultProtocol       // first byte, ver1 or type unknown: not a frame at all
	faultLength         // a length that no peer may send
	faultTooLarge       // over Limits.MaxFrame
	faultMap            // the header map's lengths do not add up
	faultCRC            // the checksum does not match
)

// faultWords are the glitch words of the faults.
var faultWords = [...]string{
	faultNone:     "",
	faultProtocol: "not_bolt",
	faultLength:   "bad_length",
	faultTooLarge: "frame_too_large",
	faultMap:      "bad_header_map",
	faultCRC:      "crc_mismatch",
}

func (f fault) word() string { return faultWords[f] }

// place is where in the frame b the fault is, and how long its fixed part is,
// which says nothing of what it carries.
func (f fault) place(b []byte) (at, clear int) {
	version := b[0]
	shift := int(version - V1)
	if f == faultProtocol {
		switch {
		case version != V1 && version != V2:
			return 0, smallestFixed // who speaks something else is told apart by its first bytes
		case shift == 1 && len(b) > 1 && b[1] != 1 && b[1] != 2:
			return 1, smallestFixed
		}
		return 1 + shift, smallestFixed
	}
	fixed := fixedSize(version, b[1+shift])
	switch f {
	case faultLength:
		if binary.BigEndian.Uint16(b[fixed-8:]) > maxClass {
			return fixed - 8, fixed
		}
		return fixed - 4, fixed
	case faultTooLarge:
		return fixed - 4, fixed
	case faultMap:
		class := int(binary.BigEndian.Uint16(b[fixed-8:]))
		headers := int(binary.BigEndian.Uint16(b[fixed-6:]))
		start := fixed + class
		return start + HeaderMap(b[start:start+headers]).wrong(), fixed
	}
	return len(b) - crcSize, fixed
}

// extent is how far a frame reaches.
type extent struct {
	head    int   // fixed part, class and header map
	content int64 // 0 until it is known
	total   int64 // head, content and checksum
}

// measure reads the extent of the frame that b, which is not empty, begins.
// Until the fixed part is complete, known is false and the extent is a lower
// bound. A fault is reported as soon as the byte that shows it is there; at
// faultLength the fixed part is complete.
func measure(b []byte) (e extent, known bool, f fault) {
	version := b[0]
	if version != V1 && version != V2 {
		return e, false, faultProtocol
	}
	shift := int(version - V1)
	if shift == 1 && len(b) > 1 && b[1] != 1 && b[1] != 2 {
		return e, false, faultProtocol
	}
	if len(b) <= 1+shift {
		return extent{head: smallestFixed, total: smallestFixed}, false, faultNone
	}
	typ := b[1+shift]
	if typ > TypeOneWay {
		return e, false, faultProtocol
	}
	fixed := fixedSize(version, typ)
	if len(b) < fixed {
		return extent{head: fixed, total: int64(fixed)}, false, faultNone
	}
	class := int(binary.BigEndian.Uint16(b[fixed-8:]))
	headers := int(binary.BigEndian.Uint16(b[fixed-6:]))
	content := int64(binary.BigEndian.Uint32(b[fixed-4:]))
	if class > maxClass || content > maxContent {
		return e, true, faultLength
	}
	e.head, e.content = fixed+class+headers, content
	e.total = int64(e.head) + content
	if version == V2 && b[1] == 2 && b[11]&SwitchCRC != 0 {
		e.total += crcSize
	}
	return e, true, faultNone
}

// decodeFixed sets h to what the complete fixed part at the start of b says.
// Class, Map and Raw stay nil.
func (h *Head) decodeFixed(b []byte) {
	*h = Head{Version: b[0]}
	tail := tailOffsetV1
	p := b[1:]
	if h.Version == V2 {
		h.Ver1, h.Switch, tail = b[1], b[11], tailOffsetV2
		p = b[2:]
	}
	h.Type = p[0]
	h.Command = binary.BigEndian.Uint16(p[1:])
	h.Ver2 = p[3]
	h.ID = binary.BigEndian.Uint32(p[4:])
	h.Codec = p[8]
	if h.Type == TypeResponse {
		h.Status = binary.BigEndian.Uint16(b[tail:])
	} else {
		h.TimeoutMS = int32(binary.BigEndian.Uint32(b[tail:]))
	}
	h.ContentLength = binary.BigEndian.Uint32(b[fixedSize(h.Version, h.Type)-4:])
}

// decode sets h to the complete head b, which it keeps views of.
func (h *Head) decode(b []byte) {
	h.decodeFixed(b)
	fixed := fixedSize(h.Version, h.Type)
	class := int(binary.BigEndian.Uint16(b[fixed-8:]))
	h.Class = b[fixed : fixed+class : fixed+class]
	h.Map = HeaderMap(b[fixed+class : len(b) : len(b)])
	h.Raw = b[:len(b):len(b)]
}
