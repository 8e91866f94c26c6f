// SPDX-License-Identifier: Apache-2.0

package hpack

// integerBytes bounds the bytes after an integer's prefix. Four carry 28 bits,
// more than any index, length or table size that can be right.
const integerBytes = 4

// readInteger splits off an integer with an n bit prefix (RFC 7541, 5.1). b is
// not empty.
func readInteger(b []byte, n uint) (v uint32, rest []byte, err error) {
	prefix := uint32(1)<<n - 1
	v = uint32(b[0]) & prefix
	if v < prefix {
		return v, b[1:], nil
	}
	for i := 1; i < len(b); i++ {
		if i > integerBytes {
			return 0, b, ErrIntegerOverflow
		}
		v += uint32(b[i]&0x7f) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			return v, b[i+1:], nil
		}
	}
	return 0, b, ErrTruncated
}

// appendInteger appends v with an n bit prefix; first holds the bits before it.
func appendInteger(dst []byte, first byte, n uint, v uint32) []byte {
	prefix := uint32(1)<<n - 1
	if v < prefix {
		return append(dst, first|byte(v))
	}
	dst = append(dst, first|byte(prefix))
	for v -= prefix; v >= 0x80; v >>= 7 {
		dst = append(dst, byte(v)|0x80)
	}
	return append(dst, byte(v))
}
