// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/sideloop/sideloop/codec"
)

// Editor implements codec.Editor for Bolt: the header map is written anew. A
// name meets every key that differs from it in case only, since routes name
// them in lower case and SOFARPC mixes cases; a pair that is there keeps its
// key's spelling. The zero value is ready.
type Editor struct {
	head   Head
	pairs  []byte
	joined []byte
}

var _ codec.Editor = (*Editor)(nil)

// Begin implements codec.Editor.
func (e *Editor) Begin(h codec.Head) {
	e.head = *h.(*Head)
	e.head.Raw, e.head.names = nil, 0
	e.pairs = append(e.pairs[:0], e.head.Map...)
	e.joined = e.joined[:0]
}

// Set implements codec.Editor: the first pair gets the value, further ones go.
func (e *Editor) Set(name, value []byte) {
	at := e.find(name, 0)
	if at.end == 0 {
		e.pairs = AppendPair(e.pairs, name, value)
		return
	}
	end := e.setValue(at, value)
	for more := e.find(name, end); more.end > 0; more = e.find(name, end) {
		e.pairs = slices.Delete(e.pairs, more.start, more.end)
	}
}

// Join implements codec.Editor. As in MOSN it is the first pair that counts. A
// null value is none.
func (e *Editor) Join(name, value []byte) {
	at := e.find(name, 0)
	if at.value == nil {
		e.Set(name, value)
		return
	}
	e.joined = append(append(append(e.joined[:0], at.value...), ','), value...)
	e.setValue(at, e.joined)
}

// Remove implements codec.Editor.
func (e *Editor) Remove(name []byte) {
	for at := e.find(name, 0); at.end > 0; at = e.find(name, at.start) {
		e.pairs = slices.Delete(e.pairs, at.start, at.end)
	}
}

// SetPath implements codec.Editor; Bolt has none.
func (e *Editor) SetPath([]byte) {}

// SetAuthority implements codec.Editor; Bolt has none.
func (e *Editor) SetAuthority([]byte) {}

// End implements codec.Editor. Its two bytes of length bound a header map.
func (e *Editor) End() (codec.Head, codec.Reason) {
	if len(e.pairs) > maxMap {
		return nil, codec.HeaderTooLarge
	}
	e.head.Map = HeaderMap(e.pairs)
	return &e.head, codec.ReasonNone
}

// span is where a pair lies, all zero for none.
type span struct {
	start, end int
	valueAt    int // of the value's length
	value      []byte
}

// find returns the first pair of a name from an offset on.
func (e *Editor) find(name []byte, from int) span {
	for m := HeaderMap(e.pairs[from:]); len(m) > 0; {
		p, rest, ok := m.Next()
		if !ok {
			break // the codec delivers only valid maps
		}
		if p.Key != nil && bytes.EqualFold(p.Key, name) {
			start := len(e.pairs) - len(m)
			return span{start, len(e.pairs) - len(rest), start + 4 + len(p.Key), p.Value}
		}
		m = rest
	}
	return span{}
}

// setValue gives the pair another value and returns where it ends.
func (e *Editor) setValue(at span, value []byte) (end int) {
	end = at.valueAt + 4 + len(value)
	grown := end - at.end
	if grown > 0 {
		e.pairs = slices.Insert(e.pairs, at.end, value[:grown]...)
	} else {
		e.pairs = slices.Delete(e.pairs, end, at.end)
	}
	binary.BigEndian.PutUint32(e.pairs[at.valueAt:], uint32(len(value)))
	copy(e.pairs[at.valueAt+4:], value)
	return end
}
