// SPDX-License-Identifier: Apache-2.0

package http2

import "slices"

// table finds streams by id: a power of two of chains, linked through the
// streams. Unlike a map it does not allocate however often ids come and go, and
// takes nothing before the first.
//
// Ids count up, so the chains of an ordinary peer have one stream each. One that
// skips ids can put all of its streams, of which there are few, into one chain.
type table struct {
	chains []*stream
	count  int
	// peak is the highest count since the table was last empty.
	peak int
	// small is how many bursts in a row have used little of the table.
	small int
}

const (
	// tableMin is enough for most connections.
	tableMin = 8
	// tableKeep is the largest size that is never given back: half a KiB.
	tableKeep = 64
	// tableBursts is how many small bursts it takes to give a larger one back: a
	// connection under load has a small one now and then.
	tableBursts = 64
)

// chain is where id is, if anywhere. Ids of one role differ by two.
func (t *table) chain(id uint32) **stream {
	return &t.chains[int(id>>1)&(len(t.chains)-1)]
}

// get returns the stream of id, nil if there is none.
func (t *table) get(id uint32) *stream {
	if t.count == 0 {
		return nil
	}
	s := *t.chain(id)
	for s != nil && s.id != id {
		s = s.chain
	}
	return s
}

func (t *table) put(s *stream) {
	if t.count == len(t.chains) {
		t.grow()
	}
	at := t.chain(s.id)
	s.chain, *at = *at, s
	t.count++
	t.peak = max(t.peak, t.count)
}

func (t *table) grow() {
	old := t.chains
	t.chains = make([]*stream, max(2*len(old), tableMin))
	for _, s := range old {
		for s != nil {
			next, at := s.chain, t.chain(s.id)
			s.chain, *at = *at, s
			s = next
		}
	}
}

// remove takes id out, if it is in.
func (t *table) remove(id uint32) {
	if t.count == 0 {
		return
	}
	at := t.chain(id)
	for *at != nil && (*at).id != id {
		at = &(*at).chain
	}
	s := *at
	if s == nil {
		return
	}
	*at, s.chain = s.chain, nil
	t.count--
	if t.count == 0 {
		t.shrink()
	}
}

// shrink drops a large table of which little has been used in many bursts: from
// empty to empty.
func (t *table) shrink() {
	if t.peak >= len(t.chains)/8 {
		t.small = 0
	} else if t.small++; len(t.chains) > tableKeep && t.small >= tableBursts {
		t.chains, t.small = nil, 0
	}
	t.peak = 0
}

// each yields the streams, in no order, while the table does not change.
func (t *table) each(yield func(*stream) bool) {
	for _, s := range t.chains {
		for ; s != nil; s = s.chain {
			if !yield(s) {
				return
			}
		}
	}
}

// all returns the streams as they are now, for callbacks that may change the
// table. It is for rare events.
func (t *table) all() []*stream { return slices.AppendSeq(make([]*stream, 0, t.count), t.each) }

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
