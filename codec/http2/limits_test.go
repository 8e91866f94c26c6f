// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// calmed is how a flood ends. Input behind it is ignored.
func calmed(last int, words ...string) string {
	s := fmt.Sprintf("< GOAWAY %d ENHANCE_YOUR_CALM\n", last)
	for _, w := range words {
		s += "= glitch " + w + "\n"
	}
	return s + "= shut enhance_your_calm\n> PING 12345678\n"
}

// frugal leaves nothing to floods, so that scripts are short.
func frugal(l *Limits) {
	l.OverheadBurst, l.OverheadRate = 2, 1
	l.ResetBurst, l.ResetRate = 2, 1
	l.Replies = 2
	l.EmptyData = 2
	l.Continuations = 2
	l.SettingsEntries = 2
	l.Informational = 1
	l.HeaderList, l.HeaderFields = 300, 6
	l.MaxStreams = 2
}

const frugalHello = `
	< SETTINGS MAX_CONCURRENT_STREAMS=2 MAX_HEADER_LIST_SIZE=300
	< WINDOW_UPDATE 0 983041
	> PREFACE
	> SETTINGS
	< SETTINGS ack
	> SETTINGS ack
	`

func frugalScripts(scripts []script) []script {
	for i := range scripts {
		scripts[i].raw, scripts[i].limits = true, frugal
		scripts[i].text = frugalHello + scripts[i].text
	}
	return scripts
}

func TestFloods(t *testing.T) {
	const request = "> HEADERS 1 POST\n= 1 headers POST h/\n"
	runScripts(t, frugalScripts([]script{
		{name: "PING not read", text: `
			. block
			> PING 1
			< PING ack 1` + "\x00\x00\x00\x00\x00\x00\x00" + `
			> PING 2
			< PING ack 2` + "\x00\x00\x00\x00\x00\x00\x00" + `
			> PING 3
			` + calmed(0, "ping_flood")},
		{name: "SETTINGS not read", text: `
			. block
			> SETTINGS
			< SETTINGS ack
			> SETTINGS
			< SETTINGS ack
			> SETTINGS
			` + calmed(0, "settings_flood")},
		{name: "SETTINGS of many entries", text: `
			> SETTINGS UNKNOWN=1 UNKNOWN=2 UNKNOWN=3
			` + calmed(0, "settings_entries")},
		{name: "empty DATA", text: request + `
			> DATA 1
			> DATA 1 pad=9
			> DATA 1
			` + calmed(1, "empty_data_flood")},
		{name: "empty DATA between others", text: request + `
			> DATA 1
			> DATA 1
			> DATA 1 x
			= 1 data x
			> DATA 1
			> DATA 1`},
		{name: "CONTINUATION", text: `
			> HEADERS 1 more GET
			> CONTINUATION 1 more
			> CONTINUATION 1 more
			> CONTINUATION 1 more
			` + calmed(0, "continuation_flood") + ". gather 0"},
		{name: "header block of many bytes", text: `
			> HEADERS 1 more a=` + strings.Repeat("W", 400) + `
			> CONTINUATION 1 b=` + strings.Repeat("W", 400) + `
			` + calmed(0, "header_block_size") + ". gather 0"},
		{name: "rapid reset", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> RST_STREAM 1 CANCEL
			= 1 reset downstream_reset
			= glitch stream_reset
			> HEADERS 3 POST
			= 3 headers POST h/
			> RST_STREAM 3 CANCEL
			= 3 reset downstream_reset
			= glitch stream_reset
			> HEADERS 5 POST
			= 5 headers POST h/
			> RST_STREAM 5 CANCEL
			= 5 reset downstream_reset
			= glitch stream_reset
			` + calmed(5, "rapid_reset")},
		{name: "resets in time", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> RST_STREAM 1 CANCEL
			= 1 reset downstream_reset
			= glitch stream_reset
			> HEADERS 3 POST
			= 3 headers POST h/
			> RST_STREAM 3 CANCEL
			= 3 reset downstream_reset
			= glitch stream_reset
			. tick 1s
			> HEADERS 5 POST
			= 5 headers POST h/
			> RST_STREAM 5 CANCEL
			= 5 reset downstream_reset
			= glitch stream_reset`},
		{name: "resets provoked", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> RAW 000004 08 00 00000001 00000000
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch stream_window_update_zero
			= 1 reset protocol_error
			> HEADERS 3 end POST
			= 3 headers POST h/ end
			> DATA 3 x
			< RST_STREAM 3 STREAM_CLOSED
			= glitch data_after_end
			= 3 reset protocol_error
			> HEADERS 5 POST
			= 5 headers POST h/
			> PRIORITY 5 5
			< GOAWAY 5 ENHANCE_YOUR_CALM
			= glitch priority_self
			= glitch rapid_reset
			= shut enhance_your_calm
			= 5 reset protocol_error`},
		{name: "malformed requests", text: `
			> HEADERS 1 a=b
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch method
			> HEADERS 3 a=b
			< RST_STREAM 3 PROTOCOL_ERROR
			= glitch method
			> HEADERS 5 a=b
			` + calmed(5, "method", "rapid_reset")},
	}))
}

// TestOverheadIsLimited: frames that move no data end the connection once what
// they earned is used up and the burst is over.
func TestOverheadIsLimited(t *testing.T) {
	for _, x := range []struct{ frame, word string }{
		{"PING 12345678", "ping_flood"},
		{"SETTINGS", "settings_flood"},
		{"PRIORITY 5 3", "priority_flood"},
		{"WINDOW_UPDATE 0 1", "window_update_flood"},
		{"WINDOW_UPDATE 1 1", "window_update_flood"},
		{"RST_STREAM 3 CANCEL", "reset_after_end"},
		{"RAW 000000 4d 00 00000000", "unknown_frame_flood"},
		{"GOAWAY 0 NO_ERROR", "goaway_flood"},
		{"DATA 1 x", "small_data_flood"},
		{"DATA 3 x", "frame_after_reset"},
	} {
		t.Run(x.frame, func(t *testing.T) {
			p := newPlayer(t, script{limits: func(l *Limits) { l.OverheadBurst = 500 }})
			p.send("PREFACE")
			p.send("SETTINGS")
			p.send("HEADERS 1 POST")
			p.send("HEADERS 3 POST")
			p.feed()
			p.holders[3].stream.Reset(reasonOf("upstream_timeout"))
			for i := range 2 * slackMax {
				p.send(x.frame)
				p.feed()
				if p.owner.shut {
					if i < slackMax {
						t.Errorf("ended after %d frames, within the slack", i)
					}
					if p.owner.glitches[x.word] < 500 {
						t.Errorf("glitches %v, want %s", p.owner.glitches, x.word)
					}
					return
				}
			}
			t.Fatalf("still up after %d frames; glitches %v", 2*slackMax, p.owner.glitches)
		})
	}
}

// TestBusyTrafficEarnsItsOverhead: a peer that acknowledges each DATA frame with
// windows and probes goes on forever.
func TestBusyTrafficEarnsItsOverhead(t *testing.T) {
	p := newPlayer(t, script{limits: func(l *Limits) { l.OverheadBurst = 1 }})
	p.send("PREFACE")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=1000000000")
	p.send("WINDOW_UPDATE 0 1000000000")
	p.send("HEADERS 1 end GET")
	p.feed()
	s := p.holders[1].stream
	s.SendHeaders(&Head{Status: 200}, nil, false)
	chunk := make([]byte, maxFrameSize)
	for range slackMax {
		s.SendData(chunk, false)
		p.sink.out = p.sink.out[:0]
		p.send("WINDOW_UPDATE 1 16384")
		p.send("WINDOW_UPDATE 0 16384")
		p.send("PING 12345678")
		p.feed()
	}
	if p.owner.shut {
		t.Fatalf("ended; glitches %v", p.owner.glitches)
	}
}

func TestTooLarge(t *testing.T) {
	const answer = "< HEADERS %d :status=431 x-sideloop-reason=header_too_large end\n"
	runScripts(t, frugalScripts([]script{
		{name: "list, request ended", text: `
			> HEADERS 1 end GET a=` + strings.Repeat("x", 200) + "\n" + fmt.Sprintf(answer, 1) + `
			= glitch header_too_large
			. active 0
			> HEADERS 3 end GET a=b
			= 3 headers GET h/ a=b end`},
		{name: "list, request goes on", text: `
			> HEADERS 1 GET a=` + strings.Repeat("x", 200) + "\n" + fmt.Sprintf(answer, 1) + `
			< RST_STREAM 1 NO_ERROR
			= glitch header_too_large
			= glitch header_too_large
			> DATA 1 late end
			> HEADERS 3 end GET a=b
			= 3 headers GET h/ a=b end`},
		{name: "fields", text: `
			> HEADERS 1 end GET a=b c=d e=f
			` + fmt.Sprintf(answer, 1) + `
			= glitch header_too_large
			> HEADERS 3 end GET a=b c=d
			= 3 headers GET h/ a=b c=d end`},
		{name: "trailers", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> HEADERS 1 end a=b c=d e=f g=h i=j k=l m=n
			< RST_STREAM 1 ENHANCE_YOUR_CALM
			= glitch header_too_large
			= 1 reset protocol_error`},
		{name: "streams", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> HEADERS 3 POST
			= 3 headers POST h/
			> HEADERS 5 POST a=b
			< RST_STREAM 5 REFUSED_STREAM
			= glitch too_many_streams
			> DATA 5 late end
			. 3 head 200 end
			< HEADERS 3 :status=200 end
			. 3 reset
			. tick 500ms
			. tick 500ms
			< RST_STREAM 3 NO_ERROR
			> HEADERS 7 POST a=b
			= 7 headers POST h/ a=b`},
	}))
	runScripts(t, []script{
		{name: "reply", client: true, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			> HEADERS 1 end :status=200` + strings.Repeat(" a=b", 256) + `
			< RST_STREAM 1 ENHANCE_YOUR_CALM
			= glitch header_too_large
			= 1 reset upstream_protocol_error`},
		{name: "1xx replies", client: true, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			` + strings.Repeat("> HEADERS 1 :status=103\n= 1 headers 103\n", 16) + `
			> HEADERS 1 :status=103
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch informational_flood
			= 1 reset upstream_protocol_error`},
	})
}

// TestHeaderBomb: one entry referenced again and again ends the connection
// before memory grows (CVE-2016-6581).
func TestHeaderBomb(t *testing.T) {
	p := newPlayer(t, script{})
	p.send("PREFACE")
	p.send("SETTINGS")
	// A literal with indexing of 1,000 bytes, then 10,000 references to it.
	p.send("HEADERS 1 end hex=40017a7fe906" + strings.Repeat("78", 1000) + strings.Repeat("be", 10000))
	p.feed()
	if !p.owner.shut || p.owner.reason.String() != "enhance_your_calm" {
		t.Fatalf("shut %v, %v; glitches %v", p.owner.shut, p.owner.reason, p.owner.glitches)
	}
}

// TestResetsAreForgotten: of many streams that we reset the last are remembered;
// what still comes for the others is answered, and the connection goes on.
func TestResetsAreForgotten(t *testing.T) {
	p := newPlayer(t, script{})
	p.send("PREFACE")
	p.send("SETTINGS")
	p.feed()
	for i := range pastSize + 1 {
		id := 2*i + 1
		p.send(fmt.Sprintf("HEADERS %d POST", id))
		p.feed()
		p.holders[id].stream.Reset(reasonOf("upstream_timeout"))
	}
	p.parseOutput()
	p.unmatched = nil
	p.send("DATA 3 remembered")
	p.send("HEADERS 3 end a=b")
	p.send("DATA 1 forgotten")
	p.send("HEADERS 1 end a=b")
	p.feed()
	p.parseOutput()
	want := "[RST_STREAM 1 STREAM_CLOSED RST_STREAM 1 STREAM_CLOSED]"
	if got := fmt.Sprint(p.unmatched); got != want || p.owner.shut {
		t.Errorf("sent %s, want %s; shut %v", got, want, p.owner.shut)
	}
}

// TestGatherBudget: while the loop gathers too much, a connection with a partial
// frame is not read.
func TestGatherBudget(t *testing.T) {
	for _, pieces := range []string{
		"RAW 000010 01 05 00000001 828684",
		"HEADERS 1 more GET",
	} {
		p := newPlayer(t, script{})
		p.send("PREFACE")
		p.send("SETTINGS")
		p.feed()
		p.mem.Charge(codec.Gather, codec.GatherBudget)
		p.send(pieces)
		p.feed()
		if !p.sink.paused || p.owner.glitches["gather_budget"] != 1 {
			t.Fatalf("%s: paused %v, glitches %v", pieces, p.sink.paused, p.owner.glitches)
		}
		p.session.Tick(p.now + int64(gatherDelay))
		if !p.sink.paused {
			t.Fatalf("%s: reading before the loop gathers less", pieces)
		}
		p.mem.Release(codec.Gather, codec.GatherBudget)
		p.session.Tick(p.now + 2*int64(gatherDelay))
		if p.sink.paused {
			t.Fatalf("%s: not reading although the loop gathers less", pieces)
		}
		p.finish()
	}
}

// TestRequestsWaitForReplies: while the sink is full no new request is taken, so
// that replies can not pile up for a client that does not read.
func TestRequestsWaitForReplies(t *testing.T) {
	two := func(l *Limits) { l.UnreadRequests = 2 }
	runScripts(t, []script{{name: "pause", limits: two, text: `
		> HEADERS 1 POST
		= 1 headers POST h/
		. block
		> HEADERS 3 end GET
		= 3 headers GET h/ end
		> HEADERS 5 end GET
		= 5 headers GET h/ end
		> DATA 1 abc
		= 1 data abc
		> PING 12345678
		< PING ack 12345678
		. paused no
		> HEADERS 7 end GET
		. paused yes
		. active 3
		. writable
		= 7 headers GET h/ end
		. paused no
		. active 4`},
		{name: "one long reply does not keep others waiting", limits: two, text: `
		> SETTINGS INITIAL_WINDOW_SIZE=1000000
		< SETTINGS ack
		> HEADERS 1 end GET
		= 1 headers GET h/ end
		. 1 head 200
		< HEADERS 1 :status=200
		. block
		> HEADERS 3 end GET
		= 3 headers GET h/ end
		> HEADERS 5 end GET
		= 5 headers GET h/ end
		> HEADERS 7 end GET
		. paused yes
		. 1 data x*40000
		. room 10
		. writable
		< DATA 1 x*16384
		= 7 headers GET h/ end
		. paused no
		. room -1
		. writable
		< DATA 1 x*16384
		< DATA 1 x*7232
		= 1 writable`}})
}
