// SPDX-License-Identifier: Apache-2.0

package bolt

import "github.com/sideloop/sideloop/codec"

// ids is the table of requests in flight on an upstream connection. Ids count
// up and wrap at 2^32. The low bits of an id are its slot, the rest is the
// slot's generation, so a look-up is one compare and an id is not used again
// before 2^32 others were: a reply that comes late finds nothing. An id whose
// slot is taken by a slow request is skipped.
type ids struct {
	next  uint32
	used  int
	slots []slot // length is a power of two, at most half used
}

// slot has the stream or the parcel of a request, or neither.
type slot struct {
	stream *stream
	parcel *codec.Parcel
}

const minSlots = 8

func (s slot) free() bool { return s.stream == nil && s.parcel == nil }

// id is that of what is in a slot, which is not free.
func (s slot) id() uint32 {
	if s.parcel != nil {
		return uint32(s.parcel.Up)
	}
	return s.stream.stamp.id
}

// add enters s under a new id, which it sets in the stream's stamp.
func (t *ids) add(s *stream) {
	s.stamp.id = t.reserve()
	t.slots[t.slot(s.stamp.id)].stream = s
}

// addParcel enters p under a new id, which it notes in the parcel.
func (t *ids) addParcel(p *codec.Parcel) uint32 {
	id := t.reserve()
	p.Up = uint64(id)
	t.slots[t.slot(id)].parcel = p
	return id
}

// reserve takes the next id, whose slot is for the caller to fill.
func (t *ids) reserve() uint32 {
	if 2*(t.used+1) > len(t.slots) {
		t.grow()
	}
	t.used++
	return t.fresh()
}

// fresh takes the next id whose slot is free, without entering anything.
func (t *ids) fresh() uint32 {
	for len(t.slots) > 0 && !t.slots[t.slot(t.next)].free() {
		t.next++
	}
	id := t.next
	t.next++
	return id
}

// get returns the stream that is entered under id, nil if none is.
func (t *ids) get(id uint32) *stream {
	if len(t.slots) == 0 {
		return nil
	}
	s := t.slots[t.slot(id)].stream
	if s == nil || s.stamp.id != id {
		return nil
	}
	return s
}

// getParcel returns the parcel that is entered under id, nil if none is.
func (t *ids) getParcel(id uint32) *codec.Parcel {
	if len(t.slots) == 0 {
		return nil
	}
	p := t.slots[t.slot(id)].parcel
	if p == nil || uint32(p.Up) != id {
		return nil
	}
	return p
}

// remove takes s out, if it is in.
func (t *ids) remove(s *stream) {
	if t.get(s.stamp.id) == s {
		t.clear(s.stamp.id)
	}
}

// clear takes out what is entered under id.
func (t *ids) clear(id uint32) {
	t.slots[t.slot(id)] = slot{}
	t.used--
}

// trim gives the table's memory back when nothing is in it.
func (t *ids) trim() {
	if t.used == 0 {
		t.slots = nil
	}
}

func (t *ids) slot(id uint32) uint32 { return id & uint32(len(t.slots)-1) }

// grow doubles the table. Ids that differ in their low bits differ in one more
// bit, too, so no two entries meet.
func (t *ids) grow() {
	old := t.slots
	t.slots = make([]slot, max(minSlots, 2*len(old)))
	for _, s := range old {
		if !s.free() {
			t.slots[t.slot(s.id())] = s
		}
	}
}
