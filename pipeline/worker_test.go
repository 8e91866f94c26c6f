// SPDX-License-Identifier: Apache-2.0

package pipeline

import "testing"

// Ended exchanges are used again, and those of a burst are not all kept.
func TestEndedExchangesAreKeptWithinBounds(t *testing.T) {
	w := new(Worker)
	seen := make(map[*exchange]bool)
	for range 3 * spareExchanges {
		e := w.newExchange()
		if seen[e] {
			t.Fatal("an exchange was handed out twice")
		}
		seen[e] = true
	}
	for e := range seen {
		w.recycle(e)
	}
	for range spareExchanges {
		if !seen[w.newExchange()] {
			t.Fatal("an ended exchange was not used again")
		}
	}
	if len(w.free) != 0 || seen[w.newExchange()] {
		t.Errorf("more than %d were kept", spareExchanges)
	}
}
