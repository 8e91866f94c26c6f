// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// problemLimit is how many problems are listed: more than anybody reads, and few
// enough that a file full of them costs neither memory nor time.
const problemLimit = 1000

// checker collects what is wrong with one configuration.
type checker struct {
	// file is the one being looked at.
	file     string
	problems Problems
	// omitted counts the problems beyond the limit by class.
	omitted [len(severityNames)]int
}

// report adds a problem. What was meant by name is searched among candidates.
func (c *checker) report(s Severity, at position, path, name string, candidates []string, format string, args ...any) {
	if len(c.problems) == problemLimit {
		c.omitted[s]++
		return
	}
	c.problems = append(c.problems, Problem{
		Severity: s, File: c.file, Line: at.line, Column: at.column, Path: path,
		Message: fmt.Sprintf(format, args...), Suggestion: nearest(name, candidates),
	})
}

func (c *checker) errorAt(at position, path, format string, args ...any) {
	c.report(Error, at, path, "", nil, format, args...)
}

func (c *checker) warnAt(at position, path, format string, args ...any) {
	c.report(Warning, at, path, "", nil, format, args...)
}

// finish orders the problems of the configuration in the file main.
func (c *checker) finish(main string) Problems {
	c.problems.sort(main)
	for s, n := range c.omitted {
		if n > 0 {
			c.problems = append(c.problems, Problem{Severity: Severity(s), File: main, Message: fmt.Sprintf("%d more of this class are not listed", n)})
		}
	}
	return c.problems
}

// joinPath appends a key to a JSON path, in brackets if it is not a plain name.
func joinPath(path, name string) string {
	for i := range len(name) {
		if !isWord(name[i]) && name[i] != '-' {
			return path + "[" + strconv.Quote(name) + "]"
		}
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func itemPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// object holds a value against its table: kinds, names, ranges, unknown and
// repeated keys. quiet leaves out what is not implemented, because a value
// around it was reported already.
func (c *checker) object(o *object, n *node, path string, quiet bool) {
	if !c.expect(n, objectNode, path, o.name) {
		return
	}
	if o.switchedBy != "" {
		on := n.member(o.switchedBy)
		quiet = quiet || on == nil || on.text != "true"
	}
	seen := make(map[*key]position, len(n.members))
	for i, m := range n.members {
		k := o.key(m.name)
		if k == nil {
			c.report(UnknownKey, m.position, joinPath(path, m.name), m.name, o.names(), "%s has no such key", o.name)
			continue
		}
		at := joinPath(path, k.name)
		if first, ok := seen[k]; ok {
			c.warnAt(m.position, at, "the key was given on line %d already; the last one counts", first.line)
		}
		seen[k] = m.position
		if overridden(n.members[i+1:], k) {
			continue
		}
		c.key(k, n, m.value, at, quiet)
	}
	for i := range o.keys {
		k := &o.keys[i]
		if v := n.member(k.name); k.required && (v == nil || v.kind == textNode && v.text == "") {
			c.errorAt(n.position, joinPath(path, k.name), "%s needs this key", o.name)
		}
	}
}

// overridden tells whether a later member is the same key.
func overridden(later []member, k *key) bool {
	for _, m := range later {
		if strings.EqualFold(m.name, k.name) {
			return true
		}
	}
	return false
}

// key checks the value of one key. parent is the object that holds it.
func (c *checker) key(k *key, parent, n *node, path string, quiet bool) {
	if n.kind == nullNode {
		return
	}
	if !quiet && k.status > ignored && !n.neutral() {
		quiet = true
		c.report(k.status.severity(), n.position, path, "", nil, "%s", k.note)
	}
	switch k.kind {
	case objectKind:
		c.object(k.object, n, path, quiet)
	case objectsKind:
		if c.expect(n, listNode, path, "a list") {
			for i, item := range n.items {
				c.object(k.object, item, itemPath(path, i), quiet)
			}
		}
	case textsKind, integersKind:
		c.scalars(k, n, path)
	case textMapKind:
		if c.expect(n, objectNode, path, "an object") {
			for _, m := range n.members {
				c.textValue(m.value, joinPath(path, m.name))
			}
		}
	case byTypeKind:
		c.config(k, parent, n, path, quiet)
	case anyKind:
	default:
		c.scalar(k, n, path, quiet)
	}
}

// severity is that of a key or value that is reported.
func (s status) severity() Severity {
	if s == refused {
		return Error
	}
	return Warning
}

// config checks the settings of a filter by the table that its type names. An
// unknown type has been reported with the type.
func (c *checker) config(k *key, parent, n *node, path string, quiet bool) {
	name, ok := textOf(parent.member("type"))
	if !ok {
		return
	}
	for i := range k.values {
		if v := &k.values[i]; v.name == name {
			if v.object != nil {
				c.object(v.object, n, path, quiet || v.status > ignored)
			}
			return
		}
	}
}

func (c *checker) scalars(k *key, n *node, path string) {
	if !c.expect(n, listNode, path, "a list") {
		return
	}
	for i, item := range n.items {
		if at := itemPath(path, i); k.kind == textsKind {
			c.textValue(item, at)
		} else {
			c.integer(k, item, at)
		}
	}
}

func (c *checker) scalar(k *key, n *node, path string, quiet bool) {
	switch k.kind {
	case textKind:
		if c.textValue(n, path) {
			c.name(k, n, path, quiet)
		}
	case protocolKind:
		// The names are checked where they are read, with their siblings.
		c.textValue(n, path)
	case conditionsKind:
		// The words are checked where they are read.
		if _, ok := textOf(n); !ok && n.kind != boolNode {
			c.errorAt(n.position, path, "expected true, false or a string, found %s", n.describe())
		}
	case flagKind:
		c.expect(n, boolNode, path, "true or false")
	case integerKind:
		c.integer(k, n, path)
	case numberKind:
		c.expect(n, numberNode, path, "a number")
	case durationKind:
		c.duration(k, n, path)
	case processorKind:
		if _, ok := processorOf(n); !ok {
			c.errorAt(n.position, path, "expected a number of loops from 1 to %d or \"auto\", found %s", processorLimit, n.describe())
		}
	}
}

// name holds a text against the names that it may be.
func (c *checker) name(k *key, n *node, path string, quiet bool) {
	if len(k.values) == 0 {
		return
	}
	s, _ := textOf(n)
	v := k.value(s)
	switch {
	case s == "":
		// The same as leaving the key out.
	case v == nil:
		c.report(k.unknown.valueSeverity(), n.position, path, s, k.valueNames(), "unknown value %q%s", s, k.otherwise())
	case v.status > ignored && !quiet:
		c.report(v.status.severity(), n.position, path, "", nil, "%s", v.note)
	}
}

// valueSeverity is that of an unknown value: an error unless the table says
// otherwise.
func (s status) valueSeverity() Severity {
	if s == differs {
		return Warning
	}
	return Error
}

// otherwise says what an unknown value should have been, and what it is taken
// for if it is tolerated.
func (k *key) otherwise() string {
	text := ""
	if usable := k.usable(); len(usable) > 0 {
		text = "; expected one of " + strings.Join(usable, ", ")
	}
	switch {
	case k.unknown != differs:
		return text
	case k.fallback == "":
		return text + "; ignored"
	}
	return text + "; taken as " + strings.Trim(k.fallback, `"`)
}

// expect reports a value of another kind than wanted.
func (c *checker) expect(n *node, want nodeKind, path, what string) bool {
	if n.kind == want {
		return true
	}
	c.errorAt(n.position, path, "expected %s, found %s", what, n.describe())
	return false
}

func (c *checker) textValue(n *node, path string) bool {
	if _, ok := textOf(n); !ok && n.kind != nullNode {
		c.errorAt(n.position, path, "expected a string, found %s", n.describe())
		return false
	}
	return true
}

func (c *checker) integer(k *key, n *node, path string) {
	v, err := strconv.ParseInt(n.text, 10, 64)
	if n.kind != numberNode || err != nil || v < k.min || v > k.max {
		c.errorAt(n.position, path, "expected a whole number from %d to %d, found %s%s", k.min, k.max, n.describe(), k.byDefault())
	}
}

// byDefault names the default where a value is out of range.
func (k *key) byDefault() string {
	if k.fallback == "" {
		return ""
	}
	return "; the default is " + strings.Trim(k.fallback, `"`)
}

func (c *checker) duration(k *key, n *node, path string) {
	d, old, ok := durationOf(n, k.nanoseconds)
	switch {
	case !ok:
		c.errorAt(n.position, path, "expected a duration with a unit, such as \"10s\" or \"500ms\", found %s", n.describe())
	case k.max > 0 && (int64(d) < k.min || int64(d) > k.max):
		c.errorAt(n.position, path, "expected a duration from %v to %v, found %s%s", time.Duration(k.min), time.Duration(k.max), n.describe(), k.byDefault())
	case d < 0:
		c.errorAt(n.position, path, "a duration must not be negative, found %s", n.describe())
	case old:
		c.warnAt(n.position, path, "the bare number is taken as nanoseconds, as in MOSN 0.1; write %q", d.String())
	}
}

// describe shows a value in a message.
func (n *node) describe() string {
	const longest = 40
	switch n.kind {
	case textNode:
		r := []rune(n.text)
		if len(r) > longest {
			return strconv.Quote(string(r[:longest])) + "..."
		}
		return strconv.Quote(n.text)
	case numberNode, boolNode:
		if len(n.text) > longest {
			return n.text[:longest] + "..."
		}
		return n.text
	}
	return n.kind.String()
}

// textOf is the string that a value is. MOSN's YAML reader takes a number or
// boolean without quotes for a string where it wants one.
func textOf(n *node) (string, bool) {
	if n == nil {
		return "", false
	}
	ok := n.kind == textNode || n.plain && (n.kind == numberNode || n.kind == boolNode)
	if !ok {
		return "", false
	}
	return n.text, true
}

// nanosecondsFrom is the smallest bare number that can only have been meant as
// nanoseconds: 1 ms.
const nanosecondsFrom = int64(time.Millisecond)

// durationOf reads a duration as MOSN does: the text, quoted or not, in Go's
// notation, so that a bare 0 is valid and a bare 10 is not. With nanoseconds a
// large bare number is one in the notation of MOSN 0.1, reported by old.
func durationOf(n *node, nanoseconds bool) (d time.Duration, old, ok bool) {
	if n.kind != textNode && n.kind != numberNode {
		return 0, false, false
	}
	if v, err := strconv.ParseInt(n.text, 10, 64); err == nil && n.kind == numberNode && nanoseconds && v >= nanosecondsFrom {
		return time.Duration(v), true, true
	}
	d, err := time.ParseDuration(strings.Trim(n.text, `"`))
	return d, false, err == nil
}

// processorLimit is far above the CPUs of any machine; more loops only cost.
const processorLimit = 1024

// processorOf reads "processor"; "auto" and 0 are 0.
func processorOf(n *node) (int, bool) {
	if s, ok := textOf(n); ok && (s == "auto" || s == "") {
		return 0, true
	}
	if n.kind != textNode && n.kind != numberNode {
		return 0, false
	}
	v, err := strconv.Atoi(n.text)
	return v, err == nil && v >= 0 && v <= processorLimit
}
