// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sideloop/sideloop/codec"
)

// pairsOf decodes a map; "null" stands for a null value.
func pairsOf(t interface{ Fatalf(string, ...any) }, m HeaderMap) (list [][2]string) {
	if !m.Valid() {
		t.Fatalf("the map's lengths do not add up: %x", []byte(m))
	}
	for len(m) > 0 {
		p, rest, _ := m.Next()
		value := string(p.Value)
		if p.Value == nil {
			value = "null"
		}
		list = append(list, [2]string{string(p.Key), value})
		m = rest
	}
	return list
}

// model is what an editor does, on a list.
type model [][2]string

func (m model) find(name string, from int) int {
	for i := from; i < len(m); i++ {
		if strings.EqualFold(m[i][0], name) {
			return i
		}
	}
	return -1
}

func (m model) set(name, value string) model {
	i := m.find(name, 0)
	if i < 0 {
		return append(m, [2]string{name, value})
	}
	m[i][1] = value
	for j := m.find(name, i+1); j >= 0; j = m.find(name, i+1) {
		m = append(m[:j], m[j+1:]...)
	}
	return m
}

func (m model) join(name, value string) model {
	i := m.find(name, 0)
	if i < 0 || m[i][1] == "null" {
		return m.set(name, value)
	}
	m[i][1] += "," + value
	return m
}

func (m model) remove(name string) model {
	for i := m.find(name, 0); i >= 0; i = m.find(name, 0) {
		m = append(m[:i], m[i+1:]...)
	}
	return m
}

// TestEditorIsTheModel: any changes to any map give what they give on a list, and
// the head that was edited stays as it was.
func TestEditorIsTheModel(t *testing.T) {
	var e Editor
	name := rapid.SampledFrom([]string{"a", "bc", "service"})
	key := rapid.SampledFrom([]string{"a", "A", "bc", "bC", "service", "other"})
	value := rapid.SampledFrom([]string{"", "x", "long value", "null"})
	rapid.Check(t, func(t *rapid.T) {
		var want model
		var encoded []byte
		for range rapid.IntRange(0, 6).Draw(t, "pairs") {
			k, v := key.Draw(t, "key"), value.Draw(t, "value")
			want = append(want, [2]string{k, v})
			text := []byte(v)
			if v == "null" {
				text = nil
			}
			encoded = AppendPair(encoded, []byte(k), text)
		}
		before := bytes.Clone(encoded)
		e.Begin(&Head{Version: V1, Type: TypeRequest, Map: encoded, Raw: []byte("raw")})
		for range rapid.IntRange(0, 6).Draw(t, "edits") {
			n, v := name.Draw(t, "name"), rapid.SampledFrom([]string{"", "y", "another long value"}).Draw(t, "new")
			switch rapid.IntRange(0, 2).Draw(t, "edit") {
			case 0:
				want = want.set(n, v)
				e.Set([]byte(n), []byte(v))
			case 1:
				want = want.join(n, v)
				e.Join([]byte(n), []byte(v))
			default:
				want = want.remove(n)
				e.Remove([]byte(n))
			}
		}
		head, reason := e.End()
		if reason != codec.ReasonNone || head.(*Head).Raw != nil {
			t.Fatalf("reason %v, raw %q", reason, head.(*Head).Raw)
		}
		found := pairsOf(t, head.(*Head).Map)
		if len(found) != len(want) {
			t.Fatalf("%q, want %q", found, want)
		}
		for i := range want {
			if found[i] != want[i] {
				t.Fatalf("%q, want %q", found, want)
			}
		}
		if !bytes.Equal(before, encoded) {
			t.Fatalf("the edited head changed: %x, was %x", encoded, before)
		}
	})
}

func TestEditorKeepsTheMapWithinItsLength(t *testing.T) {
	var e Editor
	for size, want := range map[int]codec.Reason{maxMap - 9: codec.ReasonNone, maxMap - 8: codec.HeaderTooLarge} {
		e.Begin(&Head{Version: V1, Type: TypeRequest})
		e.Set([]byte("k"), bytes.Repeat([]byte("v"), size))
		if _, reason := e.End(); reason != want {
			t.Errorf("%d bytes: %v, want %v", size, reason, want)
		}
	}
}

func TestEditorAllocatesNothing(t *testing.T) {
	var e Editor
	h := &Head{Version: V1, Type: TypeRequest, Map: AppendPair(AppendPair(nil, []byte("service"), []byte("s")), []byte("Gone"), []byte("x"))}
	name, value, gone := []byte("x-added"), []byte("value"), []byte("gone")
	if n := testing.AllocsPerRun(1000, func() {
		e.Begin(h)
		e.Set(name, value)
		e.Join(name, value)
		e.Remove(gone)
		e.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
