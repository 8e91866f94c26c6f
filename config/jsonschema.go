// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// schema is one JSON object of the document.
type schema = map[string]any

// JSONSchema is the tables as a JSON Schema (draft 2020-12) for editors. It is
// narrower than the check: names of keys are as documented, where the proxy
// takes them in any case, and null does not stand for a key left out.
func JSONSchema() []byte {
	defs := schema{}
	for _, p := range reachable(rootObject) {
		defs[p.definition()] = p.schema()
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	root := schema{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Configuration of Sideloop",
		"$ref":    rootObject.ref(),
		"$defs":   defs,
	}
	if err := e.Encode(root); err != nil {
		panic("config: the tables make no JSON: " + err.Error())
	}
	return b.Bytes()
}

// definition is the object's name among the definitions.
func (o *object) definition() string { return strings.TrimPrefix(o.anchor(), "#") }

func (o *object) ref() string { return "#/$defs/" + o.definition() }

func (p *placed) schema() schema {
	properties := schema{}
	var required []string
	var cases []any
	for i := range p.keys {
		k := &p.keys[i]
		properties[k.name] = p.keySchema(k)
		if k.required {
			required = append(required, k.name)
		}
		if k.kind == byTypeKind {
			cases = append(cases, k.cases()...)
		}
	}
	s := schema{"type": "object", "title": p.title(), "properties": properties, "additionalProperties": false}
	if required != nil {
		s["required"] = required
	}
	if cases != nil {
		s["allOf"] = cases
	}
	return s
}

// cases choose the table of "config" by the sibling "type".
func (k *key) cases() []any {
	var list []any
	for _, v := range k.values {
		if v.object != nil {
			list = append(list, schema{
				"if":   schema{"properties": schema{"type": schema{"const": v.name}}, "required": []string{"type"}},
				"then": schema{"properties": schema{k.name: schema{"$ref": v.object.ref()}}},
			})
		}
	}
	return list
}

func (p *placed) keySchema(k *key) schema {
	s := k.typeSchema()
	s["description"] = k.doc
	if k.note != "" {
		s["description"] = k.doc + " Here: " + k.note + "."
	}
	if max(p.status, k.status) > ignored {
		s["deprecated"] = true // editors strike it out
	}
	if k.fallback != "" {
		s["default"] = json.RawMessage(k.fallback)
	}
	return s
}

// durationPattern is what time.ParseDuration takes and a check does not refuse.
const durationPattern = `^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`

func (k *key) typeSchema() schema {
	switch k.kind {
	case textKind:
		s := schema{"type": "string"}
		if names := k.usable(); len(names) > 0 && k.unknown == implemented {
			s["enum"] = append(slices.Clone(names), "")
		}
		return s
	case flagKind:
		return schema{"type": "boolean"}
	case integerKind:
		return k.integerSchema()
	case integersKind:
		return schema{"type": "array", "items": k.integerSchema()}
	case numberKind:
		return schema{"type": "number"}
	case durationKind:
		text := schema{"type": "string", "pattern": durationPattern}
		bare := schema{"const": 0}
		if k.nanoseconds {
			bare = schema{"type": "integer", "minimum": 0}
		}
		return schema{"anyOf": []any{text, bare}}
	case processorKind:
		return schema{"anyOf": []any{schema{"type": "integer", "minimum": 0, "maximum": processorLimit}, schema{"type": "string"}}}
	case protocolKind:
		var names []string
		for _, name := range k.usable() {
			names = append(names, regexp.QuoteMeta(name))
		}
		one := `\s*(` + strings.Join(names, "|") + `)\s*`
		return schema{"type": "string", "pattern": "^(" + one + "(," + one + ")*)?$"}
	case objectKind:
		return schema{"$ref": k.object.ref()}
	case objectsKind:
		return schema{"type": "array", "items": schema{"$ref": k.object.ref()}}
	case textsKind:
		return schema{"type": "array", "items": schema{"type": "string"}}
	case byNameKind:
		settings := schema{}
		for _, v := range k.values {
			settings[v.name] = schema{}
			if v.object != nil {
				settings[v.name] = schema{"$ref": v.object.ref()}
			}
		}
		return schema{"type": "object", "properties": settings, "additionalProperties": false}
	case textMapKind:
		return schema{"type": "object", "additionalProperties": schema{"type": "string"}}
	}
	return schema{}
}

func (k *key) integerSchema() schema {
	return schema{"type": "integer", "minimum": k.min, "maximum": k.max}
}
