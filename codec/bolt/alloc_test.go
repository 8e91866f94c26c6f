// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"testing"
	"time"
	"unsafe"

	"github.com/sideloop/sideloop/codec"
)

// exchange forwards one request to a client session and its reply back, as the
// proxy does. It is reused, so that what is measured is the sessions.
type exchange struct {
	down, up codec.Stream
	proxy    *proxy
	oneWay   bool
}

// proxy joins a server session to a client session.
type proxy struct {
	server    *serverEnd
	client    *clientEnd
	exchanges []*exchange
	free      []*exchange
}

func newProxy() *proxy {
	p := &proxy{server: newServerEnd(nil), client: newClientEnd(1, nil)}
	p.server.Server = NewServer(&p.server.sink, &p.server.owner, p, &p.server.mem, &p.server.limits)
	return p
}

func (p *proxy) OnRequest(s codec.Stream) codec.Receiver {
	if len(p.free) == 0 {
		e := &exchange{proxy: p}
		p.exchanges = append(p.exchanges, e)
		p.free = append(p.free, e)
	}
	e := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	e.down = s
	return (*upward)(e)
}

// upward receives the request, downward the reply.
type (
	upward   exchange
	downward exchange
)

func (u *upward) OnHeaders(h codec.Head, body []byte, end bool) {
	u.up = u.proxy.client.Open((*downward)(u))
	u.oneWay = h.OneWay()
	u.up.SendHeaders(h, body, end)
	if end && u.oneWay {
		u.down.Reset(codec.ReasonNone)
		u.proxy.free = append(u.proxy.free, (*exchange)(u))
	}
}

func (u *upward) OnData(b []byte, end bool) {
	u.up.SendData(b, end)
	u.down.Consumed(len(b))
}
func (u *upward) OnTrailers(t codec.Head) { u.up.SendTrailers(t) }
func (u *upward) OnReset(codec.Reason)    {}
func (u *upward) OnWritable()             {}

func (d *downward) OnHeaders(h codec.Head, body []byte, end bool) {
	d.down.SendHeaders(h, body, end)
	if end {
		d.proxy.free = append(d.proxy.free, (*exchange)(d))
	}
}

func (d *downward) OnData(b []byte, end bool) {
	d.down.SendData(b, end)
	if !end {
		d.up.Consumed(len(b))
		return
	}
	d.proxy.free = append(d.proxy.free, (*exchange)(d))
}
func (d *downward) OnTrailers(t codec.Head) { d.down.SendTrailers(t) }
func (d *downward) OnReset(codec.Reason)    {}
func (d *downward) OnWritable()             {}

// TestAllocations forwards requests of every kind and their replies, a thousand
// at a time: nothing is allocated once it is warm. None is split over reads,
// since pooled buffers may be dropped by the garbage collector.
func TestAllocations(t *testing.T) {
	p := newProxy()
	requests := [][]byte{wireBytes(requestV1Hex), wireBytes(requestV2Hex), wireBytes(requestCRCHex),
		requestV1(7, string(pattern(40<<10))), requestV1(8, string(pattern(100<<10)))}
	replies := [][]byte{wireBytes(responseV1Hex), wireBytes(responseV2Hex), wireBytes(responseCRCHex),
		replyV1(7, string(pattern(40<<10))), replyV1(8, string(pattern(100<<10)))}
	crc := crcFrame(TypeResponse, 0, []byte("ok"), false)
	thousand := func() {
		for i := range 1000 {
			k := i % len(requests)
			p.server.feed(requests[k])
			id := p.client.ids.next - 1
			reply := replies[k]
			if k == 2 {
				reply = crc
			}
			e, _, _ := measure(reply)
			at := 5 + int(reply[0]-V1)
			reply[at], reply[at+1], reply[at+2], reply[at+3] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
			if k == 2 {
				stampOf(&Head{Version: V2, Ver1: 2, Switch: 1}).seal(reply)
			}
			if int(e.total) != len(reply) || p.client.feed(reply) != len(reply) {
				t.Fatal("a reply was not taken")
			}
			p.client.sink.out, p.server.sink.out = p.client.sink.out[:0], p.server.sink.out[:0]
		}
	}
	thousand()
	if n := testing.AllocsPerRun(5, thousand); n != 0 {
		t.Fatalf("%v allocations in 1000 requests", n)
	}
	want(t, "glitches", []any{p.server.owner.glitches, p.client.owner.glitches}, []any{[]string(nil), []string(nil)})
	want(t, "requests", len(p.exchanges), 1)
	want(t, "active", []int{p.server.Active(), p.client.Active()}, []int{0, 0})
}

// TestIdleSize holds a session that served a request and its one kept stream
// to their share of the memory budget.
func TestIdleSize(t *testing.T) {
	kept := unsafe.Sizeof(stream{})
	if n := unsafe.Sizeof(Server{}) + kept; n > 600 {
		t.Errorf("an idle server session is %d bytes", n)
	}
	if n := unsafe.Sizeof(Client{}) + kept + minSlots*unsafe.Sizeof(&stream{}); n > 700 {
		t.Errorf("an idle client session is %d bytes", n)
	}
}

func BenchmarkForward(b *testing.B) {
	p := newProxy()
	request, reply := requestV1(7, string(pattern(128))), replyV1(7, string(pattern(128)))
	b.ReportAllocs()
	for b.Loop() {
		p.server.feed(request)
		id := p.client.ids.next - 1
		reply[5], reply[6], reply[7], reply[8] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
		p.client.feed(reply)
		p.client.sink.out, p.server.sink.out = p.client.sink.out[:0], p.server.sink.out[:0]
		p.server.now += int64(time.Microsecond)
	}
}
