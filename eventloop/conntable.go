// SPDX-License-Identifier: Apache-2.0

package eventloop

// connTable gives each connection of a loop an id, of which the lower half is
// its slot and the upper half the slot's generation: an id outlives its
// connection and then finds nothing.
type connTable struct {
	slots []connSlot
	free  []uint32
}

type connSlot struct {
	conn       *Conn
	generation uint32
}

func (t *connTable) add(c *Conn) {
	var slot uint32
	if n := len(t.free); n > 0 {
		slot = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		slot = uint32(len(t.slots))
		t.slots = append(t.slots, connSlot{})
	}
	t.slots[slot].conn = c
	c.id = uint64(slot) | uint64(t.slots[slot].generation)<<32
}

func (t *connTable) remove(c *Conn) {
	s := &t.slots[uint32(c.id)]
	s.conn = nil
	s.generation++
	t.free = append(t.free, uint32(c.id))
}

func (t *connTable) get(id uint64) *Conn {
	slot := uint32(id)
	if int(slot) >= len(t.slots) || t.slots[slot].generation != uint32(id>>32) {
		return nil
	}
	return t.slots[slot].conn
}

// all returns the connections, for use while they are being removed.
func (t *connTable) all() []*Conn {
	var conns []*Conn
	for i := range t.slots {
		if c := t.slots[i].conn; c != nil {
			conns = append(conns, c)
		}
	}
	return conns
}
