// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"fmt"
	"strings"
	"testing"
)

// tempered takes three mistakes to drain and four to close, and forgives one
// each ten seconds.
func tempered(l *Limits) { l.Glitches, l.GlitchRate = 40, 1 }

// mistakes is n malformed requests and their answers.
func mistakes(first, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "> HEADERS %d end a=b\n< RST_STREAM %d PROTOCOL_ERROR\n= glitch method\n", first+2*i, first+2*i)
	}
	return b.String()
}

func TestGlitches(t *testing.T) {
	const drained = `
			> HEADERS 101 end a=b
			< GOAWAY 2147483647 ENHANCE_YOUR_CALM
			< PING sideloop
			< RST_STREAM 101 PROTOCOL_ERROR
			= glitch method
			= glitch glitch_drain
			`
	scripts := []script{
		{name: "drained with what is in flight", text: `
			> HEADERS 1 GET end
			= 1 headers GET h/ end
			` + mistakes(3, 2) + drained + `
			> HEADERS 103 GET end
			= 103 headers GET h/ end
			> PING ack sideloop
			< GOAWAY 103 ENHANCE_YOUR_CALM
			> HEADERS 105 GET end
			. 103 head 200 end
			< HEADERS 103 :status=200 end
			. 1 head 200 end
			< HEADERS 1 :status=200 end
			= shut`},
		{name: "closed if it goes on", text: `
			> HEADERS 1 GET end
			= 1 headers GET h/ end
			` + mistakes(3, 2) + drained + `
			> HEADERS 103 end a=b
			< GOAWAY 103 ENHANCE_YOUR_CALM
			= glitch method
			= glitch glitch_limit
			= shut enhance_your_calm`},
		{name: "forgiven with time", text: mistakes(1, 2) + ". tick 10s\n" + mistakes(5, 1) + ". tick 10s\n" + mistakes(7, 1)},
		{name: "a drain of our own goes first", text: `
			> HEADERS 1 GET end
			= 1 headers GET h/ end
			. drain
			< GOAWAY 2147483647 NO_ERROR
			< PING sideloop
			` + mistakes(3, 3) + `
			> PING ack sideloop
			< GOAWAY 7 NO_ERROR`},
	}
	for i := range scripts {
		scripts[i].limits = tempered
	}
	runScripts(t, append(scripts,
		script{name: "no limit", limits: func(l *Limits) { l.Glitches = 0 }, text: mistakes(1, 50)},
		script{name: "a host's connection takes no more streams", client: true, limits: tempered, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			. open
			. 3 head GET / end
			< HEADERS 3 :method=GET :scheme=http :path=/ end
			. open
			. 5 head GET / end
			< HEADERS 5 :method=GET :scheme=http :path=/ end
			. open
			. 7 head GET / end
			< HEADERS 7 :method=GET :scheme=http :path=/ end
			> HEADERS 1 end a=b
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch status_missing
			= 1 reset upstream_protocol_error
			> HEADERS 3 end a=b
			< RST_STREAM 3 PROTOCOL_ERROR
			= glitch status_missing
			= 3 reset upstream_protocol_error
			> HEADERS 5 end a=b
			< RST_STREAM 5 PROTOCOL_ERROR
			= glitch status_missing
			= glitch glitch_drain
			= 5 reset upstream_protocol_error
			. capacity 0
			> HEADERS 7 end :status=200
			= 7 headers 200 end
			< GOAWAY 0 ENHANCE_YOUR_CALM
			= shut`}))
}

// TestResetsThatAreNotRapid: a request that had its time may be reset, and each
// one that was served makes up for one that was not.
func TestResetsThatAreNotRapid(t *testing.T) {
	one := func(id int, between, after string) string {
		return fmt.Sprintf("> HEADERS %[1]d POST\n= %[1]d headers POST h/\n%[2]s> RST_STREAM %[1]d CANCEL\n= %[1]d reset downstream_reset\n= glitch stream_reset\n%[3]s", id, between, after)
	}
	served := func(id int) string {
		return fmt.Sprintf("> HEADERS %[1]d GET end\n= %[1]d headers GET h/ end\n. %[1]d head 200 end\n< HEADERS %[1]d :status=200 end\n", id)
	}
	few := func(l *Limits) { l.ResetBurst, l.ResetRate = 2, 1 }
	late, mixed := "", ""
	for i := range 10 {
		late += one(2*i+1, ". tick 100ms\n", "")
		mixed += served(4*i+1) + one(4*i+3, "", "")
	}
	runScripts(t, []script{
		{name: "after their time", limits: few, text: late},
		{name: "one for each that is served", limits: few, text: mixed},
		{name: "before it", limits: few, text: one(1, ". tick 99ms\n", "") + one(3, ". tick 99ms\n", "") +
			one(5, ". tick 99ms\n", "< GOAWAY 5 ENHANCE_YOUR_CALM\n= glitch rapid_reset\n= shut enhance_your_calm\n")},
	})
}

// TestStreamsBeforeTheAcknowledgement: a client that may not know the limit is
// not charged for it.
func TestStreamsBeforeTheAcknowledgement(t *testing.T) {
	p := newPlayer(t, script{limits: func(l *Limits) { l.MaxStreams = 2 }})
	p.send("PREFACE")
	p.send("SETTINGS")
	for i := range 100 {
		p.send(fmt.Sprintf("HEADERS %d POST", 2*i+1))
	}
	p.feed()
	if n := p.owner.glitches["too_many_streams"]; n != 0 || p.session.Active() != 2 {
		t.Fatalf("%d streams are active, glitches %v", p.session.Active(), p.owner.glitches)
	}
	p.send("SETTINGS ack")
	p.send("HEADERS 201 POST")
	p.feed()
	if n := p.owner.glitches["too_many_streams"]; n != 1 {
		t.Fatalf("glitches %v", p.owner.glitches)
	}
	p.finish()
}

// TestBacklog: what a peer does not read is bounded also where no window does
// it.
func TestBacklog(t *testing.T) {
	small := func(l *Limits) { l.Backlog = 100 }
	t.Run("server", func(t *testing.T) {
		p := newPlayer(t, script{limits: small})
		p.send("PREFACE")
		p.send("SETTINGS")
		p.send("HEADERS 1 end GET")
		p.send("HEADERS 3 end GET")
		p.feed()
		p.sink.out = nil
		p.holders[1].stream.SendHeaders(&Head{Status: 200}, make([]byte, 200), true)
		p.holders[3].stream.SendHeaders(&Head{Status: 200}, nil, true)
		if !p.owner.shut || p.owner.glitches["outbound_backlog"] != 1 {
			t.Errorf("shut %v, glitches %v", p.owner.shut, p.owner.glitches)
		}
		p.finish()
	})
	t.Run("client", func(t *testing.T) {
		p := newPlayer(t, script{client: true, limits: small})
		p.send("SETTINGS")
		p.feed()
		p.sink.out = make([]byte, 100)
		if p.client.Capacity() == 0 {
			t.Error("no capacity within the limit")
		}
		p.sink.out = make([]byte, 101)
		if p.client.Capacity() != 0 {
			t.Error("capacity over the limit")
		}
		p.finish()
	})
}

// TestLateBodies: the body that a client has under way when its request is reset
// costs it nothing, however long.
func TestLateBodies(t *testing.T) {
	p := newPlayer(t, script{limits: func(l *Limits) { l.OverheadBurst = 1 }})
	p.send("PREFACE")
	p.send("SETTINGS")
	p.send("HEADERS 1 POST")
	p.feed()
	p.holders[1].stream.Reset(reasonOf("upstream_timeout"))
	for range 3 * slackMax {
		p.send("DATA 1 x*1024")
		p.feed()
		p.sink.out = p.sink.out[:0]
	}
	if p.owner.shut {
		t.Errorf("ended; glitches %v", p.owner.glitches)
	}
	p.finish()
}
