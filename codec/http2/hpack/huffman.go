// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"encoding/binary"
	"slices"
)

// The Huffman code of RFC 7541, appendix B, is canonical: codes of one length
// are consecutive in the order of their symbols, and longer codes follow
// shorter ones. The lengths are therefore the whole code.
const (
	shortestCode = 5
	longestCode  = 30
	// rootBits is the longest code that decoding looks up directly: nearly all
	// that occurs in practice, in a table of 512 bytes.
	rootBits = 8
	// endOfString is a symbol of its own that must never be sent.
	endOfString = 256
)

// codeLengths holds the bits of the code of each byte, then of endOfString.
var codeLengths = [endOfString + 1]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
	30,
}

var (
	codes [endOfString]uint32
	// symbols lists all symbols by code length, then value.
	symbols [endOfString + 1]uint16
	// root maps the next rootBits bits to length<<8 | symbol; 0 means that the
	// code is longer.
	root [1 << rootBits]uint16
	// codeEnd is, for each length, the first longestCode bits wide value after
	// the codes of that length. codeBase added to a code of that length gives
	// its place in symbols.
	codeEnd  [longestCode + 1]uint32
	codeBase [longestCode + 1]int32
)

func init() {
	code, place := uint32(0), 0
	for length := uint8(1); length <= longestCode; length++ {
		code <<= 1
		codeBase[length] = int32(place) - int32(code)
		for symbol, l := range codeLengths {
			if l != length {
				continue
			}
			symbols[place] = uint16(symbol)
			place++
			if symbol != endOfString {
				codes[symbol] = code
			}
			if length <= rootBits {
				shift := rootBits - length
				for i := code << shift; i < (code+1)<<shift; i++ {
					root[i] = uint16(length)<<8 | uint16(symbol)
				}
			}
			code++
		}
		codeEnd[length] = code << (longestCode - length)
	}
}

// longCode decodes a code of more than rootBits from the leading bits of acc.
func longCode(acc uint64) (symbol uint16, length uint) {
	bits := uint32(acc >> (64 - longestCode))
	length = rootBits + 1
	for bits >= codeEnd[length] && length < longestCode {
		length++
	}
	return symbols[int32(bits>>(longestCode-length))+codeBase[length]], length
}

// appendDecoded appends the text of the Huffman coded src to dst (RFC 7541,
// 5.2).
func appendDecoded(dst, src []byte) ([]byte, error) {
	n := len(dst)
	dst = slices.Grow(dst, len(src)*8/shortestCode)
	out := dst[:cap(dst)]
	var acc uint64 // next bits first
	var have uint  // how many of them count; those after are zero or to come
	for {
		if have < longestCode {
			if len(src) >= 8 {
				acc |= binary.BigEndian.Uint64(src) >> have
				src = src[(63-have)/8:]
				have |= 56
			}
			for have <= 56 && len(src) > 0 {
				acc |= uint64(src[0]) << (56 - have)
				src = src[1:]
				have += 8
			}
		}
		symbol, length := uint16(0), uint(0)
		if entry := root[acc>>(64-rootBits)]; entry != 0 {
			symbol, length = entry&0xff, uint(entry>>8)
		} else {
			symbol, length = longCode(acc)
		}
		if length > have {
			break
		}
		if symbol == endOfString {
			return dst, ErrHuffman
		}
		out[n] = byte(symbol)
		n++
		acc <<= length
		have -= length
	}
	// What is left is padding: fewer than 8 bits, all ones.
	if have > 7 || acc>>(64-have) != 1<<have-1 {
		return dst, ErrHuffman
	}
	return out[:n], nil
}

// encodedLength is the number of bytes of s in Huffman code.
func encodedLength(s []byte) int {
	bits := 0
	for _, b := range s {
		bits += int(codeLengths[b])
	}
	return (bits + 7) / 8
}

// appendEncoded appends s in Huffman code to dst.
func appendEncoded(dst, s []byte) []byte {
	var acc uint64 // the last have bits are yet to be written
	var have uint
	for _, b := range s {
		length := uint(codeLengths[b])
		acc = acc<<length | uint64(codes[b])
		have += length
		if have >= 32 {
			have -= 32
			dst = binary.BigEndian.AppendUint32(dst, uint32(acc>>have))
		}
	}
	for have >= 8 {
		have -= 8
		dst = append(dst, byte(acc>>have))
	}
	if have > 0 {
		padding := 8 - have
		dst = append(dst, byte(acc<<padding)|(1<<padding-1))
	}
	return dst
}
