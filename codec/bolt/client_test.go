// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"fmt"
	"math"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

func TestClientSendsRequests(t *testing.T) {
	c := newClientEnd(math.MaxUint32, nil)
	for _, f := range []string{requestV1Hex, requestV2Hex, oneWayV1Hex, requestCRCHex} {
		b := wireBytes(f)
		e, _, _ := measure(b)
		var h Head
		h.decode(b[:e.head])
		c.Open(&receiver{}).SendHeaders(&h, b[e.head:e.head+3], true)
	}
	want(t, "sent", wireText(c.sink.out), wireText(wireBytes(
		"01 01 0001 01 ffffffff 0b 00000bb8 0001 000a 00000003 43", pairKV, "616263",
		"02 01 01 0001 01 00000000 0b 00 00000bb8 0001 000a 00000003 43", pairKV, "616263",
		"01 02 0001 01 00000001 01 ffffffff 0001 000a 00000003 43", pairKV, "616263",
		"02 02 01 0001 01 00000002 01 01 00000bb8 0001 0000 00000003 43 616263 c8ca03cd")))
	want(t, "active, the one-way request being over", c.Active(), 3)
	want(t, "released", c.owner.released, 1)
}

// TestClientBuiltHead leaves everything to the session that it may decide.
func TestClientBuiltHead(t *testing.T) {
	c := newClientEnd(1, nil)
	c.Open(&receiver{}).SendHeaders(&Head{Type: TypeRequest, TimeoutMS: -1}, nil, true)
	want(t, "sent", wireText(c.sink.out), wireText(wireBytes("01 01 0001 01 00000001 01 ffffffff 0000 0000 00000000")))
}

var clientTalks = []struct {
	name     string
	in       []string // to a client that has requests 1, 2 and 3 in flight
	log      [3][]string
	glitches []string
	shuts    []codec.Reason
	out      []string
	active   int
}{
	{
		name: "replies out of order, in both versions",
		in:   []string{"02 01 00 0002 01 00000003 01 00 0000 0000 0000 00000001 63", "01 00 0002 01 00000001 01 0007 0000 0000 00000000"},
		log: [3][]string{
			{"head id=1 type=0 codec=1 timeout=0 status=7 class= map= length=0", "content ", "end"},
			nil,
			{"head id=3 type=0 codec=1 timeout=0 status=0 class= map= length=1", "content 63", "end"},
		},
		active: 1,
	},
	{
		name: "a reply with crc",
		in:   []string{"02 02 00 0002 01 00000001 01 01 0000 0000 0000 00000002 6f6b 48a3dbdf"},
		log: [3][]string{
			{"head id=1 type=0 codec=1 timeout=0 status=0 class= map= length=2", "content 6f6b", "end"}},
		active: 2,
	},
	{
		name:     "a reply with a wrong crc",
		in:       []string{"02 02 00 0002 01 00000001 01 01 0000 0000 0000 00000002 6f6c 48a3dbdf", "01 00 0002 01 00000002 01 0000 0000 0000 00000000"},
		log:      [3][]string{{"reset upstream_protocol_error"}, {"head id=2 type=0 codec=1 timeout=0 status=0 class= map= length=0", "content ", "end"}},
		glitches: []string{"crc_mismatch"},
		active:   1,
	},
	{
		name:     "a reply with a lying map",
		in:       []string{"01 00 0002 01 00000002 01 0000 0000 0003 00000001 0000ff 61"},
		log:      [3][]string{nil, {"reset upstream_protocol_error"}},
		glitches: []string{"bad_header_map"},
		active:   2,
	},
	{
		name:     "a reply that comes twice",
		in:       []string{"01 00 0002 01 00000001 01 0000 0000 0000 00000000", "01 00 0002 01 00000001 01 0000 0000 0000 00000000"},
		log:      [3][]string{{"head id=1 type=0 codec=1 timeout=0 status=0 class= map= length=0", "content ", "end"}},
		glitches: []string{"unknown_request_id"},
		active:   2,
	},
	{
		name:     "a reply to nothing",
		in:       []string{"01 00 0002 01 00000009 01 0000 0000 0000 00000001 61"},
		glitches: []string{"unknown_request_id"},
		active:   3,
	},
	{
		name:   "a heartbeat of the host",
		in:     []string{heartbeatV2Hex},
		out:    []string{"02 01 00 0000 01 00000005 01 00 0000 0000 0000 00000000"},
		active: 3,
	},
	{
		name:     "a request of the host",
		in:       []string{requestV1Hex},
		glitches: []string{"unexpected_request"},
		active:   3,
	},
	{
		name:     "a heartbeat with a wrong crc",
		in:       []string{"02 02 01 0000 01 00000005 01 01 00000000 0000 0000 00000000 24b8b727"},
		glitches: []string{"crc_mismatch"},
		active:   3,
	},
	{
		name:     "a negative content length",
		in:       []string{"01 00 0002 01 00000001 01 0000 0000 0000 ffffffff"},
		glitches: []string{"bad_length"},
		shuts:    []codec.Reason{codec.UpstreamProtocolError},
		active:   3,
	},
	{
		name:     "an unknown type",
		in:       []string{"01 03"},
		glitches: []string{"not_bolt"},
		shuts:    []codec.Reason{codec.UpstreamProtocolError},
		active:   3,
	},
}

// TestClientTalks plays each conversation in one piece, split in two at every
// byte, and byte by byte.
func TestClientTalks(t *testing.T) {
	for _, talk := range clientTalks {
		t.Run(talk.name, func(t *testing.T) {
			in := wireBytes(talk.in...)
			for split := 0; split <= len(in); split++ {
				c := newClientEnd(1, nil)
				calls := [3]*receiver{c.call(), c.call(), c.call()}
				c.sink.take()
				if split == 0 {
					for i := range in {
						c.feed(in[i : i+1])
					}
				} else {
					c.feed(in[:split])
					c.feed(in[split:])
				}
				at := fmt.Sprintf(" (split at %d)", split)
				for i, r := range calls {
					want(t, "events"+at, r.log, talk.log[i])
				}
				want(t, "glitches"+at, c.owner.glitches, talk.glitches)
				want(t, "shuts"+at, c.owner.shuts, talk.shuts)
				want(t, "sent"+at, wireText(c.sink.take()), wireText(wireBytes(talk.out...)))
				want(t, "active"+at, c.Active(), talk.active)
				c.Close(codec.UpstreamClosed)
				for i, r := range calls {
					resets := 0
					if len(talk.log[i]) == 0 || r.reset == codec.UpstreamProtocolError {
						resets = 1
					}
					want(t, "resets after Close"+at, r.resets, resets)
				}
				wantIdle(t, c, &c.mem)
			}
		})
	}
}

// TestClientLateReply has the reply to a request that was given up arrive while
// its stream object serves another.
func TestClientLateReply(t *testing.T) {
	c := newClientEnd(math.MaxUint32-1, nil)
	late := c.call()
	late.stream.Reset(codec.UpstreamTimeout)
	want(t, "active", c.Active(), 0)
	for range 100 {
		next := c.call()
		id := next.stream.(*stream).stamp.id
		c.feed(replyV1(math.MaxUint32-1, "late"))
		want(t, "events of the new request", len(next.log), 0)
		c.feed(replyV1(id, "mine"))
		want(t, "content of the new request", string(next.content), "mine")
	}
	want(t, "late events", len(late.log), 0)
	want(t, "glitches", len(c.owner.glitches), 100)
	want(t, "sent for the reset", len(c.sink.out), 101*23)
}

func TestClientHeartbeat(t *testing.T) {
	c := newClientEnd(7, nil)
	c.Probe()
	c.Probe()
	want(t, "sent", wireText(c.sink.take()), wireText(wireBytes(
		"01 01 0000 01 00000007 01 000003e8 0000 0000 00000000", "01 01 0000 01 00000008 01 000003e8 0000 0000 00000000")))
	want(t, "pending", int(c.waiting), 2)
	c.feed(wireBytes("01 00 0000 01 00000007 01 0000 0000 0000 00000000"))
	want(t, "pending", int(c.waiting), 1)
	c.feed(wireBytes("01 00 0000 01 00000007 01 0000 0000 0000 00000000"))
	want(t, "pending", int(c.waiting), 1)
	want(t, "glitches", c.owner.glitches, []string{"unknown_request_id"})
	c.feed(wireBytes("01 00 0000 01 00000008 01 0000 0000 0000 00000000"))
	want(t, "pending", int(c.waiting), 0)
	for range 20 {
		c.Probe()
	}
	want(t, "pending at most", int(c.waiting), maxBeats)
	want(t, "active", c.Active(), 0)
}

// TestClientHeartbeatVersion follows the version that the host is spoken to in.
func TestClientHeartbeatVersion(t *testing.T) {
	c := newClientEnd(1, nil)
	c.Open(&receiver{}).SendHeaders(&Head{Version: V2, Ver1: 1, Type: TypeRequest, Codec: 1}, nil, true)
	c.sink.take()
	c.Probe()
	want(t, "sent", wireText(c.sink.out), wireText(wireBytes("02 01 01 0000 01 00000002 01 00 000003e8 0000 0000 00000000")))
}

func TestClientGoAway(t *testing.T) {
	c := newClientEnd(1, nil)
	call := c.call()
	c.feed(wireBytes("01 01 0064 01 00000000 01 00000000 0000 0000 00000000"))
	want(t, "capacity", c.Capacity(), 0)
	if c.Open(&receiver{}) != nil {
		t.Fatal("a stream was opened after GoAway")
	}
	want(t, "shuts", len(c.owner.shuts), 0)
	c.feed(replyV1(1, "ok"))
	want(t, "content", string(call.content), "ok")
	want(t, "shuts", c.owner.shuts, []codec.Reason{codec.ReasonNone})
}

func TestClientCapacity(t *testing.T) {
	c := newClientEnd(1, func(l *Limits) { l.MaxStreams = 2 })
	first := c.call()
	want(t, "capacity", c.Capacity(), 1)
	c.call()
	want(t, "capacity", c.Capacity(), 0)
	first.stream.Reset(codec.UpstreamTimeout)
	want(t, "capacity", c.Capacity(), 1)
	want(t, "released", c.owner.released, 1)
	c.sink.blocked = true
	want(t, "capacity of a blocked sink", c.Capacity(), 0)
	c.sink.blocked = false
	c.Writable()
	want(t, "capacity", c.Capacity(), 1)
	want(t, "released", c.owner.released, 2)
}

func TestClientPeerClosed(t *testing.T) {
	c := newClientEnd(1, nil)
	call := c.call()
	c.feed(replyV1(1, "ok")[:3])
	c.PeerClosed()
	want(t, "shuts", c.owner.shuts, []codec.Reason{codec.UpstreamClosed})
	want(t, "glitches", c.owner.glitches, []string{"truncated"})
	want(t, "resets before Close", call.resets, 0)
	c.Close(codec.UpstreamClosed)
	want(t, "events", call.log, []string{"reset upstream_closed"})
	wantIdle(t, c, &c.mem)
}

// TestClientTooLargeReply costs its stream; the frame is dropped as it comes.
func TestClientTooLargeReply(t *testing.T) {
	c := newClientEnd(1, func(l *Limits) { l.WholeFrame, l.MaxFrame = 64, 100 })
	large, small := c.call(), c.call()
	in := append(replyV1(1, string(make([]byte, 500))), replyV1(2, "ok")...)
	c.feed(in[:100])
	want(t, "capacity", c.Capacity(), 0)
	c.feed(in[100:])
	want(t, "events", large.log, []string{"reset body_too_large"})
	want(t, "content", string(small.content), "ok")
}

func TestClientUnsendableHead(t *testing.T) {
	c := newClientEnd(1, nil)
	for _, h := range []*Head{
		{Type: TypeRequest, Class: make([]byte, maxClass+1)},
		{Type: TypeRequest, Map: make(HeaderMap, maxMap+1)},
	} {
		r := &receiver{}
		c.Open(r).SendHeaders(h, nil, true)
		want(t, "events before Tick", len(r.log), 0)
		c.Tick(c.now)
		want(t, "events", r.log, []string{"reset header_too_large"})
	}
	r := &receiver{}
	c.Open(r).SendHeaders(&Head{Type: TypeRequest, ContentLength: 1 << 31}, nil, false)
	c.Tick(c.now)
	want(t, "events", r.log, []string{"reset body_too_large"})
	c.Open(r).SendHeaders(&Head{Type: TypeOneWay, Class: make([]byte, maxClass+1)}, nil, true)
	want(t, "active", c.Active(), 0)
	want(t, "sent", len(c.sink.out), 0)
	wantIdle(t, c, &c.mem)
}

// TestClientResetOpensAnother retries from within OnReset and OnHeaders, when
// stream objects are about to be reused.
func TestClientResetOpensAnother(t *testing.T) {
	c := newClientEnd(1, nil)
	first := c.call()
	var second *receiver
	first.onEnd = func(*receiver) { second = c.call() }
	c.feed(replyV1(1, "a"))
	want(t, "active", c.Active(), 1)
	c.feed(replyV1(2, "b"))
	want(t, "content", string(second.content), "b")
	want(t, "active", c.Active(), 0)
}

func TestClientIdleMemory(t *testing.T) {
	c := newClientEnd(1, nil)
	c.call()
	c.feed(replyV1(1, ""))
	c.Probe()
	want(t, "slots", len(c.ids.slots), minSlots)
	c.Probe()
	want(t, "slots when idle", len(c.ids.slots), 0)
	c.feed(replyV1(1, ""))
	c.call()
	want(t, "active", c.Active(), 1)
}
