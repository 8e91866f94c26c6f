// SPDX-License-Identifier: Apache-2.0

package bolt

import "encoding/binary"

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

// Valid tells whether the map's lengths add up to its size.
func (m HeaderMap) Valid() bool {
	for len(m) > 0 {
		_, rest, ok := m.Next()
		if !ok {
			return false
		}
		m = rest
	}
	return true
}

// Get returns the first value under key, compared exactly. A null value counts
// as absent.
func (m HeaderMap) Get(key string) ([]byte, bool) {
	for len(m) > 0 {
		p, rest, ok := m.Next()
		if !ok {
			return nil, false
		}
		if p.Value != nil && p.Key != nil && string(p.Key) == key {
			return p.Value, true
		}
		m = rest
	}
	return nil, false
}

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
