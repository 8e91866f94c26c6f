// SPDX-License-Identifier: Apache-2.0

package hpack

const (
	// encoderTableSize caps the table whatever the peer offers: what a peer
	// announces must not decide how much memory we hold for it.
	encoderTableSize = 4096
	// recentCount is how many fields an encoder remembers as seen once: more
	// than the new ones of two ordinary requests.
	recentCount = 64
)

// First bytes of the representations (RFC 7541, 6).
const (
	reprIndexed    = 0x80
	reprIndexing   = 0x40
	reprSizeUpdate = 0x20
	reprSensitive  = 0x10
	reprPlain      = 0x00
)

// Encoder encodes the header blocks of one connection, in order.
//
// A field enters the table when it is sent for the second time within a few
// requests, so that values which change every time (ids, dates, lengths) do
// not push out those that repeat.
type Encoder struct {
	table table
	names index
	// recent holds the hashes of the fields sent lately without entering the
	// table, in a ring.
	recent   []uint32
	recentAt uint8

	// A size update is due before the next field when resized. lowest is the
	// smallest size since the last block.
	resized bool
	lowest  int

	noted uint32 // grows with every note and size update
}

// NewEncoder returns an encoder for a peer that has not sent SETTINGS yet, whose
// table has the initial 4,096 bytes.
func NewEncoder() *Encoder {
	return &Encoder{table: table{next: 1, max: encoderTableSize}}
}

// SetPeerTableSize takes the peer's SETTINGS_HEADER_TABLE_SIZE. The next block
// begins with the size updates that are due (RFC 7541, 4.2).
func (e *Encoder) SetPeerTableSize(n uint32) {
	size := int(min(n, encoderTableSize))
	if size == e.table.max {
		return
	}
	if !e.resized {
		e.resized, e.lowest = true, size
	}
	e.lowest = min(e.lowest, size)
	e.table.setMax(size)
}

// Changes is another number whenever the encoder is not as it was. Fields that
// were encoded without a change are encoded in the same way for as long as there
// is none, and encoding them once more would have changed nothing.
func (e *Encoder) Changes() uint32 { return e.table.changes + e.noted }

// AppendField appends one field of a header block to dst. Blocks need no
// beginning or end, but must be sent in the order in which they were made.
// Sensitive fields are never indexed, here or by any later hop.
func (e *Encoder) AppendField(dst []byte, name, value []byte, sensitive bool) []byte {
	if e.resized {
		dst = e.appendSizeUpdates(dst)
	}
	nameHash := hashOf(name)
	static := staticName(nameHash, name)
	if sensitive {
		if static == 0 {
			static = e.indexOf(e.names.find(&e.table, nameHash, name))
		}
		return appendLiteral(dst, reprSensitive, 4, static, name, value)
	}
	if static != 0 {
		if volatileNames[static] {
			return appendLiteral(dst, reprPlain, 4, static, name, value)
		}
		if i := staticField(static, value); i != 0 {
			return append(dst, reprIndexed|byte(i))
		}
	}
	return e.appendDynamic(dst, static, nameHash, name, value)
}

// AppendStatus appends a :status field. status has three digits.
func (e *Encoder) AppendStatus(dst []byte, status int) []byte {
	if i := staticStatus(status); i != 0 {
		if e.resized {
			dst = e.appendSizeUpdates(dst)
		}
		return append(dst, reprIndexed|i)
	}
	digits := [3]byte{byte('0' + status/100%10), byte('0' + status/10%10), byte('0' + status%10)}
	return e.AppendField(dst, staticFields[indexStatus].Name, digits[:], false)
}

// appendDynamic appends a field that is not in the static table; static is the
// index of its name there, or 0.
func (e *Encoder) appendDynamic(dst []byte, static, nameHash uint32, name, value []byte) []byte {
	fieldHash := nameHash ^ hashOf(value)*hashSpread
	number, nameNumber := e.names.search(&e.table, nameHash, fieldHash, name, value)
	if number != 0 {
		return appendInteger(dst, reprIndexed, 7, e.indexOf(number))
	}
	if static == 0 {
		static = e.indexOf(nameNumber)
	}
	size := len(name) + len(value) + overhead
	// A field of more than half the table would push out most others.
	if size > e.table.max/2 || !e.seen(fieldHash) {
		return appendLiteral(dst, reprPlain, 4, static, name, value)
	}
	dst = appendLiteral(dst, reprIndexing, 6, static, name, value)
	if e.table.room() < len(name)+len(value) {
		e.table.compact()
	}
	if e.table.add(name, value) {
		e.names.insert(&e.table, nameHash, fieldHash)
	}
	return dst
}

// indexOf is the HPACK index of a dynamic entry's number, 0 for none.
func (e *Encoder) indexOf(number uint32) uint32 {
	if number == 0 {
		return 0
	}
	return staticCount + e.table.next - number
}

// seen tells whether a field was sent lately and notes it if not.
func (e *Encoder) seen(fieldHash uint32) bool {
	for _, h := range e.recent {
		if h == fieldHash {
			return true
		}
	}
	e.noted++
	if len(e.recent) < recentCount {
		e.recent = append(e.recent, fieldHash)
		return false
	}
	e.recent[e.recentAt%recentCount] = fieldHash
	e.recentAt++
	return false
}

// appendSizeUpdates tells the peer's decoder the smallest size that was set
// since the last block, if it differs, and the present one.
func (e *Encoder) appendSizeUpdates(dst []byte) []byte {
	e.resized = false
	e.noted++
	if e.lowest < e.table.max {
		dst = appendInteger(dst, reprSizeUpdate, 5, uint32(e.lowest))
	}
	return appendInteger(dst, reprSizeUpdate, 5, uint32(e.table.max))
}

// appendLiteral appends a literal with an n bit prefix for the index of its
// name; index 0 spells the name out.
func appendLiteral(dst []byte, repr byte, n uint, index uint32, name, value []byte) []byte {
	dst = appendInteger(dst, repr, n, index)
	if index == 0 {
		dst = appendText(dst, name)
	}
	return appendText(dst, value)
}

// appendText appends a string literal, Huffman coded where that is shorter
// (RFC 7541, 5.2).
func appendText(dst, s []byte) []byte {
	if n := encodedLength(s); n < len(s) {
		return appendEncoded(appendInteger(dst, 0x80, 7, uint32(n)), s)
	}
	return append(appendInteger(dst, 0, 7, uint32(len(s))), s...)
}
