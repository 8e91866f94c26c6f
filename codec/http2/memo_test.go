// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/net/http2"
	xhpack "golang.org/x/net/http2/hpack"

	"github.com/sideloop/sideloop/codec"
)

// relay is a proxy without a pipeline: each request goes on to the client
// session as it is, and so does each reply.
type relay struct {
	t    *testing.T
	to   *Client
	down codec.Stream
	up   codec.Stream
	// shared counts the heads that came from the memo.
	shared, heads int
}

func (r *relay) note(h codec.Head) {
	r.heads++
	if h.(*Head).common != nil {
		r.shared++
		if h.Copy(new(codec.Arena)) != h {
			r.t.Fatal("a shared head was copied")
		}
	}
}

func (r *relay) OnRequest(s codec.Stream) codec.Receiver {
	r.down = s
	return (*relayRequest)(r)
}

type relayRequest relay

func (r *relayRequest) OnHeaders(h codec.Head, _ []byte, end bool) {
	(*relay)(r).note(h)
	r.up = r.to.Open((*relayReply)(r))
	r.up.SendHeaders(h, nil, end)
}
func (r *relayRequest) OnData(b []byte, end bool) {
	r.down.Consumed(len(b))
	r.up.SendData(b, end)
}
func (r *relayRequest) OnTrailers(h codec.Head) {
	(*relay)(r).note(h)
	r.up.SendTrailers(h)
}
func (r *relayRequest) OnReset(reason codec.Reason) { r.t.Fatalf("the request was reset: %v", reason) }
func (r *relayRequest) OnWritable()                 {}

type relayReply relay

func (r *relayReply) OnHeaders(h codec.Head, _ []byte, end bool) {
	(*relay)(r).note(h)
	r.down.SendHeaders(h, nil, end)
}
func (r *relayReply) OnData(b []byte, end bool) {
	r.up.Consumed(len(b))
	r.down.SendData(b, end)
}
func (r *relayReply) OnTrailers(h codec.Head) {
	(*relay)(r).note(h)
	r.down.SendTrailers(h)
}
func (r *relayReply) OnReset(reason codec.Reason) { r.t.Fatalf("the reply was reset: %v", reason) }
func (r *relayReply) OnWritable()                 {}

// end is a peer of another make: x/net's framer and HPACK.
type end struct {
	out    bytes.Buffer // toward the session
	block  bytes.Buffer
	enc    *xhpack.Encoder
	framer *http2.Framer // reads what the session sent
	sink   *fakeSink
}

func newEnd() *end {
	e := &end{sink: newSink()}
	e.enc = xhpack.NewEncoder(&e.block)
	e.framer = http2.NewFramer(&e.out, readerFunc(func(b []byte) (int, error) {
		n := copy(b, e.sink.out)
		e.sink.out = e.sink.out[n:]
		return n, nil
	}))
	e.framer.ReadMetaHeaders = xhpack.NewDecoder(4096, nil)
	return e
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func (e *end) send(id uint32, last bool, fields []xhpack.HeaderField) {
	e.block.Reset()
	for _, f := range fields {
		e.enc.WriteField(f)
	}
	e.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: e.block.Bytes(), EndHeaders: true, EndStream: last})
}

// feed gives the session what was written for it.
func (e *end) feed(s codec.Session) {
	s.Feed(e.out.Bytes(), 1)
	e.out.Reset()
}

// want reads the next header block and compares it.
func (e *end) want(t *testing.T, what string, last bool, fields []xhpack.HeaderField) uint32 {
	t.Helper()
	for {
		f, err := e.framer.ReadFrame()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok {
			got := slices.Clone(h.Fields)
			if !slices.Equal(got, fields) || h.StreamEnded() != last {
				t.Fatalf("%s: got %v, end %v\nwant %v, end %v", what, got, h.StreamEnded(), fields, last)
			}
			return h.StreamID
		}
	}
}

// TestMemo sends random calls of a small choice, among them some that change the
// tables, through two sessions: everything arrives as it was sent, and most of
// it was recognised.
func TestMemo(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		mem := new(codec.Memory)
		limits := DefaultLimits()
		down, up := newEnd(), newEnd()
		events := new(log)
		r := &relay{t: t}
		r.to = NewClient(up.sink, newOwner(events), mem, &limits)
		server := NewServer(down.sink, newOwner(events), r, mem, &limits)
		down.out.WriteString(Preface)
		down.framer.WriteSettings()
		down.feed(server)
		up.framer.WriteSettings()
		up.feed(r.to)
		up.sink.out = up.sink.out[len(Preface):]

		field := func(name, value string) xhpack.HeaderField { return xhpack.HeaderField{Name: name, Value: value} }
		for id := uint32(1); id < 800; id += 2 {
			if rng.IntN(40) == 0 {
				// Either peer's table becomes smaller or larger, for both ways.
				size := []uint32{0, 100, 4096}[rng.IntN(3)]
				e, s := down, codec.Session(server)
				if rng.IntN(2) == 0 {
					e, s = up, r.to
				}
				e.framer.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size})
				e.framer.ReadMetaHeaders.SetMaxDynamicTableSize(4096)
				e.enc.SetMaxDynamicTableSize(size)
				e.feed(s)
			}
			head := rng.IntN(8) == 0
			method := "GET"
			if head {
				method = "HEAD"
			}
			request := []xhpack.HeaderField{
				field(":method", method), field(":scheme", "http"), field(":authority", "a"),
				field(":path", fmt.Sprintf("/%d", rng.IntN(3))), field("x-kind", fmt.Sprint(rng.IntN(2))),
			}
			if rng.IntN(20) == 0 {
				request = append(request, field("x-id", fmt.Sprint(id)))
			}
			last := rng.IntN(3) > 0
			down.send(id, last, request)
			down.feed(server)
			upID := up.want(t, "request", last, request)
			if !last {
				trailers := []xhpack.HeaderField{field("sum", fmt.Sprint(rng.IntN(2)))}
				down.send(id, true, trailers)
				down.feed(server)
				up.want(t, "request trailers", true, trailers)
			}
			reply := []xhpack.HeaderField{field(":status", []string{"200", "204", "299"}[rng.IntN(3)]), field("server", "x")}
			if head {
				reply = append(reply, field("content-length", "5"))
			}
			last = head || reply[0].Value == "204" || rng.IntN(3) > 0
			up.send(upID, last, reply)
			up.feed(r.to)
			down.want(t, "reply", last, reply)
			if !last {
				trailers := []xhpack.HeaderField{field("grpc-status", fmt.Sprint(rng.IntN(2)))}
				up.send(upID, true, trailers)
				up.feed(r.to)
				down.want(t, "reply trailers", true, trailers)
			}
		}
		if r.shared < r.heads/4 {
			t.Errorf("seed %d: %d of %d heads were recognised", seed, r.shared, r.heads)
		}
		server.Close(codec.DownstreamClosed)
		r.to.Close(codec.UpstreamClosed)
		if n := len(sharedOf(mem).heads); n != 0 {
			t.Errorf("seed %d: %d heads are kept for nobody", seed, n)
		}
	}
}

// okay answers each request with 200.
type okay struct{ stream codec.Stream }

func (o *okay) OnRequest(s codec.Stream) codec.Receiver {
	o.stream = s
	return o
}
func (o *okay) OnHeaders(codec.Head, []byte, bool) {
	o.stream.SendHeaders(&Head{Status: 200}, nil, true)
}
func (o *okay) OnData([]byte, bool)   {}
func (o *okay) OnTrailers(codec.Head) {}
func (o *okay) OnReset(codec.Reason)  {}
func (o *okay) OnWritable()           {}

// TestMemoIsBounded: connections without end do not make a loop keep heads
// without end.
func TestMemoIsBounded(t *testing.T) {
	mem := new(codec.Memory)
	limits := DefaultLimits()
	var sessions []*Server
	for n := range 2 * memoHeads {
		e := newEnd()
		s := NewServer(e.sink, newOwner(new(log)), new(okay), mem, &limits)
		e.out.WriteString(Preface)
		e.framer.WriteSettings()
		for id := uint32(1); id < 20; id += 2 {
			e.send(id, true, []xhpack.HeaderField{
				{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "a"}, {Name: ":path", Value: fmt.Sprintf("/%d", n)},
			})
		}
		e.feed(s)
		sessions = append(sessions, s)
	}
	if n := len(sharedOf(mem).heads); n != memoHeads {
		t.Errorf("%d heads are kept, want %d", n, memoHeads)
	}
	for _, s := range sessions {
		s.Close(codec.DownstreamClosed)
	}
	if n := len(sharedOf(mem).heads); n != 0 {
		t.Errorf("%d heads are kept for nobody", n)
	}
}
