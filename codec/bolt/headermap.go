// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"encoding/binary"
)

// nullLength is the length that stands for a null key or value.
const nullLength = 0xFFFFFFFF

// HeaderMap is an encoded header map: repeated [u32 key length][key][u32 value
// length][value], big endian, a length of 0xFFFFFFFF meaning null. Order,
// repetition, case and bytes are the sender's. It is a view and never changed
// in place.
type HeaderMap []byte

// Pair is one entry of a HeaderMap. A null key or value is a nil slice, an
// empty one is not nil.
type Pair struct{ Key, Value []byte }

// Next splits off the first pair. ok is false at the end of the map and where
// its lengths lie; Valid tells the two apart.
func (m HeaderMap) Next() (p Pair, rest HeaderMap, ok bool) {
	key, b, ok := nextString(m)
	if !ok {
		return Pair{}, m, false
	}
	value, b, ok := nextString(b)
	if !ok {
		return Pair{}, m, false
	}
	return Pair{key, value}, b, true
}

func nextString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, b, false
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if n == nullLength {
		return nil, b, true
	}
	if uint64(n) > uint64(len(b)) {
		return nil, b, false
	}
	return b[:n:n], b[n:], true
}

// skip returns where the string that begins at i ends, -1 if that is not within
// the map. A length of null counts as none.
func (m HeaderMap) skip(i int) int {
	if len(m)-i < 4 {
		return -1
	}
	n := binary.BigEndian.Uint32(m[i:])
	if n == nullLength {
		return i + 4
	}
	if uint64(n) > uint64(len(m)-i-4) {
		return -1
	}
	return i + 4 + int(n)
}

// keyLengths is a set of lengths, modulo 64: most keys that are asked for and
// are not there are of a length that no key has. The empty set says nothing.
type keyLengths uint64

func (l keyLengths) has(n int) bool { return l>>(uint(n)%64)&1 != 0 }

// check tells whether the map's lengths add up to its size, and those of its
// keys.
func (m HeaderMap) check() (keys keyLengths, ok bool) {
	for i := 0; i < len(m); {
		value := m.skip(i)
		if value < 0 {
			return 0, false
		}
		keys |= 1 << (uint(value-i-4) % 64)
		if i = m.skip(value); i < 0 {
			return 0, false
		}
	}
	return keys, true
}

// Valid tells whether the map's lengths add up to its size.
func (m HeaderMap) Valid() bool {
	_, ok := m.check()
	return ok
}

// wrong is where the pair begins whose lengths do not fit the map's size.
func (m HeaderMap) wrong() int {
	for i := 0; i < len(m); {
		_, rest, ok := m[i:].Next()
		if !ok {
			return i
		}
		i = len(m) - len(rest)
	}
	return len(m)
}

// Get returns the first value under key, compared exactly. A null value counts
// as absent.
func (m HeaderMap) Get(key string) ([]byte, bool) {
	for i := 0; i < len(m); {
		value := m.skip(i)
		if value < 0 {
			return nil, false
		}
		end := m.skip(value)
		if end < 0 {
			return nil, false
		}
		if value-i == 4+len(key) && string(m[i+4:value]) == key && !m.null(i) && !m.null(value) {
			return m[value+4 : end : end], true
		}
		i = end
	}
	return nil, false
}

// Has tells whether a key is there, in whatever case. key is in lower case.
func (m HeaderMap) Has(key []byte) bool {
	for i := 0; i < len(m); {
		value := m.skip(i)
		if value < 0 {
			return false
		}
		if value-i == 4+len(key) && !m.null(i) && bytes.EqualFold(m[i+4:value], key) {
			return true
		}
		if i = m.skip(value); i < 0 {
			return false
		}
	}
	return false
}

// null tells that the string that begins at i is null.
func (m HeaderMap) null(i int) bool { return binary.BigEndian.Uint32(m[i:]) == nullLength }

// AppendPair appends the encoding of one pair to dst; nil stands for null.
func AppendPair(dst []byte, key, value []byte) []byte {
	return appendString(appendString(dst, key), value)
}

func appendString(dst, s []byte) []byte {
	if s == nil {
		return binary.BigEndian.AppendUint32(dst, nullLength)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}
