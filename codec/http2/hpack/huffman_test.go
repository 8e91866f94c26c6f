// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"bytes"
	"errors"
	"testing"

	xhpack "golang.org/x/net/http2/hpack"
)

// Any two bytes after each other give the code that the reference gives, and
// come back.
func TestHuffmanPairs(t *testing.T) {
	for i := range 1 << 16 {
		text := []byte{byte(i >> 8), byte(i)}
		code := appendEncoded(nil, text)
		if want := xhpack.AppendHuffmanString(nil, string(text)); !bytes.Equal(code, want) {
			t.Fatalf("%x encodes to %x, want %x", text, code, want)
		}
		if n := encodedLength(text); n != len(code) {
			t.Fatalf("%x: length %d announced, %d written", text, n, len(code))
		}
		got, err := appendDecoded(nil, code)
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%x decodes to %x, %v", code, got, err)
		}
	}
}

// Every length of text around the decoder's word size, at every bit offset.
func TestHuffmanLengths(t *testing.T) {
	text := []byte("a0~\x00\xf9 Z|\n" + "www.example.com/index?id=\xff\xfe~~~~~~~~~")
	for from := range text {
		for to := from; to <= len(text); to++ {
			code := appendEncoded([]byte("kept"), text[from:to])
			got, err := appendDecoded([]byte("kept"), code[4:])
			if err != nil || string(got) != "kept"+string(text[from:to]) {
				t.Fatalf("%q decodes to %q, %v", text[from:to], got, err)
			}
		}
	}
}

// RFC 7541, 5.2: fewer than 8 bits of padding, all ones; no end of string.
func TestHuffmanErrors(t *testing.T) {
	for _, code := range [][]byte{
		{0xff},                         // 8 bits of padding
		{0x1f, 0xff},                   // 'a', 3 and 8 bits of padding
		{0xff, 0xff, 0xff},             // 24 bits of padding
		{0x18},                         // 'a', padding of zeros
		{0x1e},                         // 'a', padding with one zero
		{0xff, 0xff, 0xff, 0xff},       // end of string, then padding
		{0xff, 0xff, 0xff, 0xfc},       // end of string, then zeros
		{0x1f, 0xff, 0xff, 0xff, 0xff}, // 'a', end of string
		{0xff, 0xff, 0xff, 0xf3, 0xff}, // a 30 bit code, then too much padding
	} {
		if got, err := appendDecoded(nil, code); !errors.Is(err, ErrHuffman) {
			t.Errorf("%x decodes to %q, %v", code, got, err)
		}
	}
}
