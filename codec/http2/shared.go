// SPDX-License-Identifier: Apache-2.0

package http2

import "github.com/sideloop/sideloop/codec"

// shared is what the sessions of one loop keep for each other, so that an idle
// one keeps nothing: objects for reuse, in lists linked through them.
type shared struct {
	streams  *stream
	idle     int // how many streams
	messages *message
	heads    map[uint64]*common // that connections remember, by their sum
	suspects rate               // header blocks of suspect clients
}

// idleMax is how many streams a loop keeps for reuse, 400 KiB of them. What a
// burst needed beyond is left to the collector.
const idleMax = 1024

func sharedOf(m *codec.Memory) *shared {
	h, _ := m.Shared[codec.HTTP2].(*shared)
	if h == nil {
		h = new(shared)
		m.Shared[codec.HTTP2] = h
	}
	return h
}

// stream returns a stream with whatever it had when it was recycled.
func (h *shared) stream() *stream {
	s := h.streams
	if s == nil {
		return new(stream)
	}
	h.streams = s.next
	h.idle--
	return s
}

// recycle takes a stream that nothing refers to any more.
func (h *shared) recycle(s *stream) {
	if h.idle == idleMax {
		return
	}
	s.conn = nil
	s.next, h.streams = h.streams, s
	h.idle++
}

// message returns an empty message. Few are in use at a time: one within the
// other.
func (h *shared) message() *message {
	m := h.messages
	if m == nil {
		return new(message)
	}
	h.messages = m.next
	return m
}

// release takes a message back. Its fields are not kept from the collector,
// since they are views.
func (h *shared) release(m *message) {
	if m.known == nil {
		m.head = Head{}
		clear(m.fields)
		m.fields = m.fields[:0]
	}
	m.known, m.sighting = nil, sighting{}
	m.next, h.messages = h.messages, m
}
