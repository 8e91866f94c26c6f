// SPDX-License-Identifier: Apache-2.0

package hpack

import "slices"

// scratchKeep is the Huffman output buffer that a decoder keeps between blocks:
// the text of an ordinary request. A larger one is left to the fields' holder.
const scratchKeep = 1 << 10

// bombFields is how many times the fields allowed are decoded only to keep the
// table in sync. A sender of more is not one that has merely grown too talkative.
const bombFields = 4

// Decoder decodes the header blocks of one connection, in order. It holds no
// memory before a peer uses its table or Huffman code.
type Decoder struct {
	table   table
	allowed int    // the table size that we announced
	scratch []byte // Huffman output of the current block
}

// NewDecoder returns a decoder whose peer may use a table of maxTableSize bytes:
// 4,096 unless our SETTINGS_HEADER_TABLE_SIZE says otherwise.
func NewDecoder(maxTableSize int) *Decoder {
	d := &Decoder{allowed: max(maxTableSize, 0)}
	d.table.max = d.allowed
	return d
}

// SetMaxTableSize is called when the peer acknowledged a new
// SETTINGS_HEADER_TABLE_SIZE. Where the table holds more than n, the next block
// must begin with a size update (RFC 9113, 4.3.1).
func (d *Decoder) SetMaxTableSize(n int) { d.allowed = max(n, 0) }

// Changes is another number whenever the table is not as it was. A block that
// was decoded without a change means the same for as long as there is none.
func (d *Decoder) Changes() uint32 { return d.table.changes }

// Decode decodes one complete header block and appends its fields to dst.
//
// The fields are views for reading. They are valid until the next Decode, as
// long as block is not changed: they lie in block, in the static table, in the
// dynamic table's storage or in a scratch buffer. Entries that this same block
// evicts stay readable as long.
//
// Fields over maxListSize (counted as RFC 7541, 4.1 does) or maxFields are not
// kept; the rest is decoded only to keep the table in sync, and
// ErrListTooLarge or ErrTooManyFields returned with those before. Where that
// would take more than twice maxListSize, or bombFields times maxFields, the error
// is ErrBomb. That and every other error means that the connection cannot go on;
// dst is returned as it came.
func (d *Decoder) Decode(dst []Field, block []byte, maxListSize, maxFields int) ([]Field, error) {
	if len(block)-maxListSize > maxListSize {
		return dst, ErrBomb
	}
	d.scratch = d.scratch[:0]
	if t := &d.table; t.room() < cap(t.bytes)/4 {
		t.compact()
	}
	out, err := d.decode(dst, block, maxListSize, maxFields)
	if cap(d.scratch) > scratchKeep {
		d.scratch = nil
	}
	if err != nil && err != ErrListTooLarge && err != ErrTooManyFields {
		return dst, err
	}
	return out, err
}

func (d *Decoder) decode(dst []Field, block []byte, maxListSize, maxFields int) ([]Field, error) {
	block, err := d.readSizeUpdates(block)
	if err != nil {
		return dst, err
	}
	var limit error
	var dropped Field
	base, size := len(dst), 0
	for count := 0; len(block) > 0; count++ {
		if count > bombFields*maxFields {
			return dst, ErrBomb
		}
		if limit == nil && len(dst)-base >= maxFields {
			limit = ErrTooManyFields
		}
		f, scratch := &dropped, len(d.scratch)
		if limit == nil {
			dst = append(dst, Field{})
			f = &dst[len(dst)-1]
		}
		n := 0
		if limit != nil && block[0] >= 0x80 {
			fields := 0
			if n, fields, block, err = d.passOver(block, bombFields*maxFields-count); fields > 0 {
				count += fields - 1
			}
		} else if block, err = d.readField(f, block); err == nil {
			n = f.Size()
		}
		if err != nil {
			return dst, err
		}
		if size += n; size > maxListSize {
			if size-maxListSize > maxListSize {
				return dst, ErrBomb
			}
			if limit == nil {
				dst = dst[:len(dst)-1]
			}
			limit = ErrListTooLarge
		}
		if limit != nil {
			d.scratch = d.scratch[:scratch]
		}
	}
	return dst, limit
}

// readSizeUpdates reads the updates that a block may begin with (RFC 7541,
// 4.2). A peer that was told of a smaller table and does not say that it has
// shrunk its own is believed to have, unless entries show that it has not.
func (d *Decoder) readSizeUpdates(block []byte) ([]byte, error) {
	for len(block) > 0 && block[0]&0xe0 == 0x20 {
		n, rest, err := readInteger(block, 5)
		if err != nil {
			return block, err
		}
		if int(n) > d.allowed {
			return block, ErrTableSize
		}
		d.table.setMax(int(n))
		block = rest
	}
	if d.table.max > d.allowed {
		if d.table.size > d.allowed {
			return block, ErrTableSize
		}
		d.table.setMax(d.allowed)
	}
	return block, nil
}

// readField reads one representation into f (RFC 7541, 6).
func (d *Decoder) readField(f *Field, b []byte) (rest []byte, err error) {
	switch first := b[0]; {
	case first >= 0x80:
		i, rest, err := readInteger(b, 7)
		if err != nil {
			return b, err
		}
		return rest, d.lookup(f, i)
	case first >= 0x40:
		if rest, err = d.readLiteral(f, b, 6); err == nil {
			d.table.add(f.Name, f.Value)
		}
		return rest, err
	case first >= 0x20:
		return b, ErrTableSize
	default:
		rest, err = d.readLiteral(f, b, 4)
		f.Sensitive = first >= 0x10
		return rest, err
	}
}

// passOver passes over the indexed fields that b begins with, one and at most most
// more. It returns their size and number.
func (d *Decoder) passOver(b []byte, most int) (size, fields int, rest []byte, err error) {
	for len(b) > 0 && b[0] >= 0x80 && fields <= most {
		var n int
		first := b[0]
		if n, b, err = d.measure(b); err != nil {
			return 0, 0, b, err
		}
		size += n
		fields++
		// Those of one byte that repeat need no second look.
		for first != 0xff && len(b) > 0 && b[0] == first && fields <= most {
			size, fields, b = size+n, fields+1, b[1:]
		}
	}
	return size, fields, b, nil
}

// measure passes over an indexed field, which changes no table: of what is not
// kept only the size counts.
func (d *Decoder) measure(b []byte) (size int, rest []byte, err error) {
	i, rest, err := readInteger(b, 7)
	age := i - staticCount - 1
	switch {
	case err != nil:
		return 0, b, err
	case i-1 < staticCount:
		return staticFields[i].Size(), rest, nil
	case i == 0 || age >= d.table.count:
		return 0, b, ErrIndex
	}
	e := d.table.slot(d.table.next - 1 - age)
	return int(e.nameLen+e.valueLen) + overhead, rest, nil
}

// lookup sets f to the field at an index of the two tables (RFC 7541, 2.3.3).
func (d *Decoder) lookup(f *Field, i uint32) error {
	if i-1 < staticCount {
		*f = staticFields[i]
		return nil
	}
	age := i - staticCount - 1
	if i == 0 || age >= d.table.count {
		return ErrIndex
	}
	f.Name, f.Value = d.table.field(d.table.next - 1 - age)
	f.Sensitive = false
	return nil
}

// readLiteral reads a field with an n bit prefix for the index of its name.
func (d *Decoder) readLiteral(f *Field, b []byte, n uint) (rest []byte, err error) {
	i, rest, err := readInteger(b, n)
	if err != nil {
		return b, err
	}
	if i == 0 {
		f.Name, rest, err = d.readString(rest)
	} else {
		err = d.lookup(f, i)
	}
	if err != nil {
		return b, err
	}
	f.Value, rest, err = d.readString(rest)
	return rest, err
}

// readString reads a string literal (RFC 7541, 5.2).
func (d *Decoder) readString(b []byte) (s, rest []byte, err error) {
	if len(b) == 0 {
		return nil, b, ErrTruncated
	}
	huffman := b[0] >= 0x80
	n, rest, err := readInteger(b, 7)
	if err != nil {
		return nil, b, err
	}
	if uint64(n) > uint64(len(rest)) {
		return nil, b, ErrTruncated
	}
	s, rest = rest[:n:n], rest[n:]
	if !huffman {
		return s, rest, nil
	}
	start := len(d.scratch)
	if d.scratch, err = appendDecoded(d.scratch, s); err != nil {
		return nil, b, err
	}
	return slices.Clip(d.scratch[start:]), rest, nil
}
