// SPDX-License-Identifier: Apache-2.0

// Package metadata is the filter that makes labels, which the host of a request
// must have, out of the request's headers.
package metadata

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
)

// Name is the filter's type.
const Name = "header_to_metadata"

// Kind makes the filter.
var Kind = filter.Kind{Listener: func(settings any) (filter.Plan, error) {
	return plan{settings.(*config.HeaderToMetadata).Rules}, nil
}}

type plan struct{ rules []config.MetadataRule }

func (p plan) Instance() any {
	return &instance{rules: p.rules, known: make(map[string]*filter.Metadata)}
}

// A loop remembers knownMax combinations of values of keyMax bytes at most. Clients
// may make up as many as they like; hosts have few, and short ones.
const (
	knownMax = 1024
	keyMax   = 256
)

type instance struct {
	rules []config.MetadataRule
	key   []byte // scratch
	known map[string]*filter.Metadata
}

// OnRequest implements filter.RequestFilter.
func (f *instance) OnRequest(c *filter.Call, _ *int64) filter.Answer {
	f.key = f.key[:0]
	for i := range f.rules {
		value, ok := c.Head.Get(f.rules[i].Header)
		// An unset header is not an empty one.
		length := uint64(0)
		if ok {
			length = uint64(len(value)) + 1
		}
		f.key = binary.AppendUvarint(f.key, length)
		f.key = append(f.key, value...)
	}
	m, ok := f.known[string(f.key)]
	if !ok {
		m = f.derive(c.Head)
		f.remember(m)
	}
	c.Metadata = merge(c.Metadata, m)
	return filter.Continue
}

// remember keeps what the values in key lead to.
func (f *instance) remember(m *filter.Metadata) {
	if len(f.key) > keyMax {
		return
	}
	if len(f.known) == knownMax {
		clear(f.known)
	}
	f.known[string(f.key)] = m
}

// derive follows the rules; of one key the last counts.
func (f *instance) derive(head filter.View) *filter.Metadata {
	m := new(filter.Metadata)
	for i := range f.rules {
		r := &f.rules[i]
		value, ok := head.Get(r.Header)
		pair := r.Missing
		if ok {
			pair = r.Present
			if pair.Value == "" {
				pair.Value = string(value)
			}
		}
		if pair.Key != "" && pair.Value != "" {
			m.Pairs = set(m.Pairs, filter.Pair{Key: pair.Key, Value: pair.Value})
		}
	}
	if len(m.Pairs) == 0 {
		return nil
	}
	return m
}

// set puts a pair in its place.
func set(pairs []filter.Pair, p filter.Pair) []filter.Pair {
	i, found := slices.BinarySearchFunc(pairs, p.Key, func(a filter.Pair, key string) int { return cmp.Compare(a.Key, key) })
	if found {
		pairs[i] = p
		return pairs
	}
	return slices.Insert(pairs, i, p)
}

// merge adds the labels of another filter of this kind before this one.
func merge(before, m *filter.Metadata) *filter.Metadata {
	if before == nil {
		return m
	}
	if m == nil {
		return before
	}
	all := &filter.Metadata{Pairs: slices.Clone(before.Pairs)}
	for _, p := range m.Pairs {
		all.Pairs = set(all.Pairs, p)
	}
	return all
}
