// SPDX-License-Identifier: Apache-2.0

package hpack

// First sizes of a table's storage. A table that was never used holds nothing,
// one with a few entries a few hundred bytes.
const (
	tableBytesMin   = 256
	tableEntriesMin = 8
)

// table is a dynamic table (RFC 7541, 2.3.2). Entries are numbered as they are
// inserted: next-1 is the newest, next-count the oldest.
//
// Their bytes lie in insertion order in one buffer that add only ever appends
// to, or leaves behind for a larger one. So a view of an entry stays readable
// after the entry was evicted, until compact moves the bytes.
type table struct {
	bytes   []byte
	entries []entry // a ring; its length is a power of two
	next    uint32
	count   uint32
	changes uint32 // grows whenever an index may have come to mean another field
	size    int    // as RFC 7541, 4.1 counts it
	max     int
}

type entry struct{ offset, nameLen, valueLen uint32 }

func (t *table) slot(number uint32) *entry {
	return &t.entries[number&uint32(len(t.entries)-1)]
}

// field returns the entry of this number, which must be live, as views.
func (t *table) field(number uint32) (name, value []byte) {
	e := t.slot(number)
	middle := e.offset + e.nameLen
	end := middle + e.valueLen
	return t.bytes[e.offset:middle:middle], t.bytes[middle:end:end]
}

// live tells whether the entry of this number is in the table.
func (t *table) live(number uint32) bool { return t.next-number-1 < t.count }

// setMax changes the size limit and evicts what is over it. A table of no size
// gives its memory back.
func (t *table) setMax(n int) {
	t.max = n
	t.changes++
	t.evict(n)
	if n == 0 {
		t.bytes, t.entries = nil, nil
	}
}

// evict removes the oldest entries until at most n remain of the size.
func (t *table) evict(n int) {
	for t.size > n {
		e := t.slot(t.next - t.count)
		t.size -= int(e.nameLen+e.valueLen) + overhead
		t.count--
	}
}

// add inserts a field and tells whether it is in the table now: one larger
// than the table only empties it (RFC 7541, 4.4). The name may be a view of
// an entry that this evicts.
func (t *table) add(name, value []byte) bool {
	t.changes++
	n := len(name) + len(value)
	if n+overhead > t.max {
		t.evict(0)
		return false
	}
	t.evict(t.max - n - overhead)
	if t.room() < n {
		t.move(n)
	}
	if int(t.count) == len(t.entries) {
		t.widen()
	}
	*t.slot(t.next) = entry{uint32(len(t.bytes)), uint32(len(name)), uint32(len(value))}
	t.bytes = append(append(t.bytes, name...), value...)
	t.size += n + overhead
	t.next++
	t.count++
	return true
}

// room is the number of bytes that can be added where the buffer is.
func (t *table) room() int { return cap(t.bytes) - len(t.bytes) }

// start is the offset of the oldest live byte.
func (t *table) start() uint32 {
	if t.count == 0 {
		return uint32(len(t.bytes))
	}
	return t.slot(t.next - t.count).offset
}

// move copies the live bytes into a new buffer with room for n more. Twice the
// table's limit is enough for compact to find room ever after.
func (t *table) move(n int) {
	live := t.bytes[t.start():]
	size := max(2*cap(t.bytes), tableBytesMin)
	for size < len(live)+n {
		size *= 2
	}
	size = min(size, 2*t.max)
	t.rebase(append(make([]byte, 0, size), live...))
}

// compact moves the live bytes to the front of the buffer, which ends the
// validity of every view.
func (t *table) compact() {
	if start := t.start(); start > 0 {
		t.rebase(t.bytes[:copy(t.bytes, t.bytes[start:])])
	}
}

// rebase makes b, which holds the live bytes only, the buffer.
func (t *table) rebase(b []byte) {
	start := t.start()
	for i := t.next - t.count; i != t.next; i++ {
		t.slot(i).offset -= start
	}
	t.bytes = b
}

// widen doubles the ring of entries.
func (t *table) widen() {
	old := *t
	t.entries = make([]entry, max(2*len(old.entries), tableEntriesMin))
	for i := t.next - t.count; i != t.next; i++ {
		*t.slot(i) = *old.slot(i)
	}
}
