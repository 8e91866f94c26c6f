// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"io"
	"testing"
	"time"

	"golang.org/x/net/http2"
	xhpack "golang.org/x/net/http2/hpack"

	"github.com/sideloop/sideloop/codec"
)

// fuzzer plays the holder of every stream: what it does follows from the input.
type fuzzer struct {
	t       *testing.T
	sink    *wire
	owner   *fakeOwner
	events  log
	mem     codec.Memory
	session codec.Session
	parties []*fuzzParty
	choices []byte
	calls   int
	fed     int
	// opened is the last stream that the session has opened on the wire.
	opened uint32
}

// choose returns a number below n.
func (z *fuzzer) choose(n int) int {
	if len(z.choices) == 0 {
		return 0
	}
	z.calls++
	return int(z.choices[z.calls%len(z.choices)]) % n
}

func (z *fuzzer) OnRequest(s codec.Stream) codec.Receiver {
	p := &fuzzParty{fuzzer: z, stream: s, reply: true}
	z.parties = append(z.parties, p)
	return p
}

type fuzzParty struct {
	fuzzer *fuzzer
	stream codec.Stream
	// reply: the holder answers a request.
	reply, sent, recvDone, sendDone, reset bool
	// headers: a head that only comes once has come.
	headers bool
	got     int
	acts    int
}

// maxActs bounds what one holder does, so that every run ends.
const maxActs = 300

func (p *fuzzParty) over() bool { return p.reset || (p.recvDone && p.sendDone) }

func (p *fuzzParty) told(what string) {
	if p.over() {
		p.fuzzer.t.Fatalf("%s after the end", what)
	}
}

func (p *fuzzParty) OnHeaders(h codec.Head, _ []byte, end bool) {
	p.told("OnHeaders")
	x := h.(*Head)
	for i := range x.Fields {
		f := &x.Fields[i]
		if !legal(f, ruleOf(f.Name)) {
			p.fuzzer.t.Fatalf("illegal field %q: %q", f.Name, f.Value)
		}
	}
	if p.headers {
		p.fuzzer.t.Fatal("a second head")
	}
	p.headers = p.reply || x.Status >= 200
	p.recvDone = end
	p.act()
}

func (p *fuzzParty) OnData(b []byte, end bool) {
	p.told("OnData")
	p.got += len(b)
	p.recvDone = end
	p.act()
}

func (p *fuzzParty) OnTrailers(codec.Head) {
	p.told("OnTrailers")
	p.recvDone = true
	p.act()
}

func (p *fuzzParty) OnReset(codec.Reason) {
	p.told("OnReset")
	p.reset = true
}

func (p *fuzzParty) OnWritable() {
	p.told("OnWritable")
	p.act()
}

// fuzzBody is what a holder sends at most at a time.
var fuzzBody = bytes.Repeat([]byte("b"), 700)

// act does one thing with a live stream.
func (p *fuzzParty) act() {
	z := p.fuzzer
	p.acts++
	if p.over() || p.acts > maxActs {
		return
	}
	end := z.choose(3) == 0
	switch choice := z.choose(8); {
	case choice == 0:
		p.stream.Consumed(p.got)
		p.got = 0
	case choice == 1:
		p.reset = true
		p.stream.Reset(codec.Reason(z.choose(int(codec.ReasonCount))))
	case p.sendDone || p.stream.Blocked():
	case !p.sent:
		p.sent = true
		p.sendDone = end
		p.stream.SendHeaders(&Head{Status: 200, Fields: nil}, fuzzBody[:z.choose(256)], end)
	case choice == 2:
		p.sendDone = true
		p.stream.SendTrailers(&Head{})
	default:
		p.sendDone = end
		p.stream.SendData(fuzzBody[:z.choose(256)*2], end)
	}
}

// run feeds input in pieces and checks what must hold whatever it is.
func (z *fuzzer) run(input []byte) {
	now := int64(1)
	for len(input) > 0 && !z.owner.shut {
		n := min(len(input), 1+z.choose(97))
		piece := bytes.Clone(input[:n])
		took := z.session.Feed(piece, now)
		if took < 0 || took > n || (took < n && !z.sink.paused) {
			z.t.Fatalf("Feed took %d of %d, paused %v", took, n, z.sink.paused)
		}
		for i := range piece {
			piece[i] = 0xEE
		}
		input = input[took:]
		z.fed += took
		if z.sink.blocked && (z.sink.paused || z.choose(4) == 0) {
			z.check()
			z.sink.bytes, z.sink.blocked = nil, false
			z.session.Writable()
		}
		if z.sink.paused && !z.sink.blocked {
			now += second
			z.session.Tick(now)
		}
		for _, p := range z.parties {
			p.act()
		}
		now += int64(z.choose(256)) * second / 1000
		switch z.choose(60) {
		case 1:
			z.session.Drain()
		case 2:
			z.session.Tick(now)
		}
	}
	if z.choose(2) == 0 {
		z.session.PeerClosed()
		z.session.Tick(now + second)
	}
	z.check()
	z.session.Close(codec.Draining)
	for _, p := range z.parties {
		if !p.over() {
			z.t.Fatal("a stream was not ended by Close")
		}
	}
	if z.session.Active() != 0 || z.mem.Used(codec.Hold) != 0 || z.mem.Used(codec.Gather) != 0 {
		z.t.Fatalf("left: %d streams, %d held, %d gathered", z.session.Active(), z.mem.Used(codec.Hold), z.mem.Used(codec.Gather))
	}
}

// check parses what was written since the sink was last emptied.
func (z *fuzzer) check() {
	// Besides the bodies, of at most half a KiB for each call, nothing that is
	// written is larger than twice what elicits it, plus the greeting.
	if most := 2*z.fed + 700*(z.calls+1) + 4096; len(z.sink.bytes) > most {
		z.t.Fatalf("%d bytes written for %d read", len(z.sink.bytes), z.fed)
	}
	out := bytes.TrimPrefix(z.sink.bytes, []byte(http2.ClientPreface))
	f := http2.NewFramer(io.Discard, bytes.NewReader(out))
	f.ReadMetaHeaders = xhpack.NewDecoder(4096, nil)
	f.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(1 << 30)
	for {
		frame, err := f.ReadFrame()
		if err == io.EOF {
			return
		}
		if h, ok := frame.(*http2.MetaHeadersFrame); ok && h.PseudoValue("method") != "" {
			if h.StreamID <= z.opened {
				z.t.Fatalf("opened %d after %d", h.StreamID, z.opened)
			}
			z.opened = h.StreamID
		}
		if err != nil && z.sink.high > 1<<20 {
			z.t.Fatalf("wrote what does not parse: %v", err)
		}
		if err != nil {
			// The table was left behind with bytes carried off earlier.
			return
		}
	}
}

func newFuzzer(t *testing.T, choices []byte) (*fuzzer, *Limits) {
	z := &fuzzer{t: t, choices: choices, sink: &wire{high: 1 << 30, low: 0}}
	if z.choose(2) == 1 {
		z.sink.high = 1 << (5 + z.choose(9))
	}
	z.owner = newOwner(&z.events)
	l := DefaultLimits()
	l.MaxStreams = 8
	l.OverheadBurst, l.ResetBurst = 50, 20
	l.Connect = z.choose(2) == 1
	// Small enough that inputs of a few hundred bytes drain and stall.
	l.Glitches, l.GlitchRate = 10*z.choose(10), 1
	l.StallTime = time.Duration(1+z.choose(3)) * time.Second
	l.Backlog = 1 << (8 + z.choose(16))
	return z, &l
}

const emptySettings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

func FuzzServer(f *testing.F) {
	f.Add([]byte{1}, []byte(Preface+emptySettings))
	f.Fuzz(func(t *testing.T, choices, input []byte) {
		z, l := newFuzzer(t, choices)
		z.session = NewServer(z.sink, z.owner, z, &z.mem, l)
		if !bytes.HasPrefix(input, []byte("PRI")) {
			input = append([]byte(Preface+emptySettings), input...)
		}
		z.run(input)
	})
}

func FuzzClient(f *testing.F) {
	f.Add([]byte{1}, []byte(emptySettings))
	f.Fuzz(func(t *testing.T, choices, input []byte) {
		z, l := newFuzzer(t, choices)
		c := NewClient(z.sink, z.owner, &z.mem, l)
		z.session = c
		for range 1 + z.choose(4) {
			p := &fuzzParty{fuzzer: z}
			p.stream = c.Open(p)
			p.sent = true
			p.sendDone = z.choose(2) == 0
			head := new(Head)
			if z.choose(3) == 1 {
				// It waits for the server's SETTINGS.
				head.MethodName, head.ConnectProto = []byte("CONNECT"), []byte("websocket")
			}
			p.stream.SendHeaders(head, nil, p.sendDone)
			z.parties = append(z.parties, p)
		}
		if len(input) > 3 && input[3] != byte(frameSettings) {
			input = append([]byte(emptySettings), input...)
		}
		z.run(input)
	})
}
