// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
)

const (
	// sizeLimit bounds one file; the largest real ones, with every cluster of a
	// mesh written out, are near 1 MiB.
	sizeLimit = 16 << 20
	// yamlSizeLimit bounds a YAML file further: its parser takes 200 bytes for a
	// value of two before the values can be counted.
	yamlSizeLimit = 4 << 20
	// depthLimit bounds nesting, and so the stack of everything that walks the
	// tree; MOSN's deepest key is 16 levels down.
	depthLimit = 64
	// nodeLimit bounds the values of one file, YAML aliases expanded, and so the
	// tree to some 100 MiB; a file of 1 MiB has about 50,000.
	nodeLimit = 1 << 20
)

// nodeKind is the JSON type of a value.
type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	textNode
	listNode
	objectNode
)

var nodeKindNames = [...]string{
	nullNode: "null", boolNode: "a boolean", numberNode: "a number", textNode: "a string", listNode: "a list", objectNode: "an object",
}

func (k nodeKind) String() string { return nodeKindNames[k] }

// position is a place in a file, counted from 1. A column is a character.
type position struct{ line, column int }

// node is a value of a JSON or YAML file together with its place.
type node struct {
	kind nodeKind
	position
	// text is the value of a string and the literal of a number or boolean.
	text string
	// plain marks a YAML scalar without quotes, which MOSN's YAML reader turns
	// into a string where one is expected.
	plain   bool
	items   []*node
	members []member
}

// member is one key of an object and its value.
type member struct {
	position
	name  string
	value *node
}

// member finds a key as encoding/json does: whatever its case, the last of
// several. A null value is no value.
func (n *node) member(name string) *node {
	if n == nil {
		return nil
	}
	for i := len(n.members) - 1; i >= 0; i-- {
		if strings.EqualFold(n.members[i].name, name) {
			if n.members[i].value.kind == nullNode {
				return nil
			}
			return n.members[i].value
		}
	}
	return nil
}

// neutral tells whether the value says no more than leaving the key out.
func (n *node) neutral() bool {
	switch n.kind {
	case boolNode:
		return n.text == "false"
	case numberNode:
		return strings.Trim(n.text, "-0.") == ""
	case textNode:
		return n.text == ""
	case listNode:
		for _, item := range n.items {
			if !item.neutral() {
				return false
			}
		}
	case objectNode:
		for _, m := range n.members {
			if !m.value.neutral() {
				return false
			}
		}
	}
	return true
}

// syntaxError is text that is not JSON or YAML.
type syntaxError struct {
	position
	message string
}

func (e *syntaxError) Error() string { return e.message }
