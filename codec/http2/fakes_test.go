// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"fmt"
	"strings"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// fakeSink keeps what is written. It is Blocked while it holds more than room
// bytes; a negative room never blocks.
type fakeSink struct {
	out     []byte
	room    int
	blocked bool
	paused  bool
}

func newSink() *fakeSink { return &fakeSink{room: -1} }

func (s *fakeSink) Append(b []byte)       { s.out = append(s.out, b...) }
func (s *fakeSink) WriteThrough(b []byte) { s.Append(b) }
func (s *fakeSink) Buffered() int         { return len(s.out) }
func (s *fakeSink) PauseRead()            { s.paused = true }
func (s *fakeSink) ResumeRead()           { s.paused = false }

func (s *fakeSink) Extend(n int) []byte {
	start := len(s.out)
	s.out = append(s.out, make([]byte, n)...)
	return s.out[start:]
}

func (s *fakeSink) Blocked() bool {
	return s.blocked || (s.room >= 0 && len(s.out) > s.room)
}

// fakeOwner notes what it is told.
type fakeOwner struct {
	events   *log
	shut     bool
	reason   codec.Reason
	released int
	ticks    []time.Duration
	glitches map[string]int
}

func newOwner(l *log) *fakeOwner { return &fakeOwner{events: l, glitches: map[string]int{}} }

func (o *fakeOwner) Shut(r codec.Reason) {
	o.shut, o.reason = true, r
	o.events.add("shut %s", strings.TrimSpace(r.String()))
}
func (o *fakeOwner) Released()              { o.released++ }
func (o *fakeOwner) TickIn(d time.Duration) { o.ticks = append(o.ticks, d) }
func (o *fakeOwner) Glitch(word string) {
	o.glitches[word]++
	o.events.add("glitch %s", word)
}

// log is a list of events. Pieces of one body run together.
type log struct {
	lines []string
	body  int // stream of the last line if that is a body without its end
}

func (l *log) add(format string, args ...any) {
	l.body = 0
	l.lines = append(l.lines, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (l *log) data(id int, b []byte, end bool) {
	if l.body != id {
		l.lines = append(l.lines, fmt.Sprintf("%d data ", id))
	}
	last := &l.lines[len(l.lines)-1]
	*last += string(b)
	l.body = id
	if end {
		*last = strings.TrimSpace(*last) + " end"
		l.body = 0
	}
}

// shorten writes bodies of one repeated letter as letter*count.
func shorten(line string) string {
	words := strings.Split(line, " ")
	for i, w := range words {
		if len(w) > 8 && strings.Count(w, w[:1]) == len(w) {
			words[i] = fmt.Sprintf("%s*%d", w[:1], len(w))
		}
	}
	return strings.Join(words, " ")
}

// holder is the receiver of a scripted stream.
type holder struct {
	id     int
	stream codec.Stream
	events *log
	resets int
	// writable, if set, is what the holder does in OnWritable.
	writable func()
}

func (h *holder) OnHeaders(head codec.Head, body []byte, end bool) {
	x := head.(*Head)
	line := fmt.Sprintf("%d headers", h.id)
	if x.Status != 0 {
		line += fmt.Sprintf(" %d", x.Status)
	} else {
		line += fmt.Sprintf(" %s %s%s", x.MethodName, x.AuthorityName, x.PathName)
	}
	if x.ContentLength > 0 {
		line += fmt.Sprintf(" length %d", x.ContentLength)
	}
	line += fieldWords(x)
	if end {
		line += " end"
	}
	h.events.add("%s", line)
	if len(body) > 0 {
		panic("HTTP/2 delivers no body with the head")
	}
}

func fieldWords(x *Head) string {
	line := ""
	for _, f := range x.Fields {
		line += fmt.Sprintf(" %s=%s", f.Name, f.Value)
	}
	return line
}

func (h *holder) OnData(b []byte, end bool) { h.events.data(h.id, b, end) }
func (h *holder) OnTrailers(t codec.Head)   { h.events.add("%d trailers%s", h.id, fieldWords(t.(*Head))) }
func (h *holder) OnWritable() {
	h.events.add("%d writable", h.id)
	if h.writable != nil {
		h.writable()
	}
}
func (h *holder) OnReset(r codec.Reason) {
	h.resets++
	h.events.add("%d reset %s", h.id, r)
}
