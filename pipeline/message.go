// SPDX-License-Identifier: Apache-2.0

package pipeline

import "github.com/sideloop/sideloop/codec"

const (
	// arenaKeep is how large a head's buffer an idle exchange keeps: the heads
	// of ordinary requests, so that they are copied without allocating.
	arenaKeep = 4 << 10
	// replayLimit is the most body bytes kept for a retry: one initial window,
	// which is also what a source sends before it is given more credit.
	replayLimit = 64 << 10
	// wholeLimit is up to which size a body of known length is gathered for a
	// protocol that cannot interleave messages. Longer ones are streamed.
	wholeLimit = 64 << 10
	// gatherLimit is up to which size a body of unknown length is gathered for
	// a protocol that must state the length first.
	gatherLimit = 1 << 20
)

// fitsFrame tells whether a body of that length is sent as one frame where
// messages cannot interleave. One of unknown length has to be.
func fitsFrame(n int64) bool { return n == codec.BodyUnknown || n <= wholeLimit }

// message is a head, and the body so far, kept beyond the callbacks that
// delivered them: a request that waits for its upstream stream or may be
// replayed, or a message gathered because its length must be known first.
type message struct {
	head     codec.Head // nil while nothing is kept
	trailers codec.Head
	body     *codec.Buffer // nil while empty
	charged  int           // bytes accounted under codec.Replay
	// holding accounts the bytes of a message that is gathered; nil for one
	// that is kept for a replay.
	holding *codec.Holding
	end     bool // head, body and trailers are all there is
	copied  bool // head and trailers lie in heads and tails

	heads, tails codec.Arena
}

// keepHead keeps h. What is gathered is accounted under holding, what waits or
// may be replayed, with a nil holding, under codec.Replay.
func (m *message) keepHead(mem *codec.Memory, holding *codec.Holding, h codec.Head) {
	m.holding = holding
	if m.head = h.Copy(&m.heads); m.head == h {
		return // it lasts by itself, and the arena need not be looked at
	}
	m.copied = true
	m.charge(mem, m.heads.Size())
}

// keepBody keeps more of the body.
func (m *message) keepBody(mem *codec.Memory, b []byte, end bool) {
	m.end = end
	if len(b) == 0 {
		return
	}
	if m.body == nil {
		m.body = mem.Get()
	}
	m.body.B = append(m.body.B, b...)
	m.charge(mem, len(b))
}

// keepTrailers keeps the trailer section, which ends the message; nil for none.
func (m *message) keepTrailers(mem *codec.Memory, t codec.Head) {
	m.end = true
	if t != nil {
		m.copied = true
		m.trailers = t.Copy(&m.tails)
		m.charge(mem, m.tails.Size())
	}
}

func (m *message) charge(mem *codec.Memory, n int) {
	if m.holding != nil {
		mem.Hold(m.holding, n)
		return
	}
	m.charged += n
	mem.Charge(codec.Replay, n)
}

// bytes is the body so far.
func (m *message) bytes() []byte {
	if m.body == nil {
		return nil
	}
	return m.body.B
}

// release forgets everything.
func (m *message) release(mem *codec.Memory) {
	if m.head == nil {
		return
	}
	if m.body != nil {
		mem.Put(m.body)
		m.body = nil
	}
	if m.holding != nil {
		mem.Unhold(m.holding, m.holding.Bytes())
	}
	mem.Release(codec.Replay, m.charged)
	m.head, m.trailers, m.end, m.charged, m.holding = nil, nil, false, 0, nil
	if m.copied {
		m.copied = false
		m.heads.Reset(arenaKeep)
		m.tails.Reset(arenaKeep)
	}
}
