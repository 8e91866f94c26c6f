// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"bytes"
	"errors"
	"testing"
)

// What lies beyond a limit is still held to the format, counted, and leaves the
// table as it is for the next block.
func TestDecodeBeyondTheLimit(t *testing.T) {
	entry := unhex(t, "40 0161 0162") // 34 bytes
	for _, c := range []struct {
		name   string
		fields []byte
		want   error
	}{
		{"references", bytes.Repeat([]byte{0xbe}, 20), ErrTooManyFields},
		{"references of the static table", bytes.Repeat([]byte{0x82}, 10), ErrTooManyFields},
		{"list too large", bytes.Repeat([]byte{0xbe}, 30), ErrListTooLarge},
		{"bomb", bytes.Repeat([]byte{0xbe}, 60), ErrBomb},
		{"bomb of the static table", bytes.Repeat([]byte{0x82}, 60), ErrBomb},
		{"bomb of small fields", bytes.Repeat([]byte{0x8f}, 33), ErrBomb},
		{"index 0", unhex(t, "be be be 80"), ErrIndex},
		{"index after the table", unhex(t, "be be be bf"), ErrIndex},
		{"integer cut off", unhex(t, "be be be ff"), ErrTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(4096)
			_, err := d.Decode(nil, append(bytes.Clone(entry), c.fields...), 1000, 8)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if errors.Is(err, ErrTooManyFields) || errors.Is(err, ErrListTooLarge) {
				decodeHex(t, d, "be", "a: b")
			}
		})
	}
}
