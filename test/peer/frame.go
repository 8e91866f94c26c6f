// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Flags of frames, for those that are made by Frame.
const (
	EndStream  = http2.FlagDataEndStream
	EndHeaders = http2.FlagHeadersEndHeaders
	Padded     = http2.FlagDataPadded
	Priority   = http2.FlagHeadersPriority
)

// Frame is any frame, legal or not.
func Frame(kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) []byte {
	b := make([]byte, 9, 9+len(payload))
	binary.BigEndian.PutUint32(b, uint32(len(payload))<<8|uint32(kind))
	b[4] = byte(flags)
	binary.BigEndian.PutUint32(b[5:], id)
	return append(b, payload...)
}

// Settings is a SETTINGS frame.
func Settings(settings ...http2.Setting) []byte {
	var p []byte
	for _, s := range settings {
		p = binary.BigEndian.AppendUint16(p, uint16(s.ID))
		p = binary.BigEndian.AppendUint32(p, s.Val)
	}
	return Frame(http2.FrameSettings, 0, 0, p)
}

func SettingsAck() []byte { return Frame(http2.FrameSettings, http2.FlagSettingsAck, 0, nil) }

func Ping() []byte { return Frame(http2.FramePing, 0, 0, []byte("12345678")) }

func Data(id uint32, b []byte, flags http2.Flags) []byte {
	return Frame(http2.FrameData, flags, id, b)
}

func Headers(id uint32, block []byte, flags http2.Flags) []byte {
	return Frame(http2.FrameHeaders, flags, id, block)
}

func Continuation(id uint32, block []byte, flags http2.Flags) []byte {
	return Frame(http2.FrameContinuation, flags, id, block)
}

func Reset(id uint32, code http2.ErrCode) []byte {
	return Frame(http2.FrameRSTStream, 0, id, word(uint32(code)))
}

func WindowUpdate(id, n uint32) []byte {
	return Frame(http2.FrameWindowUpdate, 0, id, word(n))
}

// PriorityOn is PRIORITY that makes a stream depend on another.
func PriorityOn(id, parent uint32) []byte {
	return Frame(http2.FramePriority, 0, id, append(word(parent), 15))
}

func word(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// Block cuts a header block into HEADERS and CONTINUATION frames of at most size
// bytes.
func Block(id uint32, block []byte, size int, flags http2.Flags) []byte {
	first := min(size, len(block))
	rest := block[first:]
	if len(rest) == 0 {
		return Headers(id, block, flags|EndHeaders)
	}
	b := Headers(id, block[:first], flags)
	for len(rest) > 0 {
		n := min(size, len(rest))
		end := http2.Flags(0)
		if n == len(rest) {
			end = EndHeaders
		}
		b = append(b, Continuation(id, rest[:n], end)...)
		rest = rest[n:]
	}
	return b
}

// Encoder makes header blocks.
type Encoder struct {
	block   bytes.Buffer
	encoder *hpack.Encoder
}

// Block encodes alternating names and values. It is valid until the next call.
func (e *Encoder) Block(fields ...string) []byte {
	if e.encoder == nil {
		e.encoder = hpack.NewEncoder(&e.block)
	}
	e.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		e.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return e.block.Bytes()
}

// Request encodes a request for a path with more fields.
func (e *Encoder) Request(method, path string, fields ...string) []byte {
	return e.Block(append([]string{":method", method, ":scheme", "http", ":authority", "a", ":path", path}, fields...)...)
}

// Plain is a request's header block without use of the dynamic table, so that it
// may be sent in any order and on any connection.
func Plain(method, path string, fields ...string) []byte {
	all := append([]string{":method", method, ":scheme", "http", ":authority", "a", ":path", path}, fields...)
	var b []byte
	for i := 0; i < len(all); i += 2 {
		b = append(b, Literal(all[i], all[i+1])...)
	}
	return b
}

// Literal is one field, neither indexed nor Huffman-coded, of lengths below 127
// or spelt out.
func Literal(name, value string) []byte {
	b := appendLength([]byte{0}, len(name))
	b = append(b, name...)
	b = appendLength(b, len(value))
	return append(b, value...)
}

// Indexed is one field that enters the dynamic table, as its first entry.
func Indexed(name, value string) []byte {
	b := Literal(name, value)
	b[0] = 0x40
	return b
}

// First refers to the first entry of the dynamic table.
const First = 0xbe

func appendLength(b []byte, n int) []byte {
	if n < 127 {
		return append(b, byte(n))
	}
	b = append(b, 127)
	for n -= 127; n >= 128; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}
