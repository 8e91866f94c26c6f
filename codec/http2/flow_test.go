// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"slices"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

func TestOutflow(t *testing.T) {
	f := outflow{avail: 10}
	f.take(10)
	if !f.add(-5) || f.room() != 0 {
		t.Fatalf("a window that SETTINGS lowered has room %d", f.room())
	}
	if !f.add(6) || f.room() != 1 {
		t.Fatalf("room %d, want 1", f.room())
	}
	if !f.add(maxWindow-1) || f.add(1) || f.room() != maxWindow {
		t.Fatalf("room %d at the maximum", f.room())
	}
}

func TestInflow(t *testing.T) {
	f := newInflow(40000)
	if f.take(40001) || !f.take(30000) {
		t.Fatal("a window takes its size and no more")
	}
	f.give(19999)
	if n := f.announce(); n != 0 {
		t.Fatalf("announced %d before half the window was due", n)
	}
	f.give(1)
	if n := f.announce(); n != 20000 || f.avail != 30000 {
		t.Fatalf("announced %d, peer has %d", n, f.avail)
	}
	if f.waiting() != 10000 {
		t.Fatalf("%d waiting, want 10000", f.waiting())
	}
	f.give(99999)
	if f.waiting() != 0 || f.due != 10000 {
		t.Fatalf("giving back too much: %d waiting, %d due", f.waiting(), f.due)
	}
	f.take(30000)
	if n := f.announce(); n != 10000 {
		t.Fatalf("a stalled peer was announced %d", n)
	}
}

func TestInflowGrowth(t *testing.T) {
	f := newInflow(1000)
	f.take(999)
	f.give(999)
	f.grow(4000)
	if f.size != 1000 {
		t.Fatal("grew before a full window was consumed")
	}
	f.take(1)
	f.give(1)
	f.grow(4000)
	if n := f.announce(); f.size != 2000 || n != 2000 {
		t.Fatalf("size %d, announced %d", f.size, n)
	}
	for range 10 {
		n := int(f.avail)
		f.take(n)
		f.give(n)
		f.grow(5000)
		f.announce()
	}
	if f.size != 5000 || f.avail != 5000 {
		t.Fatalf("size %d, peer has %d, limit 5000", f.size, f.avail)
	}
}

func TestFlowControlReceive(t *testing.T) {
	small := func(l *Limits) { l.StreamWindow, l.MaxStreamWindow = 16000, 40000 }
	// Our lower window holds once it has been acknowledged.
	const hello = `
		< SETTINGS MAX_CONCURRENT_STREAMS=1024 MAX_HEADER_LIST_SIZE=65536 INITIAL_WINDOW_SIZE=16000
		< WINDOW_UPDATE 0 983041
		> PREFACE
		> SETTINGS
		< SETTINGS ack
		`
	const request = "> HEADERS 1 POST\n= 1 headers POST h/\n"
	runScripts(t, []script{
		{name: "window before the acknowledgement", raw: true, limits: small, text: hello + request + `
			> DATA 1 x*16001
			= 1 data x*16001
			> SETTINGS ack
			> DATA 1 y
			< RST_STREAM 1 FLOW_CONTROL_ERROR
			= glitch stream_window_exceeded
			= 1 reset protocol_error`},
		{name: "window after the acknowledgement", raw: true, limits: small, text: hello + "> SETTINGS ack\n" + request + `
			> DATA 1 x*16000
			= 1 data x*16000
			> DATA 1 y
			< RST_STREAM 1 FLOW_CONTROL_ERROR
			= glitch stream_window_exceeded
			= 1 reset protocol_error`},
		{name: "window of the connection", limits: func(l *Limits) { l.ConnWindow, l.StreamWindow = initialWindow, initialWindow }, raw: true, text: `
			< SETTINGS MAX_CONCURRENT_STREAMS=1024 MAX_HEADER_LIST_SIZE=65536
			> PREFACE
			> SETTINGS
			< SETTINGS ack
			> RAW 000001 01 04 00000001 83
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch scheme
			> DATA 1 x*16000
			> DATA 1 x*16000
			> DATA 1 x*16000
			< WINDOW_UPDATE 0 48000`},
		{name: "credit returns by half a window, then the window grows", raw: true, limits: small, text: hello + "> SETTINGS ack\n" + request + `
			> DATA 1 x*8000
			= 1 data x*8000
			. 1 consumed 7999
			. 1 consumed 1
			< WINDOW_UPDATE 1 8000
			> DATA 1 x*16000
			= 1 data x*16000
			. 1 consumed 4000
			< WINDOW_UPDATE 1 4000
			. 1 consumed 4000
			< WINDOW_UPDATE 1 20000
			. 1 consumed 8000`},
		{name: "padding is returned", raw: true, limits: small, text: hello + "> SETTINGS ack\n" + request + `
			. repeat 31 DATA 1 pad=255
			. repeat 1 DATA 1 pad=70 x
			< WINDOW_UPDATE 1 8007
			= 1 data x`},
		{name: "credit of a request that has ended is not announced", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> DATA 1 x*16000
			= 1 data x*16000
			> DATA 1 x*16000
			= 1 data x*16000
			> DATA 1 x*16000 end
			= 1 data x*16000 end
			. 1 consumed 48000`},
		{name: "credit of the connection returns although nobody consumes", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			. 1 reset upstream_timeout
			< RST_STREAM 1 CANCEL
			. repeat 40 DATA 1 x*16000
			< WINDOW_UPDATE 0 528000`},
	})
}

func TestFlowControlSend(t *testing.T) {
	const request = "> HEADERS 1 end GET\n= 1 headers GET h/ end\n. 1 head 200\n< HEADERS 1 :status=200\n"
	const tiny = "> SETTINGS INITIAL_WINDOW_SIZE=3\n< SETTINGS ack\n"
	runScripts(t, []script{
		{name: "stream window", text: tiny + request + `
			. 1 blocked no
			. 1 data abcde
			< DATA 1 abc
			. hold 2
			. 1 blocked yes
			. 1 data fg end
			. hold 4
			> WINDOW_UPDATE 1 1
			< DATA 1 d
			. hold 3
			. active 1
			> WINDOW_UPDATE 1 10
			< DATA 1 efg end
			. hold 0
			. active 0`},
		{name: "writable", text: tiny + request + `
			. 1 data abcde
			< DATA 1 abc
			> WINDOW_UPDATE 1 2
			< DATA 1 de
			= 1 writable
			. 1 blocked no
			. 1 data fgh end
			. hold 3
			> WINDOW_UPDATE 1 3
			< DATA 1 fgh end`},
		{name: "trailers wait behind the body", text: tiny + request + `
			. 1 data abcd
			< DATA 1 abc
			. 1 trailers grpc-status=0 secret=s
			. active 1
			> WINDOW_UPDATE 1 1
			< DATA 1 d
			< HEADERS 1 grpc-status=0 secret=s end
			. hold 0
			. active 0`},
		{name: "zero window, only the end needs none", text: "> SETTINGS INITIAL_WINDOW_SIZE=0\n< SETTINGS ack\n" + request + `
			. 1 data end
			< DATA 1 end
			. active 0`},
		{name: "SETTINGS make the window negative and wide again", text: tiny + request + `
			. 1 data abcdef end
			< DATA 1 abc
			> SETTINGS INITIAL_WINDOW_SIZE=0
			< SETTINGS ack
			> WINDOW_UPDATE 1 3
			> WINDOW_UPDATE 1 1
			< DATA 1 d
			> SETTINGS INITIAL_WINDOW_SIZE=2
			< SETTINGS ack
			< DATA 1 ef end`},
		{name: "window of the connection, shared in turns", text: `
			> SETTINGS INITIAL_WINDOW_SIZE=1000000
			< SETTINGS ack
			> HEADERS 1 end GET
			= 1 headers GET h/ end
			> HEADERS 3 end GET
			= 3 headers GET h/ end
			. 1 head 200
			< HEADERS 1 :status=200
			. 3 head 200
			< HEADERS 3 :status=200
			. 1 data x*100000 end
			< DATA 1 x*16384
			< DATA 1 x*16384
			< DATA 1 x*16384
			< DATA 1 x*16383
			. 3 data y*20000 end
			> WINDOW_UPDATE 0 40000
			< DATA 1 x*16384
			< DATA 3 y*16384
			< DATA 1 x*7232
			> WINDOW_UPDATE 0 40000
			< DATA 3 y*3616 end
			< DATA 1 x*10849 end
			. hold 0`},
		{name: "full sink", text: request + `
			. block
			. 1 data abc
			. 1 blocked yes
			. 1 data def
			. hold 6
			. writable
			< DATA 1 abcdef
			= 1 writable
			. block
			. 1 data end
			. writable
			< DATA 1 end`},
		{name: "sink full again behind the last held byte", text: request + `
			. block
			. 1 data abc
			. room 5
			. writable
			< DATA 1 abc
			. 1 blocked yes
			. 1 data def
			. hold 3
			. room -1
			. writable
			< DATA 1 def
			= 1 writable`},
		{name: "more is given while some is held", text: tiny + request + `
			. 1 data abcdefgh
			< DATA 1 abc
			> WINDOW_UPDATE 1 4
			< DATA 1 defg
			. 1 data ij
			. hold 3
			> WINDOW_UPDATE 1 10
			< DATA 1 hij
			= 1 writable`},
		{name: "holder resets with bytes held", text: tiny + request + `
			. 1 data abcdef
			< DATA 1 abc
			. 1 reset upstream_reset
			< RST_STREAM 1 INTERNAL_ERROR
			. hold 0`},
		{name: "peer resets with bytes held", text: tiny + request + `
			. 1 data abcdef
			< DATA 1 abc
			> RST_STREAM 1 CANCEL
			= 1 reset downstream_reset
			= glitch stream_reset
			. hold 0`},
		{name: "nobody is told once both ends were given", text: tiny + request + `
			. 1 data abcdef end
			< DATA 1 abc
			> RST_STREAM 1 CANCEL
			= glitch stream_reset
			. hold 0
			. active 0`},
		{name: "the rest of the reply goes before the reset of the request", text: tiny + `
			> HEADERS 1 POST
			= 1 headers POST h/
			. 1 head 413 body=abcdef end
			< HEADERS 1 :status=413
			< DATA 1 abc
			. 1 reset
			> DATA 1 late
			> WINDOW_UPDATE 1 3
			< DATA 1 def end
			. tick 500ms
			. tick 500ms
			< RST_STREAM 1 NO_ERROR
			. active 0
			> DATA 1 later`},
		{name: "the rest of the reply, and the request ends after all", text: tiny + `
			> HEADERS 1 POST
			= 1 headers POST h/
			. 1 head 413 body=abcdef end
			< HEADERS 1 :status=413
			< DATA 1 abc
			. 1 reset
			> DATA 1 late end
			> WINDOW_UPDATE 1 3
			< DATA 1 def end
			. active 0`},
		{name: "peer has finished sending and can give no window", text: tiny + request + `
			. 1 data abcdef
			< DATA 1 abc
			. peerclosed
			. tick 1ms
			= 1 reset downstream_closed
			= shut`},
		{name: "peer has finished sending, windows suffice", text: request + `
			. peerclosed
			. tick 1ms
			. 1 data abc end
			< DATA 1 abc end
			= shut`},
		{name: "peer has finished sending within a request", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			. peerclosed
			. ticks 1ms
			. tick 1ms
			= 1 reset downstream_closed
			= shut`},
		{name: "peer has finished sending, nothing pending", text: `
			. peerclosed
			= shut`},
	})
}

// TestWaitingStreamsGoFirst: a stream that may send again does not overtake those
// that wait for the connection's window.
func TestWaitingStreamsGoFirst(t *testing.T) {
	p := newPlayer(t, script{})
	p.send("PREFACE")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1000000")
	p.send("HEADERS 1 end GET")
	p.send("HEADERS 3 end GET")
	p.feed()
	one, three := p.holders[1].stream, p.holders[3].stream
	one.SendHeaders(&Head{Status: 200}, make([]byte, initialWindow+10), false)
	three.SendHeaders(&Head{Status: 200}, make([]byte, 10), false)
	p.holders[1].writable = func() { one.SendData(make([]byte, 30), true) }
	p.sink.out = nil
	p.send("WINDOW_UPDATE 0 1000")
	p.feed()
	var order []uint32
	for b := p.sink.out; len(b) > 0; {
		f := parseHead(b)
		order = append(order, f.id, uint32(f.length))
		b = b[headSize+f.length:]
	}
	if want := []uint32{1, 10, 3, 10, 1, 30}; !slices.Equal(order, want) {
		t.Errorf("stream and size of DATA: %v, want %v", order, want)
	}
}

// TestHeld: what is held stays in order, the space of what was sent is reused,
// and the gauge follows.
func TestHeld(t *testing.T) {
	var mem codec.Memory
	var h held
	h.add(&mem, []byte("abcdef"))
	h.take(&mem, 4)
	h.add(&mem, []byte("gh"))
	if got := string(h.buffer.B[h.sent:h.body]); got != "efgh" || h.sent != 0 || mem.Used(codec.Hold) != 4 {
		t.Fatalf("holds %q from %d, gauge %d", got, h.sent, mem.Used(codec.Hold))
	}
	h.addTrailers(&mem, []hpack.Field{{Name: []byte("a"), Value: nil}, {Name: []byte("b"), Value: []byte("c"), Sensitive: true}})
	h.take(&mem, h.left())
	got := h.trailerFields(nil)
	if len(got) != 2 || string(got[0].Name) != "a" || len(got[0].Value) != 0 || got[0].Sensitive ||
		string(got[1].Name) != "b" || string(got[1].Value) != "c" || !got[1].Sensitive {
		t.Fatalf("trailers %v", got)
	}
	h.drop(&mem)
	if mem.Used(codec.Hold) != 0 || h.any() {
		t.Fatalf("gauge %d after the end", mem.Used(codec.Hold))
	}
}

// TestWindowStopsGrowing: while the loop holds more than its budget, windows stay
// as they are.
func TestWindowStopsGrowing(t *testing.T) {
	for _, full := range []bool{false, true} {
		var mem codec.Memory
		var l log
		limits := DefaultLimits()
		p := &player{t: t, holders: map[int]*holder{}}
		s := NewServer(newSink(), newOwner(&l), p, &mem, &limits)
		if full {
			mem.Charge(codec.Hold, codec.HoldBudget)
		}
		st := s.open(1)
		for range 3 {
			st.in.take(60000)
			st.Consumed(60000)
		}
		if grew := st.in.size > initialWindow; grew == full {
			t.Errorf("loop full: %v, window of %d", full, st.in.size)
		}
	}
}
