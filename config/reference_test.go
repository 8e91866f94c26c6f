// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestReferenceIsCurrent: docs/CONFIG.md is what the tables say.
func TestReferenceIsCurrent(t *testing.T) {
	have, err := os.ReadFile("../docs/CONFIG.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := Reference(); !bytes.Equal(have, want) {
		t.Error("docs/CONFIG.md is not what the tables say: run make docs")
	}
}

// TestReferenceHasEveryKey: each key stands in its table's section, with its
// status; titles are unique, so that links lead to one place.
func TestReferenceHasEveryKey(t *testing.T) {
	text := string(Reference())
	titles := map[string]bool{}
	for _, p := range reachable(rootObject) {
		if titles[p.anchor()] {
			t.Errorf("two tables have the title %q", p.title())
		}
		titles[p.anchor()] = true
		_, section, _ := strings.Cut(text, "\n### "+p.title()+"\n")
		section, _, _ = strings.Cut(section, "\n### ")
		for _, k := range p.keys {
			if !strings.Contains(section, "| `"+k.name+"` |") || !strings.Contains(section, k.note) {
				t.Errorf("%s: %s is not in the section", p.name, k.name)
			}
		}
	}
	for link := range strings.SplitSeq(text, "](#") {
		if anchor, _, ok := strings.Cut(link, ")"); ok && !strings.HasPrefix(link, "# ") && !titles["#"+anchor] && !strings.Contains(strings.ToLower(preface), "\n## "+strings.ReplaceAll(anchor, "-", " ")) {
			t.Errorf("the link #%s leads nowhere", anchor)
		}
	}
}

// TestStatusIsInherited: what stands below a refused key is refused.
func TestStatusIsInherited(t *testing.T) {
	leaf := &object{name: "a leaf", keys: []key{{name: "x", kind: flagKind, doc: "X."}}}
	both := &object{name: "a shared leaf", keys: []key{{name: "y", kind: flagKind, doc: "Y."}}}
	root := &object{name: "the root", keys: []key{
		{name: "a", kind: objectKind, object: leaf, status: refused, note: "n"},
		{name: "b", kind: objectKind, object: both, status: differs, note: "n"},
		{name: "c", kind: objectsKind, object: both},
	}}
	for _, p := range reachable(root) {
		if want := map[*object]status{root: implemented, leaf: refused, both: implemented}[p.object]; p.status != want {
			t.Errorf("%s is %s, want %s", p.name, statusNames[p.status], statusNames[want])
		}
	}
}

// TestJSONSchema: every reference is defined, and every key has an entry.
func TestJSONSchema(t *testing.T) {
	var s struct {
		Ref  string `json:"$ref"`
		Defs map[string]struct {
			Properties map[string]map[string]any
		} `json:"$defs"`
	}
	text := JSONSchema()
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	for _, p := range reachable(rootObject) {
		for _, k := range p.keys {
			if s.Defs[p.definition()].Properties[k.name]["description"] == nil {
				t.Errorf("%s: %s is not in the schema", p.name, k.name)
			}
		}
	}
	for part := range strings.SplitSeq(string(text), `"$ref": "#/$defs/`) {
		if name, _, _ := strings.Cut(part, `"`); !strings.HasPrefix(part, "{") && s.Defs[name].Properties == nil {
			t.Errorf("%q is not defined", name)
		}
	}
}
