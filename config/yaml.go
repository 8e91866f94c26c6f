// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// decodeYAML parses one YAML document into the tree that its JSON would give
// MOSN, which reads YAML 1.1: yes, no, on and off are booleans. Aliases and
// merge keys are expanded.
func decodeYAML(data []byte) (root *node, failure *syntaxError) {
	// The parser is not ours: should it ever panic, the file is at fault, not
	// the process.
	defer func() {
		if r := recover(); r != nil {
			root, failure = nil, &syntaxError{position{1, 1}, fmt.Sprintf("invalid YAML: %v", r)}
		}
	}()
	reader := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := reader.Decode(&document); errors.Is(err, io.EOF) {
		return nil, &syntaxError{position{1, 1}, "the file is empty; expected an object"}
	} else if err != nil {
		return nil, yamlError(err, data)
	}
	d := &yamlDecoder{}
	root, failure = d.value(&document, 0)
	if failure != nil {
		return nil, failure
	}
	var second yaml.Node
	if err := reader.Decode(&second); err == nil {
		return nil, &syntaxError{yamlPosition(&second), "expected one document, found a second"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(err, data)
	}
	return root, nil
}

// yamlLine finds the line in the texts of the YAML parser's errors.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func yamlError(err error, data []byte) *syntaxError {
	text := err.Error()
	found := yamlLine.FindStringSubmatch(text)
	line := 1
	if found != nil {
		text = text[len(found[0]):]
		if n, err := strconv.Atoi(found[1]); err == nil {
			// At the end of the file the parser counts one line more.
			line = min(max(n, 1), bytes.Count(data, []byte("\n"))+1)
		}
	}
	return &syntaxError{position{line, 1}, "invalid YAML: " + text}
}

// yamlPosition is that of a node; what the parser supplied itself has none and
// stands at the beginning.
func yamlPosition(n *yaml.Node) position { return position{max(n.Line, 1), max(n.Column, 1)} }

type yamlDecoder struct{ count int }

func (d *yamlDecoder) value(n *yaml.Node, depth int) (*node, *syntaxError) {
	fail := func(format string, args ...any) (*node, *syntaxError) {
		return nil, &syntaxError{yamlPosition(n), fmt.Sprintf(format, args...)}
	}
	if d.count++; d.count > nodeLimit {
		return fail("the file holds more than %d values, aliases expanded", nodeLimit)
	}
	if depth > depthLimit {
		return fail("nested deeper than %d levels", depthLimit)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return d.value(n.Content[0], depth)
	case yaml.AliasNode:
		return d.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		list := &node{kind: listNode, position: yamlPosition(n)}
		for _, item := range n.Content {
			v, err := d.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			list.items = append(list.items, v)
		}
		return list, nil
	case yaml.MappingNode:
		return d.mapping(n, depth)
	}
	scalar, problem := yamlScalar(n)
	if problem != "" {
		return fail("%s", problem)
	}
	return scalar, nil
}

func (d *yamlDecoder) mapping(n *yaml.Node, depth int) (*node, *syntaxError) {
	object := &node{kind: objectNode, position: yamlPosition(n)}
	var merged []member
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, &syntaxError{yamlPosition(n.Content[i]), "expected a string as key"}
		}
		v, err := d.value(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		if key.ShortTag() != "!!merge" {
			object.members = append(object.members, member{yamlPosition(n.Content[i]), key.Value, v})
			continue
		}
		from := []*node{v}
		if v.kind == listNode {
			from = v.items
		}
		for _, f := range from {
			if f.kind != objectNode {
				return nil, &syntaxError{yamlPosition(n.Content[i+1]), "expected an object to merge"}
			}
			merged = append(merged, f.members...)
		}
	}
	object.members = merge(merged, object.members)
	return object, nil
}

// merge puts the merged members that the object and earlier merges do not have
// in front of its own.
func merge(merged, own []member) []member {
	if len(merged) == 0 {
		return own
	}
	have := make(map[string]bool, len(own))
	for _, m := range own {
		have[m.name] = true
	}
	var all []member
	for _, m := range merged {
		if !have[m.name] {
			have[m.name] = true
			all = append(all, m)
		}
	}
	return append(all, own...)
}

// yamlScalar is the JSON value of a scalar, or what is wrong with it.
func yamlScalar(n *yaml.Node) (*node, string) {
	v := &node{kind: textNode, position: yamlPosition(n), text: n.Value}
	v.plain = n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch tag := n.ShortTag(); tag {
	case "!!null":
		v.kind, v.text = nullNode, ""
	case "!!bool":
		v.kind, v.text = boolNode, strings.ToLower(n.Value)
	case "!!int", "!!float":
		number, ok := yamlNumber(n)
		if !ok {
			return nil, fmt.Sprintf("expected a finite number, found %q", n.Value)
		}
		v.kind, v.text = numberNode, number
	case "!!str", "!!timestamp":
		if b, ok := oldBooleans[n.Value]; ok && v.plain && tag == "!!str" {
			v.kind, v.text = boolNode, b
		}
	default:
		return nil, fmt.Sprintf("the tag %s is not supported", tag)
	}
	return v, ""
}

// oldBooleans are the words that are booleans in YAML 1.1 only.
var oldBooleans = map[string]string{
	"y": "true", "Y": "true", "yes": "true", "Yes": "true", "YES": "true", "on": "true", "On": "true", "ON": "true",
	"n": "false", "N": "false", "no": "false", "No": "false", "NO": "false", "off": "false", "Off": "false", "OFF": "false",
}

// yamlNumber writes a number, which may be hexadecimal or have underscores, as
// JSON does.
func yamlNumber(n *yaml.Node) (string, bool) {
	var i int64
	if n.Decode(&i) == nil {
		return strconv.FormatInt(i, 10), true
	}
	var u uint64
	if n.Decode(&u) == nil {
		return strconv.FormatUint(u, 10), true
	}
	var f float64
	if n.Decode(&f) != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return "", false
	}
	return strconv.FormatFloat(f, 'g', -1, 64), true
}
