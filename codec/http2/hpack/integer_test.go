// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"bytes"
	"errors"
	"testing"
)

func TestIntegers(t *testing.T) {
	for _, c := range []struct {
		value  uint32
		prefix uint
		code   []byte
	}{
		{10, 5, []byte{0x0a}},               // RFC 7541, C.1.1
		{1337, 5, []byte{0x1f, 0x9a, 0x0a}}, // RFC 7541, C.1.2
		{30, 5, []byte{0x1e}},
		{31, 5, []byte{0x1f, 0x00}},
		{126, 7, []byte{0x7e}},
		{127, 7, []byte{0x7f, 0x00}},
		{127 + 127, 7, []byte{0x7f, 0x7f}},
		{127 + 128, 7, []byte{0x7f, 0x80, 0x01}},
		{15 + 1<<28 - 1, 4, []byte{0x0f, 0xff, 0xff, 0xff, 0x7f}},
	} {
		if got := appendInteger(nil, 0, c.prefix, c.value); !bytes.Equal(got, c.code) {
			t.Errorf("%d encodes to %x, want %x", c.value, got, c.code)
		}
		for n := range c.code {
			if n == 0 {
				continue
			}
			if _, _, err := readInteger(c.code[:n], c.prefix); !errors.Is(err, ErrTruncated) {
				t.Errorf("%x: %v", c.code[:n], err)
			}
		}
		// The bits before the prefix and the bytes after it are others'.
		code := append(bytes.Clone(c.code), 0xff)
		code[0] |= 0xff << c.prefix
		got, rest, err := readInteger(code, c.prefix)
		if err != nil || got != c.value || !bytes.Equal(rest, []byte{0xff}) {
			t.Errorf("%x decodes to %d, rest %x, %v", code, got, rest, err)
		}
	}
	if _, _, err := readInteger([]byte{0x0f, 0x80, 0x80, 0x80, 0x80, 0x00}, 4); !errors.Is(err, ErrIntegerOverflow) {
		t.Error("five bytes:", err)
	}
}
