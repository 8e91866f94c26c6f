// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/filter/filtertest"
)

func made(rules ...config.MetadataRule) *instance {
	p, _ := Kind.Listener(&config.HeaderToMetadata{Rules: rules})
	return p.Instance().(*instance)
}

// labels are what a request with these headers gets.
func (f *instance) labels(h filtertest.Head) []filter.Pair {
	call, word := filtertest.Call(h), int64(0)
	f.OnRequest(call, &word)
	if call.Metadata == nil {
		return nil
	}
	return call.Metadata.Pairs
}

func TestLabels(t *testing.T) {
	f := made(
		config.MetadataRule{Header: "version", Present: config.MetadataPair{Key: "v"}, Missing: config.MetadataPair{Key: "v", Value: "stable"}},
		config.MetadataRule{Header: "beta", Present: config.MetadataPair{Key: "stage", Value: "beta"}},
		config.MetadataRule{Header: "force", Present: config.MetadataPair{Key: "v"}},
	)
	for range 2 { // the second time they are remembered
		for _, c := range []struct {
			head filtertest.Head
			want []filter.Pair
		}{
			{filtertest.Head{}, []filter.Pair{{Key: "v", Value: "stable"}}},
			{filtertest.Head{"version": ""}, nil},
			{filtertest.Head{"version": "2"}, []filter.Pair{{Key: "v", Value: "2"}}},
			{filtertest.Head{"version": "2", "beta": "x"}, []filter.Pair{{Key: "stage", Value: "beta"}, {Key: "v", Value: "2"}}},
			{filtertest.Head{"version": "2", "force": "3"}, []filter.Pair{{Key: "v", Value: "3"}}},
		} {
			if got := f.labels(c.head); !slices.Equal(got, c.want) {
				t.Errorf("%v: %v, want %v", c.head, got, c.want)
			}
		}
	}
}

// Values that run into each other are not taken for others.
func TestLabelsAreToldApart(t *testing.T) {
	f := made(
		config.MetadataRule{Header: "a", Present: config.MetadataPair{Key: "a"}},
		config.MetadataRule{Header: "b", Present: config.MetadataPair{Key: "b"}},
	)
	first, second := f.labels(filtertest.Head{"a": "xy", "b": "z"}), f.labels(filtertest.Head{"a": "x", "b": "yz"})
	if slices.Equal(first, second) {
		t.Errorf("both are %v", first)
	}
}

// Clients who make up values cost no memory, and equal requests share theirs.
func TestWhatIsRemembered(t *testing.T) {
	f := made(config.MetadataRule{Header: "a", Present: config.MetadataPair{Key: "a"}})
	for i := range 10 * knownMax {
		f.labels(filtertest.Head{"a": fmt.Sprint(i)})
	}
	if len(f.known) > knownMax {
		t.Errorf("%d combinations are remembered", len(f.known))
	}
	before := len(f.known)
	if got := f.labels(filtertest.Head{"a": strings.Repeat("x", 60_000)}); len(got) != 1 || len(f.known) != before {
		t.Errorf("a long value makes %d labels, %d are remembered", len(got), len(f.known))
	}
	one, two, word := filtertest.Call(filtertest.Head{"a": "same"}), filtertest.Call(filtertest.Head{"a": "same"}), int64(0)
	f.OnRequest(one, &word)
	f.OnRequest(two, &word)
	if one.Metadata != two.Metadata {
		t.Error("equal requests have labels of their own")
	}
}

// Of two filters of this kind the later one counts.
func TestFiltersAddUp(t *testing.T) {
	first := made(config.MetadataRule{Header: "a", Present: config.MetadataPair{Key: "k", Value: "1"}, Missing: config.MetadataPair{Key: "m", Value: "1"}})
	second := made(config.MetadataRule{Header: "b", Present: config.MetadataPair{Key: "k", Value: "2"}})
	call, word := filtertest.Call(filtertest.Head{"a": "", "b": ""}), int64(0)
	first.OnRequest(call, &word)
	second.OnRequest(call, &word)
	if want := []filter.Pair{{Key: "k", Value: "2"}}; !slices.Equal(call.Metadata.Pairs, want) {
		t.Errorf("%v, want %v", call.Metadata.Pairs, want)
	}
}
