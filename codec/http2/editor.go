// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"slices"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// Editor implements codec.Editor for HTTP/2. The zero value is ready.
type Editor struct {
	head   Head
	fields []hpack.Field
	joined []byte
}

var _ codec.Editor = (*Editor)(nil)

// Begin implements codec.Editor.
func (e *Editor) Begin(h codec.Head) {
	e.head = *h.(*Head)
	e.head.common, e.head.names = nil, 0
	e.fields = append(e.fields[:0], e.head.Fields...)
	e.joined = e.joined[:0]
}

// Set implements codec.Editor.
func (e *Editor) Set(name, value []byte) {
	i := e.last(name)
	if i < 0 {
		e.add(name, value)
		return
	}
	e.fields[i].Value = value
	n := 0
	e.fields = slices.DeleteFunc(e.fields, func(f hpack.Field) bool {
		n++
		return n-1 != i && string(f.Name) == string(name)
	})
}

// Join implements codec.Editor. The last of several fields of a name ends its
// list (RFC 9110, 5.3).
func (e *Editor) Join(name, value []byte) {
	i := e.last(name)
	if i < 0 || ruleOf(name) == crumb {
		e.add(name, value)
		return
	}
	start := len(e.joined)
	e.joined = append(append(append(e.joined, e.fields[i].Value...), ','), value...)
	e.fields[i].Value = e.joined[start:len(e.joined):len(e.joined)]
}

func (e *Editor) add(name, value []byte) {
	e.fields = append(e.fields, hpack.Field{Name: name, Value: value})
}

// last is the last field of a name, -1 if there is none.
func (e *Editor) last(name []byte) int {
	for i := len(e.fields) - 1; i >= 0; i-- {
		if string(e.fields[i].Name) == string(name) {
			return i
		}
	}
	return -1
}

// Remove implements codec.Editor.
func (e *Editor) Remove(name []byte) {
	e.fields = slices.DeleteFunc(e.fields, func(f hpack.Field) bool { return string(f.Name) == string(name) })
}

// SetPath implements codec.Editor. A plain CONNECT has no path.
func (e *Editor) SetPath(path []byte) {
	if e.head.PathName != nil {
		e.head.PathName = path
	}
}

// SetAuthority implements codec.Editor. A host field would contradict it.
func (e *Editor) SetAuthority(authority []byte) {
	e.head.AuthorityName = authority
	e.Remove([]byte("host"))
}

// End implements codec.Editor.
func (e *Editor) End() (codec.Head, codec.Reason) {
	e.head.Fields = e.fields
	return &e.head, codec.ReasonNone
}
