// SPDX-License-Identifier: Apache-2.0

package http2

import "testing"

func TestRate(t *testing.T) {
	var r rate
	now := int64(5 * second)
	for i := range 10 {
		if !r.take(1, 10, 2, now) {
			t.Fatalf("event %d of a burst of 10 was refused", i)
		}
	}
	if r.take(1, 10, 2, now) {
		t.Fatal("event 11 of a burst of 10 was allowed")
	}
	// The refused one counts, too: two events are paid for in a second.
	if now += second; !r.take(1, 10, 2, now) || r.take(1, 10, 2, now) {
		t.Fatal("a second at 2/s does not pay for one refused event and one more")
	}
	if now += 100 * second; !r.take(10, 10, 2, now) || r.take(1, 10, 2, now) {
		t.Fatal("a long pause does not refill exactly the burst")
	}
}
