// SPDX-License-Identifier: Apache-2.0

package eventloop

import "testing"

// TestPace plays batches of n ready connections and counts the flushes.
func TestPace(t *testing.T) {
	flushes := func(p *pace, batches, n int) (count int) {
		for range batches {
			queued := false
			for range n {
				p.reads++
				switch {
				case queued:
				case p.alone():
					count++
					p.reads = 0
				default:
					queued = true
				}
			}
			if queued {
				p.sample()
				p.reads = 0
				count++
			}
		}
		return count
	}
	p := newPace()
	if got := flushes(&p, 100, 8); got != 100 {
		t.Errorf("8 ready: %d flushes in 100 batches", got)
	}
	flushes(&p, 50, 1)
	if p.average >= paceAlone {
		t.Errorf("1 ready: the average is still %d", p.average)
	}
	if got := flushes(&p, 160, 1); got != 160 || p.average >= paceAlone {
		t.Errorf("1 ready: %d flushes in 160 batches, average %d", got, p.average)
	}
	for n := 2; n <= 32; n++ {
		flushes(&p, 50, 1)
		if got := flushes(&p, 1000, n); got > 1000+10*n*paceProbe {
			t.Errorf("%d ready after 1: %d flushes in 1000 batches", n, got)
		}
	}
	flushes(&p, 50, 8)
	p.reads = 0
	before := p.average
	for range 50 {
		p.sample() // turns of timers and posts read nothing
	}
	if p.average != before {
		t.Errorf("without reads the average went from %d to %d", before, p.average)
	}
}
