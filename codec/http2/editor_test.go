// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

func requestOf(fields ...string) *Head {
	h := &Head{MethodName: []byte("GET"), Scheme: []byte("http"), AuthorityName: []byte("a"), PathName: []byte("/")}
	for i := 0; i < len(fields); i += 2 {
		h.Fields = append(h.Fields, hpack.Field{Name: []byte(fields[i]), Value: []byte(fields[i+1])})
	}
	return h
}

func textOf(h codec.Head) string {
	head := h.(*Head)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", head.AuthorityName, head.PathName)
	for _, f := range head.Fields {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
	}
	return b.String()
}

func TestEditor(t *testing.T) {
	var e Editor
	for name, tt := range map[string]struct {
		fields []string
		edit   func()
		want   string
	}{
		"set new":        {nil, func() { e.Set([]byte("x"), []byte("1")) }, "a / x=1"},
		"set one of two": {[]string{"x", "1", "y", "2", "x", "3"}, func() { e.Set([]byte("x"), []byte("4")) }, "a / y=2 x=4"},
		"join new":       {nil, func() { e.Join([]byte("x"), []byte("1")) }, "a / x=1"},
		"join last":      {[]string{"x", "1", "x", "2"}, func() { e.Join([]byte("x"), []byte("3")) }, "a / x=1 x=2,3"},
		"join twice": {[]string{"x", "1"}, func() {
			e.Join([]byte("x"), []byte("2"))
			e.Join([]byte("x"), []byte("3"))
		}, "a / x=1,2,3"},
		"join cookie":    {[]string{"cookie", "a=b"}, func() { e.Join([]byte("cookie"), []byte("c=d")) }, "a / cookie=a=b cookie=c=d"},
		"remove":         {[]string{"x", "1", "y", "2", "x", "3"}, func() { e.Remove([]byte("x")) }, "a / y=2"},
		"path":           {nil, func() { e.SetPath([]byte("/new?q")) }, "a /new?q"},
		"authority":      {[]string{"host", "a", "x", "1"}, func() { e.SetAuthority([]byte("b:80")) }, "b:80 / x=1"},
		"remove missing": {[]string{"x", "1"}, func() { e.Remove([]byte("y")) }, "a / x=1"},
	} {
		h := requestOf(tt.fields...)
		before := textOf(h)
		e.Begin(h)
		tt.edit()
		edited, reason := e.End()
		if found := textOf(edited); found != tt.want || reason != codec.ReasonNone {
			t.Errorf("%s: %s, want %s", name, found, tt.want)
		}
		if textOf(h) != before {
			t.Errorf("%s: the head itself changed to %s", name, textOf(h))
		}
	}
}

// TestEditorLeavesSharedHeads: a head that connections share is edited in a copy
// which is not shared, so that no memo answers for it.
func TestEditorLeavesSharedHeads(t *testing.T) {
	s := new(shared)
	h := s.intern(requestOf("x", "1"))
	var e Editor
	e.Begin(h)
	e.Set([]byte("x"), []byte("2"))
	edited, _ := e.End()
	if edited.(*Head).common != nil || textOf(h) != "a / x=1" || textOf(edited) != "a / x=2" {
		t.Errorf("shared %s, edited %s", textOf(h), textOf(edited))
	}
	kept := edited.Copy(new(codec.Arena))
	e.Begin(requestOf())
	e.Set([]byte("x"), []byte("3"))
	if textOf(kept) != "a / x=2" {
		t.Errorf("the copy changed to %s", textOf(kept))
	}
}

func TestEditorAllocatesNothing(t *testing.T) {
	var e Editor
	h := requestOf("x", "1", "y", "2")
	name, value, gone := []byte("x"), []byte("value"), []byte("y")
	if n := testing.AllocsPerRun(1000, func() {
		e.Begin(h)
		e.Join(name, value)
		e.Remove(gone)
		e.SetAuthority(value)
		e.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
