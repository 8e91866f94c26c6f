// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestDecodeLimits(t *testing.T) {
	get := bytes.Repeat([]byte{0x82}, 100) // 42 bytes of the list each
	insert := unhex(t, "40 0161 0162")
	for _, c := range []struct {
		name              string
		block             []byte
		listSize, maximum int
		want              error
		fields            int // those that are kept
	}{
		{"exactly the size", get[:10], 420, 100, nil, 10},
		{"one byte over the size", get[:10], 419, 100, ErrListTooLarge, 9},
		{"twice the size", get[:20], 420, 100, ErrListTooLarge, 10},
		{"a byte over twice the size", get[:20], 419, 100, ErrBomb, 0},
		{"exactly the count", get[:10], plentySize, 10, nil, 10},
		{"one over the count", get[:11], plentySize, 10, ErrTooManyFields, 10},
		{"count and then size", get[:11], 450, 10, ErrListTooLarge, 10},
		{"a block over twice the size, of no fields", bytes.Repeat([]byte{0x20}, 41), 20, 100, ErrBomb, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(4096)
			fields, err := d.Decode(nil, c.block, c.listSize, c.maximum)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if len(fields) != c.fields {
				t.Fatalf("%d fields", len(fields))
			}
		})
	}
	t.Run("the table stays in sync", func(t *testing.T) {
		d := NewDecoder(4096)
		block := slices.Concat(get[:5], insert, unhex(t, "40 8825 a849 e95b a97d 7f89 25a8 49e9 5bb8 e8b4 bf"))
		if _, err := d.Decode(nil, block, plentySize, 3); !errors.Is(err, ErrTooManyFields) {
			t.Fatal(err)
		}
		decodeHex(t, d, "be bf", "custom-key: custom-value", "a: b")
	})
}

// Ninety cookie crumbs and fifteen other fields are an ordinary browser.
func TestDecodeCrumbs(t *testing.T) {
	e, d := NewEncoder(), NewDecoder(4096)
	var block []byte
	for i := range 15 {
		block = e.AppendField(block, fmt.Appendf(nil, "name-%d", i), []byte("value"), false)
	}
	for i := range 90 {
		block = e.AppendField(block, []byte("cookie"), fmt.Appendf(nil, "crumb-%d=0123456789abcdef", i), true)
	}
	fields, err := d.Decode(nil, block, 64<<10, 256)
	if err != nil || len(fields) != 105 {
		t.Fatalf("%d fields, %v", len(fields), err)
	}
}

// One insertion referenced by a byte each costs no more than the limits allow,
// however long the block is.
func TestDecodeBombs(t *testing.T) {
	big := append([]byte{0x40, 1, 'a', 0x7f, 0x81, 0x1e}, bytes.Repeat([]byte{'b'}, 4000-32)...)
	for _, c := range []struct {
		name   string
		block  []byte
		want   error
		fields int // those that are kept
	}{
		{"60,000 references to a large entry", append(big, bytes.Repeat([]byte{0xbe}, 60_000)...), ErrBomb, 0},
		{"60,000 references to a tiny entry", append([]byte{0x40, 1, 'a', 0}, bytes.Repeat([]byte{0xbe}, 60_000)...), ErrBomb, 0},
		{"a little over the list", append(big, bytes.Repeat([]byte{0xbe}, 20)...), ErrListTooLarge, 16},
		{"empty names", bytes.Repeat([]byte{0, 0, 0}, 1000), ErrTooManyFields, 256},
		{"a long Huffman string", append([]byte{0x40, 1, 'a', 0xff, 0x80, 0xd7, 0x03}, make([]byte, 60_415)...), ErrListTooLarge, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(4096)
			dst := make([]Field, 0, 256)
			fields, err := d.Decode(dst, c.block, 64<<10, 256)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if len(fields) != c.fields || cap(fields) != 256 {
				t.Fatalf("%d fields in room for %d were kept", len(fields), cap(fields))
			}
			if held := cap(d.scratch) + cap(d.table.bytes); held > 16<<10 {
				t.Fatalf("%d bytes held", held)
			}
		})
	}
}

// An entry evicted and inserted by every field costs memory in proportion to
// the list at most.
func TestDecodeChurnIsBounded(t *testing.T) {
	name := bytes.Repeat([]byte{'n'}, 3000)
	block := append([]byte{0x40, 0x7f, 0xb9, 0x16}, name...)
	block = append(block, 0)
	block = append(block, bytes.Repeat([]byte{0x7e, 0}, 200)...)
	d := NewDecoder(4096)
	if _, err := d.Decode(nil, block, 64<<10, 256); !errors.Is(err, ErrBomb) {
		t.Fatal(err)
	}
	if cap(d.table.bytes) > 2*4096 {
		t.Fatalf("the table holds %d bytes", cap(d.table.bytes))
	}
}

// The text of fields over the limit is decoded into the same few bytes.
func TestDecodeDropsText(t *testing.T) {
	d := NewDecoder(4096)
	field := unhex(t, "00 8825 a849 e95b a97d 7f 8925 a849 e95b b8e8 b4bf")
	if _, err := d.Decode(nil, bytes.Repeat(field, 32), 64<<10, 8); !errors.Is(err, ErrTooManyFields) {
		t.Fatal(err)
	}
	if n := cap(d.scratch); n == 0 || n > 256 {
		t.Fatalf("%d bytes of text were held at once", n)
	}
}
