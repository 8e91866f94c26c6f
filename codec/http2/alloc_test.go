// SPDX-License-Identifier: Apache-2.0

//go:build !race

package http2

import (
	"runtime"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// The race detector makes sync.Pool forget at random, hence the build tag.

// echo answers each request with its own body.
type echo struct {
	stream codec.Stream
	reply  *Head
}

func (e *echo) OnRequest(s codec.Stream) codec.Receiver {
	e.stream = s
	return e
}

func (e *echo) OnHeaders(_ codec.Head, _ []byte, end bool) { e.stream.SendHeaders(e.reply, nil, end) }

func (e *echo) OnData(b []byte, end bool) {
	e.stream.Consumed(len(b))
	e.stream.SendData(b, end)
}
func (e *echo) OnTrailers(t codec.Head) { e.stream.SendTrailers(t) }
func (e *echo) OnReset(codec.Reason)    {}
func (e *echo) OnWritable()             {}

// counter counts complete replies and returns their credit.
type counter struct {
	stream codec.Stream
	ended  int
	bytes  int
}

func (c *counter) OnHeaders(codec.Head, []byte, bool) {}
func (c *counter) OnData(b []byte, end bool) {
	c.bytes += len(b)
	if end {
		c.ended++
		return
	}
	c.stream.Consumed(len(b))
}
func (c *counter) OnTrailers(codec.Head) { c.ended++ }
func (c *counter) OnReset(codec.Reason)  {}
func (c *counter) OnWritable()           {}

// quietOwner counts nothing, so that it allocates nothing.
type quietOwner struct{ shut int }

func (o *quietOwner) Shut(codec.Reason)    { o.shut++ }
func (*quietOwner) Released()              {}
func (*quietOwner) TickIn(d time.Duration) {}
func (*quietOwner) Glitch(string)          {}

// TestSteadyStateAllocatesNothing sends a thousand requests with bodies through
// a client and a server, ten at a time.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	var mem codec.Memory
	limits := DefaultLimits()
	owner := &quietOwner{}
	up, down := newSink(), newSink()
	answer := &echo{reply: &Head{Status: 200, Fields: fields("content-type", "text/plain", "server", "echo")}}
	server := NewServer(down, owner, answer, &mem, &limits)
	client := NewClient(up, owner, &mem, &limits)
	request := &Head{MethodName: []byte("POST"), PathName: []byte("/echo?a=b"), AuthorityName: []byte("host"),
		Fields: fields("content-type", "text/plain", "authorization", "secret", "user-agent", "test")}
	trailer := &Head{Fields: fields("grpc-status", "0")}
	body := make([]byte, 3000)
	var receivers [10]counter
	now := int64(1)

	exchange := func() {
		for i := range receivers {
			r := &receivers[i]
			r.stream = client.Open(r)
			r.stream.SendHeaders(request, nil, false)
			r.stream.SendData(body, i%2 == 0)
			if i%2 != 0 {
				r.stream.SendTrailers(trailer)
			}
		}
		for len(up.out)+len(down.out) > 0 {
			now += second / 100
			n := server.Feed(up.out, now)
			up.out = up.out[:copy(up.out, up.out[n:])]
			n = client.Feed(down.out, now)
			down.out = down.out[:copy(down.out, down.out[n:])]
		}
	}
	thousand := func() {
		for range 100 {
			exchange()
		}
	}
	thousand()
	if n := testing.AllocsPerRun(10, thousand); n >= 10 {
		t.Errorf("%v allocations per thousand requests", n)
	}
	total := 0
	for i := range receivers {
		total += receivers[i].ended
	}
	if total != 12000 || owner.shut != 0 {
		t.Fatalf("%d of 12000 requests were answered, shut %d times", total, owner.shut)
	}
}

func fields(pairs ...string) []hpack.Field {
	var list []hpack.Field
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, hpack.Field{Name: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return list
}

// TestIdleMemory: a server connection that has served one request and is idle
// takes at most 4 KB, its HPACK tables included.
func TestIdleMemory(t *testing.T) {
	const connections = 2000
	var mem codec.Memory
	limits := DefaultLimits()
	owner := &quietOwner{}
	sink := newSink()
	answer := &echo{reply: &Head{Status: 200, Fields: fields("content-type", "text/plain", "server", "echo")}}
	requestSink := newSink()
	client := NewClient(requestSink, owner, &mem, &limits)
	client.Open(&counter{}).SendHeaders(&Head{MethodName: []byte("GET"), PathName: []byte("/echo"), AuthorityName: []byte("host"),
		Fields: fields("content-type", "text/plain", "user-agent", "test", "accept", "*/*", "x-request-id", "0123456789abcdef")}, nil, true)
	sessions := make([]*Server, connections)
	serve := func(i int) {
		sessions[i] = NewServer(sink, owner, answer, &mem, &limits)
		sessions[i].Feed(requestSink.out, 1)
		sink.out = sink.out[:0]
	}
	serve(0)
	before := heap()
	for i := range sessions {
		serve(i)
	}
	per := int(heap()-before) / connections
	t.Logf("%d bytes per idle connection", per)
	if per > 4<<10 {
		t.Errorf("%d bytes per idle connection", per)
	}
	if sessions[connections-1].Active() != 0 || sessions[0].maxID != 1 {
		t.Error("a request was not served")
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
