// SPDX-License-Identifier: Apache-2.0

package bolt

import "encoding/binary"

// stamp is what a connection decides of a frame's head, rather than whoever
// made the head. It has few fields so that it travels in registers: a struct of
// more is put together in memory, byte by byte, and read back by the word, which
// the processor waits for.
type stamp struct {
	id      uint32
	form    form
	command uint16
	typ     byte
}

// form is version, ver1, codec and switches, from the lowest byte on.
type form uint32

func formOf(version, ver1, codec, flags byte) form {
	return form(version) | form(ver1)<<8 | form(codec)<<16 | form(flags)<<24
}

func (f form) version() byte { return byte(f) }
func (f form) ver1() byte    { return byte(f >> 8) }
func (f form) codec() byte   { return byte(f >> 16) }
func (f form) flags() byte   { return byte(f >> 24) }

// withCodec is f with another serialisation.
func (f form) withCodec(codec byte) form { return f&^(0xff<<16) | form(codec)<<16 }

// ownForm is that of the frames that a session makes itself.
func (c *conn) ownForm() form { return formOf(c.version, 1, CodecHessian, 0) }

// stampOf is the stamp of the frame that h heads.
func stampOf(h *Head) stamp {
	return stamp{h.ID, formOf(h.Version, h.Ver1, h.Codec, h.Switch), h.Command, h.Type}
}

// replyStamp is the stamp of the reply to the request that h heads: in its version
// and with its id and switches.
func replyStamp(h *Head) stamp {
	st := stampOf(h)
	st.typ, st.command = TypeResponse, CommandResponse
	return st
}

// pack puts a reply's stamp, whose type and command are always the same, into one
// word.
func (st stamp) pack() uint64 { return uint64(st.id) | uint64(st.form)<<32 }

func unpack(v uint64) stamp { return stamp{uint32(v), form(v >> 32), CommandResponse, TypeResponse} }

// recode has a reply state the serialisation of its head, if that has one.
func (st *stamp) recode(h *Head) {
	if h.Codec != 0 {
		st.form = st.form.withCodec(h.Codec)
	}
}

// crc tells whether a checksum follows the frame: version 2, ver1 2, and the switch.
func (st stamp) crc() bool {
	const seen, checked = 0xffff | form(SwitchCRC)<<24, form(V2) | 2<<8 | form(SwitchCRC)<<24
	return st.form&seen == checked
}

// copies tells whether h can be sent under st by copying its raw bytes.
func (st stamp) copies(h *Head) bool {
	return h.Raw != nil && h.Version == st.form.version() && (h.Type == TypeResponse) == (st.typ == TypeResponse)
}

// headSize is the size of h sent under st.
func (st stamp) headSize(h *Head) int {
	if st.copies(h) {
		return len(h.Raw)
	}
	return fixedSize(st.form.version(), st.typ) + len(h.Class) + len(h.Map)
}

// putHead writes h under st into b, which is headSize long, for a content of
// the given length.
func (st stamp) putHead(b []byte, h *Head, content uint32) {
	fixed := fixedSize(st.form.version(), st.typ)
	if !st.copies(h) {
		st.putFixed(b, h)
		binary.BigEndian.PutUint16(b[fixed-8:], uint16(len(h.Class)))
		binary.BigEndian.PutUint16(b[fixed-6:], uint16(len(h.Map)))
		binary.BigEndian.PutUint32(b[fixed-4:], content)
		n := copy(b[fixed:], h.Class)
		copy(b[fixed+n:], h.Map)
		return
	}
	copy(b, h.Raw)
	if st.form.version() == V2 {
		b[1], b[11] = st.form.ver1(), st.form.flags()
		binary.BigEndian.PutUint32(b[6:], st.id)
	} else {
		binary.BigEndian.PutUint32(b[5:], st.id)
	}
	binary.BigEndian.PutUint32(b[fixed-4:], content)
}

// putFixed writes the fixed part of h under st into b, but for the lengths.
func (st stamp) putFixed(b []byte, h *Head) {
	b[0] = st.form.version()
	p := b[1:]
	tail := tailOffsetV1
	if st.form.version() == V2 {
		b[1], b[11], tail = st.form.ver1(), st.form.flags(), tailOffsetV2
		p = b[2:]
	}
	p[0] = st.typ
	binary.BigEndian.PutUint16(p[1:], st.command)
	p[3] = max(h.Ver2, 1)
	binary.BigEndian.PutUint32(p[4:], st.id)
	p[8] = st.form.codec()
	if st.typ == TypeResponse {
		binary.BigEndian.PutUint16(b[tail:], h.Status)
	} else {
		binary.BigEndian.PutUint32(b[tail:], uint32(h.TimeoutMS))
	}
}
