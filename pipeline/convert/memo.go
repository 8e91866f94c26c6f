// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"hash/maphash"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

// Callers send the same heads again and again, but for the request id of Bolt,
// which does not cross. A head that came before is not converted anew: its
// conversion is remembered, toward HTTP/2 as a frozen head, which is then not
// encoded anew either.
//
// A Bolt head is recognised by its bytes, an HTTP/2 head, if it is frozen, by
// itself.

const (
	// memoHeads is how many conversions each way a loop remembers: the calls
	// that one application usually makes and serves.
	memoHeads = 64
	// memoSeen is how many heads are known to have come once. Only what comes
	// again soon is worth remembering.
	memoSeen = 256
	// memoBytes is the largest Bolt head that is remembered, and bounds a loop's
	// memory to some 200 KiB each way.
	memoBytes = 1 << 10
	// memoPatience is how many heads are converted in vain, while the memo is
	// full, before it starts over: so callers of more heads than it holds do
	// not have it learn all the time.
	memoPatience = 4096
)

// kind is what a head begins. A conversion depends on it.
type kind uint8

const (
	kindRequest kind = iota
	kindReply
	// kindPlainReply is for a client that is no sidecar.
	kindPlainReply
)

var memoSeed = maphash.MakeSeed()

// memo is the conversions that a loop remembers. The zero value is ready.
type memo struct {
	fromBolt  map[uint64]*fromBolt
	fromHTTP2 map[*http2.Head]*fromHTTP2
	seen      [memoSeen]uint64
	missed    int // heads that came again while a map was full
}

// fromBolt is a Bolt head and what it was converted to.
type fromBolt struct {
	raw  []byte // with the id that it came with first
	kind kind
	head *http2.Head
}

// fromHTTP2 is a frozen head's conversion, which has memory of its own.
type fromHTTP2 struct {
	head bolt.Head
	body bool
}

// idEnd is the first byte behind the request id.
func idEnd(version byte) int { return 9 + int(version-bolt.V1) }

// same tells whether two heads of the wire differ in their request id at most.
func same(a, b []byte) bool {
	end := idEnd(a[0])
	return len(a) == len(b) && bytes.Equal(a[:end-4], b[:end-4]) && bytes.Equal(a[end:], b[end:])
}

// toHTTP2 converts a request or reply.
func (m *memo) toHTTP2(c *Converter, h *bolt.Head, k kind, asked Asked) *http2.Head {
	if k == kindReply && !asked.Sidecar {
		k = kindPlainReply
	}
	if len(h.Raw) == 0 || len(h.Raw) > memoBytes {
		return c.toHTTP2(h, k)
	}
	hash := maphash.Bytes(memoSeed, h.Raw[idEnd(h.Version):]) + uint64(k)
	known := m.fromBolt[hash]
	if known != nil && known.kind == k && same(known.raw, h.Raw) && known.head.ContentLength == int64(h.ContentLength) {
		return known.head
	}
	made := c.toHTTP2(h, k)
	if known != nil || !m.again(hash) || !m.room(len(m.fromBolt)) {
		return made
	}
	if m.fromBolt == nil {
		m.fromBolt = make(map[uint64]*fromBolt)
	}
	frozen := made.Freeze()
	m.fromBolt[hash] = &fromBolt{bytes.Clone(h.Raw), k, frozen}
	return frozen
}

func (c *Converter) toHTTP2(h *bolt.Head, k kind) *http2.Head {
	if k == kindRequest {
		return c.requestToHTTP2(h)
	}
	return c.replyToHTTP2(h, k == kindReply)
}

// again tells that a head has come before, and otherwise notes that it has now.
func (m *memo) again(hash uint64) bool {
	at := &m.seen[hash%memoSeen]
	if *at == hash {
		return true
	}
	*at = hash
	return false
}

// room tells whether another conversion may be remembered where there are n. A
// memo that has been full for long forgets everything.
func (m *memo) room(n int) bool {
	if n < memoHeads {
		return true
	}
	if m.missed++; m.missed < memoPatience {
		return false
	}
	m.fromBolt, m.fromHTTP2, m.missed = nil, nil, 0
	return true
}

// requestToBolt converts a request.
func (m *memo) requestToBolt(c *Converter, h *http2.Head) (*bolt.Head, codec.Reason) {
	if !h.Frozen() {
		return c.requestToBolt(h)
	}
	if known := m.fromHTTP2[h]; known != nil {
		return &known.head, codec.ReasonNone
	}
	made, r := c.requestToBolt(h)
	if r == codec.ReasonNone {
		m.keep(h, made, true)
	}
	return made, r
}

// replyToBolt converts a reply.
func (m *memo) replyToBolt(c *Converter, h *http2.Head) (converted *bolt.Head, body bool, r codec.Reason) {
	if !h.Frozen() {
		return c.replyToBolt(h)
	}
	if known := m.fromHTTP2[h]; known != nil {
		return &known.head, known.body, codec.ReasonNone
	}
	made, body, r := c.replyToBolt(h)
	if r == codec.ReasonNone {
		m.keep(h, made, body)
	}
	return made, body, r
}

// keep remembers what a frozen head was converted to. A head is that of a request
// or that of a reply, by its :status, so that it has one conversion.
func (m *memo) keep(h *http2.Head, made *bolt.Head, body bool) {
	if len(made.Class)+len(made.Map) > memoBytes || !m.room(len(m.fromHTTP2)) {
		return
	}
	if m.fromHTTP2 == nil {
		m.fromHTTP2 = make(map[*http2.Head]*fromHTTP2)
	}
	m.fromHTTP2[h] = &fromHTTP2{*made.Copy(new(codec.Arena)).(*bolt.Head), body}
}
