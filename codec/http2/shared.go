// SPDX-License-Identifier: Apache-2.0

package http2

import "github.com/sideloop/sideloop/codec"

// shared is what the sessions of one loop keep for each other, so that an idle
// one keeps nothing: objects for reuse. Streams are listed apart from themselves:
// to take one reads nothing of it, which most likely lies in no near cache.
type shared struct {
	streams  []*stream
	messages *message
	heads    map[uint64]*common // that connections remember, by their sum
	suspects rate               // header blocks of suspect clients
}

// idleMax is how many streams a loop keeps for reuse, 200 KiB of them. What a
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

// stream returns a stream with whatever it had when it was recycled; what it held
// is gone.
func (h *shared) stream() *stream {
	last := len(h.streams) - 1
	if last < 0 {
		s := new(stream)
		s.held.holding.Holder = s
		return s
	}
	s := h.streams[last]
	h.streams = h.streams[:last]
	return s
}

// recycle takes a stream that nothing refers to any more.
func (h *shared) recycle(s *stream) {
	if len(h.streams) == idleMax {
		return
	}
	s.conn = nil
	h.streams = append(h.streams, s)
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
	m.known, m.sighting.block = nil, nil
	m.next, h.messages = h.messages, m
}
