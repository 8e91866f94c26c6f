// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"
)

// kind is what the value of a key may be.
type kind uint8

const (
	// anyKind is not looked into.
	anyKind kind = iota
	textKind
	flagKind
	// integerKind is a whole number within min and max, as is each of
	// integersKind; durationKind has a range where max is set.
	integerKind
	// numberKind may have a fraction.
	numberKind
	// durationKind is a string such as "1m30s", or a bare 0.
	durationKind
	// processorKind is a whole number, the same as a string, or "auto".
	processorKind
	// protocolKind is a protocol name or several, joined by commas.
	protocolKind
	// conditionsKind is true, false or words joined by commas.
	conditionsKind
	// objectKind is an object of key.object.
	objectKind
	// objectsKind is a list of key.object.
	objectsKind
	textsKind
	integersKind
	// textMapKind is an object whose values are strings.
	textMapKind
	// byTypeKind is an object chosen by the sibling key "type".
	byTypeKind
)

// status is what this proxy does with a key or a named value.
type status uint8

const (
	implemented status = iota
	// ignored has no effect, in MOSN or here, that anybody would miss.
	ignored
	// differs works otherwise than in MOSN or is left out: a warning.
	differs
	// refused is left out although it decides who may connect, what is
	// encrypted or where a request goes: an error.
	refused
)

// object is the table of one object's keys.
type object struct {
	// name stands in messages, with its article: "a listener".
	name string
	keys []key
	// switchedBy is the flag without which none of the keys has an effect, so
	// that nothing of them is reported as not implemented.
	switchedBy string
}

// key is one key of an object. A status other than implemented is reported
// only for a value that asks for something; note says what happens then.
type key struct {
	name string
	kind kind
	// fallback is the default, as the JSON text of a scalar.
	fallback string
	required bool
	min, max int64
	object   *object
	// values are all names that a text may be; empty when it is free.
	values []value
	// unknown is the status of a text that is not among values.
	unknown status
	// nanoseconds allows a bare whole number, as MOSN 0.1 wrote it.
	nanoseconds bool
	status      status
	note        string
	doc         string
}

// value is one name that a text may be.
type value struct {
	name   string
	status status
	note   string
	// object describes the sibling "config" of a filter of this type, or its
	// settings by route.
	object *object
	doc    string
}

// named lists values that need no word each.
func named(names ...string) []value {
	vs := make([]value, len(names))
	for i, name := range names {
		vs[i].name = name
	}
	return vs
}

// key finds a key as encoding/json does, whatever its case.
func (o *object) key(name string) *key {
	for i := range o.keys {
		if strings.EqualFold(o.keys[i].name, name) {
			return &o.keys[i]
		}
	}
	return nil
}

func (o *object) names() []string {
	names := make([]string, len(o.keys))
	for i := range o.keys {
		names[i] = o.keys[i].name
	}
	return names
}

// value finds a value by its exact name.
func (k *key) value(name string) *value {
	i := slices.IndexFunc(k.values, func(v value) bool { return v.name == name })
	if i < 0 {
		return nil
	}
	return &k.values[i]
}

func (k *key) valueNames() []string {
	names := make([]string, len(k.values))
	for i := range k.values {
		names[i] = k.values[i].name
	}
	return names
}

// usable are the values that are not refused, for messages.
func (k *key) usable() []string {
	var names []string
	for i := range k.values {
		if k.values[i].status != refused {
			names = append(names, k.values[i].name)
		}
	}
	return names
}
