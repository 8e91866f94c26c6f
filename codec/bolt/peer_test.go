// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// wireBytes turns a frame written as spaced hex into bytes.
func wireBytes(parts ...string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(strings.Join(parts, "")), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// wireText is the other way round, for comparing in failures.
func wireText(b []byte) string { return hex.EncodeToString(b) }

// sink takes what a session sends. Bytes stay in out until the test takes them.
type sink struct {
	out     []byte
	high    int // Blocked above it, 0 for never
	blocked bool
	paused  bool
	through int // calls of WriteThrough
	pauses  int
	quiet   bool // Extend leaves the bytes as they are, for benchmarks
}

func (s *sink) Append(b []byte) {
	s.out = append(s.out, b...)
	s.mark()
}

func (s *sink) Extend(n int) []byte {
	s.out = slices.Grow(s.out, n)[:len(s.out)+n]
	b := s.out[len(s.out)-n:]
	for i := range b {
		if s.quiet {
			break
		}
		b[i] = 0xEE // a byte that is left out shows
	}
	s.mark()
	return b
}

func (s *sink) WriteThrough(b []byte) {
	s.through++
	s.Append(b)
}

func (s *sink) mark() {
	if s.high > 0 && len(s.out) > s.high {
		s.blocked = true
	}
}

func (s *sink) Buffered() int { return len(s.out) }
func (s *sink) Blocked() bool { return s.blocked }
func (s *sink) PauseRead()    { s.paused = true; s.pauses++ }
func (s *sink) ResumeRead()   { s.paused = false }

// take returns and forgets what was sent.
func (s *sink) take() []byte {
	b := bytes.Clone(s.out)
	s.out = s.out[:0]
	return b
}

// owner notes what a session asks for.
type owner struct {
	shuts    []codec.Reason
	glitches []string
	ticks    []time.Duration
	released int
}

func (o *owner) Shut(r codec.Reason)    { o.shuts = append(o.shuts, r) }
func (o *owner) Released()              { o.released++ }
func (o *owner) TickIn(d time.Duration) { o.ticks = append(o.ticks, d) }
func (o *owner) Glitch(word string)     { o.glitches = append(o.glitches, word) }

// receiver writes the events of one stream down, adjoining content as one.
type receiver struct {
	log     []string
	head    *Head
	content []byte
	arena   codec.Arena
	ended   bool
	reset   codec.Reason
	resets  int
	tail    codec.Head
	wakes   int

	stream codec.Stream
	keep   bool // content is not given back
	onEnd  func(*receiver)
	onHead func(*receiver)
}

func (r *receiver) OnHeaders(h codec.Head, body []byte, end bool) {
	r.head = h.Copy(&r.arena).(*Head)
	r.log = append(r.log, fmt.Sprintf("head id=%d type=%d codec=%d timeout=%d status=%d class=%s map=%x length=%d",
		r.head.ID, r.head.Type, r.head.Codec, r.head.TimeoutMS, r.head.Status, r.head.Class, []byte(r.head.Map), r.head.ContentLength))
	if r.onHead != nil {
		r.onHead(r)
	}
	r.take(body, end)
}

func (r *receiver) OnData(b []byte, end bool) { r.take(b, end) }

func (r *receiver) take(b []byte, end bool) {
	r.content = append(r.content, b...)
	if !r.keep && r.stream != nil {
		r.stream.Consumed(len(b))
	}
	if end {
		r.finish("end")
	}
}

func (r *receiver) OnTrailers(t codec.Head) {
	r.tail = t
	r.finish("trailers")
}

func (r *receiver) finish(word string) {
	if r.ended {
		panic("a second end")
	}
	r.ended = true
	r.log = append(r.log, fmt.Sprintf("content %x", r.content), word)
	if r.onEnd != nil {
		r.onEnd(r)
	}
	if r.head != nil && r.head.OneWay() {
		r.stream.Reset(codec.ReasonNone) // its holder is done with it
	}
}

func (r *receiver) OnReset(reason codec.Reason) {
	r.resets++
	r.reset = reason
	r.log = append(r.log, "reset "+reason.String())
}

func (r *receiver) OnWritable() { r.wakes++ }

// acceptor makes a receiver for each request and hands it to setup.
type acceptor struct {
	requests []*receiver
	setup    func(*receiver)
}

func (a *acceptor) OnRequest(s codec.Stream) codec.Receiver {
	r := &receiver{stream: s}
	a.requests = append(a.requests, r)
	if a.setup != nil {
		a.setup(r)
	}
	return r
}

// serverEnd is a server session with all that surrounds it.
type serverEnd struct {
	sink   sink
	owner  owner
	accept acceptor
	mem    codec.Memory
	limits Limits
	*Server
	now int64
}

func newServerEnd(adjust func(*Limits)) *serverEnd {
	e := &serverEnd{limits: DefaultLimits(), now: int64(time.Hour)}
	if adjust != nil {
		adjust(&e.limits)
	}
	e.Server = NewServer(&e.sink, &e.owner, &e.accept, &e.mem, &e.limits)
	return e
}

// feed gives the session all of b and tells how much it took.
func (e *serverEnd) feed(b []byte) int { return e.Feed(b, e.now) }

func (e *serverEnd) log() []string {
	var all []string
	for _, r := range e.accept.requests {
		all = append(all, r.log...)
	}
	return all
}

// clientEnd is a client session with all that surrounds it.
type clientEnd struct {
	sink   sink
	owner  owner
	mem    codec.Memory
	limits Limits
	*Client
	now int64
}

func newClientEnd(firstID uint32, adjust func(*Limits)) *clientEnd {
	e := &clientEnd{limits: DefaultLimits(), now: int64(time.Hour)}
	if adjust != nil {
		adjust(&e.limits)
	}
	e.Client = NewClient(&e.sink, &e.owner, &e.mem, &e.limits, firstID)
	return e
}

func (e *clientEnd) feed(b []byte) int { return e.Feed(b, e.now) }

// call opens a stream and sends a small request on it.
func (e *clientEnd) call() *receiver {
	r := &receiver{}
	r.stream = e.Open(r)
	r.stream.SendHeaders(request(), []byte("q"), true)
	return r
}

// request is a built head of a two-way version 1 request.
func request() *Head {
	return &Head{Version: V1, Type: TypeRequest, Command: CommandRequest, Ver2: 1, Codec: 1, TimeoutMS: 3000}
}

// response is a built head of a successful reply.
func response() *Head {
	return &Head{Version: V1, Type: TypeResponse, Command: CommandResponse, Ver2: 1, Codec: 1}
}

// replyV1 is a version 1 response off the wire.
func replyV1(id uint32, content string) []byte {
	return append(wireBytes("01 00 0002 01", fmt.Sprintf("%08x", id), "01 0000 0000 0000", fmt.Sprintf("%08x", len(content))), content...)
}

// requestV1 is a version 1 request off the wire.
func requestV1(id uint32, content string) []byte {
	return append(wireBytes("01 01 0001 01", fmt.Sprintf("%08x", id), "01 00000bb8 0000 0000", fmt.Sprintf("%08x", len(content))), content...)
}

// echo answers each request with its own content under status 0.
func echo(r *receiver) {
	r.onEnd = func(r *receiver) {
		if !r.head.OneWay() {
			r.stream.SendHeaders(response(), r.content, true)
		}
	}
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%v", got), fmt.Sprintf("%v", want); g != w {
		t.Fatalf("%s\n got %s\nwant %s", what, g, w)
	}
}

// wantIdle checks that a session holds nothing any more.
func wantIdle(t *testing.T, s codec.Session, mem *codec.Memory) {
	t.Helper()
	want(t, "active streams", s.Active(), 0)
	want(t, "bytes gathered", mem.Used(codec.Gather), 0)
	want(t, "bytes held", mem.Used(codec.Hold), 0)
}
