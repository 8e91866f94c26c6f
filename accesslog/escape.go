// SPDX-License-Identifier: Apache-2.0

package accesslog

import "unicode/utf8"

// escaping is how what peers have sent is made harmless in a line.
type escaping uint8

const (
	// inText writes bytes as \xHH, so that nothing ends a line or a quoted value,
	// or moves the cursor of who looks at it.
	inText escaping = iota
	// inJSON writes them as JSON does (RFC 8259, 7).
	inJSON
)

// plain tells the bytes that are written as they are, which are all of ASCII.
var plain = func() (table [256]bool) {
	for c := range utf8.RuneSelf {
		table[c] = c >= ' ' && c != 0x7f && c != '"' && c != '\\'
	}
	return table
}()

const hexDigits = "0123456789abcdef"

// cutMark stands where a value was cut short.
const cutMark = "..."

// appendEscaped appends v, at most room bytes of it, counted as they are written.
// It cuts between two characters.
func appendEscaped[T string | []byte](dst []byte, v T, how escaping, room int) []byte {
	end := len(dst) + room
	for i := 0; i < len(v); {
		run := i
		for run+8 <= len(v) && plainWord(word(v[run:run+8])) {
			run += 8
		}
		for run < len(v) && plain[v[run]] {
			run++
		}
		if n := run - i; n > end-len(dst) {
			return append(append(dst, v[i:i+max(end-len(dst), 0)]...), cutMark...)
		}
		dst = append(dst, v[i:run]...)
		if i = run; i == len(v) {
			break
		}
		n := len(dst)
		dst, i = appendRune(dst, v, i, how)
		if len(dst) > end {
			return append(dst[:n], cutMark...)
		}
	}
	return dst
}

// word is eight bytes.
func word[T string | []byte](v T) uint64 {
	_ = v[7]
	return uint64(v[0]) | uint64(v[1])<<8 | uint64(v[2])<<16 | uint64(v[3])<<24 |
		uint64(v[4])<<32 | uint64(v[5])<<40 | uint64(v[6])<<48 | uint64(v[7])<<56
}

// plainWord tells that eight bytes are plain. Where it is false, some may be all the
// same.
func plainWord(w uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	below := func(w uint64, c uint64) uint64 { return w - each*c } // sets the high bit of a byte under c
	quote, slash, del := w^each*'"', w^each*'\\', w^each*0x7f
	return (w|below(w, ' ')|below(quote, 1)|below(slash, 1)|below(del, 1))&high == 0
}

// appendRune appends the character at v[i], which is not plain, and returns where
// the next one is.
func appendRune[T string | []byte](dst []byte, v T, i int, how escaping) ([]byte, int) {
	c := v[i]
	if c < utf8.RuneSelf {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case how == inJSON:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		default:
			dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&0xf])
		}
		return dst, i + 1
	}
	var room [utf8.UTFMax]byte
	s := room[:copy(room[:], v[i:])]
	r, size := utf8.DecodeRune(s)
	switch {
	case (r != utf8.RuneError || size > 1) && harmless(r):
		return append(dst, s[:size]...), i + size
	case how == inText:
		for _, c := range s[:size] {
			dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&0xf])
		}
	default:
		dst = append(dst, '\\', 'u', hexDigits[r>>12&0xf], hexDigits[r>>8&0xf], hexDigits[r>>4&0xf], hexDigits[r&0xf])
	}
	return dst, i + size
}

// harmless tells that a character beyond ASCII neither ends a line, nor controls a
// terminal, nor turns the direction of what follows.
func harmless(r rune) bool {
	switch {
	case r < 0xa0, r == 0x2028, r == 0x2029, r == 0xfeff:
		return false
	case r >= 0x200e && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return false
	}
	return true
}
