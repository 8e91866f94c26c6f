// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"strconv"

	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// fieldBuilder makes the fields of one HTTP/2 header block. Text that is not
// there already is written into its buffer; slices of it stay valid when the
// buffer grows, because they keep the array they point into.
type fieldBuilder struct {
	head  http2.Head
	bytes []byte
}

func (b *fieldBuilder) reset() {
	fields := b.head.Fields[:0]
	b.head = http2.Head{Fields: fields}
	b.bytes = b.bytes[:0]
}

func (b *fieldBuilder) add(name string, value []byte) {
	b.head.Fields = append(b.head.Fields, hpack.Field{Name: b.text(name), Value: value})
}

func (b *fieldBuilder) number(name string, v int64) {
	start := len(b.bytes)
	b.bytes = strconv.AppendInt(b.bytes, v, 10)
	value := b.bytes[start:len(b.bytes):len(b.bytes)]
	b.add(name, value)
}

// text copies a name into the buffer.
func (b *fieldBuilder) text(s string) []byte {
	start := len(b.bytes)
	b.bytes = append(b.bytes, s...)
	return b.bytes[start:len(b.bytes):len(b.bytes)]
}

// lower returns key in lower case, itself where nothing changes.
func (b *fieldBuilder) lower(key []byte) []byte {
	if isLower(key) {
		return key
	}
	start := len(b.bytes)
	for _, c := range key {
		b.bytes = append(b.bytes, lowerByte(c))
	}
	return b.bytes[start:len(b.bytes):len(b.bytes)]
}

// noID stands for the request id, which belongs to one connection: receivers put
// their own in its place. One that counted up would make every header block
// different, and fill both sides' tables with fields that never come again.
var noID = []byte("0")

// properties adds the frame fields that requests and replies share.
func (b *fieldBuilder) properties(h *bolt.Head) {
	b.number(nameProtocol, int64(h.Version))
	b.number(nameType, int64(h.Type))
	b.number(nameCommand, int64(h.Command))
	b.number(nameVersion, int64(h.Ver2))
	b.add(nameRequestID, noID)
	b.number(nameCodec, int64(h.Codec))
}

// content adds what says how long the body is, and the class.
func (b *fieldBuilder) content(h *bolt.Head) {
	b.number(nameContentLen, int64(h.ContentLength))
	if fieldValue(h.Class) {
		b.add(nameClass, h.Class)
	}
	if h.Version == bolt.V2 {
		b.number(nameVer1, int64(h.Ver1))
		b.number(nameSwitch, int64(h.Switch))
	}
}

// pairs adds the header map and, where fields cannot say it all, BoltHeader.
func (b *fieldBuilder) pairs(h *bolt.Head) {
	described := !fieldValue(h.Class)
	for m := h.Map; len(m) > 0; {
		p, rest, ok := m.Next()
		if !ok {
			break // the codec delivers only valid maps
		}
		m = rest
		how := classify(p)
		described = described || how != plain
		if how != whole {
			b.head.Fields = append(b.head.Fields, hpack.Field{Name: b.lower(p.Key), Value: p.Value})
		}
	}
	if described {
		start := len(b.bytes)
		b.bytes = appendDescription(b.bytes, h)
		b.add(BoltHeader, b.bytes[start:len(b.bytes):len(b.bytes)])
	}
}
