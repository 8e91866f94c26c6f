// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"

	"github.com/sideloop/sideloop/codec"
)

// reply sends a response that the session makes itself: the status of r, which
// a header pair names, and nothing else.
func (c *conn) reply(st stamp, r codec.Reason) {
	if r == codec.ReasonNone {
		r = codec.Internal // an orderly end is none to who waits for a reply
	}
	h := Head{Status: r.BoltStatus()}
	word := r.String()
	pair := 4 + len(codec.ReasonHeader) + 4 + len(word)
	b := c.putOwn(st, &h, pair)
	at := fixedSize(st.form.version(), st.typ)
	binary.BigEndian.PutUint32(b[at:], uint32(len(codec.ReasonHeader)))
	at += 4 + copy(b[at+4:], codec.ReasonHeader)
	binary.BigEndian.PutUint32(b[at:], uint32(len(word)))
	copy(b[at+4:], word)
	st.seal(b)
	c.checkUnsent()
}

// bare sends a frame without class, header map and content.
func (c *conn) bare(st stamp, h *Head) {
	st.seal(c.putOwn(st, h, 0))
	c.checkUnsent()
}

// putOwn makes room for a frame of ours with a header map of the given size,
// writes its fixed part and returns the whole of it, to be sealed.
func (c *conn) putOwn(st stamp, h *Head, headers int) []byte {
	fixed := fixedSize(st.form.version(), st.typ)
	size := fixed + headers
	if st.crc() {
		size += crcSize
	}
	b := c.room(size)
	st.putFixed(b, h)
	binary.BigEndian.PutUint16(b[fixed-8:], 0)
	binary.BigEndian.PutUint16(b[fixed-6:], uint16(headers))
	binary.BigEndian.PutUint32(b[fixed-4:], 0)
	return b
}

// seal writes the checksum, if there is one, to the end of the frame b.
func (st stamp) seal(b []byte) {
	if st.crc() {
		n := len(b) - crcSize
		binary.BigEndian.PutUint32(b[n:], addCRC(0, b[:n]))
	}
}
