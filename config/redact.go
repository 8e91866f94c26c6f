// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"

	"gopkg.in/yaml.v3"
)

// Redact returns the text of a configuration but for secrets, whose values are
// replaced. YAML, which is told by the name, keeps its comments and not its
// layout; what is no YAML is not shown at all.
func Redact(name string, data []byte) ([]byte, error) {
	if !isYAML(name) {
		return redactJSON(data), nil
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, err
	}
	redactYAML(&root, false)
	return yaml.Marshal(&root)
}

// redactJSON replaces the texts behind names of secrets, in lists, too, and those
// that hold a key.
func redactJSON(data []byte) []byte {
	var out []byte
	secret := false // the latest name is a secret's
	for len(data) > 0 {
		begin := bytes.IndexByte(data, '"')
		if begin < 0 {
			break
		}
		out = append(out, data[:begin]...)
		data = data[begin:]
		quoted := data[:endOfText(data)]
		data = data[len(quoted):]
		var text string
		if json.Unmarshal(quoted, &text) != nil {
			text = string(quoted)
		}
		switch {
		case bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte{':'}):
			secret = isSecret(text)
		case text != "" && (secret || hasKey(text)):
			quoted = []byte(`"` + Redacted + `"`)
		}
		out = append(out, quoted...)
	}
	return append(out, data...)
}

// endOfText is the length of the text in quotes that data begins with.
func endOfText(data []byte) int {
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

func redactYAML(n *yaml.Node, secret bool) {
	for _, comment := range []*string{&n.HeadComment, &n.LineComment, &n.FootComment} {
		if hasKey(*comment) {
			*comment = ""
		}
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!bool" || n.Value == "" {
			return
		}
		if secret || hasKey(n.Value) {
			n.Value, n.Tag, n.Style = Redacted, "!!str", yaml.DoubleQuotedStyle
		}
	case yaml.AliasNode:
		if secret && n.Alias.Kind == yaml.ScalarNode {
			redactYAML(n.Alias, true)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			redactYAML(n.Content[i+1], isSecret(n.Content[i].Value))
		}
	default:
		for _, item := range n.Content {
			redactYAML(item, secret)
		}
	}
}
