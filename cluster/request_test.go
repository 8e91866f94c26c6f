// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"math/rand"
	"slices"
	"testing"
	"time"
)

// The queue against a slice, with seeded pushes and removals anywhere in it.
func TestQueueAgainstAModel(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var q queue
	var model []*Request
	for range 10_000 {
		if len(model) == 0 || r.Intn(5) < 3 {
			n := &Request{Exclusive: r.Intn(4) == 0}
			q.push(n)
			model = append(model, n)
		} else {
			i := r.Intn(len(model))
			q.remove(model[i])
			model = slices.Delete(model, i, i+1)
		}
		exclusive, n := 0, q.first
		for i, want := range model {
			if n != want {
				t.Fatalf("request %d of %d is not in its place", i, len(model))
			}
			if n.Exclusive {
				exclusive++
			}
			if n.next == nil && q.last != n || n.next != nil && n.next.prev != n {
				t.Fatal("the links back are broken")
			}
			n = n.next
		}
		if n != nil || q.length != len(model) || q.exclusive != exclusive {
			t.Fatalf("length %d, %d exclusive; want %d, %d", q.length, q.exclusive, len(model), exclusive)
		}
		if len(model) > 50 {
			for _, n := range model {
				q.remove(n)
			}
			model = nil
		}
	}
}

func TestJitterStaysWithinAQuarter(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for range 1000 {
		d := jitter(time.Second)
		if d < 750*time.Millisecond || d >= 1250*time.Millisecond {
			t.Fatalf("%v", d)
		}
		seen[d] = true
	}
	if len(seen) < 100 {
		t.Errorf("only %d different waits", len(seen))
	}
}

// What one dial will serve is not dialled for twice.
func TestDialsWanted(t *testing.T) {
	for _, tt := range []struct{ shared, exclusive, want int }{{0, 0, 0}, {1, 0, 1}, {9, 0, 1}, {0, 3, 3}, {9, 3, 4}} {
		var p pool
		for range tt.shared {
			p.waiting.push(&Request{})
		}
		for range tt.exclusive {
			p.waiting.push(&Request{Exclusive: true})
		}
		if got := p.wanted(); got != tt.want {
			t.Errorf("%d shared and %d exclusive requests want %d dials, not %d", tt.shared, tt.exclusive, got, tt.want)
		}
	}
}
