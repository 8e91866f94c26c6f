// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"slices"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// frames is the stream and size of each DATA frame in b.
func frames(b []byte) (list [][2]int) {
	for len(b) > 0 {
		f := parseHead(b)
		if f.kind == frameData {
			list = append(list, [2]int{int(f.id), f.length})
		}
		b = b[headSize+f.length:]
	}
	return list
}

// downloads is a server session with replies to the streams 1, 3, 5 ... whose
// windows are wide.
func downloads(t *testing.T, n int) *player {
	t.Helper()
	p := newPlayer(t, script{})
	p.send("PREFACE")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=10000000")
	p.send("WINDOW_UPDATE 0 100000000")
	for i := range n {
		p.sendHeaders(uint32(2*i+1), []string{"end", "GET"})
	}
	p.feed()
	for i := range n {
		p.holders[2*i+1].stream.SendHeaders(&Head{Status: 200}, nil, false)
	}
	p.sink.out = nil
	return p
}

// TestTurnsWhenTheSinkTakesMore: what piled up while the sink was full goes out
// one frame per stream and turn, whatever the streams hold.
func TestTurnsWhenTheSinkTakesMore(t *testing.T) {
	p := downloads(t, 3)
	p.sink.blocked = true
	for id, n := range map[int]int{1: 200_000, 3: 20_000, 5: 1000} {
		p.holders[id].stream.SendData(make([]byte, n), false)
	}
	// The order of the first turn is that in which they began to wait.
	p.sink.blocked, p.sink.room = false, 0
	var got [][2]int
	for len(p.sink.out) == 0 && p.mem.Used(codec.Hold) > 0 {
		// The kernel takes one frame at a time.
		p.session.Writable()
		got = append(got, frames(p.sink.out)...)
		p.sink.out = nil
	}
	first := map[int]bool{}
	for _, f := range got[:3] {
		first[f[0]] = true
	}
	if len(first) != 3 {
		t.Errorf("the first three frames are %v; want one of each stream", got[:3])
	}
	if i := slices.Index(got, [2]int{3, 20_000 - maxFrameSize}); i < 0 || i > 4 {
		t.Errorf("the second frame of stream 3 is number %d of %v", i, got)
	}
	sum := 0
	for _, f := range got {
		sum += f[1]
		if f[1] > maxFrameSize {
			t.Errorf("a frame of %d", f[1])
		}
	}
	if sum != 221_000 {
		t.Errorf("%d bytes were sent", sum)
	}
}

// TestTurnsGoOn: a stream that is given more as soon as it may does not keep the
// others from their turn.
func TestTurnsGoOn(t *testing.T) {
	const streams, rounds = 4, 50
	p := downloads(t, streams)
	p.sink.blocked = true
	for i := range streams {
		h := p.holders[2*i+1]
		// Each has always more: the first far more than the others.
		size := 1000
		if i == 0 {
			size = 100_000
		}
		h.writable = func() { h.stream.SendData(make([]byte, size), false) }
		h.writable()
	}
	p.sink.blocked, p.sink.room = false, 0
	sent := map[int]int{}
	for range streams * rounds {
		p.session.Writable()
		for _, f := range frames(p.sink.out) {
			sent[f[0]]++
		}
		p.sink.out = nil
	}
	for i := range streams {
		if n := sent[2*i+1]; n < rounds*3/4 || n > rounds*5/4 {
			t.Errorf("stream %d had %d turns of %d", 2*i+1, n, rounds)
		}
	}
}

// TestTurnsOfTheConnectionWindow: streams that wait for the connection's window
// share each increment.
func TestTurnsOfTheConnectionWindow(t *testing.T) {
	p := newPlayer(t, script{})
	p.send("PREFACE")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=10000000")
	for _, id := range []string{"1", "3", "5", "7"} {
		p.send("HEADERS " + id + " end GET")
	}
	p.feed()
	for id := 1; id < 8; id += 2 {
		s := p.holders[id].stream
		s.SendHeaders(&Head{Status: 200}, nil, false)
		s.SendData(make([]byte, 1<<20), true)
	}
	sent := map[int]int{}
	for range 40 {
		p.sink.out = nil
		p.send("WINDOW_UPDATE 0 65536")
		p.feed()
		for _, f := range frames(p.sink.out) {
			sent[f[0]] += f[1]
		}
	}
	for id := 1; id < 8; id += 2 {
		if n := sent[id]; n != 40*65536/4 {
			t.Errorf("stream %d got %d of %d", id, n, 40*65536)
		}
	}
}

// TestOneStreamFillsALink: while its reader keeps up, the window of a single
// stream grows to its limit, and from then on at least half of it is under way
// in every round trip. A reader that does not keep up keeps the first window.
func TestOneStreamFillsALink(t *testing.T) {
	for _, reads := range []bool{true, false} {
		p := newPlayer(t, script{client: true})
		p.send("SETTINGS")
		p.send("SETTINGS ack")
		p.feed()
		h := &holder{id: 1, events: &p.events}
		s := p.client.Open(h)
		h.stream = s
		s.SendHeaders(&Head{MethodName: []byte("GET")}, nil, true)
		p.send("HEADERS 1 :status=200")
		p.feed()
		p.sink.out = nil

		streamRoom, connRoom := initialWindow, defaultConnWindow
		chunk := make([]byte, maxFrameSize)
		var perTrip []int
		for range 20 {
			sent := 0
			// One round trip: what the windows allow is sent, then what the
			// reader announced arrives.
			for streamRoom > 0 && connRoom > 0 {
				n := min(streamRoom, connRoom, maxFrameSize)
				_ = p.peer.WriteData(1, false, chunk[:n])
				streamRoom, connRoom, sent = streamRoom-n, connRoom-n, sent+n
			}
			perTrip = append(perTrip, sent)
			p.feed()
			if reads {
				// The sink drains piece by piece.
				for left := sent; left > 0; left -= min(left, 10_000) {
					s.Consumed(min(left, 10_000))
				}
			}
			for b := p.sink.out; len(b) > 0; {
				f := parseHead(b)
				if f.kind == frameWindowUpdate {
					n := int(b[headSize])<<24 | int(b[headSize+1])<<16 | int(b[headSize+2])<<8 | int(b[headSize+3])
					if f.id == 0 {
						connRoom += n
					} else {
						streamRoom += n
					}
				}
				b = b[headSize+f.length:]
			}
			p.sink.out = nil
		}
		window := int(s.(*stream).in.size)
		if !reads {
			if window != initialWindow || perTrip[1] != 0 {
				t.Errorf("nobody reads: the window is %d, %v were sent", window, perTrip)
			}
			continue
		}
		if window != defaultMaxStreamWindow {
			t.Errorf("the window grew to %d", window)
		}
		for i, n := range perTrip[4:] {
			if n < defaultMaxStreamWindow/2 {
				t.Errorf("round trip %d carried %d bytes; all: %v", 4+i, n, perTrip)
			}
		}
		p.session.Close(codec.Draining)
	}
}
