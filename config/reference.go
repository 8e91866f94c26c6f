// SPDX-License-Identifier: Apache-2.0

package config

import (
	_ "embed"
	"fmt"
	"strings"
	"time"
)

// preface is what docs/CONFIG.md begins with: how the file is read, and the
// comparison with other proxies. It is written by hand, the rest is made of the
// tables.
//
//go:embed reference.md
var preface string

var statusNames = [...]string{implemented: "yes", ignored: "ignored", differs: "differs", refused: "refused"}

// Reference is docs/CONFIG.md: every key of every table.
func Reference() []byte {
	d := &document{objects: reachable(rootObject)}
	d.text.WriteString(preface)
	for _, o := range d.objects {
		d.object(o)
	}
	return []byte(d.text.String())
}

// placed is a table, the keys that lead to it and what they make of it: a table
// below a refused key is refused, whatever its own keys say.
type placed struct {
	*object
	places []place
	status status
}

// place is a key of another table, of which a filter has a type.
type place struct {
	parent *object
	key    string
}

// reachable lists the tables below root, breadth first.
func reachable(root *object) []*placed {
	list := []*placed{{object: root}}
	index := map[*object]int{root: 0}
	enter := func(o, parent *object, key string, s status) {
		if o == nil {
			return
		}
		i, known := index[o]
		if !known {
			i = len(list)
			index[o] = i
			list = append(list, &placed{object: o, status: s})
		}
		list[i].places = append(list[i].places, place{parent, key})
		list[i].status = min(list[i].status, s)
	}
	for i := 0; i < len(list); i++ {
		p := list[i]
		for j := range p.keys {
			k := &p.keys[j]
			enter(k.object, p.object, k.name, max(p.status, k.status))
			if k.kind != byTypeKind && k.kind != byNameKind {
				continue
			}
			for _, v := range k.values {
				enter(v.object, p.object, k.name+" of "+v.name, max(p.status, k.status, v.status))
			}
		}
	}
	return list
}

// document is the text that is being written.
type document struct {
	objects []*placed
	text    strings.Builder
}

// title is an object's name without its article.
func (o *object) title() string {
	for _, article := range []string{"a ", "an ", "the "} {
		if rest, ok := strings.CutPrefix(o.name, article); ok {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return o.name
}

// anchor is the title as a link's target.
func (o *object) anchor() string {
	return "#" + strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || isWord(byte(r)):
			return r
		}
		return -1
	}, strings.ToLower(o.title()))
}

func (o *object) link() string { return "[" + o.title() + "](" + o.anchor() + ")" }

func (d *document) object(p *placed) {
	fmt.Fprintf(&d.text, "\n### %s\n\n", p.title())
	if len(p.places) > 0 {
		d.text.WriteString("In ")
		for i, at := range p.places {
			if i > 0 {
				d.text.WriteString(", ")
			}
			fmt.Fprintf(&d.text, "%s `%s`", at.parent.link(), at.key)
		}
		d.text.WriteString(".\n\n")
	}
	d.text.WriteString("| key | type | default | status | meaning |\n|---|---|---|---|---|\n")
	for i := range p.keys {
		d.key(p, &p.keys[i])
	}
	for i := range p.keys {
		d.values(p, &p.keys[i])
	}
}

func (d *document) key(p *placed, k *key) {
	fallback := ""
	if k.fallback != "" {
		fallback = "`" + k.fallback + "`"
	}
	meaning := k.doc
	if k.note != "" {
		meaning += " Here: " + k.note + "."
	}
	if k.required {
		meaning += " Required."
	}
	d.row("`"+k.name+"`", k.typeName(), fallback, statusNames[max(p.status, k.status)], meaning)
}

func (d *document) row(cells ...string) {
	for _, c := range cells {
		d.text.WriteString("| " + strings.ReplaceAll(c, "|", "\\|") + " ")
	}
	d.text.WriteString("|\n")
}

// values lists the names of a text that need a word each.
func (d *document) values(p *placed, k *key) {
	if len(k.values) == 0 || k.values[0].doc == "" || k.kind == byTypeKind || k.kind == byNameKind || k.kind == protocolKind && p.object != proxyObject {
		return
	}
	fmt.Fprintf(&d.text, "\n`%s` is one of:\n\n| value | status | meaning |\n|---|---|---|\n", k.name)
	for i := range k.values {
		v := &k.values[i]
		name, meaning := "`"+v.name+"`", v.doc
		if v.object != nil {
			name = "[" + name + "](" + v.object.anchor() + ")"
		}
		if v.note != "" {
			meaning += " Here: " + v.note + "."
		}
		d.row(name, statusNames[max(p.status, k.status, v.status)], meaning)
	}
}

// typeName says what the value of a key may be.
func (k *key) typeName() string {
	switch k.kind {
	case textKind:
		if len(k.values) > 0 && k.values[0].doc == "" {
			return "one of `" + strings.Join(k.valueNames(), "` `") + "`"
		}
		return "text"
	case flagKind:
		return "flag"
	case integerKind:
		return fmt.Sprintf("%d to %d", k.min, k.max)
	case integersKind:
		return fmt.Sprintf("list of %d to %d", k.min, k.max)
	case numberKind:
		return "number"
	case durationKind:
		if k.max > 0 {
			return fmt.Sprintf("duration, %v to %v", time.Duration(k.min), time.Duration(k.max))
		}
		return "duration"
	case processorKind:
		return fmt.Sprintf("1 to %d, or `\"auto\"`", processorLimit)
	case protocolKind:
		return "[protocols](" + proxyObject.anchor() + ")"
	case objectKind:
		return k.object.link()
	case objectsKind:
		return "list of " + k.object.link()
	case textsKind:
		return "list of texts"
	case textMapKind:
		return "object of texts"
	case byTypeKind:
		return "object, by `type`"
	case byNameKind:
		return "object of [filters](" + streamFilterObject.anchor() + ")"
	}
	return "any"
}
