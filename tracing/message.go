// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// message appends the fields of a protobuf message. OTLP's generated types would
// cost every process their descriptors at start, traces or not, and every span its
// objects.
type message []byte

func (m *message) bytes(field protowire.Number, v []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

func (m *message) text(field protowire.Number, v string) {
	*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

func (m *message) number(field protowire.Number, v uint64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), v)
}

func (m *message) fixed64(field protowire.Number, v uint64) {
	*m = protowire.AppendFixed64(protowire.AppendTag(*m, field, protowire.Fixed64Type), v)
}

func (m *message) fixed32(field protowire.Number, v uint32) {
	*m = protowire.AppendFixed32(protowire.AppendTag(*m, field, protowire.Fixed32Type), v)
}

// The length of a message within another is written in 4 bytes, which hold any
// that a batch has and need not be known before (a varint may be longer than it
// must).
const lengthSize = 4

// open begins a message within the message; close ends it.
func (m *message) open(field protowire.Number) (at int) {
	*m = append(protowire.AppendTag(*m, field, protowire.BytesType), 0, 0, 0, 0)
	return len(*m)
}

func (m *message) close(at int) {
	n := min(len(*m)-at, math.MaxInt32)
	b := (*m)[at-lengthSize : at]
	b[0], b[1], b[2], b[3] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)|0x80, byte(n>>21)&0x7f
}

// Fields of opentelemetry.proto.common.v1.
const (
	keyValueKey   = 1
	keyValueValue = 2
	anyString     = 1
	anyInt        = 3
)

// attribute adds a KeyValue with a text, unless it is empty.
func (m *message) attribute(field protowire.Number, key string, v []byte) {
	if len(v) == 0 {
		return
	}
	at := m.open(field)
	m.text(keyValueKey, key)
	value := m.open(keyValueValue)
	m.utf8(anyString, v)
	m.close(value)
	m.close(at)
}

func (m *message) textAttribute(field protowire.Number, key, v string) {
	if v == "" {
		return
	}
	at := m.open(field)
	m.text(keyValueKey, key)
	value := m.open(keyValueValue)
	m.text(anyString, v)
	m.close(value)
	m.close(at)
}

func (m *message) intAttribute(field protowire.Number, key string, v int64) {
	at := m.open(field)
	m.text(keyValueKey, key)
	value := m.open(keyValueValue)
	m.number(anyInt, uint64(v))
	m.close(value)
	m.close(at)
}

// utf8 adds a text of a peer. Receivers refuse a whole batch for one that is not
// UTF-8, so what is beyond ASCII is replaced.
func (m *message) utf8(field protowire.Number, v []byte) {
	m.bytes(field, v)
	written := (*m)[len(*m)-len(v):]
	for i, b := range written {
		if b >= 0x80 {
			written[i] = '?'
		}
	}
}

// rawID turns an id in hexadecimal into bytes.
func rawID(dst, hex []byte) []byte {
	for i := 0; i+1 < len(hex); i += 2 {
		dst = append(dst, nibble(hex[i])<<4|nibble(hex[i+1]))
	}
	return dst
}

func nibble(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b - 'a' + 10
}

// low64 is the lower half of a trace id in hexadecimal.
func low64(hex *[32]byte) uint64 {
	var room [8]byte
	return binary.BigEndian.Uint64(rawID(room[:0], hex[16:]))
}
