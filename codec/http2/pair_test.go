// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// wire is a sink with watermarks whose bytes a test carries to the other side.
type wire struct {
	bytes     []byte
	high, low int
	blocked   bool
	paused    bool
}

func (w *wire) Append(b []byte) {
	w.bytes = append(w.bytes, b...)
	w.blocked = w.blocked || len(w.bytes) > w.high
}
func (w *wire) WriteThrough(b []byte) { w.Append(b) }
func (w *wire) Buffered() int         { return len(w.bytes) }
func (w *wire) Blocked() bool         { return w.blocked }
func (w *wire) PauseRead()            { w.paused = true }
func (w *wire) ResumeRead()           { w.paused = false }
func (w *wire) Extend(n int) []byte {
	start := len(w.bytes)
	w.bytes = append(w.bytes, make([]byte, n)...)
	w.blocked = w.blocked || len(w.bytes) > w.high
	return w.bytes[start:]
}

// party is one end of one stream: it sends a body and keeps what it receives.
type party struct {
	world    *world
	stream   codec.Stream
	body     []byte // still to be sent
	trailers bool
	whole    []byte // what body was
	got      []byte
	credit   int

	began, sendDone, recvDone, reset bool
	endings                          int
	reply                            func(p *party)
	gotTrailer                       bool
}

func (p *party) over() bool { return p.reset || (p.sendDone && p.recvDone) }

func (p *party) ended() {
	if p.over() {
		p.endings++
		if p.endings > 1 {
			p.world.t.Fatal("a stream ended twice")
		}
	}
}

// alive checks that nothing is told after the end.
func (p *party) alive(what string) {
	if p.over() {
		p.world.t.Fatalf("%s after the end", what)
	}
}

func (p *party) OnHeaders(h codec.Head, _ []byte, end bool) {
	p.alive("OnHeaders")
	if p.reply != nil {
		p.reply(p)
	}
	if end {
		p.received()
	}
}

func (p *party) OnData(b []byte, end bool) {
	p.alive("OnData")
	p.got = append(p.got, b...)
	p.credit += len(b)
	if end {
		p.received()
	}
}

func (p *party) OnTrailers(h codec.Head) {
	p.alive("OnTrailers")
	v, _ := h.Get("sum")
	p.gotTrailer = string(v) == fmt.Sprint(len(p.got))
	if !p.gotTrailer {
		p.world.t.Fatalf("trailer says %q after %d bytes", v, len(p.got))
	}
	p.received()
}

func (p *party) OnReset(codec.Reason) {
	p.alive("OnReset")
	p.reset = true
	p.ended()
}

func (p *party) OnWritable() {
	p.alive("OnWritable")
	if p.stream.Blocked() {
		p.world.t.Fatal("Blocked within OnWritable")
	}
	p.send()
}

func (p *party) received() {
	p.recvDone = true
	p.ended()
}

// send gives the stream as much as it takes.
func (p *party) send() {
	for p.began && !p.over() && !p.sendDone && !p.stream.Blocked() {
		n := min(len(p.body), p.world.rng.IntN(20000))
		chunk := bytes.Clone(p.body[:n])
		p.body = p.body[n:]
		last := len(p.body) == 0
		p.stream.SendData(chunk, last && !p.trailers)
		clear(chunk)
		if !last {
			continue
		}
		p.sendDone = true
		if p.trailers {
			sum := []byte(fmt.Sprint(len(p.whole)))
			p.stream.SendTrailers(&Head{Fields: []hpack.Field{{Name: []byte("sum"), Value: sum}}})
		}
		p.ended()
	}
}

func (p *party) giveUp(r codec.Reason) {
	p.reset = true
	p.ended()
	p.stream.Reset(r)
}

// world is a client and a server with wires between them.
type world struct {
	t        *testing.T
	rng      *rand.Rand
	up, down *wire // to the server, to the client
	mem      [2]codec.Memory
	client   *Client
	server   *Server
	clients  []*party
	servers  map[uint32]*party
	byID     map[uint32]*party
	owner    [2]*fakeOwner
	events   log
	now      int64
}

func (w *world) body() []byte {
	b := make([]byte, w.rng.IntN(1<<w.rng.IntN(17)))
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
	return b
}

func (w *world) party() *party {
	p := &party{world: w, body: w.body(), trailers: w.rng.IntN(3) == 0}
	p.whole = p.body
	return p
}

func (w *world) OnRequest(s codec.Stream) codec.Receiver {
	p := w.party()
	p.stream = s
	p.reply = func(p *party) {
		p.began = true
		s.SendHeaders(&Head{Status: 200, Fields: []hpack.Field{{Name: []byte("n"), Value: fmt.Append(nil, len(p.whole))}}}, nil, false)
	}
	w.servers[s.(*stream).id] = p
	return p
}

func (w *world) request() {
	p := w.party()
	p.stream = w.client.Open(p)
	if p.stream == nil {
		return
	}
	w.clients = append(w.clients, p)
	w.byID[p.stream.(*stream).id] = p
	p.began = true
	head := &Head{MethodName: []byte("POST"), PathName: fmt.Appendf(nil, "/%d", w.rng.IntN(100))}
	if w.rng.IntN(2) == 0 && !p.trailers {
		head.Fields = []hpack.Field{{Name: []byte("content-length"), Value: fmt.Append(nil, len(p.whole))}}
	}
	p.stream.SendHeaders(head, nil, false)
}

// carry takes some bytes over a wire.
func (w *world) carry(from *wire, reader *wire, to codec.Session, writer codec.Session) {
	if len(from.bytes) == 0 || reader.paused {
		return
	}
	n := 1 + w.rng.IntN(min(len(from.bytes), 1<<w.rng.IntN(16)))
	piece := bytes.Clone(from.bytes[:n])
	took := to.Feed(piece, w.now)
	clear(piece)
	if took < n && !reader.paused {
		w.t.Fatalf("took %d of %d without a pause", took, n)
	}
	from.bytes = from.bytes[took:]
	if from.blocked && len(from.bytes) <= from.low {
		from.blocked = false
		writer.Writable()
	}
}

// step lets one thing happen.
func (w *world) step() {
	w.now += 1000
	all := append([]*party(nil), w.clients...)
	for _, p := range w.servers {
		all = append(all, p)
	}
	switch w.rng.IntN(6) {
	case 0, 1:
		w.carry(w.up, w.down, w.server, w.client)
	case 2, 3:
		w.carry(w.down, w.up, w.client, w.server)
	case 4:
		for _, p := range all {
			if p.over() || p.credit == 0 {
				continue
			}
			n := 1 + w.rng.IntN(p.credit)
			p.credit -= n
			p.stream.Consumed(n)
		}
	case 5:
		for _, p := range all {
			p.send()
		}
	}
	// A reply that is complete ends the exchange.
	for _, p := range all {
		if p.reply != nil && p.sendDone && !p.over() && w.rng.IntN(50) == 0 {
			p.giveUp(codec.ReasonNone)
		}
	}
}

func (w *world) done() bool {
	for _, p := range w.clients {
		if !p.over() {
			return false
		}
	}
	for _, p := range w.servers {
		if !p.over() {
			return false
		}
	}
	return w.client.Active() == 0 && w.server.Active() == 0
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), servers: map[uint32]*party{}, byID: map[uint32]*party{}, now: 1}
	limit := func() *Limits {
		l := DefaultLimits()
		l.StreamWindow = 1 + w.rng.IntN(1<<(1+w.rng.IntN(17)))
		l.MaxStreamWindow = max(l.StreamWindow, 1<<w.rng.IntN(18))
		l.ConnWindow = initialWindow + w.rng.IntN(100000)
		// Tiny windows take a frame of each side for every few bytes.
		l.OverheadBurst, l.OverheadRate, l.Glitches = 1<<30, 1<<30, 0
		return &l
	}
	high := 1 << (4 + w.rng.IntN(14))
	w.up, w.down = &wire{high: high, low: high / 4}, &wire{high: high, low: high / 4}
	w.owner = [2]*fakeOwner{newOwner(&w.events), newOwner(&w.events)}
	w.server = NewServer(w.down, w.owner[0], w, &w.mem[0], limit())
	w.client = NewClient(w.up, w.owner[1], &w.mem[1], limit())
	return w
}

// TestPair lets both roles talk to each other with tiny windows, full sinks,
// random pieces and resets. Bodies must arrive whole, every stream ends once,
// and nothing is held at the end.
func TestPair(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			for range 12 {
				w.request()
				for range w.rng.IntN(40) {
					w.step()
				}
				if p := w.clients[w.rng.IntN(len(w.clients))]; w.rng.IntN(6) == 0 && !p.over() {
					p.giveUp(codec.DownstreamReset)
				}
			}
			for steps := 0; !w.done(); steps++ {
				if steps > 3_000_000 {
					t.Fatalf("no progress: client %d, server %d active", w.client.Active(), w.server.Active())
				}
				w.step()
			}
			w.check()
		})
	}
}

func (w *world) check() {
	complete := 0
	for id, c := range w.byID {
		s := w.servers[id]
		if c.recvDone && (s == nil || !bytes.Equal(c.got, s.whole) || (c.gotTrailer != s.trailers)) {
			w.t.Errorf("stream %d: the reply did not arrive as it was sent", id)
		}
		if s != nil && s.recvDone && (!bytes.Equal(s.got, c.whole) || s.gotTrailer != c.trailers) {
			w.t.Errorf("stream %d: the request did not arrive as it was sent", id)
		}
		if c.recvDone {
			complete++
		}
	}
	if complete == 0 {
		w.t.Error("no request was answered")
	}
	for i := range w.mem {
		if w.mem[i].Used(codec.Hold) != 0 || w.mem[i].Used(codec.Gather) > headerLeftover {
			w.t.Errorf("side %d holds %d, gathers %d", i, w.mem[i].Used(codec.Hold), w.mem[i].Used(codec.Gather))
		}
		if w.owner[i].shut {
			w.t.Errorf("side %d was shut: %v", i, w.owner[i].reason)
		}
	}
}

// headerLeftover: a control frame may be under way when the last stream ends.
const headerLeftover = 64
