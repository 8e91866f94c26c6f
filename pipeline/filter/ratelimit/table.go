// SPDX-License-Identifier: Apache-2.0

package ratelimit

import "sync/atomic"

// ways is how many places a key may be at: as many as fit two cache lines.
const ways = 8

// table is the buckets of the values that headers have, at most as many as it was
// made for; a new one takes the place of one of its set that is fullest, which
// is the one that would lose least, and mostly the longest unused. Keys are
// seeded hashes of 64 bits, which nobody can make collide.
//
// All loops use it without waiting. One that takes a place may, in the same
// instant, let a request of the former key through or not: a token more or less.
type table struct {
	sets [][ways]place
}

type place struct {
	key atomic.Uint64 // 0 is free
	bucket
}

// newTable has room for at least n keys.
func newTable(n int) *table {
	return &table{make([][ways]place, max((n+ways-1)/ways, 1))}
}

// find returns the bucket of a key.
func (t *table) find(key uint64) *bucket {
	key |= 1 // not 0
	set := &t.sets[(key>>1)%uint64(len(t.sets))]
	least := &set[0]
	for i := range set {
		p := &set[i]
		switch p.key.Load() {
		case key:
			return &p.bucket
		case 0:
			if p.key.CompareAndSwap(0, key) {
				return &p.bucket
			}
			if p.key.Load() == key {
				return &p.bucket
			}
		}
		if p.full.Load() < least.full.Load() {
			least = p
		}
	}
	least.key.Store(key)
	least.full.Store(0)
	return &least.bucket
}
