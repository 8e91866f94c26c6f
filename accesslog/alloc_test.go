// SPDX-License-Identifier: Apache-2.0

//go:build !race

package accesslog

import (
	"testing"
)

// TestLinesAllocateNothing writes more lines than a block has, to a device.
func TestLinesAllocateNothing(t *testing.T) {
	d := newDesk(t)
	l := d.open("/dev/null")
	f, want := formatOf(t, everything())
	l.format = f
	r := boltEnded()
	headers(want, map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a": "é\n"}, nil)(r)
	r.Timers = d.loop
	done := make(chan float64)
	line := func() {
		for range 100 {
			l.Ended(r)
		}
	}
	d.loop.Post(func() {
		for range 100 {
			line()
		}
		done <- testing.AllocsPerRun(100, line)
	})
	if n := <-done; n > 1 { // blocks that the writer has not given back yet
		t.Errorf("%v allocations in 100 lines", n)
	}
}
