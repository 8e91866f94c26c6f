// SPDX-License-Identifier: Apache-2.0

package cluster

// Criteria are the labels that a host must have to serve a request. They never
// change, so that equal pointers mean equal criteria.
type Criteria struct {
	// Pairs are sorted by key; no key stands twice.
	Pairs []Pair
}

// Pair is one label and its value.
type Pair struct{ Key, Value string }
