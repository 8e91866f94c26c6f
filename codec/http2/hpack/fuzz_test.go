// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	xhpack "golang.org/x/net/http2/hpack"
)

// split cuts fuzz data into blocks, each after its length in one byte.
func split(data []byte) (blocks [][]byte) {
	for len(data) > 0 {
		n := min(int(data[0]), len(data)-1)
		blocks = append(blocks, data[1:1+n])
		data = data[1+n:]
	}
	return blocks
}

// reference decodes a block with the decoder that ours is compared to.
func reference(d *xhpack.Decoder, block []byte) ([]string, int, error) {
	list, size := []string{}, 0
	d.SetEmitFunc(func(f xhpack.HeaderField) {
		list = append(list, texts([]Field{{[]byte(f.Name), []byte(f.Value), f.Sensitive}})...)
		size += int(f.Size())
	})
	if _, err := d.Write(block); err != nil {
		return nil, 0, err
	}
	return list, size, d.Close()
}

// differs tells whether the reference is known to decide otherwise than ours,
// which returned err, about a block: it takes integers of up to nine bytes
// after the prefix; takes size updates in the middle of a block while its table
// is empty; and has no limits.
func differs(err error, size, listSize int) bool {
	return errors.Is(err, ErrIntegerOverflow) || errors.Is(err, ErrTableSize) ||
		errors.Is(err, ErrBomb) && size > 2*listSize ||
		errors.Is(err, ErrListTooLarge) && size > listSize
}

// FuzzDecode decodes a sequence of blocks with the reference and with ours.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		const listSize = 16 << 10
		ours, theirs := NewDecoder(4096), xhpack.NewDecoder(4096, nil)
		var fields []Field
		for _, block := range split(data) {
			var err error
			before := slices.Clone(block)
			fields, err = ours.Decode(fields[:0], block, listSize, plentyFields)
			if !slices.Equal(block, before) {
				t.Fatal("the block was changed")
			}
			want, size, wantErr := reference(theirs, block)
			if wantErr != nil {
				// The reference refuses a second update after one that leaves
				// entries, which RFC 7541, 4.2 allows.
				if err == nil && !startsWithTwoUpdates(block) {
					t.Fatalf("block %x: %q, want error %v", block, texts(fields), wantErr)
				}
				return
			}
			if err != nil {
				if !differs(err, size, listSize) {
					t.Fatalf("block %x: %v, want %q", block, err, want)
				}
				if !errors.Is(err, ErrListTooLarge) {
					return
				}
				if got := texts(fields); len(got) >= len(want) || !slices.Equal(got, want[:len(got)]) {
					t.Fatalf("block %x: kept %q of %q", block, got, want)
				}
			} else if got := texts(fields); !slices.Equal(got, want) {
				t.Fatalf("block %x:\n got %q\nwant %q", block, got, want)
			}
			checkTable(t, &ours.table)
		}
	})
}

func startsWithTwoUpdates(block []byte) bool {
	if len(block) == 0 || block[0]&0xe0 != 0x20 {
		return false
	}
	_, rest, err := readInteger(block, 5)
	return err == nil && len(rest) > 0 && rest[0]&0xe0 == 0x20
}

// checkTable holds a table to what is always true of it.
func checkTable(t *testing.T, table *table) {
	t.Helper()
	size := 0
	for i := table.next - table.count; i != table.next; i++ {
		name, value := table.field(i)
		size += len(name) + len(value) + overhead
	}
	if size != table.size || size > table.max {
		t.Fatalf("entries of %d bytes, counted %d, limit %d", size, table.size, table.max)
	}
	if cap(table.bytes) > 2*4096 {
		t.Fatalf("%d bytes held", cap(table.bytes))
	}
}

// FuzzRoundTrip encodes messages made from fuzz data with each encoder and
// decodes them with the other decoder. An instruction is one byte: the low two
// bits say what, the others choose.
func FuzzRoundTrip(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newRoundTrip(t)
		for len(data) > 0 {
			op, choice := data[0]&3, data[0]>>2
			data = data[1:]
			switch op {
			case 0:
				r.exchange()
			case 1:
				r.resize(uint32(choice) * 100)
			case 2: // a field of names and values that come often
				r.field([]byte{'n', choice & 7}, []byte{'v', choice >> 3}, choice == 63)
			case 3: // a field of the data itself
				n := min(int(choice), len(data))
				r.field(data[:n/2], data[n/2:n], false)
				data = data[n:]
			}
		}
		r.exchange()
	})
}

// roundTrip is one connection each of our encoder to the reference's decoder
// and the other way round, carrying the same messages.
type roundTrip struct {
	t *testing.T

	encoder      *Encoder
	theirDecoder *xhpack.Decoder
	decoder      *Decoder
	theirEncoder *xhpack.Encoder

	block, theirBlock blockWriter
	want              []string
	resized           bool
}

type blockWriter []byte

func (w *blockWriter) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

func newRoundTrip(t *testing.T) *roundTrip {
	r := &roundTrip{t: t, encoder: NewEncoder(), theirDecoder: xhpack.NewDecoder(4096, nil), decoder: NewDecoder(8192)}
	r.theirEncoder = xhpack.NewEncoder(&r.theirBlock)
	r.theirEncoder.SetMaxDynamicTableSizeLimit(8192)
	r.decoder.table.setMax(4096)
	r.theirDecoder.SetAllowedMaxDynamicTableSize(8192)
	return r
}

// resize changes the table's size between two blocks, once: the reference's
// decoder does not take the two updates that more can need.
func (r *roundTrip) resize(n uint32) {
	if r.resized || len(r.want) > 0 {
		return
	}
	r.resized = true
	r.encoder.SetPeerTableSize(n)
	r.theirEncoder.SetMaxDynamicTableSize(n)
}

func (r *roundTrip) field(name, value []byte, sensitive bool) {
	r.want = append(r.want, texts([]Field{{name, value, sensitive}})...)
	r.block = r.encoder.AppendField(r.block, name, value, sensitive)
	if err := r.theirEncoder.WriteField(xhpack.HeaderField{Name: string(name), Value: string(value), Sensitive: sensitive}); err != nil {
		r.t.Fatal(err)
	}
}

// exchange ends a message and compares both sides.
func (r *roundTrip) exchange() {
	if len(r.want) == 0 {
		return
	}
	if got, _, err := reference(r.theirDecoder, r.block); err != nil || !slices.Equal(got, r.want) {
		r.t.Fatalf("their decoder, block %x: %v\n got %q\nwant %q", r.block, err, got, r.want)
	}
	fields, err := r.decoder.Decode(nil, r.theirBlock, plentySize, plentyFields)
	if got := texts(fields); err != nil || !slices.Equal(got, r.want) {
		r.t.Fatalf("our decoder, block %x: %v\n got %q\nwant %q", r.theirBlock, err, got, r.want)
	}
	checkTable(r.t, &r.encoder.table)
	checkTable(r.t, &r.decoder.table)
	r.block, r.theirBlock, r.want, r.resized = r.block[:0], r.theirBlock[:0], nil, false
}

// A long connection of messages from a counter, which needs no fuzzer.
func TestRoundTripLong(t *testing.T) {
	r := newRoundTrip(t)
	state := uint64(1)
	for i := range 20_000 {
		state = state*6364136223846793005 + 1442695040888963407
		choice := state >> 33
		if i%500 == 0 {
			r.exchange()
			r.resize(uint32(choice % 5000))
		}
		if i%20 == 0 {
			r.exchange()
		}
		value := binary.BigEndian.AppendUint64(nil, choice%64)
		for range choice % 5 {
			value = append(value, value...)
		}
		r.field([]byte{'n', byte(choice>>8) % 16}, value, choice%97 == 0)
	}
	r.exchange()
}
