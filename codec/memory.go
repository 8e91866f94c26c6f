// SPDX-License-Identifier: Apache-2.0

package codec

import "github.com/valyala/bytebufferpool"

// Buffer is a pooled byte buffer with one owner at a time.
type Buffer = bytebufferpool.ByteBuffer

// Purpose says why bytes are held on a loop. Each has a budget.
type Purpose uint8

const (
	// Gather is partial frames waiting for their rest.
	Gather Purpose = iota
	// Hold is body bytes that a sink does not take yet.
	Hold
	// Replay is heads and bodies kept until a first reply byte arrives.
	Replay
	// PurposeCount is the number of purposes, for tables.
	PurposeCount
)

// Budgets of one loop in bytes. They bound what peers can make a loop hold,
// however many connections and streams they open.
const (
	// GatherBudget allows 64 connections to be in the middle of a 128 KiB head
	// at once; senders beyond it wait until others finish.
	GatherBudget = 8 << 20
	// HoldBudget is where receive windows stop growing.
	HoldBudget = 2 << 20
	// HoldLimit is where the exchange without progress for longest is reset.
	HoldLimit = 16 << 20
	// ReplayBudget is where further requests become not retryable.
	ReplayBudget = 4 << 20
)

var budgets = [PurposeCount]int{Gather: GatherBudget, Hold: HoldBudget, Replay: ReplayBudget}

// Memory is the buffer pool of one loop and the gauges of what it holds. It is
// used on that loop only; the zero value is ready.
type Memory struct {
	pool  bytebufferpool.Pool
	spare []*Buffer // small ones, at hand without the pool's atomics
	used  [PurposeCount]int
	// Shared is what the sessions of a protocol keep for each other, such as
	// objects for reuse. Only that protocol's package knows its type.
	Shared [ProtocolCount]any
	// stalest and freshest are the ends of the list of Holdings, in the order
	// in which they last shrank.
	stalest, freshest *Holding
	// OnOverflow, if set, is told when more than HoldLimit bytes are held. It
	// arranges for Relieve to be called after the running callback.
	OnOverflow func()
}

// Holder is a stream or an exchange that holds bytes for a sink.
type Holder interface {
	// Evict ends the holder with Overflow, so that it lets go of everything.
	Evict()
}

// Holding is what one holder holds under Hold. It is embedded in the holder,
// which must be set before the first use.
type Holding struct {
	Holder     Holder
	bytes      int
	prev, next *Holding
}

// Bytes is what is held.
func (h *Holding) Bytes() int { return h.bytes }

// Hold accounts n more bytes under h.
func (m *Memory) Hold(h *Holding, n int) {
	if n == 0 {
		return
	}
	if h.bytes == 0 {
		m.link(h)
	}
	h.bytes += n
	m.used[Hold] += n
	if m.used[Hold] > HoldLimit && m.OnOverflow != nil {
		m.OnOverflow()
	}
}

// Unhold takes back n bytes of what h holds: its holder makes progress.
func (m *Memory) Unhold(h *Holding, n int) {
	if n == 0 {
		return
	}
	if n > h.bytes {
		panic("codec: more memory let go than held")
	}
	h.bytes -= n
	m.used[Hold] -= n
	m.unlink(h)
	if h.bytes > 0 {
		m.link(h)
	}
}

// Touch notes that the holder of h makes progress though it holds no less.
func (m *Memory) Touch(h *Holding) {
	if h.bytes > 0 && h != m.freshest {
		m.unlink(h)
		m.link(h)
	}
}

// Relieve evicts holders that have made no progress for longest until the loop
// is within HoldLimit.
func (m *Memory) Relieve() {
	for m.used[Hold] > HoldLimit && m.stalest != nil {
		h := m.stalest
		h.Holder.Evict()
		if m.stalest == h {
			panic("codec: an evicted holder still holds memory")
		}
	}
}

func (m *Memory) link(h *Holding) {
	h.prev, h.next = m.freshest, nil
	if m.freshest == nil {
		m.stalest = h
	} else {
		m.freshest.next = h
	}
	m.freshest = h
}

func (m *Memory) unlink(h *Holding) {
	if h.prev == nil {
		m.stalest = h.next
	} else {
		h.prev.next = h.next
	}
	if h.next == nil {
		m.freshest = h.prev
	} else {
		h.next.prev = h.prev
	}
	h.prev, h.next = nil, nil
}

const (
	// spareCount and spareSize hold what is kept at hand to 256 KiB.
	spareCount = 64
	spareSize  = 4 << 10
)

// Get returns an empty buffer.
func (m *Memory) Get() *Buffer {
	n := len(m.spare)
	if n == 0 {
		return m.pool.Get()
	}
	b := m.spare[n-1]
	m.spare = m.spare[:n-1]
	return b
}

// Put takes a buffer back; its bytes must not be used any more.
func (m *Memory) Put(b *Buffer) {
	if len(m.spare) == spareCount || cap(b.B) > spareSize {
		m.pool.Put(b)
		return
	}
	b.Reset()
	m.spare = append(m.spare, b)
}

// Charge accounts n more bytes held for purpose p. It always succeeds and
// tells whether the purpose is within its budget; the caller decides what to
// do when it is not.
func (m *Memory) Charge(p Purpose, n int) bool {
	m.used[p] += n
	return m.used[p] <= budgets[p]
}

// Release takes back n bytes of an earlier Charge.
func (m *Memory) Release(p Purpose, n int) {
	m.used[p] -= n
	if m.used[p] < 0 {
		panic("codec: more memory released than charged")
	}
}

// Used is the number of bytes held for purpose p.
func (m *Memory) Used(p Purpose) int { return m.used[p] }
