// SPDX-License-Identifier: Apache-2.0

package codec

import "testing"

// owner is a stream that holds bytes.
type owner struct {
	Holding
	mem     *Memory
	evicted bool
}

func newOwner(m *Memory) *owner {
	o := &owner{mem: m}
	o.Holder = o
	return o
}

func (o *owner) Evict() {
	o.evicted = true
	o.mem.Unhold(&o.Holding, o.Bytes())
}

func TestRelieveEvictsTheStalest(t *testing.T) {
	var m Memory
	warned := 0
	m.OnOverflow = func() { warned++ }
	var owners [4]*owner
	for i := range owners {
		owners[i] = newOwner(&m)
		m.Hold(&owners[i].Holding, HoldLimit/4)
	}
	if warned != 0 {
		t.Fatal("at the limit is not over it")
	}
	// The first two make progress, so that the third is now the stalest.
	m.Unhold(&owners[0].Holding, 10)
	m.Touch(&owners[1].Holding)
	m.Hold(&owners[3].Holding, 11)
	if warned != 1 {
		t.Fatalf("told %d times of the overflow", warned)
	}
	m.Relieve()
	for i, want := range [4]bool{false, false, true, false} {
		if owners[i].evicted != want {
			t.Errorf("owner %d evicted: %v", i, owners[i].evicted)
		}
	}
	for _, o := range owners {
		m.Unhold(&o.Holding, o.Bytes())
	}
	if m.Used(Hold) != 0 || m.stalest != nil || m.freshest != nil {
		t.Errorf("%d bytes are still held", m.Used(Hold))
	}
}

func TestRelieveWithoutHoldings(t *testing.T) {
	var m Memory
	m.Charge(Hold, HoldLimit+1)
	m.Relieve() // ends
	m.Release(Hold, HoldLimit+1)
}

func TestChargeTellsTheBudget(t *testing.T) {
	var m Memory
	if !m.Charge(Gather, GatherBudget) {
		t.Error("the budget itself is within the budget")
	}
	if m.Charge(Gather, 1) {
		t.Error("one more is not")
	}
	m.Release(Gather, GatherBudget+1)
	defer func() {
		if recover() == nil {
			t.Error("releasing more than was charged went unnoticed")
		}
	}()
	m.Release(Gather, 1)
}

func TestArenaKeepsEarlierCopies(t *testing.T) {
	var a Arena
	first := a.Keep([]byte("first"))
	for range 1000 {
		a.Keep(make([]byte, 100))
	}
	if string(first) != "first" {
		t.Errorf("the first copy became %q", first)
	}
	if a.Keep(nil) != nil {
		t.Error("nil did not stay nil")
	}
	if empty := a.Keep([]byte{}); empty == nil {
		t.Error("empty became nil")
	}
	before := a.Size()
	if a.Account(50); a.Size() != before+50 {
		t.Errorf("size %d after accounting 50 more than %d", a.Size(), before)
	}
	a.Reset(10)
	if cap(a.bytes) != 0 {
		t.Errorf("%d bytes outlive a reset that keeps 10", cap(a.bytes))
	}
}

// Heads whose views were large are not kept either.
func TestArenaDropsLargeHeads(t *testing.T) {
	var a Arena
	for _, views := range []int{100, 101} {
		a.SetHead(HTTP2, fakeHead{})
		a.Account(views)
		a.Reset(100)
		if kept := a.Head(HTTP2) != nil; kept != (views <= 100) || a.Size() != 0 {
			t.Errorf("after %d bytes of views: kept %v, size %d", views, kept, a.Size())
		}
	}
}

type fakeHead struct{ Head }
