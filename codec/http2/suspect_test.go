// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// resets sends n requests, each with its RST_STREAM, from the i-th stream on.
func (p *player) resets(from, n int) {
	for i := range n {
		p.sendHeaders(uint32(2*(from+i)+1), []string{"end", "GET"})
		_ = p.peer.WriteRSTStream(uint32(2*(from+i)+1), 8)
	}
}

// pastTrust is how many resets make a client suspect.
const pastTrust = defaultResetBurst/suspectShare + 1

// suspectPlayer is a server session with a client that has just become suspect.
func suspectPlayer(t *testing.T) *player {
	t.Helper()
	p := newPlayer(t, script{})
	p.send("PREFACE")
	p.send("SETTINGS")
	p.send("SETTINGS ack")
	p.resets(0, pastTrust)
	p.feed()
	if len(p.holders) != pastTrust || p.owner.glitches["reset_unprocessed"] != 0 {
		t.Fatalf("of %d requests %d were handed over", pastTrust, len(p.holders))
	}
	return p
}

// TestSuspectsResets: nobody hears of a suspect's request whose RST_STREAM is
// there already and comes next on the stream.
func TestSuspectsResets(t *testing.T) {
	const id, reset = 2*pastTrust + 1, "RST_STREAM 65 CANCEL"
	for _, c := range []struct {
		name    string
		frames  []string
		cut     int // bytes of the input that have not come yet
		another bool
		heard   bool
		word    string
	}{
		{name: "next", frames: []string{"HEADERS 65 GET end", reset}},
		{name: "behind frames of others", frames: []string{"HEADERS 65 GET end", "PING 1", "WINDOW_UPDATE 0 9", reset}},
		{name: "in CONTINUATION", frames: []string{"HEADERS 65 GET end more", "CONTINUATION 65 name=value", reset}},
		{name: "cut off", frames: []string{"HEADERS 65 GET end", reset}, cut: 1, heard: true},
		{name: "of another stream", frames: []string{"HEADERS 65 GET end", "RST_STREAM 63 CANCEL"}, heard: true},
		{name: "behind DATA of its own", frames: []string{"HEADERS 65 POST", "DATA 65 abc", reset}, heard: true},
		{name: "not there", frames: []string{"HEADERS 65 GET end"}, heard: true},
		{name: "behind too many", frames: append(append([]string{"HEADERS 65 GET end"}, strings.Split(strings.Repeat("PING 1,", suspectLook), ",")[:suspectLook]...), reset), heard: true},
		{name: "of a mistake", frames: []string{"HEADERS 65 GET end Upper=x", reset}, word: "field_name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := suspectPlayer(t)
			for _, f := range c.frames {
				p.send(f)
			}
			p.peerBuf.Truncate(p.peerBuf.Len() - c.cut)
			p.feed()
			if _, heard := p.holders[id]; heard != c.heard {
				t.Errorf("the request was handed over: %v", heard)
			}
			want := "reset_unprocessed"
			if c.word != "" {
				want = c.word
			}
			if n := p.owner.glitches[want]; (n == 1) == c.heard {
				t.Errorf("%d times %s", n, want)
			}
			if p.owner.shut {
				t.Errorf("the connection has ended: %v", p.owner.reason)
			}
			for word := range p.owner.glitches {
				if word == "ping_flood" || word == "reset_after_end" || word == "frame_after_reset" {
					t.Errorf("the client is charged for %s", word)
				}
			}
		})
	}
}

// TestSuspectsWait: a suspect is taken a little at a time until its limit ends
// it, and nobody else waits for that.
func TestSuspectsWait(t *testing.T) {
	p := suspectPlayer(t)
	p.resets(pastTrust, 2*defaultResetBurst)
	p.feed()
	if !p.sink.paused || p.owner.shut {
		t.Fatalf("paused %v, ended %v", p.sink.paused, p.owner.shut)
	}
	if last := p.owner.ticks[len(p.owner.ticks)-1]; last != suspectDelay {
		t.Errorf("the next look is in %v", last)
	}

	other := newPlayer(t, script{})
	l := DefaultLimits()
	other.session = NewServer(other.sink, other.owner, other, &p.mem, &l)
	other.now = p.now
	for _, f := range []string{"PREFACE", "SETTINGS", "HEADERS 1 GET end"} {
		other.send(f)
	}
	if other.feed(); len(other.holders) != 1 || other.sink.paused {
		t.Errorf("another client's request waits")
	}

	taken, turns := p.owner.glitches["stream_reset"], 0
	if taken > pastTrust+suspectBurst {
		t.Errorf("%d requests were taken at once", taken)
	}
	for ; !p.owner.shut && turns < 10*defaultResetBurst; turns++ {
		p.now += int64(suspectDelay)
		p.session.Tick(p.now)
		if !p.sink.paused {
			p.feed()
		}
		now := p.owner.glitches["stream_reset"]
		if most := suspectRate/int(second/suspectDelay) + 1; now-taken > most {
			t.Fatalf("%d requests were taken in a turn; want at most %d", now-taken, most)
		}
		taken = now
	}
	if p.owner.reason != codec.Calm || p.owner.glitches["rapid_reset"] != 1 {
		t.Errorf("the end is %v after %d turns, %v", p.owner.reason, turns, p.owner.glitches)
	}
	if p.sink.paused {
		t.Error("the connection is not read to its end")
	}
}

// TestSuspectsMistakes: who sends header lists that are refused is suspect, too,
// and pays for their bytes.
func TestSuspectsMistakes(t *testing.T) {
	p := suspectPlayer(t)
	block := bytes.Repeat([]byte{0x82}, 1000) // too many fields
	const bombs = 100
	for i := range bombs {
		p.peer.WriteRawFrame(1, 5, uint32(2*(pastTrust+i)+1), block)
	}
	p.feed()
	taken := p.owner.glitches["header_too_large"]
	if most := suspectBurst/(len(block)/suspectBlock) + 1; !p.sink.paused || taken == 0 || taken > most {
		t.Errorf("%d lists were decoded; want at most %d", taken, most)
	}
	for range 10 * bombs {
		p.now += int64(suspectDelay)
		p.session.Tick(p.now)
		if !p.sink.paused {
			p.feed()
		}
	}
	if n := p.owner.glitches["header_too_large"]; n != bombs || p.owner.shut {
		t.Errorf("%d lists were answered; want %d", n, bombs)
	}
}

// TestServedMakeUpForResets: a client that is served as much as it resets is not
// suspect, however much it resets.
func TestServedMakeUpForResets(t *testing.T) {
	p := newPlayer(t, script{})
	p.send("PREFACE")
	p.send("SETTINGS")
	p.send("SETTINGS ack")
	for i := range 10 * pastTrust {
		p.sendHeaders(uint32(4*i+1), []string{"end", "GET"})
		p.feed()
		p.holders[4*i+1].stream.SendHeaders(&Head{Status: 200}, nil, true)
		p.resets(2*i+1, 1)
		p.feed()
	}
	if n := p.owner.glitches["reset_unprocessed"]; n != 0 || len(p.holders) != 20*pastTrust {
		t.Errorf("%d requests were forgone, %d handed over", n, len(p.holders))
	}
}
