// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strconv"
	"strings"
	"time"
)

// view reads an object that was checked by its table. A value of the wrong kind
// has been reported and reads as if it were absent; an absent one reads as the
// table's default. Asking for a key that the table does not have is a mistake
// in this package and panics.
type view struct {
	c    *checker
	o    *object
	n    *node // nil reads as an empty object
	path string
}

// key is a key's table entry and its value, nil when absent.
func (v view) key(name string) (*key, *node) {
	k := v.o.key(name)
	if k == nil {
		panic("config: " + v.o.name + " has no key " + name)
	}
	return k, v.n.member(name)
}

// at is the position and path of a key, or of the object when it is absent.
func (v view) at(name string) (position, string) {
	k, n := v.key(name)
	if n == nil {
		return v.position(), joinPath(v.path, k.name)
	}
	return n.position, joinPath(v.path, k.name)
}

func (v view) position() position {
	if v.n == nil {
		return position{}
	}
	return v.n.position
}

// has tells whether the key is there with anything but null.
func (v view) has(name string) bool {
	_, n := v.key(name)
	return n != nil
}

func (v view) text(name string) string {
	k, n := v.key(name)
	if s, ok := textOf(n); ok && s != "" {
		return s
	}
	return strings.Trim(k.fallback, `"`)
}

func (v view) flag(name string) bool {
	k, n := v.key(name)
	if n != nil && n.kind == boolNode {
		return n.text == "true"
	}
	return k.fallback == "true"
}

// uint32 is the default also for 0, as in MOSN.
func (v view) uint32(name string) uint32 {
	k, n := v.key(name)
	if n != nil && n.kind == numberNode {
		if u, err := strconv.ParseUint(n.text, 10, 32); err == nil && u > 0 {
			return uint32(u)
		}
	}
	u, _ := strconv.ParseUint(k.fallback, 10, 32)
	return uint32(u)
}

// integer reads a whole number, of which 0 is one like any other.
func (v view) integer(name string) int {
	k, n := v.key(name)
	if n != nil && n.kind == numberNode {
		if i, err := strconv.ParseInt(n.text, 10, 64); err == nil && i >= k.min && i <= k.max {
			return int(i)
		}
	}
	i, _ := strconv.Atoi(k.fallback)
	return i
}

// int64 reads a whole number of any size.
func (v view) int64(name string) int64 {
	_, n := v.key(name)
	if n == nil || n.kind != numberNode {
		return 0
	}
	i, _ := strconv.ParseInt(n.text, 10, 64)
	return i
}

// uint32s reads a list of whole numbers.
func (v view) uint32s(name string) []uint32 {
	_, n := v.key(name)
	if n == nil {
		return nil
	}
	var list []uint32
	for _, item := range n.items {
		if u, err := strconv.ParseUint(item.text, 10, 32); err == nil && item.kind == numberNode {
			list = append(list, uint32(u))
		}
	}
	return list
}

// duration is the default also for 0 where there is one, as in MOSN.
func (v view) duration(name string) (d time.Duration, set bool) {
	k, n := v.key(name)
	if n != nil {
		if d, _, ok := durationOf(n, k.nanoseconds); ok && d > 0 {
			return d, true
		}
	}
	d, _ = time.ParseDuration(strings.Trim(k.fallback, `"`))
	return d, false
}

// child is the object behind a key; absent, it reads as an empty one.
func (v view) child(name string) view {
	k, n := v.key(name)
	if n != nil && n.kind != objectNode {
		n = nil
	}
	return view{v.c, k.object, n, joinPath(v.path, k.name)}
}

// children are the objects of a list.
func (v view) children(name string) []view {
	k, n := v.key(name)
	if n == nil {
		return nil
	}
	var list []view
	for i, item := range n.items {
		if item.kind == objectNode {
			list = append(list, view{v.c, k.object, item, itemPath(joinPath(v.path, k.name), i)})
		}
	}
	return list
}

// settings is the config of a filter, read by the table of its type.
func (v view) settings(o *object) view {
	w := v.child("config")
	w.o = o
	return w
}

// textItem is one string of a list, with its place.
type textItem struct {
	position
	path string
	text string
}

func (v view) texts(name string) []textItem {
	k, n := v.key(name)
	if n == nil {
		return nil
	}
	var list []textItem
	for i, item := range n.items {
		if s, ok := textOf(item); ok {
			list = append(list, textItem{item.position, itemPath(joinPath(v.path, k.name), i), s})
		}
	}
	return list
}

func (v view) errorf(name, format string, args ...any) {
	at, path := v.at(name)
	v.c.errorAt(at, path, format, args...)
}

func (v view) warnf(name, format string, args ...any) {
	at, path := v.at(name)
	v.c.warnAt(at, path, format, args...)
}
