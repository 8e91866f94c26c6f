// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// TestServerAfterShut uses every kind of stream of a session that was shut and
// not yet closed: nothing is sent, and each stream still ends once.
func TestServerAfterShut(t *testing.T) {
	s := newServerEnd(nil)
	for id := range uint32(5) {
		s.feed(requestV1(id, ""))
	}
	r := s.accept.requests
	h := response()
	h.ContentLength = 3
	r[0].stream.SendHeaders(h, nil, false) // holds the wire
	r[1].stream.SendHeaders(h, nil, false) // wait
	r[2].stream.SendHeaders(h, nil, false)
	s.feed([]byte("GET"))
	want(t, "shuts", s.owner.shuts, []codec.Reason{codec.ProtocolError})
	s.sink.take()

	r[0].stream.SendData([]byte("abc"), true)
	r[1].stream.SendData([]byte("abc"), true)
	r[3].stream.SendHeaders(h, nil, false)
	r[3].stream.SendData([]byte("abc"), false)
	r[4].stream.Reset(codec.UpstreamReset)
	s.Drain()
	s.PeerClosed()
	s.Tick(s.now)
	s.Writable()
	want(t, "sent", len(s.sink.out), 0)
	want(t, "shuts", len(s.owner.shuts), 1)
	want(t, "active", s.Active(), 2)
	s.Close(codec.DownstreamClosed)
	want(t, "resets", []int{r[0].resets, r[1].resets, r[2].resets, r[3].resets, r[4].resets}, []int{0, 0, 1, 1, 0})
	r[2].stream.SendData([]byte("abc"), true)
	r[3].stream.Reset(codec.UpstreamReset)
	wantIdle(t, s, &s.mem)
}

func TestClientAfterShut(t *testing.T) {
	c := newClientEnd(1, nil)
	answered, oneWay := &receiver{}, &receiver{}
	first, second := c.Open(answered), c.Open(oneWay)
	c.PeerClosed()
	first.SendHeaders(request(), nil, true)
	second.SendHeaders(&Head{Type: TypeOneWay}, nil, true)
	want(t, "asked", c.Probe(), false)
	c.PeerClosed()
	want(t, "shuts", c.owner.shuts, []codec.Reason{codec.UpstreamClosed})
	want(t, "sent", len(c.sink.out), 0)
	c.Close(codec.UpstreamClosed)
	want(t, "resets", []int{answered.resets, oneWay.resets}, []int{1, 0})
	wantIdle(t, c, &c.mem)
}

// TestClientQueueIsBounded has our own frames pile up behind a large request.
func TestClientQueueIsBounded(t *testing.T) {
	c := newClientEnd(1, func(l *Limits) { l.MaxUnsent = 50 })
	h := request()
	h.ContentLength = 3
	c.Open(&receiver{}).SendHeaders(h, nil, false)
	beat := wireBytes("01 01 0000 01 00000007 01 000003e8 0000 0000 00000000")
	c.feed(beat)
	c.feed(beat)
	want(t, "shuts", len(c.owner.shuts), 0)
	c.feed(beat)
	want(t, "shuts", c.owner.shuts, []codec.Reason{codec.Overflow})
	c.Close(codec.Overflow)
	wantIdle(t, c, &c.mem)
}

// TestResetWithoutReason must not look like success to the client.
func TestResetWithoutReason(t *testing.T) {
	s := newServerEnd(nil)
	s.feed(requestV1(1, ""))
	s.accept.requests[0].stream.Reset(codec.ReasonNone)
	var h Head
	h.decodeFixed(s.sink.out)
	want(t, "status", h.Status, codec.BoltServerException)
}

func TestBadHeartbeat(t *testing.T) {
	s := newServerEnd(nil)
	s.feed(wireBytes("02 02 01 0000 01 00000005 01 01 00000000 0000 0000 00000000 24b8b727"))
	var h Head
	h.decodeFixed(s.sink.out)
	want(t, "answer", []any{h.Command, h.Status}, []any{CommandHeartbeat, codec.BoltCodecException})
}

// TestPauseDoesNotCountAsDribble stops reading in the middle of a head: its
// clock starts anew when the client could send on.
func TestPauseDoesNotCountAsDribble(t *testing.T) {
	s := newServerEnd(nil)
	in := requestV1(1, "x")
	s.feed(in[:5])
	s.sink.blocked = true
	want(t, "consumed", s.feed(in[5:]), 0)
	s.Tick(s.now + int64(defaultHeadTimeout))
	want(t, "shuts while paused", len(s.owner.shuts), 0)
	s.sink.blocked = false
	s.Writable()
	resumed := s.now + int64(2*defaultHeadTimeout)
	s.Tick(resumed)
	want(t, "shuts on resuming", len(s.owner.shuts), 0)
	want(t, "tick asked for last", s.owner.ticks[len(s.owner.ticks)-1], defaultHeadTimeout)
	s.Tick(resumed + int64(defaultHeadTimeout))
	want(t, "shuts", s.owner.shuts, []codec.Reason{codec.IdleTimeout})
}

// TestClientGathersOverBudget does not stop a connection that many share.
func TestClientGathersOverBudget(t *testing.T) {
	c := newClientEnd(1, nil)
	call := c.call()
	c.mem.Charge(codec.Gather, codec.GatherBudget)
	in := replyV1(1, "ok")
	c.feed(in[:7])
	c.feed(in[7:])
	want(t, "content", string(call.content), "ok")
	want(t, "pauses", c.sink.pauses, 0)
}

func TestHeadTerms(t *testing.T) {
	for _, c := range []struct {
		h         Head
		timeout   time.Duration
		stated    bool
		httpState int
	}{
		{Head{Type: TypeRequest, TimeoutMS: 3000}, 3 * time.Second, true, 0},
		{Head{Type: TypeRequest, TimeoutMS: -1}, -time.Millisecond, true, 0},
		{Head{Type: TypeOneWay}, 0, false, 0},
		{Head{Type: TypeResponse}, 0, false, 200},
		{Head{Type: TypeResponse, Status: codec.BoltTimeout}, 0, false, 504},
	} {
		d, ok := c.h.Timeout()
		want(t, "terms", []any{d, ok, c.h.HTTPStatus(), c.h.OneWay()}, []any{c.timeout, c.stated, c.httpState, c.h.Type == TypeOneWay})
	}
	built := Head{Class: []byte("C"), Map: HeaderMap(wireBytes(pairKV)), ContentLength: 9}
	var a codec.Arena
	kept := built.Copy(&a)
	built.Class[0], built.Map[4] = 'x', 'x'
	v, _ := kept.Get("k")
	want(t, "copy", []any{string(kept.(*Head).Class), string(v), kept.BodyLength()}, []any{"C", "v", 9})
}
