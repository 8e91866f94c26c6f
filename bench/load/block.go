// SPDX-License-Identifier: Apache-2.0

package load

import "github.com/sideloop/sideloop/bench/result"

// block is what a loop found within one pulse. It has one owner at a time: the
// loop that fills it, then the collector that adds it up and gives it back.
type block struct {
	worker int
	second int // of the measured time, in which it began
	// ended counts all requests that ended, those of the warm-up too; the
	// rest is of the measured time.
	ended                uint64
	requests             uint64
	late                 uint64 // of an open loop: what was noticed late of what was due
	unsent               uint64 // due and given up, or not sent when the time was over
	bytesSent, bytesRead uint64
	errors               map[string]uint64
	latency              *result.Histogram
	service, delay       *result.Histogram // nil in a closed loop
	lateness             *result.Histogram // of all that was due; nil in a closed loop

	replied bool   // a reply came
	alive   bool   // a reply came, or a connection has lasted a while
	trouble string // the last reason why there was no connection
	last    int64  // when the last measured request ended
	final   bool   // the loop is done
}

func newBlock(worker int, open bool) *block {
	b := &block{worker: worker, errors: make(map[string]uint64), latency: result.NewHistogram()}
	if open {
		b.service, b.delay, b.lateness = result.NewHistogram(), result.NewHistogram(), result.NewHistogram()
	}
	return b
}

// reset empties the block for another pulse.
func (b *block) reset() {
	empty := block{worker: b.worker, errors: b.errors, latency: b.latency, service: b.service, delay: b.delay, lateness: b.lateness}
	*b = empty
	clear(b.errors)
	b.latency.Reset()
	if b.service != nil {
		b.service.Reset()
		b.delay.Reset()
		b.lateness.Reset()
	}
}

// failed is the number of errors.
func (b *block) failed() (n uint64) {
	for _, k := range b.errors {
		n += k
	}
	return n
}
