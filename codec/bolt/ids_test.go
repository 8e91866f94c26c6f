// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestIDsWrap(t *testing.T) {
	table := ids{next: math.MaxUint32 - 2}
	var got []uint32
	var all []*stream
	for range 6 {
		s := &stream{}
		table.add(s)
		got = append(got, s.stamp.id)
		all = append(all, s)
	}
	want(t, "ids", got, []uint32{math.MaxUint32 - 2, math.MaxUint32 - 1, math.MaxUint32, 0, 1, 2})
	for _, s := range all {
		if table.get(s.stamp.id) != s {
			t.Fatalf("id %d is lost", s.stamp.id)
		}
	}
}

// TestIDsSkipSlow keeps one request open while its slot comes up again and
// again.
func TestIDsSkipSlow(t *testing.T) {
	var table ids
	slow := &stream{}
	table.add(slow)
	for range 1000 {
		s := &stream{}
		table.add(s)
		if s.stamp.id%minSlots == 0 {
			t.Fatalf("id %d has the slot of id 0", s.stamp.id)
		}
		table.remove(s)
		if table.get(s.stamp.id) != nil {
			t.Fatalf("id %d is still there", s.stamp.id)
		}
	}
	want(t, "slots", len(table.slots), minSlots)
	if table.get(0) != slow {
		t.Fatal("the slow request is lost")
	}
}

// TestIDsAgainstMap compares the table with a map over random use across the
// wrap.
func TestIDsAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	table := ids{next: math.MaxUint32 - 5000}
	model := map[uint32]*stream{}
	var order []uint32
	for range 50000 {
		if rng.IntN(100) < 51 || len(order) == 0 {
			s := &stream{}
			table.add(s)
			if model[s.stamp.id] != nil {
				t.Fatalf("id %d twice", s.stamp.id)
			}
			model[s.stamp.id] = s
			order = append(order, s.stamp.id)
		} else {
			i := rng.IntN(len(order))
			id := order[i]
			order[i] = order[len(order)-1]
			order = order[:len(order)-1]
			table.remove(model[id])
			table.remove(model[id]) // a second time changes nothing
			delete(model, id)
		}
		want(t, "entries", table.used, len(model))
	}
	for id, s := range model {
		if table.get(id) != s {
			t.Fatalf("id %d is lost", id)
		}
	}
}
