// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// link carries bytes between a client session and a server session in memory,
// in chunks of random size, and holds some back so that both sinks block.
type link struct {
	t      *testing.T
	rng    *rand.Rand
	client *clientEnd
	server *serverEnd
}

func newLink(t *testing.T, seed uint64) *link {
	l := &link{t: t, rng: rand.New(rand.NewPCG(seed, 1))}
	l.client = newClientEnd(-uint32(l.rng.IntN(20)), nil)
	l.server = newServerEnd(func(lim *Limits) { lim.MaxUnsent = 8 << 20 })
	l.client.sink.high, l.server.sink.high = 32<<10, 32<<10
	return l
}

// move takes a chunk out of from and feeds it to to. What to does not consume
// stays.
func (l *link) move(from *sink, fromSession codec.Session, to *sink, toSession codec.Session, now int64) bool {
	if len(from.out) == 0 || to.paused {
		return false
	}
	n := 1 + l.rng.IntN(min(len(from.out), 1<<l.rng.IntN(18)))
	chunk := bytes.Clone(from.out[:n])
	used := toSession.Feed(chunk, now)
	if used < n && !to.paused {
		l.t.Fatalf("%d of %d bytes were left without a pause", n-used, n)
	}
	for i := range chunk {
		chunk[i] = 0xDD // views end with the call
	}
	from.out = append(from.out[:0], from.out[used:]...)
	if from.blocked && len(from.out) <= from.high/4 {
		from.blocked = false
		fromSession.Writable()
	}
	return used > 0
}

// pump moves bytes one way or the other, and ticks what asked for it.
func (l *link) pump() bool {
	c, s := l.client, l.server
	for _, o := range []struct {
		owner   *owner
		session codec.Session
	}{{&c.owner, c}, {&s.owner, s}} {
		if len(o.owner.ticks) > 0 {
			o.owner.ticks = o.owner.ticks[:0]
			o.session.Tick(c.now)
		}
	}
	if l.rng.IntN(2) == 0 {
		return l.move(&c.sink, c, &s.sink, s, s.now) || l.move(&s.sink, s, &c.sink, c, c.now)
	}
	return l.move(&s.sink, s, &c.sink, c, c.now) || l.move(&c.sink, c, &s.sink, s, s.now)
}

// sender feeds a body to a stream as far as it is not blocked.
type sender struct {
	stream codec.Stream
	rest   []byte
	done   bool
}

func (w *sender) push(rng *rand.Rand) {
	for !w.done && !w.stream.Blocked() {
		n := min(len(w.rest), 1+rng.IntN(48<<10))
		b := w.rest[:n]
		w.rest = w.rest[n:]
		w.done = len(w.rest) == 0
		w.stream.SendData(b, w.done)
	}
}

// bodySize is mostly small, sometimes up to 1 MiB.
func bodySize(rng *rand.Rand) int { return rng.IntN(1 + 1<<rng.IntN(21)) }

// peer is the server application: it answers with the SHA-256 of the request
// and a body of its own.
type peer struct {
	l        *link
	pending  []*receiver
	senders  []*sender
	requests int
}

func (p *peer) setup(r *receiver) {
	p.requests++
	r.onEnd = func(r *receiver) {
		if !r.head.OneWay() {
			p.pending = append(p.pending, r)
		}
	}
}

// answer replies to requests that are waiting for it, in random order.
func (p *peer) answer() bool {
	for _, w := range p.senders {
		w.push(p.l.rng)
	}
	if len(p.pending) == 0 {
		return false
	}
	i := p.l.rng.IntN(len(p.pending))
	r := p.pending[i]
	p.pending = append(p.pending[:i], p.pending[i+1:]...)
	sum := sha256.Sum256(r.content)
	body := append(sum[:], pattern(bodySize(p.l.rng))...)
	h := response()
	if len(body) <= 60<<10 {
		r.stream.SendHeaders(h, body, true)
		return true
	}
	h.ContentLength = uint32(len(body))
	r.stream.SendHeaders(h, nil, false)
	w := &sender{stream: r.stream, rest: body}
	p.senders = append(p.senders, w)
	w.push(p.l.rng)
	return true
}

// caller is the client application's view of one call.
type caller struct {
	receiver
	sum    [sha256.Size]byte
	oneWay bool
	given  bool // up, by Reset
}

// start sends a request of random version, kind and size.
func (l *link) start() *caller {
	k := &caller{oneWay: l.rng.IntN(8) == 0}
	body := pattern(bodySize(l.rng))
	k.sum = sha256.Sum256(body)
	h := request()
	h.Version, h.Ver1 = V1+byte(l.rng.IntN(2)), 1+byte(l.rng.IntN(2))
	h.Switch = byte(l.rng.IntN(2))
	if k.oneWay {
		h.Type = TypeOneWay
	}
	if h.Version == V1 {
		h.Ver1, h.Switch = 0, 0
	}
	k.stream = l.client.Open(k)
	if len(body) <= 60<<10 {
		k.stream.SendHeaders(h, body, true)
		return k
	}
	h.ContentLength = uint32(len(body))
	k.stream.SendHeaders(h, nil, false)
	w := &sender{stream: k.stream, rest: body}
	for w.push(l.rng); !w.done; w.push(l.rng) {
		l.pump()
	}
	return k
}

// TestDuplex runs random calls over a client and a server session. Each ends
// exactly once with the right content, and nothing is held at the end.
func TestDuplex(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			l := newLink(t, seed)
			p := &peer{l: l}
			l.server.accept.setup = p.setup
			var calls []*caller
			for steps := 0; len(calls) < 60; steps++ {
				if steps > 1e6 {
					t.Fatal("no progress")
				}
				if l.client.Capacity() > 0 && l.rng.IntN(4) == 0 {
					calls = append(calls, l.start())
				}
				if i := l.rng.IntN(400); i < len(calls) && !calls[i].ended && !calls[i].oneWay && !calls[i].given {
					calls[i].given = true
					calls[i].stream.Reset(codec.UpstreamTimeout)
				}
				l.pump()
				if l.rng.IntN(3) == 0 {
					p.answer()
				}
			}
			for steps := 0; l.pump() || p.answer() || l.client.Active() > 0; steps++ {
				if steps > 1e6 {
					t.Fatalf("no progress: client %+v server %+v", l.client.owner, l.server.owner)
				}
			}
			l.check(calls, p)
		})
	}
}

func (l *link) check(calls []*caller, p *peer) {
	t := l.t
	for i, k := range calls {
		switch {
		case k.oneWay || k.given:
			want(t, "ends of a call without reply", []any{k.ended, k.resets}, []any{false, 0})
		case !k.ended || k.resets != 0:
			t.Fatalf("call %d: ended %v, %d resets (%v)", i, k.ended, k.resets, k.reset)
		case !bytes.Equal(k.content[:sha256.Size], k.sum[:]):
			t.Fatalf("call %d: the request arrived changed", i)
		case !bytes.Equal(k.content[sha256.Size:], pattern(len(k.content)-sha256.Size)):
			t.Fatalf("call %d: the reply arrived changed", i)
		}
	}
	want(t, "requests", p.requests, len(calls))
	want(t, "shuts", []int{len(l.client.owner.shuts), len(l.server.owner.shuts)}, []int{0, 0})
	for _, g := range l.client.owner.glitches {
		want(t, "glitch", g, "unknown_request_id") // late replies
	}
	want(t, "glitches of the server", len(l.server.owner.glitches), 0)
	wantIdle(t, l.client, &l.client.mem)
	wantIdle(t, l.server, &l.server.mem)
	want(t, "owed", []int{l.client.owed, l.server.owed}, []int{0, 0})
}

// TestDuplexCut closes both ends at a random moment: every call that is open
// gets one OnReset, and nothing is held.
func TestDuplexCut(t *testing.T) {
	for seed := range uint64(20) {
		l := newLink(t, seed)
		p := &peer{l: l}
		l.server.accept.setup = p.setup
		var calls []*caller
		for range l.rng.IntN(600) {
			if l.client.Capacity() > 0 && l.rng.IntN(4) == 0 {
				calls = append(calls, l.start())
			}
			l.pump()
			if l.rng.IntN(3) == 0 {
				p.answer()
			}
		}
		l.client.Close(codec.UpstreamClosed)
		l.server.Close(codec.DownstreamClosed)
		for _, k := range calls {
			ends := k.resets
			if k.ended {
				ends++
			}
			want(t, "ends", ends, map[bool]int{true: 0, false: 1}[k.oneWay])
		}
		for _, w := range p.senders {
			w.stream.SendData(nil, true) // a dead stream does nothing
		}
		wantIdle(t, l.client, &l.client.mem)
		wantIdle(t, l.server, &l.server.mem)
	}
}
