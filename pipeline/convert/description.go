// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// The value of BoltHeader lists the pairs of the map in order, separated by
// commas. Bytes outside [A-Za-z0-9._-] are written %XX.
//
//	key        the value is in the field named key in lower case, the first
//	           that no earlier entry has taken
//	key=value  HTTP/2 cannot carry the pair, so it stands here whole
//	key~       the same, with a null value
//	!=value    the same, with a null key; also !~
//	;class     the first entry only: a class name that is no field value
//
// An entry that stands here whole although a field could carry it, a named
// field that is missing, and a field that no entry names although its name is
// that of an entry are all refused: they would let one request mean two things.
// No entry is of CertHeader, which the next proxy takes away or gives another
// value: it crosses as a field in lower case, or not at all.

// carriage is how a pair crosses HTTP/2.
type carriage uint8

const (
	// plain: a field of the same name.
	plain carriage = iota
	// named: a field, whose name has lost its case.
	named
	// whole: in the description only.
	whole
)

func classify(p bolt.Pair) carriage {
	if len(p.Key) == 0 || p.Value == nil || !fieldValue(p.Value) {
		return whole
	}
	for _, c := range p.Key {
		if !tokenBytes[c] {
			return whole
		}
	}
	if isLower(p.Key) {
		if isProperty(p.Key) || isReserved(p.Key) {
			return whole
		}
		return plain
	}
	var room [maxReserved]byte
	if len(p.Key) <= len(room) || hasReservedPrefix(p.Key) {
		lower := appendLower(room[:0], p.Key)
		if isProperty(lower) || isReserved(lower) {
			return whole
		}
	}
	return named
}

// maxReserved is at least the length of every reserved name.
const maxReserved = 32

func hasReservedPrefix(key []byte) bool {
	for _, prefix := range [...]string{ownPrefix, mosnPrefix, grpcPrefix} {
		if len(key) >= len(prefix) && equalLower(key[:len(prefix)], []byte(prefix)) {
			return true
		}
	}
	return false
}

func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, lowerByte(c))
	}
	return dst
}

func appendDescription(dst []byte, h *bolt.Head) []byte {
	start := len(dst)
	if !fieldValue(h.Class) {
		dst = appendEscaped(append(dst, ';'), h.Class)
	}
	for m := h.Map; len(m) > 0; {
		p, rest, ok := m.Next()
		if !ok {
			break
		}
		m = rest
		if equalLower(p.Key, certHeader) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		if p.Key == nil {
			dst = append(dst, '!')
		} else {
			dst = appendEscaped(dst, p.Key)
		}
		switch {
		case classify(p) != whole:
		case p.Value == nil:
			dst = append(dst, '~')
		default:
			dst = appendEscaped(append(dst, '='), p.Value)
		}
	}
	return dst
}

const hexDigits = "0123456789ABCDEF"

func unescaped(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

func appendEscaped(dst, b []byte) []byte {
	for _, c := range b {
		if unescaped(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// mapBuilder rebuilds a header map from the fields of a block.
type mapBuilder struct {
	encoded []byte
	class   []byte
	key     []byte // an entry's key, unescaped
	value   []byte
	taken   []bool // by field: it is no pair, or an entry's already
	named   []bool // by field: an entry has this field's name
	first   int    // no field before it is free
}

// plainFields makes the map of a block without a description: each field that
// is neither property nor reserved.
func (m *mapBuilder) plainFields(fields []hpack.Field) {
	m.encoded = m.encoded[:0]
	for i := range fields {
		if f := &fields[i]; !isProperty(f.Name) && !isReserved(f.Name) {
			m.encoded = bolt.AppendPair(m.encoded, f.Name, notNil(f.Value))
		}
	}
}

// described makes the map that the description states, followed by the fields
// that other proxies added. It is false where the two disagree.
func (m *mapBuilder) described(fields []hpack.Field, description []byte) bool {
	m.encoded, m.class = m.encoded[:0], nil
	m.mark(fields)
	for first := true; len(description) > 0 || first; first = false {
		var entry []byte
		entry, description = cutEntry(description)
		if first && len(entry) > 0 && entry[0] == ';' {
			var ok bool
			if m.class, ok = unescape(m.class[:0], entry[1:]); !ok || fieldValue(m.class) {
				return false
			}
			if m.class == nil {
				m.class = []byte{}
			}
			continue
		}
		if !m.entry(fields, entry) {
			return false
		}
	}
	return m.others(fields)
}

// mark starts the books on fields: properties and reserved ones are no pair's.
func (m *mapBuilder) mark(fields []hpack.Field) {
	m.taken, m.named, m.first = m.taken[:0], m.named[:0], 0
	for i := range fields {
		m.taken = append(m.taken, isProperty(fields[i].Name) || isReserved(fields[i].Name))
		m.named = append(m.named, false)
	}
}

// cutEntry splits off the first entry. A comma at the very end would be an
// empty entry, which is refused like any other.
func cutEntry(b []byte) (entry, rest []byte) {
	for i, c := range b {
		if c == ',' {
			if i+1 == len(b) {
				return b, nil
			}
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// entry adds the pair of one entry.
func (m *mapBuilder) entry(fields []hpack.Field, entry []byte) bool {
	p, how, ok := m.parse(entry)
	if !ok || equalLower(p.Key, certHeader) {
		return false
	}
	for i := range fields {
		if p.Key != nil && equalLower(p.Key, fields[i].Name) {
			m.named[i] = true
		}
	}
	if how != whole {
		i := m.take(fields, p.Key)
		if i < 0 {
			return false
		}
		p.Value = notNil(fields[i].Value)
	}
	if (classify(p) == whole) != (how == whole) {
		return false
	}
	m.encoded = bolt.AppendPair(m.encoded, p.Key, p.Value)
	return true
}

// take returns the first field of that name that is not taken, or -1. Senders
// write fields in the order of the entries, so it is usually the very first.
func (m *mapBuilder) take(fields []hpack.Field, key []byte) int {
	for m.first < len(fields) && m.taken[m.first] {
		m.first++
	}
	for i := m.first; i < len(fields); i++ {
		if !m.taken[i] && equalLower(key, fields[i].Name) {
			m.taken[i] = true
			return i
		}
	}
	return -1
}

// parse reads one entry; how is whole for a pair that the entry states itself.
func (m *mapBuilder) parse(entry []byte) (p bolt.Pair, how carriage, ok bool) {
	split := len(entry)
	for i, c := range entry {
		if c == '=' || c == '~' {
			split = i
			break
		}
	}
	if string(entry[:split]) != "!" {
		if m.key, ok = unescape(m.key[:0], entry[:split]); !ok {
			return p, whole, false
		}
		p.Key = notNil(m.key)
	}
	switch {
	case split == len(entry):
		return p, named, len(p.Key) > 0
	case entry[split] == '~':
		return p, whole, split+1 == len(entry)
	}
	m.value, ok = unescape(m.value[:0], entry[split+1:])
	p.Value = notNil(m.value)
	return p, whole, ok
}

// others adds the fields that no entry took. One that has the name of an entry
// contradicts the description.
func (m *mapBuilder) others(fields []hpack.Field) bool {
	for i := range fields {
		f := &fields[i]
		if m.taken[i] {
			continue
		}
		if m.named[i] {
			return false
		}
		m.encoded = bolt.AppendPair(m.encoded, f.Name, notNil(f.Value))
	}
	return true
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// unescape appends what b stands for. It refuses characters that should have
// been escaped and escapes that should not.
func unescape(dst, b []byte) ([]byte, bool) {
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c != '%' {
			if !unescaped(c) {
				return dst, false
			}
			dst = append(dst, c)
			continue
		}
		if i+2 >= len(b) {
			return dst, false
		}
		hi, lo := unhex(b[i+1]), unhex(b[i+2])
		if hi < 0 || lo < 0 || unescaped(byte(hi<<4|lo)) {
			return dst, false
		}
		dst = append(dst, byte(hi<<4|lo))
		i += 2
	}
	return dst, true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
