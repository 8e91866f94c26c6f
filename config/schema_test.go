// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strconv"
	"strings"
	"testing"
)

// objects calls visit once for each table that the root leads to.
func objects(o *object, seen map[*object]bool, visit func(*object)) {
	if o == nil || seen[o] {
		return
	}
	seen[o] = true
	visit(o)
	for _, k := range o.keys {
		objects(k.object, seen, visit)
		for _, v := range k.values {
			objects(v.object, seen, visit)
		}
	}
}

// TestSchemaComplete: every entry has what the check and the documentation need
// of it.
func TestSchemaComplete(t *testing.T) {
	keys := 0
	objects(rootObject, map[*object]bool{}, func(o *object) {
		names := map[string]bool{}
		for _, k := range o.keys {
			keys++
			where := o.name + ": " + k.name
			if folded := strings.ToLower(k.name); names[folded] {
				t.Errorf("%s stands in the table twice", where)
			} else {
				names[folded] = true
			}
			if !strings.HasSuffix(k.doc, ".") {
				t.Errorf("%s: the doc is not a sentence: %q", where, k.doc)
			}
			if (k.status > ignored) != (k.note != "") {
				t.Errorf("%s: a note stands with what is reported, and only there: %q", where, k.note)
			}
			if (k.kind == objectKind || k.kind == objectsKind) != (k.object != nil) {
				t.Errorf("%s: an object has a table, and nothing else has", where)
			}
			if k.kind != durationKind && (k.kind == integerKind || k.kind == integersKind) != (k.max > k.min) {
				t.Errorf("%s: a whole number has a range, a duration may, and nothing else has", where)
			}
			for _, v := range k.values {
				if k.kind != protocolKind && (v.status > ignored) != (v.note != "") {
					t.Errorf("%s: %s: a note stands with what is reported, and only there: %q", where, v.name, v.note)
				}
			}
			if k.fallback != "" {
				n, failure := decodeJSON([]byte(k.fallback))
				if failure != nil {
					t.Errorf("%s: the default %s: %v", where, k.fallback, failure)
					continue
				}
				c := &checker{file: "table"}
				k.status = implemented
				c.key(&k, n, n, where, false)
				for _, p := range c.problems {
					t.Errorf("%s: the default %s: %v", where, k.fallback, p)
				}
			}
		}
	})
	if keys < 250 {
		t.Errorf("the tables have %d keys; some are not reached", keys)
	}
}

// sample is a value that a key accepts and that asks for something.
func sample(k *key, parent *node) *node {
	at := position{1, 1}
	switch k.kind {
	case flagKind:
		return &node{kind: boolNode, position: at, text: "true"}
	case integerKind, numberKind, processorKind:
		return &node{kind: numberNode, position: at, text: strconv.FormatInt(max(k.min, 1), 10)}
	case durationKind:
		return &node{kind: textNode, position: at, text: "1s"}
	case objectKind:
		return sampleObject(k.object, "")
	case objectsKind:
		list := &node{kind: listNode, position: at}
		if typed := k.object.key("type"); typed != nil && len(typed.values) > 0 {
			for _, v := range typed.values {
				list.items = append(list.items, sampleObject(k.object, v.name))
			}
			return list
		}
		list.items = []*node{sampleObject(k.object, "")}
		return list
	case textsKind:
		return &node{kind: listNode, position: at, items: []*node{{kind: textNode, position: at, text: "x"}}}
	case integersKind:
		return &node{kind: listNode, position: at, items: []*node{{kind: numberNode, position: at, text: "1"}}}
	case textMapKind:
		return &node{kind: objectNode, position: at, members: []member{{at, "x", &node{kind: textNode, position: at, text: "y"}}}}
	case byNameKind:
		settings := &node{kind: objectNode, position: at}
		for _, v := range k.values {
			if v.object != nil {
				settings.members = append(settings.members, member{at, v.name, sampleObject(v.object, "")})
			}
		}
		return settings
	case byTypeKind:
		name, _ := textOf(parent.member("type"))
		for _, v := range k.values {
			if v.name == name && v.object != nil {
				return sampleObject(v.object, "")
			}
		}
		return &node{kind: objectNode, position: at}
	}
	n := &node{kind: textNode, position: at, text: "x"}
	if len(k.values) > 0 {
		n.text = k.values[0].name
	}
	return n
}

// sampleObject has every key of a table; kind is its "type".
func sampleObject(o *object, kind string) *node {
	n := &node{kind: objectNode, position: position{1, 1}}
	for i := range o.keys {
		k := &o.keys[i]
		v := sample(k, n)
		if k.name == "type" && kind != "" {
			v.text = kind
		}
		n.members = append(n.members, member{position{1, 1}, k.name, v})
	}
	return n
}

// TestSchemaEveryKey gives every key of every table at once: each is known, has
// the right kind, and is reported exactly as its status says.
func TestSchemaEveryKey(t *testing.T) {
	b := &builder{checker: checker{file: "all.json"}}
	root := sampleObject(rootObject, "")
	b.object(rootObject, root, "", false)
	notes := map[string]bool{}
	objects(rootObject, map[*object]bool{}, func(o *object) {
		for _, k := range o.keys {
			notes[k.note] = true
			for _, v := range k.values {
				notes[v.note] = true
			}
		}
	})
	found := map[string]bool{}
	for _, p := range b.problems {
		if p.Severity == UnknownKey || !notes[p.Message] {
			t.Errorf("a value that the table allows: %v", p)
		}
		found[p.Message] = true
	}
	for _, k := range append(rootObject.keys, append(clusterObject.keys, append(routeObject.keys, actionObject.keys...)...)...) {
		if k.note != "" && !found[k.note] {
			t.Errorf("%s was given and not reported: %s", k.name, k.note)
		}
	}
	// Building the result from it must not fail either.
	b.config(view{&b.checker, rootObject, root, ""})
}
