// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"cmp"
	"slices"

	"github.com/bytedance/gopkg/util/xxhash3"
)

const (
	// tableSize is the number of slots of a Table, a prime, as in MOSN and
	// Envoy: with 650 hosts each has 100 slots, so that shares are within a
	// percent.
	tableSize = 65537
	// largeTableSize is for more hosts than largeTableFrom, with which the
	// smaller table would have fewer than 10 slots for each.
	largeTableSize = 655373
	largeTableFrom = 6554
)

// Table gives every key a host, the same one for the same hosts, in whatever
// order and process, and few keys another one when a host comes or goes
// (Maglev, NSDI 2016, 3.4). It never changes.
type Table struct {
	slots []int32
}

// NewTable fills a table for hosts with these names and weights.
func NewTable(names []string, weights []uint32) *Table {
	if len(names) == 0 {
		return &Table{}
	}
	size := uint64(tableSize)
	if len(names) >= largeTableFrom {
		size = largeTableSize
	}
	return newTable(names, weights, size)
}

// claimant is a host on its way through its permutation of the slots.
type claimant struct {
	host       int32
	next, skip uint64
	// credit grows by the host's part of the greatest weight each round; from
	// 1 on the host takes a slot.
	credit, rate float64
}

func newTable(names []string, weights []uint32, size uint64) *Table {
	t := &Table{slots: make([]int32, size)}
	for i := range t.slots {
		t.slots[i] = -1
	}
	claimants := newClaimants(names, weights, size)
	for left := size; ; {
		for i := range claimants {
			c := &claimants[i]
			if c.credit += c.rate; c.credit < 1 {
				continue
			}
			c.credit--
			for t.slots[c.next] >= 0 {
				c.step(size)
			}
			t.slots[c.next] = c.host
			c.step(size)
			if left--; left == 0 {
				return t
			}
		}
	}
}

func (c *claimant) step(size uint64) {
	if c.next += c.skip; c.next >= size {
		c.next -= size
	}
}

// newClaimants orders the hosts by name, as the order decides who takes a slot
// that two want.
func newClaimants(names []string, weights []uint32, size uint64) []claimant {
	greatest := slices.Max(weights)
	claimants := make([]claimant, len(names))
	for i, name := range names {
		h := xxhash3.HashString(name)
		claimants[i] = claimant{
			host: int32(i), next: h % size, skip: mix(h)%(size-1) + 1,
			rate: float64(weights[i]) / float64(greatest),
		}
	}
	slices.SortFunc(claimants, func(a, b claimant) int { return cmp.Compare(names[a.host], names[b.host]) })
	return claimants
}

// host is the host of a key.
func (t *Table) host(key uint64) int { return int(t.slots[key%uint64(len(t.slots))]) }

// Maglev keeps requests with the same hash at the same host. One without a hash
// goes anywhere.
type Maglev struct {
	table  *Table
	random *Random
}

// NewMaglev returns a policy for the hosts that the table and shares were made
// of.
func NewMaglev(t *Table, s *Shares, seed uint64) *Maglev {
	return &Maglev{table: t, random: NewRandom(s, seed)}
}

// Choose implements Policy. A host that is not usable leaves its keys to others,
// as many to each as its share, and nobody else's keys move.
func (p *Maglev) Choose(v View) int {
	key, ok := v.Hash()
	n := v.Len()
	if !ok || n < 2 {
		return p.random.Choose(v)
	}
	for range drawLimit {
		if i := p.table.host(key); v.Usable(i) {
			return i
		}
		key = mix(key + 1)
	}
	return firstUsable(v, int(key%uint64(n)))
}
