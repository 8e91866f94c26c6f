// SPDX-License-Identifier: Apache-2.0

package stats

// Classes is the room for replies by the first digit of their status; 0 is
// requests that have none, such as one-way ones.
const Classes = 6

// Traffic is what one loop counts of the requests of one listener or cluster.
type Traffic struct {
	begun   uint64
	ended   [ReasonSlots]uint64
	classes [Classes]uint64
	// duration is made with the first observation: most objects of a large
	// configuration are never used on a loop.
	duration *Histogram
	_        [64]byte // keeps loops off each other's cache lines
}

// Begin counts a request that begins.
func (t *Traffic) Begin() {
	if t != nil {
		t.begun++
	}
}

// End counts a request that ends for the reason with this number, 0 being
// success, with a reply of this status, 0 being none.
func (t *Traffic) End(reason uint8, status int) {
	if t == nil {
		return
	}
	t.ended[reason]++
	if class := status / 100; class > 0 && class < Classes {
		t.classes[class]++
	} else {
		t.classes[0]++
	}
}

// Observe counts a duration in nanoseconds.
func (t *Traffic) Observe(ns int64) {
	if t == nil {
		return
	}
	if t.duration == nil {
		t.duration = new(Histogram)
	}
	t.duration.Observe(ns)
}

// CopyTo makes copied the same; it keeps what memory it has.
func (t *Traffic) CopyTo(copied *Traffic) {
	h := copied.duration
	*copied = *t
	if t.duration == nil {
		return
	}
	if h == nil {
		h = new(Histogram)
	}
	*h = *t.duration
	copied.duration = h
}

// AddTo adds the counters to sum, which belongs to the reader.
func (t *Traffic) AddTo(sum *Traffic) {
	sum.begun += t.begun
	for i, n := range t.ended {
		sum.ended[i] += n
	}
	for i, n := range t.classes {
		sum.classes[i] += n
	}
	if t.duration != nil {
		if sum.duration == nil {
			sum.duration = new(Histogram)
		}
		t.duration.AddTo(sum.duration)
	}
}

// Begun is the number of requests that began.
func (t *Traffic) Begun() uint64 { return t.begun }

// Ended is the number of requests that ended, for whatever reason.
func (t *Traffic) Ended() (n uint64) {
	for _, c := range t.ended {
		n += c
	}
	return n
}

// EndedFor is the number of requests that ended for a reason.
func (t *Traffic) EndedFor(reason uint8) uint64 { return t.ended[reason] }

// Replies is the number of replies by the first digit of their status.
func (t *Traffic) Replies(class int) uint64 { return t.classes[class] }

// Duration is the durations, nil before the first.
func (t *Traffic) Duration() *Histogram { return t.duration }

// Meter is the Traffic of one listener or cluster, one for each loop. It lives as
// long as its name is in the configuration. A nil Meter counts nothing.
type Meter struct{ loops []Traffic }

// NewMeter returns the meter for a number of loops.
func NewMeter(loops int) *Meter { return &Meter{make([]Traffic, loops)} }

// Loop is the Traffic of one loop, which alone may touch it.
func (m *Meter) Loop(index int) *Traffic {
	if m == nil {
		return nil
	}
	return &m.loops[index]
}
