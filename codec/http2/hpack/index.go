// SPDX-License-Identifier: Apache-2.0

package hpack

// hashSpread keeps equal names and values from cancelling out in a field's
// hash: any large odd number.
const hashSpread = 0x9e3779b1

// index finds the entries of an encoder's table by name, and by name and value.
// Entries of one bucket are chained from newest to oldest by their numbers, so
// that evicting one needs no work: a chain ends at the first that is not live.
// Number 0 is none.
type index struct {
	links   []link   // a ring beside the table's entries
	buckets []uint32 // the newest entry's number; twice as many as links
}

type link struct{ nameHash, fieldHash, older uint32 }

func (x *index) link(number uint32) *link {
	return &x.links[number&uint32(len(x.links)-1)]
}

func (x *index) bucket(nameHash uint32) *uint32 {
	return &x.buckets[nameHash&uint32(len(x.buckets)-1)]
}

// search returns the entry with this name and value, and the newest one with
// this name.
func (x *index) search(t *table, nameHash, fieldHash uint32, name, value []byte) (field, sameName uint32) {
	if t.count == 0 {
		return 0, 0
	}
	i := *x.bucket(nameHash)
	// Numbers wrap after 2^32 insertions; the count ends a walk that a bucket
	// left from before then could lead astray.
	for left := t.count; left > 0 && t.live(i); left-- {
		l, number := x.link(i), i
		i = l.older
		if l.nameHash != nameHash || l.fieldHash != fieldHash && sameName != 0 {
			continue
		}
		entryName, entryValue := t.field(number)
		if string(entryName) != string(name) {
			continue
		}
		if sameName == 0 {
			sameName = number
		}
		if l.fieldHash == fieldHash && string(entryValue) == string(value) {
			return number, sameName
		}
	}
	return 0, sameName
}

// find returns the newest entry with this name.
func (x *index) find(t *table, nameHash uint32, name []byte) uint32 {
	_, number := x.search(t, nameHash, 0, name, nil)
	return number
}

// insert chains the entry that was just added to the table.
func (x *index) insert(t *table, nameHash, fieldHash uint32) {
	number := t.next - 1
	if len(x.links) != len(t.entries) {
		x.widen(t)
	}
	bucket := x.bucket(nameHash)
	*x.link(number) = link{nameHash, fieldHash, *bucket}
	*bucket = number
}

// widen follows the table's ring and chains all entries but the newest anew.
func (x *index) widen(t *table) {
	old := *x
	x.links = make([]link, len(t.entries))
	x.buckets = make([]uint32, 2*len(t.entries))
	for i := t.next - t.count; i != t.next-1; i++ {
		l := *old.link(i)
		bucket := x.bucket(l.nameHash)
		*x.link(i) = link{l.nameHash, l.fieldHash, *bucket}
		*bucket = i
	}
}
