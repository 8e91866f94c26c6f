// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// plainValue is what encoding/json makes of a node.
func plainValue(n *node) any {
	switch n.kind {
	case boolNode:
		return n.text == "true"
	case numberNode:
		return json.Number(n.text)
	case textNode:
		return n.text
	case listNode:
		list := []any{}
		for _, item := range n.items {
			list = append(list, plainValue(item))
		}
		return list
	case objectNode:
		object := map[string]any{}
		for _, m := range n.members {
			object[m.name] = plainValue(m.value)
		}
		return object
	}
	return nil
}

// first is what the text of a value may begin with.
var first = map[nodeKind]string{
	nullNode: "n", boolNode: "tf", numberNode: "-0123456789", textNode: `"`, listNode: "[", objectNode: "{",
}

// checkPositions holds each node's line and column against the text.
func checkPositions(t *testing.T, lines []string, n *node) {
	t.Helper()
	at := func(p position, begins string) {
		t.Helper()
		if p.line < 1 || p.line > len(lines) {
			t.Fatalf("line %d of %d", p.line, len(lines))
		}
		line := []rune(lines[p.line-1])
		if p.column < 1 || p.column > len(line) || !strings.ContainsRune(begins, line[p.column-1]) {
			t.Fatalf("column %d of line %q, want one of %q there", p.column, lines[p.line-1], begins)
		}
	}
	at(n.position, first[n.kind])
	for _, item := range n.items {
		checkPositions(t, lines, item)
	}
	for _, m := range n.members {
		at(m.position, `"`)
		checkPositions(t, lines, m.value)
	}
}

// depth is the greatest number of brackets open at once in valid JSON.
func depth(data []byte) int {
	open, most, quoted := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			open++
			most = max(most, open)
		case c == '}' || c == ']':
			open--
		}
	}
	return most
}

// FuzzJSON compares the decoder with encoding/json: both accept the same texts
// and find the same values in them.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{}`, `[]`, `null`, ` true `, `"a\u00e9\ud83d\ude00\ud800\n\/"`, `-0.10e+5`, `{"a":[1,2.5,{"b":null}],"a":"é"}`,
		`01`, `1.`, `-`, `1e`, `+1`, `.5`, `tru`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[1 2]`, `"\x"`, `"\u12g4"`, "\"\t\"", `"`, `"\`, `{,}`, `1a`, `NaN`, "\x00", `{"a":1}}`,
		"{\r\n\t\"a\" :\n[ 1\n, 2 ]\n}\n", strings.Repeat("[", 64) + strings.Repeat("]", 64),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) {
			// encoding/json replaces what is not UTF-8; here it is an error.
			if n, _ := decodeJSON(data); n != nil {
				t.Fatalf("%q was accepted", data)
			}
			return
		}
		n, failure := decodeJSON(data)
		want := json.Valid(data) && depth(data) <= depthLimit
		if (failure == nil) != want {
			t.Fatalf("%q: failure is %v, want valid %v", data, failure, want)
		}
		lines := strings.Split(string(data), "\n")
		if failure != nil {
			if failure.line < 1 || failure.line > len(lines) || failure.column < 1 || failure.column > utf8.RuneCountInString(lines[failure.line-1])+1 {
				t.Fatalf("%q: %v is at %d:%d, outside the text", data, failure, failure.line, failure.column)
			}
			return
		}
		checkPositions(t, lines, n)
		var value any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if found := plainValue(n); !reflect.DeepEqual(value, found) {
			t.Fatalf("%q: found %v, want %v as encoding/json", data, found, value)
		}
	})
}

// TestDecodeJSONCutShort cuts a valid text at every byte: each part is an error
// within the text, never a value.
func TestDecodeJSONCutShort(t *testing.T) {
	text := "{\"a\": [1, -2.5e3, true, null, \"é\\u00e9\\n\"],\n \"b\": {\"c\": {}, \"d\": []}}"
	if _, failure := decodeJSON([]byte(text)); failure != nil {
		t.Fatal(failure)
	}
	for end := range len(text) {
		part := text[:end]
		n, failure := decodeJSON([]byte(part))
		if n != nil || failure == nil {
			t.Fatalf("%q was accepted", part)
		}
		if lines := strings.Count(part, "\n") + 1; failure.line < 1 || failure.line > lines || failure.column < 1 {
			t.Errorf("%q: %v is at %d:%d", part, failure, failure.line, failure.column)
		}
	}
}

func TestDecodeJSONColumns(t *testing.T) {
	for _, test := range []struct {
		text    string
		at      position
		message string
	}{
		{`{"é😀": tru}`, position{1, 8}, `expected a value, found "tru"`},
		{"{\r\n\t\"a\": 1\r\n\t\"b\": 2}", position{3, 2}, `expected ',' or '}' after the value of "a", found '"'`},
		{"\n\n  [1,, 2]", position{3, 6}, `expected a value, found ','`},
		{"{\"a\": /* why */ 1}", position{1, 7}, "comments are not part of JSON; remove it, or use a .yaml file"},
		{"{\"a\": \"\xff\"}", position{1, 8}, "the byte 0xff is not valid UTF-8"},
		{"[1e+]", position{1, 2}, `expected a digit after "1e+"`},
		{"[1.]", position{1, 2}, `expected a digit after "1."`},
		{"[-]", position{1, 2}, `expected a digit after '-'`},
		{"[12x]", position{1, 2}, `expected a number, found "12x"`},
		{`["\`, position{1, 3}, `expected an escape after '\', found end of file`},
		{"['a']", position{1, 2}, "expected a value, found a single quote; strings stand in double quotes"},
	} {
		_, failure := decodeJSON([]byte(test.text))
		if failure == nil {
			t.Errorf("%q was accepted", test.text)
			continue
		}
		if failure.position != test.at || failure.Error() != test.message {
			t.Errorf("%q: found %d:%d %s\nwant %d:%d %s", test.text, failure.line, failure.column, failure, test.at.line, test.at.column, test.message)
		}
	}
}

// TestDecodeNodeLimit: the number of values is bounded before they are built.
func TestDecodeNodeLimit(t *testing.T) {
	text := []byte("[" + strings.Repeat("0,", nodeLimit) + "0]")
	_, failure := decodeJSON(text)
	if failure == nil || !strings.Contains(failure.message, "more than 1048576 values") {
		t.Errorf("failure is %v, want too many values", failure)
	}
}
