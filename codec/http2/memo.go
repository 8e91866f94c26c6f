// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"hash/maphash"
	"slices"
	"unsafe"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// Peers of a sidecar send the same header blocks again and again: the HPACK
// tables have settled, and every field is an index. This file recognises them by
// their bytes. A block that is found needs no decoding and no checks, and the
// head that it stands for is one object for all connections of the loop, so that
// encoding it for another connection is a look-up as well.
//
// A block means the same as before while the table has not changed since, and
// only blocks that do not change it are remembered (RFC 7541, 2.3.2).

const (
	// memoSize is how many blocks a connection remembers: a client's usual
	// calls with a body and without.
	memoSize = 4
	// memoSeen is how many blocks are known to have come once. Only what comes
	// again within so many is worth remembering.
	memoSeen = 8
	// memoBlock and memoHead bound what is remembered of a block and its head:
	// more than repeats needs no memo.
	memoBlock = 512
	memoHead  = 4 << 10
	// memoHeads bounds the heads of a loop to 1 MiB.
	memoHeads = 256
)

var memoSeed = maphash.MakeSeed()

// context is what decides, besides its fields, what a header block means.
type context uint8

const (
	contextEnd      context = 1 << iota // it ends the message
	contextTrailers                     // it is the second of a message
	contextBodiless                     // it is the reply to HEAD
)

// sighting is a header block that came, in a state of the decoder.
type sighting struct {
	changes uint32
	context context
	block   []byte // nil for one that is not to be remembered
}

// decoded is a connection's memory of header blocks received.
type decoded struct {
	entries [memoSize]decodedBlock
	at      uint8 // the entry to replace next
	seen    [memoSeen]uint64
	seenAt  uint8
}

type decodedBlock struct {
	sighting
	head *Head
}

// sight describes the block p in at before it is decoded. at is where it stays: a
// copy of words that have just been written waits until they have left the store
// buffer.
func (c *conn) sight(at *sighting, p []byte) {
	at.block = nil
	if len(p) > memoBlock || c.block.selfParent {
		return
	}
	at.context = 0
	if s := c.table.get(c.block.id); s != nil {
		if s.tunnel != noTunnel {
			return
		}
		if s.answered {
			at.context |= contextTrailers
		}
		if s.bodiless {
			at.context |= contextBodiless
		}
	}
	if c.block.end {
		at.context |= contextEnd
	}
	at.changes, at.block = c.dec.Changes(), p
}

// recall returns the head of a block that came before, nil if it did not.
func (c *conn) recall(at *sighting) *Head {
	if c.decoded == nil || at.block == nil {
		return nil
	}
	return c.decoded.find(at)
}

// remember returns the head of a message that is in order: the loop's, if the
// same block came before. The block's bytes are as they were when sighted.
func (c *conn) remember(m *message) *Head {
	switch {
	case m.known != nil:
		return m.known
	case m.sighting.block == nil || m.sighting.changes != c.dec.Changes():
		return &m.head
	case c.decoded == nil:
		c.decoded = new(decoded)
	}
	if !c.decoded.again(maphash.Bytes(memoSeed, m.sighting.block)) {
		return &m.head
	}
	h := c.shared.intern(&m.head)
	if h == nil {
		return &m.head
	}
	c.decoded.put(c.shared, decodedBlock{m.sighting, h})
	return h
}

// appendHead appends the header block of a head, made by encode unless it is
// known.
func (c *conn) appendHead(b []byte, h *Head, encode func(*conn, []byte, *Head) []byte) []byte {
	if !h.Frozen() {
		return encode(c, b, h)
	}
	if known := c.knownBlock(h); known != nil {
		return append(b, known...)
	}
	before := c.enc.Changes()
	start := len(b)
	b = encode(c, b, h)
	if block := b[start:]; c.enc.Changes() == before && len(block) <= memoBlock {
		if c.encoded == nil {
			c.encoded = new(encoded)
		}
		c.encoded.put(h, before, block)
	}
	return b
}

// knownBlock is the header block of a head, nil unless it was sent before and means
// the same now. It is valid until the next head is encoded.
func (c *conn) knownBlock(h *Head) []byte {
	if c.encoded == nil {
		return nil
	}
	return c.encoded.find(h, c.enc.Changes())
}

// dropMemo forgets all, with the connection.
func (c *conn) dropMemo() {
	if c.decoded != nil {
		c.decoded.release(c.shared)
	}
	c.decoded, c.encoded = nil, nil
}

// find returns the head of a block. There are so few that a hash would cost more
// than to compare them.
func (d *decoded) find(at *sighting) *Head {
	for i := range d.entries {
		e := &d.entries[i]
		if e.head != nil && e.changes == at.changes && e.context == at.context && bytes.Equal(e.block, at.block) {
			return e.head
		}
	}
	return nil
}

// again tells that a block has come before, and otherwise notes that it has now.
func (d *decoded) again(hash uint64) bool {
	if slices.Contains(d.seen[:], hash) {
		return true
	}
	d.seen[d.seenAt%memoSeen] = hash
	d.seenAt++
	return false
}

// put remembers a block and its head, which is the loop's.
func (d *decoded) put(shared *shared, e decodedBlock) {
	at := &d.entries[d.at%memoSize]
	d.at++
	if at.head != nil {
		shared.forget(at.head)
	}
	e.block = append(at.block[:0], e.block...)
	*at = e
}

// release gives the heads up.
func (d *decoded) release(shared *shared) {
	for i := range d.entries {
		if h := d.entries[i].head; h != nil {
			shared.forget(h)
		}
	}
}

// encoded is a connection's memory of heads sent.
type encoded struct {
	entries [memoSize]encodedHead
	at      uint8
}

type encodedHead struct {
	head    *Head // one of the loop's
	changes uint32
	block   []byte
}

// find returns the block of a head, nil if it is not known.
func (e *encoded) find(h *Head, changes uint32) []byte {
	for i := range e.entries {
		if e.entries[i].head == h && e.entries[i].changes == changes {
			return e.entries[i].block
		}
	}
	return nil
}

// put remembers the block of a head.
func (e *encoded) put(h *Head, changes uint32, block []byte) {
	for i := range e.entries {
		if e.entries[i].head == h {
			e.at = uint8(i) // it was of an older table
			break
		}
	}
	at := &e.entries[e.at%memoSize]
	e.at++
	*at = encodedHead{h, changes, append(at.block[:0], block...)}
}

// common is a frozen head.
type common struct {
	head     Head
	variants []*Head // of WithAuthority
	// Of those that connections remember:
	hash uint64
	uses int // decodedBlocks that refer to it
}

// intern returns the loop's head that equals h, nil where there is no room for
// another. It must be given up by forget.
func (s *shared) intern(h *Head) *Head {
	hash := h.sum()
	if c := s.heads[hash]; c != nil {
		if !c.head.equal(h) {
			return nil
		}
		c.uses++
		return &c.head
	}
	if len(s.heads) >= memoHeads || h.size() > memoHead {
		return nil
	}
	if s.heads == nil {
		s.heads = make(map[uint64]*common)
	}
	c := &common{hash: hash, uses: 1}
	c.head = *h.Copy(new(codec.Arena)).(*Head)
	c.head.common = c
	s.heads[hash] = c
	return &c.head
}

// forget gives up a head of intern. Whoever still holds it may use it.
func (s *shared) forget(h *Head) {
	c := h.common
	if c.uses--; c.uses == 0 {
		delete(s.heads, c.hash)
	}
}

// sum is a hash of all that the head says.
func (h *Head) sum() uint64 {
	var m maphash.Hash
	m.SetSeed(memoSeed)
	text := func(b []byte) {
		maphash.WriteComparable(&m, len(b))
		m.Write(b)
	}
	for _, b := range h.pseudo() {
		text(b)
	}
	maphash.WriteComparable(&m, h.Status)
	maphash.WriteComparable(&m, h.ContentLength)
	for i := range h.Fields {
		f := &h.Fields[i]
		text(f.Name)
		text(f.Value)
		maphash.WriteComparable(&m, f.Sensitive)
	}
	return m.Sum64()
}

// pseudo is the pseudo-header fields that are text.
func (h *Head) pseudo() [5][]byte {
	return [5][]byte{h.MethodName, h.Scheme, h.AuthorityName, h.PathName, h.ConnectProto}
}

func (h *Head) equal(o *Head) bool {
	a, b := h.pseudo(), o.pseudo()
	for i := range a {
		if !bytes.Equal(a[i], b[i]) || (a[i] == nil) != (b[i] == nil) {
			return false
		}
	}
	return h.Status == o.Status && h.ContentLength == o.ContentLength &&
		slices.EqualFunc(h.Fields, o.Fields, func(a, b hpack.Field) bool {
			return a.Sensitive == b.Sensitive && bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Value, b.Value)
		})
}

// size is the memory that a clone takes.
func (h *Head) size() int { return h.textSize() + len(h.Fields)*int(unsafe.Sizeof(hpack.Field{})) }
