// SPDX-License-Identifier: Apache-2.0

package http2

// table finds streams by id: open addressing with linear probing over a power
// of two of slots, at most three quarters full. Unlike a map it does not
// allocate however often ids come and go, and takes nothing before the first.
type table struct {
	slots []slot
	count int
	// peak is the highest count since the table was last empty.
	peak int
}

type slot struct {
	id     uint32
	stream *stream
}

const (
	// tableMin is enough for most connections.
	tableMin = 8
	// tableKeep is the largest size that is never given back: 1 KiB.
	tableKeep = 64
)

// home is the slot where the search for an id begins. Ids of one role differ
// by two.
func (t *table) home(id uint32) int { return int(id>>1) & (len(t.slots) - 1) }

// find returns the slot of id, or the free one where it would go.
func (t *table) find(id uint32) int {
	mask := len(t.slots) - 1
	i := t.home(id)
	for t.slots[i].stream != nil && t.slots[i].id != id {
		i = (i + 1) & mask
	}
	return i
}

// get returns the stream of id, nil if there is none.
func (t *table) get(id uint32) *stream {
	if t.count == 0 {
		return nil
	}
	return t.slots[t.find(id)].stream
}

func (t *table) put(s *stream) {
	if 4*(t.count+1) > 3*len(t.slots) {
		t.resize(max(2*len(t.slots), tableMin))
	}
	t.slots[t.find(s.id)] = slot{s.id, s}
	t.count++
	t.peak = max(t.peak, t.count)
}

func (t *table) resize(n int) {
	old := t.slots
	t.slots = make([]slot, n)
	for _, o := range old {
		if o.stream != nil {
			t.slots[t.find(o.id)] = o
		}
	}
}

// remove takes id out and closes the gap, so that no search ends early.
func (t *table) remove(id uint32) {
	if t.get(id) == nil {
		return
	}
	mask := len(t.slots) - 1
	gap := t.find(id)
	for i := (gap + 1) & mask; t.slots[i].stream != nil; i = (i + 1) & mask {
		// An entry may move into the gap if that is not before its home.
		if (i-t.home(t.slots[i].id))&mask >= (i-gap)&mask {
			t.slots[gap] = t.slots[i]
			gap = i
		}
	}
	t.slots[gap] = slot{}
	t.count--
	if t.count == 0 {
		t.shrink()
	}
}

// shrink drops a large table of which little has been used since it was last
// empty. Bursts that follow each other keep it.
func (t *table) shrink() {
	if len(t.slots) > tableKeep && t.peak < len(t.slots)/8 {
		t.slots = nil
	}
	t.peak = 0
}

// all returns the streams as they are now, in no order, for callbacks that may
// change the table. It is for rare events.
func (t *table) all() []*stream {
	list := make([]*stream, 0, t.count)
	for i := range t.slots {
		if s := t.slots[i].stream; s != nil {
			list = append(list, s)
		}
	}
	return list
}

// past remembers the ids of the last streams that ended in one way. The zero
// value is empty and takes nothing.
type past struct {
	ids  []uint32
	next int
	// lost is the highest id forgotten.
	lost uint32
}

// pastSize bounds what is remembered of each way: more than a peer sends on
// before it learns of a reset, and a quarter of a KiB.
const pastSize = 64

func (p *past) note(id uint32) {
	if len(p.ids) < pastSize {
		p.ids = append(p.ids, id)
		return
	}
	p.lost = max(p.lost, p.ids[p.next])
	p.ids[p.next] = id
	p.next = (p.next + 1) % pastSize
}

func (p *past) has(id uint32) bool {
	for _, have := range p.ids {
		if have == id {
			return true
		}
	}
	return false
}
