// SPDX-License-Identifier: Apache-2.0

package bolt

// ids is the table of requests in flight on an upstream connection. Ids count
// up and wrap at 2^32. The low bits of an id are its slot, the rest is the
// slot's generation, so a look-up is one compare and an id is not used again
// before 2^32 others were: a reply that comes late finds nothing. An id whose
// slot is taken by a slow request is skipped.
type ids struct {
	next  uint32
	used  int
	slots []*stream // length is a power of two, at most half used
}

const minSlots = 8

// add enters s under a new id, which it sets in the stream's stamp.
func (t *ids) add(s *stream) {
	if 2*(t.used+1) > len(t.slots) {
		t.grow()
	}
	s.stamp.id = t.fresh()
	t.slots[t.slot(s.stamp.id)] = s
	t.used++
}

// fresh takes the next id whose slot is free, without entering anything.
func (t *ids) fresh() uint32 {
	for len(t.slots) > 0 && t.slots[t.slot(t.next)] != nil {
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
	s := t.slots[t.slot(id)]
	if s == nil || s.stamp.id != id {
		return nil
	}
	return s
}

// remove takes s out, if it is in.
func (t *ids) remove(s *stream) {
	if t.get(s.stamp.id) == s {
		t.slots[t.slot(s.stamp.id)] = nil
		t.used--
	}
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
	t.slots = make([]*stream, max(minSlots, 2*len(old)))
	for _, s := range old {
		if s != nil {
			t.slots[t.slot(s.stamp.id)] = s
		}
	}
}
