// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"slices"
	"testing"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/pipeline/filter"
)

// Labels of filters are added to those of the route, before which they count, and
// stay in order; equal ones are made once, and made-up ones do not pile up.
func TestSubsets(t *testing.T) {
	var s subsets
	route := &cluster.Criteria{Pairs: []cluster.Pair{{Key: "b", Value: "route"}, {Key: "d", Value: "route"}}}
	own := &filter.Metadata{Pairs: []filter.Pair{{Key: "a", Value: "own"}, {Key: "b", Value: "own"}, {Key: "c", Value: "own"}}}
	want := []cluster.Pair{{Key: "a", Value: "own"}, {Key: "b", Value: "own"}, {Key: "c", Value: "own"}, {Key: "d", Value: "route"}}
	c := s.of(route, own)
	if !slices.Equal(c.Pairs, want) {
		t.Errorf("%v, want %v", c.Pairs, want)
	}
	if s.of(route, own) != c {
		t.Error("equal labels are made twice")
	}
	if alone := s.of(nil, own); len(alone.Pairs) != 3 || alone == c {
		t.Errorf("without a route's: %v", alone.Pairs)
	}
	if route.Pairs[0].Value != "route" {
		t.Error("the route's labels were changed")
	}
	for range 10 * subsetsMax {
		s.of(nil, &filter.Metadata{Pairs: own.Pairs})
	}
	if len(s) > subsetsMax {
		t.Errorf("%d combinations are remembered", len(s))
	}
}
