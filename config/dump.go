// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Redacted stands in dumps for what is secret.
const Redacted = "[redacted]"

// dumpDepth is deeper than any configuration is nested.
const dumpDepth = 32

// secretWords are what the names of secrets have in them, without underscores and
// hyphens.
var secretWords = []string{"privatekey", "ticket", "secret", "password", "passphrase", "token", "credential", "authorization", "apikey"}

// isSecret tells whether the value of a name must not be shown.
func isSecret(name string) bool {
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	return slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(name, w) })
}

// hasKey tells of text with a private key in PEM, whatever it is named.
func hasKey(text string) bool { return strings.Contains(text, "PRIVATE KEY-----") }

// Dump is part of a configuration as JSON, with the defaults that are in effect
// and without secrets. Names are those of this package in snake case, and
// durations texts; it is for reading and not a configuration file.
func Dump(part any) ([]byte, error) {
	return json.MarshalIndent(dump(reflect.ValueOf(part), dumpDepth), "", "  ")
}

// dump returns what encoding/json is to make of v; nil for what has no value.
func dump(v reflect.Value, depth int) any {
	if depth == 0 || !v.IsValid() {
		return nil
	}
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case time.Duration:
			return x.String()
		case *regexp.Regexp:
			if x != nil {
				return x.String()
			}
		case encoding.TextMarshaler:
			if text, err := x.MarshalText(); err == nil {
				return string(text)
			}
		case fmt.Stringer:
			if v.CanInt() || v.CanUint() {
				return x.String()
			}
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return dump(v.Elem(), depth-1)
	case reflect.Struct:
		return dumpStruct(v, depth)
	case reflect.Slice, reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = dump(v.Index(i), depth-1)
		}
		return list
	case reflect.Map:
		m := make(map[string]any, v.Len())
		for _, k := range v.MapKeys() {
			m[fmt.Sprint(dump(k, depth-1))] = redact(fmt.Sprint(k), dump(v.MapIndex(k), depth-1))
		}
		return m
	case reflect.String:
		return redact("", v.String())
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return nil
	}
	if v.CanInterface() {
		return v.Interface()
	}
	return fmt.Sprint(v)
}

// dumped is a name and its value. encoding/json keeps the order of a list of
// them.
type dumped struct {
	name  string
	value any
}

type dumpedObject []dumped

// MarshalJSON implements json.Marshaler.
func (ms dumpedObject) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	for i, m := range ms {
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%c%q:%s", "{,"[min(i, 1)], m.name, value)
	}
	if len(ms) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// dumpStruct leaves out where parts stand in their files.
func dumpStruct(v reflect.Value, depth int) any {
	var list dumpedObject
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Name == "Path" {
			continue
		}
		name := snake(f.Name)
		if value := dump(v.Field(i), depth-1); value != nil {
			list = append(list, dumped{name, redact(name, value)})
		}
	}
	return list
}

// redact replaces what is secret by its name or by what it is.
func redact(name string, value any) any {
	text, isText := value.(string)
	if isText && text == "" || value == nil {
		return value
	}
	if isText && hasKey(text) {
		return Redacted
	}
	switch value.(type) {
	case bool, dumpedObject:
		return value // a switch, or an object whose dumpedObject have names of their own
	}
	if isSecret(name) {
		return Redacted
	}
	return value
}

// snake turns "MaxRequestPerConn" into "max_request_per_conn", and "HTTP2" into
// "http2".
func snake(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		begins := i > 0 && unicode.IsUpper(r) &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
