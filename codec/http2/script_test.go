// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	xhpack "golang.org/x/net/http2/hpack"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// A script is a conversation as a packet capture would show it:
//
//	> FRAME   what the peer sends
//	< FRAME   what the session sends
//	= EVENT   what receivers and the owner are told
//	. CALL    what the holder of a stream or the owner of the session does
//
// Everything that the session sends and tells must be in the script. In fields
// and bodies \s, \r, \n and \0 stand for bytes, and x*5 for xxxxx.
type script struct {
	name   string
	text   string
	client bool
	// raw begins without the exchange of SETTINGS.
	raw    bool
	limits func(*Limits)
}

const (
	clientHello = "< SETTINGS MAX_CONCURRENT_STREAMS=1024 MAX_HEADER_LIST_SIZE=65536\n< WINDOW_UPDATE 0 983041\n" +
		"> PREFACE\n> SETTINGS\n< SETTINGS ack\n> SETTINGS ack\n"
	serverHello = "< PREFACE\n< SETTINGS ENABLE_PUSH=0 MAX_HEADER_LIST_SIZE=65536\n< WINDOW_UPDATE 0 983041\n" +
		"> SETTINGS\n< SETTINGS ack\n> SETTINGS ack\n"
)

// runScripts plays each script with its input whole, byte by byte, and split
// once at every position.
func runScripts(t *testing.T, scripts []script) {
	t.Helper()
	for _, sc := range scripts {
		t.Run(sc.name, func(t *testing.T) {
			longest := play(t, sc, func(b []byte) [][]byte { return [][]byte{b} })
			play(t, sc, func(b []byte) [][]byte {
				var parts [][]byte
				for i := range b {
					parts = append(parts, b[i:i+1])
				}
				return parts
			})
			step := 1 + longest/500 // long bodies are alike inside
			for at := 1; at < min(longest, 300); at += step {
				play(t, sc, func(b []byte) [][]byte {
					at := min(at, len(b))
					return [][]byte{b[:at], b[at:]}
				})
			}
		})
	}
}

// player is the state of one play.
type player struct {
	t       *testing.T
	sc      script
	line    string
	split   func([]byte) [][]byte
	sink    *fakeSink
	owner   *fakeOwner
	mem     codec.Memory
	events  log
	session codec.Session
	client  *Client
	holders map[int]*holder
	now     int64

	unread  []byte // what the session did not take while paused
	longest int

	peerBuf   bytes.Buffer
	peer      *http2.Framer
	encoder   *xhpack.Encoder
	blockBuf  bytes.Buffer
	decoder   *xhpack.Decoder
	partial   []xhpack.HeaderField
	sawHello  bool
	unmatched []string
}

func (p *player) OnRequest(s codec.Stream) codec.Receiver {
	h := &holder{id: int(s.(*stream).id), stream: s, events: &p.events}
	p.holders[h.id] = h
	return h
}

// newPlayer begins a play whose input is not split.
func newPlayer(t *testing.T, sc script) *player {
	whole := func(b []byte) [][]byte { return [][]byte{b} }
	p := &player{t: t, sc: sc, split: whole, sink: newSink(), holders: map[int]*holder{}, now: int64(time.Hour)}
	p.owner = newOwner(&p.events)
	p.peer = http2.NewFramer(&p.peerBuf, nil)
	p.peer.AllowIllegalWrites = true
	p.encoder = xhpack.NewEncoder(&p.blockBuf)
	p.decoder = xhpack.NewDecoder(4096, func(f xhpack.HeaderField) { p.partial = append(p.partial, f) })
	l := DefaultLimits()
	if sc.limits != nil {
		sc.limits(&l)
	}
	if sc.client {
		p.client = NewClient(p.sink, p.owner, &p.mem, &l)
		p.session = p.client
	} else {
		p.session = NewServer(p.sink, p.owner, p, &p.mem, &l)
	}
	return p
}

func play(t *testing.T, sc script, split func([]byte) [][]byte) int {
	t.Helper()
	p := newPlayer(t, sc)
	p.split = split
	text := sc.text
	switch {
	case sc.raw:
	case sc.client:
		text = serverHello + text
	default:
		text = clientHello + text
	}
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			p.line = line
			p.step(line[:1], strings.TrimSpace(line[1:]))
		}
	}
	p.line = "end of script"
	p.quiet()
	p.finish()
	return p.longest
}

// finish closes the session and checks that nothing is left behind.
func (p *player) finish() {
	p.session.Close(codec.Draining)
	if got := p.session.Active(); got != 0 {
		p.fatalf("%d streams active after Close", got)
	}
	for _, purpose := range []codec.Purpose{codec.Hold, codec.Gather} {
		if used := p.mem.Used(purpose); used != 0 {
			p.fatalf("%d bytes of purpose %d held after Close", used, purpose)
		}
	}
	for id, h := range p.holders {
		if h.resets > 1 {
			p.fatalf("stream %d was reset %d times", id, h.resets)
		}
	}
}

func (p *player) fatalf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("at %q: %s", p.line, fmt.Sprintf(format, args...))
}

func (p *player) step(kind, rest string) {
	p.t.Helper()
	switch kind {
	case ">":
		p.quiet()
		p.send(rest)
		p.feed()
	case ".":
		p.quiet()
		p.call(strings.Fields(rest))
	case "<":
		p.parseOutput()
		if len(p.unmatched) == 0 {
			p.fatalf("the session sent nothing")
		}
		if got := shorten(p.unmatched[0]); got != rest {
			p.fatalf("the session sent %q", got)
		}
		p.unmatched = p.unmatched[1:]
	case "=":
		if len(p.events.lines) == 0 {
			p.fatalf("nothing was told")
		}
		if got := shorten(strings.TrimSpace(p.events.lines[0])); got != rest {
			p.fatalf("told %q", got)
		}
		p.events.lines = p.events.lines[1:]
		p.events.body = 0
	default:
		p.fatalf("not a script line")
	}
}

// quiet checks that the script has named all that happened.
func (p *player) quiet() {
	p.t.Helper()
	p.parseOutput()
	if len(p.unmatched) > 0 {
		p.fatalf("before this line the session sent %q", p.unmatched)
	}
	if len(p.events.lines) > 0 {
		p.fatalf("before this line was told %q", p.events.lines)
	}
}

// feed gives the session what the peer has written.
func (p *player) feed() {
	b := append(p.unread, p.peerBuf.Bytes()...)
	p.unread = nil
	p.peerBuf.Reset()
	p.longest = max(p.longest, len(b))
	parts := p.split(b)
	for i, part := range parts {
		var one []byte
		one = append(one, part...)
		n := p.session.Feed(one, p.now)
		if n > len(one) || n < 0 {
			p.fatalf("Feed took %d of %d", n, len(one))
		}
		for j := range one[:n] {
			one[j] = 0xEE // views must not outlive the call
		}
		if n < len(one) || p.sink.paused {
			p.unread = append(p.unread, one[n:]...)
			for _, later := range parts[i+1:] {
				p.unread = append(p.unread, later...)
			}
			if !p.sink.paused {
				p.fatalf("Feed took %d of %d without a pause", n, len(one))
			}
			return
		}
	}
}

// call performs a "." line.
func (p *player) call(w []string) {
	p.t.Helper()
	if id, err := strconv.Atoi(w[0]); err == nil {
		p.callStream(p.holders[id], w[1:])
		return
	}
	number := func() int { n, _ := strconv.Atoi(w[1]); return n }
	check := func(got int) {
		if got != number() {
			p.fatalf("is %d", got)
		}
	}
	switch w[0] {
	case "open":
		h := &holder{events: &p.events}
		h.stream = p.client.Open(h)
		if h.stream == nil {
			p.fatalf("Open returned nil")
		}
		h.id = int(h.stream.(*stream).id)
		p.holders[h.id] = h
	case "drain":
		p.session.Drain()
	case "probe":
		p.client.Probe()
	case "peerclosed":
		p.session.PeerClosed()
	case "close":
		p.session.Close(codec.UpstreamClosed)
	case "block":
		p.sink.blocked = true
	case "evict":
		p.holders[number()].stream.(*stream).Evict()
	case "writable":
		p.sink.blocked = false
		p.session.Writable()
		if !p.sink.paused && len(p.unread) > 0 {
			p.feed()
		}
	case "tick":
		d, _ := time.ParseDuration(w[1])
		p.now += int64(d)
		p.session.Tick(p.now)
	case "ticks":
		d, _ := time.ParseDuration(w[1])
		if len(p.owner.ticks) == 0 || p.owner.ticks[len(p.owner.ticks)-1] != d {
			p.fatalf("asked for %v", p.owner.ticks)
		}
	case "capacity":
		check(p.client.Capacity())
	case "active":
		check(p.session.Active())
	case "hold":
		check(p.mem.Used(codec.Hold))
	case "gather":
		check(p.mem.Used(codec.Gather))
	case "room":
		p.sink.room = number()
	case "paused":
		if p.sink.paused != (w[1] == "yes") {
			p.fatalf("paused is %v", p.sink.paused)
		}
	case "repeat":
		for range number() {
			p.send(strings.Join(w[2:], " "))
		}
		p.feed()
	default:
		p.fatalf("unknown call")
	}
}

func (p *player) callStream(h *holder, w []string) {
	if h == nil {
		p.fatalf("no such stream")
	}
	words, end := popWord(w[1:], "end")
	switch w[0] {
	case "head":
		head := &Head{ContentLength: codec.BodyUnknown}
		var body []byte
		for _, word := range words {
			switch {
			case strings.HasPrefix(word, "body="):
				body = []byte(unescape(word[len("body="):]))
			case strings.HasPrefix(word, "/"):
				head.PathName = []byte(unescape(word))
			case strings.HasPrefix(word, ":authority="):
				head.AuthorityName = []byte(word[len(":authority="):])
			case strings.HasPrefix(word, ":protocol="):
				head.ConnectProto = []byte(word[len(":protocol="):])
			case strings.ToUpper(word) == word && strings.Trim(word, "0123456789") != "":
				head.MethodName = []byte(word)
			case strings.Contains(word, "="):
				head.Fields = append(head.Fields, parseField(word))
			default:
				head.Status, _ = strconv.Atoi(word)
			}
		}
		h.stream.SendHeaders(head, body, end)
	case "data":
		b := []byte(unescape(strings.Join(words, " ")))
		h.stream.SendData(b, end)
		clear(b)
	case "trailers":
		head := &Head{}
		for _, word := range words {
			head.Fields = append(head.Fields, parseField(word))
		}
		h.stream.SendTrailers(head)
	case "reset":
		h.stream.Reset(reasonOf(strings.Join(words, " ")))
	case "consumed":
		n, _ := strconv.Atoi(words[0])
		h.stream.Consumed(n)
	case "blocked":
		if h.stream.Blocked() != (words[0] == "yes") {
			p.fatalf("Blocked is %v", h.stream.Blocked())
		}
	default:
		p.fatalf("unknown call")
	}
}

func reasonOf(word string) codec.Reason {
	for r := range codec.ReasonCount {
		if r.String() == word {
			return r
		}
	}
	panic("no reason " + word)
}

func popWord(w []string, word string) ([]string, bool) {
	if len(w) > 0 && w[len(w)-1] == word {
		return w[:len(w)-1], true
	}
	return w, false
}

func parseField(word string) hpack.Field {
	name, value, _ := strings.Cut(word, "=")
	return hpack.Field{Name: []byte(unescape(name)), Value: []byte(unescape(value))}
}

var escapes = strings.NewReplacer(`\s`, " ", `\r`, "\r", `\n`, "\n", `\0`, "\x00", `\t`, "\t", `\e`, "=")

func unescape(s string) string {
	if letter, count, ok := strings.Cut(s, "*"); ok && len(letter) == 1 {
		if n, err := strconv.Atoi(count); err == nil {
			return strings.Repeat(letter, n)
		}
	}
	return escapes.Replace(s)
}
