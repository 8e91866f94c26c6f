// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"math/rand/v2"
	"testing"
)

// TestTable compares with a map over random ids, many of which collide.
func TestTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var tab table
	want := map[uint32]*stream{}
	for range 200000 {
		id := uint32(rng.IntN(64))<<uint(rng.IntN(12)) | 1
		switch rng.IntN(3) {
		case 0:
			if want[id] == nil {
				s := &stream{id: id}
				want[id] = s
				tab.put(s)
			}
		case 1:
			delete(want, id)
			tab.remove(id)
		case 2:
			if tab.get(id) != want[id] {
				t.Fatalf("id %d: got %p, want %p", id, tab.get(id), want[id])
			}
		}
		if tab.count != len(want) {
			t.Fatalf("count %d, want %d", tab.count, len(want))
		}
	}
	for _, s := range tab.all() {
		if want[s.id] != s {
			t.Fatalf("all has %d", s.id)
		}
	}
	for id := range want {
		tab.remove(id)
	}
	if tab.count != 0 || len(tab.all()) != 0 {
		t.Fatal("not empty after the last removal")
	}
}

// TestTableShrinks: what a burst needed is given back once it has not been needed
// for many others, and not while a large one comes between small ones.
func TestTableShrinks(t *testing.T) {
	var tab table
	burst := func(n uint32) {
		for id := range n {
			tab.put(&stream{id: 2*id + 1})
		}
		for id := range n {
			tab.remove(2*id + 1)
		}
	}
	for range 3 {
		burst(1000)
		for range tableBursts - 1 {
			burst(1)
		}
		if len(tab.chains) < 1000 {
			t.Fatal("what may be needed again was given back")
		}
	}
	burst(1)
	if tab.chains != nil {
		t.Fatalf("%d chains kept for one stream", len(tab.chains))
	}
}

func TestPast(t *testing.T) {
	var p past
	for id := uint32(1); id < 2*(pastSize+10); id += 2 {
		p.note(id)
	}
	if p.has(19) || !p.has(21) || !p.has(2*pastSize+19) || p.lost != 19 {
		t.Fatalf("remembers %v, lost up to %d", p.ids, p.lost)
	}
}
