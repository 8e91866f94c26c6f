// SPDX-License-Identifier: Apache-2.0

package http2

// maxWindow is the largest flow-control window (RFC 9113, 6.9.1).
const maxWindow = 1<<31 - 1

// outflow is a send window: how many bytes the peer takes. A change of
// SETTINGS_INITIAL_WINDOW_SIZE may make it negative (RFC 9113, 6.9.2).
type outflow struct {
	avail int32
}

// room is the number of bytes that may be sent.
func (f outflow) room() int { return int(max(f.avail, 0)) }

// take uses up n bytes; n is at most room.
func (f *outflow) take(n int) { f.avail -= int32(n) }

// add changes the window by n, which may be negative. It returns false, and
// changes nothing, when the window would be over its maximum.
func (f *outflow) add(n int64) bool {
	sum := int64(f.avail) + n
	if sum > maxWindow {
		return false
	}
	f.avail = int32(sum)
	return true
}

// inflow is a receive window. Of its size, avail is what the peer may still
// send, due is what has been given back but not yet announced, and the rest is
// with the consumer.
//
//	size 100: the peer sends 60, 50 are consumed, 50 are announced
//	avail 100      40               40               90
//	due     0       0               50                0
type inflow struct {
	size, avail, due int32
	// turned is what was given back since the window last grew.
	turned int32
}

func newInflow(size int) inflow { return inflow{size: int32(size), avail: int32(size)} }

// take counts n bytes sent by the peer. It returns false when the peer was not
// allowed to send as many.
func (f *inflow) take(n int) bool {
	if int64(n) > int64(f.avail) {
		return false
	}
	f.avail -= int32(n)
	return true
}

// waiting is the number of bytes with the consumer.
func (f *inflow) waiting() int { return int(max(f.size-f.avail-f.due, 0)) }

// give takes back n bytes from the consumer; more than it has are ignored.
func (f *inflow) give(n int) {
	n = min(n, f.waiting())
	f.due += int32(n)
	f.turned = int32(min(int64(f.turned)+int64(n), maxWindow))
}

// leastUpdate is the least increment worth a frame when the peer is nearly out
// of window.
const leastUpdate = 4 << 10

// announce returns the increment to send now, or 0 to wait for more: half the
// window is due, or the peer would stall.
func (f *inflow) announce() int {
	stalled := f.avail < leastUpdate && f.due >= min(leastUpdate, max(f.size/4, 1))
	if f.due <= 0 || (f.due < f.size/2 && !stalled) {
		return 0
	}
	n := f.due
	f.avail += n
	f.due = 0
	return int(n)
}

// grow doubles the window up to limit, once a full window has been consumed
// since it last grew. The increase is announced with the next increment.
func (f *inflow) grow(limit int) {
	if f.turned < f.size || int(f.size) >= limit {
		return
	}
	more := min(f.size, int32(limit)-f.size)
	f.size += more
	f.due += more
	f.turned = 0
}

// resize changes the window by n as SETTINGS_INITIAL_WINDOW_SIZE of ours does,
// once the peer has acknowledged it.
func (f *inflow) resize(n int) {
	f.size += int32(n)
	f.avail += int32(n)
}
