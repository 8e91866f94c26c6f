// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeJSON parses one JSON value (RFC 8259) with nothing but white space
// around it.
func decodeJSON(data []byte) (*node, *syntaxError) {
	d := &jsonDecoder{data: string(data), at: position{1, 1}}
	if strings.HasPrefix(d.data, "\uFEFF") {
		return nil, d.fail("the file begins with a byte order mark; save it as UTF-8 without one")
	}
	d.space()
	if d.offset == len(d.data) {
		return nil, d.fail("the file is empty; expected an object")
	}
	n, err := d.value(0)
	if err != nil {
		return nil, err
	}
	d.space()
	if d.offset < len(d.data) {
		return nil, d.fail("unexpected %s after the end of the configuration", d.found())
	}
	return n, nil
}

// jsonDecoder reads forward only; at is the position of data[offset].
type jsonDecoder struct {
	data   string
	offset int
	at     position
	count  int
}

// fail is a syntax error at the current position.
func (d *jsonDecoder) fail(format string, args ...any) *syntaxError {
	message := fmt.Sprintf(format, args...)
	switch {
	case strings.HasPrefix(d.data[d.offset:], "//"), strings.HasPrefix(d.data[d.offset:], "/*"), strings.HasPrefix(d.data[d.offset:], "#"):
		message = "comments are not part of JSON; remove it, or use a .yaml file"
	}
	return &syntaxError{d.at, message}
}

// found describes what stands at the current position.
func (d *jsonDecoder) found() string {
	if d.offset == len(d.data) {
		return "end of file"
	}
	end := d.offset
	for end < len(d.data) && end-d.offset < 20 && isWord(d.data[end]) {
		end++
	}
	if end > d.offset {
		return strconv.Quote(d.data[d.offset:end])
	}
	r, _ := utf8.DecodeRuneInString(d.data[d.offset:])
	if r == '\'' {
		return "a single quote"
	}
	return strconv.QuoteRune(r)
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// skip moves n bytes forward; none of them is a line end.
func (d *jsonDecoder) skip(n int) {
	d.at.column += utf8.RuneCountInString(d.data[d.offset : d.offset+n])
	d.offset += n
}

func (d *jsonDecoder) space() {
	for d.offset < len(d.data) {
		switch d.data[d.offset] {
		case ' ', '\t', '\r':
			d.at.column++
		case '\n':
			d.at.line++
			d.at.column = 1
		default:
			return
		}
		d.offset++
	}
}

// next is the byte at the current position, 0 at the end of the file. A zero
// byte in the file is an error wherever it stands, so the two may look alike.
func (d *jsonDecoder) next() byte {
	if d.offset == len(d.data) {
		return 0
	}
	return d.data[d.offset]
}

func (d *jsonDecoder) value(depth int) (*node, *syntaxError) {
	if d.count++; d.count > nodeLimit {
		return nil, d.fail("the file holds more than %d values", nodeLimit)
	}
	n := &node{position: d.at}
	switch c := d.next(); {
	case c == '{' || c == '[':
		if depth == depthLimit {
			return nil, d.fail("nested deeper than %d levels", depthLimit)
		}
		if c == '{' {
			return n, d.object(n, depth)
		}
		return n, d.list(n, depth)
	case c == '"':
		n.kind = textNode
		var err *syntaxError
		n.text, err = d.text()
		return n, err
	case c == '-' || c >= '0' && c <= '9':
		n.kind = numberNode
		return n, d.number(n)
	case c == '\'':
		return nil, d.fail("expected a value, found a single quote; strings stand in double quotes")
	}
	return n, d.literal(n)
}

func (d *jsonDecoder) literal(n *node) *syntaxError {
	end := d.offset
	for end < len(d.data) && isWord(d.data[end]) {
		end++
	}
	word := d.data[d.offset:end]
	switch word {
	case "true", "false":
		n.kind, n.text = boolNode, word
	case "null":
		n.kind = nullNode
	default:
		return d.fail("expected a value, found %s", d.found())
	}
	d.skip(len(word))
	return nil
}

func (d *jsonDecoder) object(n *node, depth int) *syntaxError {
	n.kind = objectNode
	d.skip(1)
	d.space()
	if d.next() == '}' {
		d.skip(1)
		return nil
	}
	for {
		m := member{position: d.at}
		if d.next() != '"' {
			return d.fail("expected a key in double quotes, found %s%s", d.found(), d.trailing('}', len(n.members)))
		}
		var err *syntaxError
		if m.name, err = d.text(); err != nil {
			return err
		}
		d.space()
		if d.next() != ':' {
			return d.fail("expected ':' after the key %q, found %s", m.name, d.found())
		}
		d.skip(1)
		d.space()
		if m.value, err = d.value(depth + 1); err != nil {
			return err
		}
		n.members = append(n.members, m)
		d.space()
		switch d.next() {
		case ',':
			d.skip(1)
			d.space()
		case '}':
			d.skip(1)
			return nil
		default:
			return d.fail("expected ',' or '}' after the value of %q, found %s", m.name, d.found())
		}
	}
}

func (d *jsonDecoder) list(n *node, depth int) *syntaxError {
	n.kind = listNode
	d.skip(1)
	d.space()
	if d.next() == ']' {
		d.skip(1)
		return nil
	}
	for {
		if d.next() == ']' {
			return d.fail("expected a value, found ']'%s", d.trailing(']', len(n.items)))
		}
		item, err := d.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
		d.space()
		switch d.next() {
		case ',':
			d.skip(1)
			d.space()
		case ']':
			d.skip(1)
			return nil
		default:
			return d.fail("expected ',' or ']' after the value, found %s", d.found())
		}
	}
}

// trailing explains a closing bracket right after a comma.
func (d *jsonDecoder) trailing(bracket byte, before int) string {
	if before > 0 && d.next() == bracket {
		return "; remove the ',' before it"
	}
	return ""
}

func (d *jsonDecoder) number(n *node) *syntaxError {
	rest := d.data[d.offset:]
	end := 0
	if rest[0] == '-' {
		end++
	}
	digits := func() bool {
		start := end
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		return end > start
	}
	whole := end
	if !digits() {
		return d.fail("expected a digit after '-'")
	}
	if rest[whole] == '0' && end > whole+1 {
		return d.fail("a number must not begin with 0: %s", rest[:end])
	}
	if end < len(rest) && rest[end] == '.' {
		if end++; !digits() {
			return d.fail("expected a digit after %q", rest[:end])
		}
	}
	if end < len(rest) && (rest[end] == 'e' || rest[end] == 'E') {
		if end++; end < len(rest) && (rest[end] == '+' || rest[end] == '-') {
			end++
		}
		if !digits() {
			return d.fail("expected a digit after %q", rest[:end])
		}
	}
	if end < len(rest) && isWord(rest[end]) {
		return d.fail("expected a number, found %s", d.found())
	}
	n.text = rest[:end]
	d.skip(end)
	return nil
}

// text reads a string, quotes included.
func (d *jsonDecoder) text() (string, *syntaxError) {
	start := d.at
	d.skip(1)
	var b strings.Builder
	for {
		rest := d.data[d.offset:]
		plain := 0
		for plain < len(rest) && rest[plain] >= ' ' && rest[plain] < utf8.RuneSelf && rest[plain] != '"' && rest[plain] != '\\' {
			plain++
		}
		b.WriteString(rest[:plain])
		d.skip(plain)
		switch c := d.next(); {
		case c == '"':
			d.skip(1)
			return b.String(), nil
		case c == '\\':
			if err := d.escape(&b); err != nil {
				return "", err
			}
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(d.data[d.offset:])
			if r == utf8.RuneError && size == 1 {
				return "", d.fail("the byte 0x%02x is not valid UTF-8", c)
			}
			b.WriteRune(r)
			d.skip(size)
		case d.offset == len(d.data) || c == '\n':
			return "", &syntaxError{start, "this string is not closed; expected '\"' before the end of the line"}
		default:
			return "", d.fail("the control character 0x%02x must be escaped in a string", c)
		}
	}
}

// escapes maps the letter of a two-character escape to what it stands for.
var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (d *jsonDecoder) escape(b *strings.Builder) *syntaxError {
	rest := d.data[d.offset:]
	if len(rest) < 2 {
		return d.fail("expected an escape after '\\', found end of file")
	}
	if c, ok := escapes[rest[1]]; ok {
		b.WriteByte(c)
		d.skip(2)
		return nil
	}
	r, ok := unicodeEscape(rest)
	if !ok {
		return d.fail("invalid escape in a string; expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX")
	}
	d.skip(6)
	if utf16.IsSurrogate(r) {
		// A surrogate without its other half becomes U+FFFD, as in
		// encoding/json.
		second, ok := unicodeEscape(d.data[d.offset:])
		if r = utf16.DecodeRune(r, second); ok && r != utf8.RuneError {
			d.skip(6)
		}
	}
	b.WriteRune(r)
	return nil
}

// unicodeEscape reads the \uXXXX that s begins with.
func unicodeEscape(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range []byte(s[2:6]) {
		if !isWord(c) || c == '_' {
			return 0, false
		}
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(v), err == nil
}
