// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"math"
	"math/bits"
	"time"
)

// Expirer is told when its timer expires.
type Expirer interface {
	// OnTimer runs on the loop that the timer was scheduled on, never before
	// its time. The timer is no longer pending and may be scheduled again.
	OnTimer(now int64)
}

// Timer is embedded in what it times. It belongs to one loop from its first
// Schedule on; Expire must be set before that. The zero value is not pending.
type Timer struct {
	Expire Expirer

	next, prev *Timer
	wheel      *wheel // nil when not pending
	tick       uint64
	level      uint8
	slot       uint8
}

// Pending tells whether the timer is scheduled.
func (t *Timer) Pending() bool { return t.wheel != nil }

// Stop takes the timer off its loop; it is a no-op when not pending. The loop
// may still wake up once at the time that the timer would have expired.
func (t *Timer) Stop() {
	if t.wheel != nil {
		t.wheel.remove(t)
	}
}

// Schedule makes t expire d from now, with a resolution of a millisecond. A
// pending timer is moved. Only the loop may call it.
func (l *Loop) Schedule(t *Timer, d time.Duration) {
	t.Stop()
	d = min(max(d, 0), maxDelay)
	l.wheel.insert(t, tickAfter(l.now+int64(d)), tickBefore(l.now))
}

// ScheduleSooner is Schedule, but a pending timer that expires earlier stays as
// it is.
func (l *Loop) ScheduleSooner(t *Timer, d time.Duration) {
	if t.Pending() && t.tick <= tickAfter(l.now+int64(min(max(d, 0), maxDelay))) {
		return
	}
	l.Schedule(t, d)
}

const (
	// tickLength is the wheel's step: finer timeouts than 1 ms mean nothing to
	// a proxy, and would only make more wake-ups.
	tickLength = int64(time.Millisecond)
	// slotBits makes 64 slots per level, so that one word says which of them
	// are occupied.
	slotBits = 6
	slots    = 1 << slotBits
	// levels of 64 slots each reach 2^42 ms, 139 years, so the top never
	// wraps within a process's life.
	levels = 7
	// maxDelay keeps expiry times within the wheel.
	maxDelay = 10 * 365 * 24 * time.Hour
	// firesPerTurn bounds the timers that expire in one turn, so that a
	// thousand connections opened together and timing out together do not
	// hold up the others.
	firesPerTurn = 1024
	// scanMax bounds the search for the earliest timer of a coarse slot;
	// beyond it the loop wakes at the slot's start instead, which is early
	// but never late.
	scanMax = 64
	// never is the due tick of an empty wheel: the last that is a time.
	never = uint64(math.MaxInt64 / tickLength)
)

func tickAfter(ns int64) uint64  { return uint64((ns + tickLength - 1) / tickLength) }
func tickBefore(ns int64) uint64 { return uint64(ns / tickLength) }

// wheel is a hierarchical timing wheel. A timer lies on the lowest level on
// which its tick and cur differ in no higher bits, so every timer of a level is
// earlier than every timer of the levels above, and no slot before cur's is
// occupied. Insert and remove are O(1); a timer moves down at most once per
// level.
type wheel struct {
	cur      uint64 // everything up to this tick has expired
	due      uint64 // no timer expires before this tick
	count    int
	occupied [levels]uint64
	lists    [levels][slots]*Timer // rings in the order of insertion
}

// insert adds t, which is not pending, to expire at tick. now says how far the
// wheel may move when it is empty.
func (w *wheel) insert(t *Timer, tick, now uint64) {
	if w.count == 0 && now > w.cur {
		w.cur = now
	}
	t.tick = max(tick, w.cur+1)
	t.wheel = w
	w.count++
	w.due = min(w.due, t.tick)
	w.place(t)
}

// place links t into the slot of its tick.
func (w *wheel) place(t *Timer) {
	level := (bits.Len64((t.tick^w.cur)|(slots-1)) - 1) / slotBits
	slot := t.tick >> (level * slotBits) & (slots - 1)
	t.level, t.slot = uint8(level), uint8(slot)
	if head := w.lists[level][slot]; head == nil {
		t.next, t.prev = t, t
		w.lists[level][slot] = t
		w.occupied[level] |= 1 << slot
	} else {
		t.next, t.prev = head, head.prev
		head.prev.next, head.prev = t, t
	}
}

// unlink takes t out of its slot.
func (w *wheel) unlink(t *Timer) {
	if t.next == t {
		w.lists[t.level][t.slot] = nil
		w.occupied[t.level] &^= 1 << t.slot
	} else {
		t.prev.next, t.next.prev = t.next, t.prev
		if w.lists[t.level][t.slot] == t {
			w.lists[t.level][t.slot] = t.next
		}
	}
	t.next, t.prev = nil, nil
}

// remove takes t off the wheel. due stays as it is: recomputing it would cost
// more than the one wake-up for nothing that it may lead to.
func (w *wheel) remove(t *Timer) {
	w.unlink(t)
	t.wheel = nil
	w.count--
}

// first finds the earliest occupied slot and the tick at which it starts.
func (w *wheel) first() (level, slot int, start uint64, ok bool) {
	for level = range levels {
		if occ := w.occupied[level]; occ != 0 {
			slot = bits.TrailingZeros64(occ)
			shift := level * slotBits
			above := w.cur >> (shift + slotBits) << (shift + slotBits)
			return level, slot, above | uint64(slot)<<shift, true
		}
	}
	return 0, 0, 0, false
}

// pop removes and returns a timer that has expired at tick now, nil when there
// is none. It moves coarse slots down as their time comes.
func (w *wheel) pop(now uint64) *Timer {
	for {
		level, slot, start, ok := w.first()
		if !ok || start > now {
			w.cur = max(w.cur, now)
			return nil
		}
		w.cur = start
		if level == 0 {
			t := w.lists[0][slot]
			w.remove(t)
			return t
		}
		for t := w.lists[level][slot]; t != nil; t = w.lists[level][slot] {
			w.unlink(t)
			w.place(t)
		}
	}
}

// look recomputes due after timers expired.
func (w *wheel) look() {
	level, slot, start, ok := w.first()
	if !ok {
		w.due = never
		return
	}
	if level == 0 {
		w.due = start
		return
	}
	head := w.lists[level][slot]
	earliest := head.tick
	for t, n := head.next, 1; t != head; t, n = t.next, n+1 {
		if n == scanMax {
			earliest = start
			break
		}
		earliest = min(earliest, t.tick)
	}
	w.due = earliest
}
