// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"errors"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// block is the header block being received: HEADERS and its CONTINUATION frames.
type block struct {
	// buffer collects the fragments; nil while no frame but the first has come
	// or the first was the last.
	buffer *codec.Buffer
	id     uint32
	// frames is the number of CONTINUATION frames.
	frames int
	// open: END_HEADERS has not come.
	open bool
	// end: END_STREAM came with HEADERS.
	end bool
	// selfParent: HEADERS made the stream depend on itself.
	selfParent bool
}

// message is the scratch of one decoded header list. It is shared, so that only
// a header list that is being handed over takes memory.
type message struct {
	head   Head
	fields []hpack.Field
	// sighting is of the block; known the head where the block came before, and
	// then head and fields are empty.
	sighting sighting
	known    *Head
	next     *message // of those not in use
}

// readHeaders is HEADERS (RFC 9113, 6.2).
func (c *conn) readHeaders(p []byte) {
	f := c.frame
	if !c.mayHaveHeaders(f.id) {
		c.fail(codeProtocolError, "headers_stream_id")
		return
	}
	p, ok := unpad(p, f)
	if !ok {
		c.fail(codeProtocolError, "headers_padding")
		return
	}
	k := &c.block
	k.buffer, k.id, k.frames = nil, f.id, 0
	k.open, k.end, k.selfParent = false, f.has(flagEndStream), false
	if f.has(flagPriority) {
		if len(p) < prioritySize {
			c.fail(codeFrameSizeError, "headers_size")
			return
		}
		c.block.selfParent = dependsOnItself(p, f.id)
		p = p[prioritySize:]
	}
	if f.has(flagEndHeaders) {
		c.endBlock(p)
		return
	}
	c.block.open = true
	c.addFragment(p)
}

// unpad takes the padding off a payload. ok is false if it is longer than the
// payload.
func unpad(p []byte, f frameHead) (rest []byte, ok bool) {
	if !f.has(flagPadded) {
		return p, true
	}
	if len(p) == 0 || int(p[0]) >= len(p) {
		return nil, false
	}
	return p[1 : len(p)-int(p[0])], true
}

// mayHaveHeaders tells that HEADERS may name the id: an odd one, in the client
// role one that was opened (RFC 9113, 5.1.1).
func (c *conn) mayHaveHeaders(id uint32) bool {
	return id&1 == 1 && (c.isServer() || id <= c.maxID)
}

// readContinuation is CONTINUATION (RFC 9113, 6.10). begin has checked that it
// may come.
func (c *conn) readContinuation(p []byte) {
	c.block.frames++
	if c.block.frames > c.limits.Continuations {
		c.calm("continuation_flood")
		return
	}
	if !c.addFragment(p) || !c.frame.has(flagEndHeaders) {
		return
	}
	c.block.open = false
	whole := c.block.buffer
	c.block.buffer = nil
	c.endBlock(whole.B)
	c.release(whole)
}

// addFragment keeps a part of a header block. It returns false when the block is
// too large to be worth its end.
func (c *conn) addFragment(p []byte) bool {
	k := &c.block
	if k.buffer == nil {
		k.buffer = c.mem.Get()
	}
	if len(k.buffer.B)+len(p) > 2*c.limits.HeaderList {
		c.calm("header_block_size")
		return false
	}
	k.buffer.B = append(k.buffer.B, p...)
	if !c.mem.Charge(codec.Gather, len(p)) {
		c.starve()
	}
	return true
}

// endBlock decodes a complete header block. It is decoded whatever becomes of
// it, as the table belongs to the connection.
func (c *conn) endBlock(p []byte) {
	c.chargeSuspect(p)
	m := c.shared.message()
	c.sight(&m.sighting, p)
	if m.known = c.recall(&m.sighting); m.known != nil {
		c.endHeaders(m, false)
		c.shared.release(m)
		return
	}
	fields, err := c.dec.Decode(m.fields[:0], p, c.limits.HeaderList, c.limits.HeaderFields)
	m.fields = fields
	tooLarge := errors.Is(err, hpack.ErrListTooLarge) || errors.Is(err, hpack.ErrTooManyFields)
	switch {
	case errors.Is(err, hpack.ErrBomb):
		c.calm("header_bomb")
	case err != nil && !tooLarge:
		c.fail(codeCompressionError, "compression")
	default:
		c.endHeaders(m, tooLarge)
	}
	c.shared.release(m)
}

// endHeaders hands a decoded header list to the stream it is for.
func (c *conn) endHeaders(m *message, tooLarge bool) {
	id := c.block.id
	s := c.table.get(id)
	switch {
	case s == nil && c.isServer() && id > c.maxID:
		c.openRequest(m, tooLarge)
	case s == nil:
		c.late(id)
	case !s.state.mayReceive():
		c.streamError(s, codeStreamClosed, "headers_after_end")
	case c.block.selfParent:
		c.streamError(s, codeProtocolError, "priority_self")
	case tooLarge:
		c.streamError(s, codeEnhanceYourCalm, "header_too_large")
	case s.answered:
		c.endTrailers(s, m)
	default:
		c.endReply(s, m)
	}
}

// endTrailers is the second header block of a message: it must end it (RFC 9113,
// 8.1).
func (c *conn) endTrailers(s *stream, m *message) {
	switch {
	case s.tunnel != noTunnel:
		// RFC 9113, 8.5
		c.streamError(s, codeProtocolError, "tunnel_headers")
		return
	case !c.block.end:
		c.streamError(s, codeProtocolError, "headers_without_end")
		return
	case s.want > 0:
		c.streamError(s, codeProtocolError, "content_length_mismatch")
		return
	}
	if word := m.trailers(); word != "" {
		c.streamError(s, codeProtocolError, word)
		return
	}
	head := c.remember(m)
	receiver := s.receiver
	c.recvEnd(s)
	if receiver != nil {
		receiver.OnTrailers(head)
	}
}

// writeMessageHead writes the header block that begins a message.
func (c *conn) writeMessageHead(id uint32, h *Head, end bool) {
	if known := c.knownBlock(h); known != nil {
		c.writeBlock(id, known, end)
		return
	}
	scratch := c.mem.Get()
	scratch.B = c.appendHead(scratch.B, h, (*conn).encodeHead)
	c.writeBlock(id, scratch.B, end)
	c.mem.Put(scratch)
}

// encodeHead appends the block that begins a message.
func (c *conn) encodeHead(b []byte, h *Head) []byte {
	if c.isServer() {
		b = c.enc.AppendStatus(b, finalStatus(h.Status))
	} else {
		b = c.appendRequestLine(b, h)
	}
	return c.appendFields(b, h.Fields, h.AuthorityName)
}

// writeHead1xx writes an informational reply. More than a client would take of
// ours are dropped.
func (c *conn) writeHead1xx(s *stream, h *Head) {
	if int(s.informational) >= c.limits.Informational {
		return
	}
	s.informational++
	scratch := c.mem.Get()
	scratch.B = c.enc.AppendStatus(scratch.B, h.Status)
	scratch.B = c.appendFields(scratch.B, h.Fields, nil)
	c.writeBlock(s.id, scratch.B, false)
	c.mem.Put(scratch)
}

// writeTrailers writes the header block that ends a message, or an empty DATA
// frame if it has no field.
func (c *conn) writeTrailers(id uint32, h *Head) {
	scratch := c.mem.Get()
	scratch.B = c.appendHead(scratch.B, h, (*conn).encodeTrailers)
	if len(scratch.B) > 0 {
		c.writeBlock(id, scratch.B, true)
	} else {
		c.writeFrame(frameData, flagEndStream, id, 0)
	}
	c.mem.Put(scratch)
}

// encodeTrailers appends the block that ends a message.
func (c *conn) encodeTrailers(b []byte, h *Head) []byte { return c.appendFields(b, h.Fields, nil) }

// writeBlock writes a header block as HEADERS and, beyond the size of a frame,
// CONTINUATION.
func (c *conn) writeBlock(id uint32, p []byte, end bool) {
	if c.isServer() && c.sink.Buffered() > c.limits.Backlog {
		// No window bounds the heads of replies.
		c.calm("outbound_backlog")
		return
	}
	f := frameHead{kind: frameHeaders, id: id}
	if end {
		f.flags = flagEndStream
	}
	for {
		f.length = min(len(p), maxFrameSize)
		if f.length == len(p) {
			f.flags |= flagEndHeaders
		}
		b := c.sink.Extend(headSize + f.length)
		f.put(b)
		copy(b[headSize:], p)
		p = p[f.length:]
		if f.has(flagEndHeaders) {
			return
		}
		f.kind, f.flags = frameContinuation, 0
	}
}
