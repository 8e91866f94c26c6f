// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/binary"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// held is what of a message waits for window or for the sink: body bytes, then
// perhaps the end or trailers.
type held struct {
	// waiting tells that the holder was told to wait and OnWritable is due. While
	// it is not set, all else is zero.
	waiting bool
	// end tells that the message ends with what is held; trailers that these
	// lie in the buffer behind the body.
	end, trailers bool
	buffer        *codec.Buffer
	// sent is how many bytes of the buffer have been sent, body where the
	// body ends in it.
	sent, body int
	holding    codec.Holding
}

// any tells that something is still to be sent.
func (h *held) any() bool { return h.buffer != nil || h.end }

// left is the number of body bytes to be sent.
func (h *held) left() int { return h.body - h.sent }

// add appends body bytes.
func (h *held) add(mem *codec.Memory, b []byte) {
	h.waiting = true
	if len(b) == 0 {
		return
	}
	h.grow(mem, len(b))
	h.buffer.B = append(h.buffer.B, b...)
	h.body += len(b)
}

// grow prepares for n more bytes. The space of what has been sent is reused
// when it is most of the buffer.
func (h *held) grow(mem *codec.Memory, n int) {
	if h.buffer == nil {
		h.buffer = mem.Get()
	}
	mem.Hold(&h.holding, n)
	if h.sent > 0 && h.sent >= len(h.buffer.B)/2 {
		h.buffer.B = h.buffer.B[:copy(h.buffer.B, h.buffer.B[h.sent:])]
		h.body -= h.sent
		h.sent = 0
	}
}

// trailerHead is what precedes each held trailer field: the lengths of name and
// value, the topmost bit of the latter saying that the field is sensitive.
const trailerHead = 8

const trailerSensitive = 1 << 31

// addTrailers appends trailer fields. They are encoded only when they are sent,
// because header blocks must be sent in the order of their encoding.
func (h *held) addTrailers(mem *codec.Memory, fields []hpack.Field) {
	size := 0
	for i := range fields {
		size += trailerHead + len(fields[i].Name) + len(fields[i].Value)
	}
	h.grow(mem, size)
	h.trailers = true
	b := h.buffer.B
	for i := range fields {
		f := &fields[i]
		value := uint32(len(f.Value))
		if f.Sensitive {
			value |= trailerSensitive
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(f.Name)))
		b = binary.BigEndian.AppendUint32(b, value)
		b = append(b, f.Name...)
		b = append(b, f.Value...)
	}
	h.buffer.B = b
}

// trailerFields appends the held trailers to dst as views into the buffer.
func (h *held) trailerFields(dst []hpack.Field) []hpack.Field {
	for b := h.buffer.B[h.body:]; len(b) >= trailerHead; {
		name := int(binary.BigEndian.Uint32(b))
		value := binary.BigEndian.Uint32(b[4:])
		sensitive := value&trailerSensitive != 0
		end := trailerHead + name + int(value&^trailerSensitive)
		dst = append(dst, hpack.Field{
			Name:      b[trailerHead : trailerHead+name],
			Value:     b[trailerHead+name : end],
			Sensitive: sensitive,
		})
		b = b[end:]
	}
	return dst
}

// take accounts n body bytes as sent.
func (h *held) take(mem *codec.Memory, n int) {
	h.sent += n
	mem.Unhold(&h.holding, n)
}

// drop gives the buffer back, sent or not. The holder still waits.
func (h *held) drop(mem *codec.Memory) {
	mem.Unhold(&h.holding, h.holding.Bytes())
	if h.buffer != nil {
		mem.Put(h.buffer)
	}
	*h = held{waiting: h.waiting, holding: h.holding}
}
