// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

const (
	reasonKey     = "00000011 782d736964656c6f6f702d726561736f6e" // x-sideloop-reason
	protocolError = reasonKey + "0000000e 70726f746f636f6c5f6572726f72"
	bodyTooLarge  = reasonKey + "0000000e 626f64795f746f6f5f6c61726765"
	draining      = reasonKey + "00000008 647261696e696e67"
)

var serverTalks = []struct {
	name     string
	in       []string
	log      []string
	out      []string
	glitches []string
	shuts    []codec.Reason
}{
	{
		name: "v1 request",
		in:   []string{requestV1Hex},
		log: []string{"head id=42 type=1 codec=11 timeout=3000 status=0 class=C map=000000016b0000000176 length=3",
			"content 616263", "end"},
		out: []string{"01 00 0002 01 0000002a 01 0000 0000 0000 00000003 616263"},
	},
	{
		name: "v2 request is answered in v2",
		in:   []string{requestV2Hex},
		log: []string{"head id=42 type=1 codec=11 timeout=3000 status=0 class=C map=000000016b0000000176 length=3",
			"content 616263", "end"},
		out: []string{"02 01 00 0002 01 0000002a 01 00 0000 0000 0000 00000003 616263"},
	},
	{
		name: "v2 request with crc is answered with crc",
		in:   []string{requestCRCHex},
		log: []string{"head id=42 type=1 codec=1 timeout=3000 status=0 class=C map= length=3",
			"content 616263", "end"},
		out: []string{"02 02 00 0002 01 0000002a 01 01 0000 0000 0000 00000003 616263 3e991217"},
	},
	{
		name: "one-way requests are not answered",
		in:   []string{oneWayV1Hex, oneWayV2Hex},
		log: []string{"head id=43 type=2 codec=1 timeout=-1 status=0 class=C map=000000016b0000000176 length=3",
			"content 616263", "end",
			"head id=43 type=2 codec=1 timeout=0 status=0 class=C map=000000016b0000000176 length=3",
			"content 616263", "end"},
	},
	{
		name: "heartbeats are answered in their version and not passed on",
		in:   []string{heartbeatV1Hex, heartbeatV2Hex, heartbeatCRCHex},
		out: []string{"01 00 0000 01 00000005 01 0000 0000 0000 00000000",
			"02 01 00 0000 01 00000005 01 00 0000 0000 0000 00000000",
			"02 02 00 0000 01 00000005 01 01 0000 0000 0000 00000000 a21f92e2"},
	},
	{
		name: "a one-way heartbeat has no answer",
		in:   []string{"01 02 0000 01 00000005 01 00000000 0000 0000 00000000"},
	},
	{
		name: "equal ids are two requests",
		in: []string{"01 01 0001 01 00000007 01 00000000 0000 0000 00000001 61",
			"01 01 0001 01 00000007 01 00000000 0000 0000 00000001 62"},
		log: []string{"head id=7 type=1 codec=1 timeout=0 status=0 class= map= length=1", "content 61", "end",
			"head id=7 type=1 codec=1 timeout=0 status=0 class= map= length=1", "content 62", "end"},
		out: []string{"01 00 0002 01 00000007 01 0000 0000 0000 00000001 61",
			"01 00 0002 01 00000007 01 0000 0000 0000 00000001 62"},
	},
	{
		name: "a lying map fails its request only",
		in: []string{"01 01 0001 01 00000007 0c 00000000 0000 0005 00000001 0000000961 61",
			"01 01 0001 01 00000008 01 00000000 0000 0000 00000000"},
		log:      []string{"head id=8 type=1 codec=1 timeout=0 status=0 class= map= length=0", "content ", "end"},
		out:      []string{"01 00 0002 01 00000007 0c 0009 0000 0027 00000000" + protocolError, "01 00 0002 01 00000008 01 0000 0000 0000 00000000"},
		glitches: []string{"bad_header_map"},
	},
	{
		name:     "a lying map of a one-way request has no answer",
		in:       []string{"01 02 0001 01 00000007 0c 00000000 0000 0005 00000001 0000000961 61"},
		glitches: []string{"bad_header_map"},
	},
	{
		name: "a wrong crc fails its request only",
		in: []string{"02 02 01 0001 01 0000002a 01 01 00000bb8 0001 0000 00000003 43 616264 e7ef685c",
			heartbeatCRCHex},
		out: []string{"02 02 00 0002 01 0000002a 01 01 0009 0000 0027 00000000" + protocolError + "c4b6be35",
			"02 02 00 0000 01 00000005 01 01 0000 0000 0000 00000000 a21f92e2"},
		glitches: []string{"crc_mismatch"},
	},
	{
		name:     "a negative content length is answered and ends the connection",
		in:       []string{"01 01 0001 01 00000007 01 00000000 0000 0000 80000000"},
		out:      []string{"01 00 0002 01 00000007 01 0009 0000 0027 00000000" + protocolError},
		glitches: []string{"bad_length"},
		shuts:    []codec.Reason{codec.ProtocolError},
	},
	{
		name:     "so is a negative class length, in v2",
		in:       []string{"02 01 01 0001 01 00000007 01 00 00000000 8000 0000 00000000"},
		out:      []string{"02 01 00 0002 01 00000007 01 00 0009 0000 0027 00000000" + protocolError},
		glitches: []string{"bad_length"},
		shuts:    []codec.Reason{codec.ProtocolError},
	},
	{
		name:     "bad lengths of a one-way request only end it",
		in:       []string{"01 02 0001 01 00000007 01 00000000 0000 0000 ffffffff"},
		glitches: []string{"bad_length"},
		shuts:    []codec.Reason{codec.ProtocolError},
	},
	{
		name:     "bytes that are not Bolt after a good request",
		in:       []string{"01 01 0001 01 00000008 01 00000000 0000 0000 00000000", "47"},
		log:      []string{"head id=8 type=1 codec=1 timeout=0 status=0 class= map= length=0", "content ", "end"},
		out:      []string{"01 00 0002 01 00000008 01 0000 0000 0000 00000000"},
		glitches: []string{"not_bolt"},
		shuts:    []codec.Reason{codec.ProtocolError},
	},
	{
		name: "what a client has no business sending",
		in: []string{responseV1Hex, // a response
			"01 01 0064 01 00000009 01 00000000 0000 0000 00000000",  // GoAway
			"01 01 0063 01 0000000a 01 00000000 0000 0000 00000000"}, // an unknown command
		out:      []string{"01 00 0002 01 0000000a 01 0009 0000 0027 00000000" + protocolError},
		glitches: []string{"unexpected_response", "goaway_from_client", "unknown_command"},
	},
}

// TestServerTalks plays each conversation in one piece, split in two at every
// byte, and byte by byte. Nothing but the bytes may matter.
func TestServerTalks(t *testing.T) {
	for _, talk := range serverTalks {
		t.Run(talk.name, func(t *testing.T) {
			in := wireBytes(talk.in...)
			for split := 0; split <= len(in); split++ {
				s := newServerEnd(nil)
				s.accept.setup = echo
				if split == 0 {
					for i := range in {
						s.feed(in[i : i+1])
					}
				} else {
					s.feed(in[:split])
					s.feed(in[split:])
				}
				at := fmt.Sprintf(" (split at %d)", split)
				want(t, "events"+at, s.log(), talk.log)
				want(t, "sent"+at, wireText(s.sink.take()), wireText(wireBytes(talk.out...)))
				want(t, "glitches"+at, s.owner.glitches, talk.glitches)
				want(t, "shuts"+at, s.owner.shuts, talk.shuts)
				want(t, "active"+at, s.Active(), 0)
				s.Close(codec.DownstreamClosed)
				wantIdle(t, s, &s.mem)
			}
		})
	}
}

func TestServerForwardsRawReply(t *testing.T) {
	s := newServerEnd(nil)
	s.accept.setup = func(r *receiver) {
		r.onEnd = func(r *receiver) {
			b := wireBytes(responseV1Hex)
			var h Head
			h.decode(b[:31])
			r.stream.SendHeaders(&h, b[31:], true)
		}
	}
	s.feed(wireBytes("01 01 0001 01 11223344 01 00000000 0000 0000 00000000",
		"02 01 01 0001 01 55667788 01 00 00000000 0000 0000 00000000"))
	s.accept.setup = func(r *receiver) { // a reply without checksum to a request with one
		r.onEnd = func(r *receiver) {
			b := wireBytes("02 01 00 0002 01 00000099 01 00 0000 0000 0000 00000002 6f6b")
			var h Head
			h.decode(b[:22])
			r.stream.SendHeaders(&h, b[22:], true)
		}
	}
	s.feed(wireBytes(requestCRCHex))
	want(t, "sent", wireText(s.sink.out), wireText(wireBytes(
		"01 00 0002 01 11223344 0b 0007 0001 000a 00000003 43", pairKV, "616263",
		"02 01 00 0002 01 55667788 0b 00 0007 0001 000a 00000003 43", pairKV, "616263",
		responseCRCHex)))
}

func TestServerMaxFrame(t *testing.T) {
	for _, c := range []struct {
		length uint32
		shut   bool
	}{{0, false}, {1, false}, {1000, false}, {1001, true}, {1 << 30, true}} {
		s := newServerEnd(func(l *Limits) { l.MaxFrame = 22 + 1000 })
		s.feed(wireBytes("01 01 0001 01 00000007 01 00000000 0000 0000", fmt.Sprintf("%08x", c.length)))
		if !c.shut {
			want(t, "shuts", len(s.owner.shuts), 0)
			continue
		}
		want(t, "shuts", s.owner.shuts, []codec.Reason{codec.BodyTooLarge})
		want(t, "answer", wireText(s.sink.out), wireText(wireBytes(
			"01 00 0002 01 00000007 01 0008 0000 0027 00000000", bodyTooLarge)))
		want(t, "requests", len(s.accept.requests), 0)
	}
}

// TestServerMaxFrameOfReplies holds for both directions: a reply over the limit
// is replaced by one that says so.
func TestServerMaxFrameOfReplies(t *testing.T) {
	s := newServerEnd(func(l *Limits) { l.MaxFrame = 20 + 1000 })
	for id, n := range []uint32{1000, 1001} {
		s.feed(requestV1(uint32(id), ""))
		h := response()
		h.ContentLength = n
		s.accept.requests[id].stream.SendHeaders(h, make([]byte, n), true)
		s.Tick(s.now)
	}
	want(t, "the second answer", wireText(s.sink.out[20+1000:]), wireText(wireBytes(
		"01 00 0002 01 00000001 01 0008 0000 0027 00000000", bodyTooLarge)))
	want(t, "glitches", s.owner.glitches, []string{"frame_too_large"})
	s.feed(requestV1(2, ""))
	h := response()
	h.ContentLength = 1 << 20
	r := s.accept.requests[2]
	r.stream.SendHeaders(h, nil, false)
	s.Tick(s.now)
	want(t, "streamed", r.reset, codec.BodyTooLarge)
	want(t, "shuts", len(s.owner.shuts), 0)
	wantIdle(t, s, &s.mem)
}

func TestServerInFlight(t *testing.T) {
	s := newServerEnd(func(l *Limits) { l.MaxInFlight = 4 })
	var in []byte
	for id := range uint32(6) {
		in = append(in, requestV1(id, "x")...)
	}
	n := s.feed(in)
	want(t, "requests", len(s.accept.requests), 4)
	want(t, "consumed", n, 4*len(in)/6)
	want(t, "paused", s.sink.paused, true)
	s.accept.requests[0].stream.SendHeaders(response(), nil, true)
	want(t, "paused with 3 of 4 in flight", s.sink.paused, true)
	s.accept.requests[3].stream.SendHeaders(response(), nil, true)
	want(t, "paused with 2 of 4 in flight", s.sink.paused, false)
	want(t, "consumed", s.feed(in[n:]), len(in)-n)
	want(t, "requests", len(s.accept.requests), 6)
}

// TestServerInFlightOne lets the only request allowed be a large one: its own
// content must still be read.
func TestServerInFlightOne(t *testing.T) {
	s := newServerEnd(func(l *Limits) { l.MaxInFlight, l.WholeFrame = 1, 64 })
	in := requestV1(1, string(make([]byte, 500)))
	want(t, "consumed", s.feed(in[:100])+s.feed(in[100:]), len(in))
	want(t, "complete", s.accept.requests[0].ended, true)
}

func TestServerBlockedSink(t *testing.T) {
	s := newServerEnd(nil)
	s.accept.setup = echo
	s.sink.blocked = true
	in := requestV1(1, "x")
	want(t, "consumed", s.feed(in), 0)
	want(t, "paused", s.sink.paused, true)
	s.sink.blocked = false
	s.Writable()
	want(t, "paused", s.sink.paused, false)
	want(t, "consumed", s.feed(in), len(in))
	want(t, "sent", wireText(s.sink.out), wireText(wireBytes("01 00 0002 01 00000001 01 0000 0000 0000 00000001 78")))
}

func TestServerUnsent(t *testing.T) {
	s := newServerEnd(func(l *Limits) { l.MaxUnsent = 1000 })
	s.feed(append(requestV1(1, ""), append(requestV1(2, ""), requestV1(3, "")...)...))
	// A turn may append more than the limit to a client that does read.
	s.accept.requests[0].stream.SendHeaders(response(), make([]byte, 2000), true)
	want(t, "shuts", len(s.owner.shuts), 0)
	s.sink.blocked = true
	s.accept.requests[1].stream.SendHeaders(response(), make([]byte, 10), true)
	want(t, "shuts", s.owner.shuts, []codec.Reason{codec.DownstreamSlow})
	sent := len(s.sink.out)
	s.accept.requests[2].stream.SendHeaders(response(), make([]byte, 10), true)
	want(t, "bytes after the shut", len(s.sink.out), sent)
	want(t, "active", s.Active(), 0)
}

func TestServerHeartbeatFlood(t *testing.T) {
	s := newServerEnd(func(l *Limits) { l.HeartbeatBurst = 3 })
	beats := bytes.Repeat(wireBytes(heartbeatV1Hex), 5)
	s.feed(beats)
	want(t, "answers", len(s.sink.take())/20, 3)
	want(t, "glitches", s.owner.glitches, []string{"heartbeat_flood", "heartbeat_flood"})
	s.now += int64(defaultHeartbeatEvery)
	s.feed(beats[:44])
	want(t, "answers after one interval", len(s.sink.take())/20, 1)
}

func TestServerDrain(t *testing.T) {
	s := newServerEnd(nil)
	s.feed(wireBytes(requestV2Hex))
	s.Drain()
	want(t, "sent without GoAway", len(s.sink.take()), 0)
	s.feed(requestV1(9, "late"))
	want(t, "answer to a late request", wireText(s.sink.take()), wireText(wireBytes(
		"01 00 0002 01 00000009 01 0004 0000 0021 00000000", draining)))
	want(t, "shuts", len(s.owner.shuts), 0)
	s.accept.requests[0].stream.SendHeaders(response(), nil, true)
	want(t, "shuts", s.owner.shuts, []codec.Reason{codec.ReasonNone})
	want(t, "requests", len(s.accept.requests), 1)

	idle := newServerEnd(nil)
	idle.Drain()
	want(t, "shuts when idle", idle.owner.shuts, []codec.Reason{codec.ReasonNone})
}

func TestServerPeerClosed(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		s := newServerEnd(nil)
		s.PeerClosed()
		want(t, "shuts", s.owner.shuts, []codec.Reason{codec.ReasonNone})
		want(t, "glitches", len(s.owner.glitches), 0)
	})
	t.Run("reply pending, frame cut off", func(t *testing.T) {
		s := newServerEnd(nil)
		s.feed(requestV1(1, "x"))
		s.feed(requestV1(2, "y")[:9])
		s.PeerClosed()
		want(t, "glitches", s.owner.glitches, []string{"truncated"})
		want(t, "shuts", len(s.owner.shuts), 0)
		s.accept.requests[0].stream.SendHeaders(response(), nil, true)
		want(t, "shuts", s.owner.shuts, []codec.Reason{codec.ReasonNone})
		wantIdle(t, s, &s.mem)
	})
	t.Run("content cut off", func(t *testing.T) {
		s := newServerEnd(func(l *Limits) { l.WholeFrame = 64 })
		s.feed(requestV1(1, string(make([]byte, 500)))[:200])
		s.PeerClosed()
		want(t, "reset", s.accept.requests[0].reset, codec.DownstreamClosed)
		want(t, "glitches", s.owner.glitches, []string{"truncated"})
		want(t, "shuts", s.owner.shuts, []codec.Reason{codec.ReasonNone})
		wantIdle(t, s, &s.mem)
	})
}

// TestServerReset answers a request that is given up with the reason.
func TestServerReset(t *testing.T) {
	s := newServerEnd(nil)
	s.feed(requestV1(7, "x"))
	s.feed(wireBytes(oneWayV1Hex))
	stream := s.accept.requests[0].stream
	stream.Reset(codec.Draining)
	stream.Reset(codec.Draining)
	want(t, "sent", wireText(s.sink.take()), wireText(wireBytes(
		"01 00 0002 01 00000007 01 0004 0000 0021 00000000", draining)))
	want(t, "resets told", s.accept.requests[0].resets, 0)
	want(t, "active", s.Active(), 0)
}

// TestServerResetWithinCallbacks ends streams in every callback that could.
func TestServerResetWithinCallbacks(t *testing.T) {
	for _, length := range []int{10, 500} {
		s := newServerEnd(func(l *Limits) { l.WholeFrame = 64 })
		s.accept.setup = func(r *receiver) { r.onHead = func(r *receiver) { r.stream.Reset(codec.NoRoute) } }
		in := append(requestV1(1, string(make([]byte, length))), requestV1(2, "")...)
		want(t, "consumed", s.feed(in), len(in))
		want(t, "requests", len(s.accept.requests), 2)
		wantIdle(t, s, &s.mem)

		s = newServerEnd(func(l *Limits) { l.WholeFrame = 64 })
		s.accept.setup = func(r *receiver) { r.stream.Reset(codec.NoRoute) }
		want(t, "consumed", s.feed(in), len(in))
		want(t, "events", len(s.log()), 0)
		wantIdle(t, s, &s.mem)
	}
}

func TestServerHeadTimeout(t *testing.T) {
	s := newServerEnd(nil)
	s.feed(requestV1(1, "slow")[:5])
	want(t, "ticks asked for", s.owner.ticks, []any{defaultHeadTimeout})
	s.feed(requestV1(1, "slow")[5:9])
	want(t, "ticks asked for", s.owner.ticks, []any{defaultHeadTimeout})
	s.now += int64(defaultHeadTimeout) - 1
	s.Tick(s.now)
	want(t, "shuts too early", len(s.owner.shuts), 0)
	s.Tick(s.now + 1)
	want(t, "shuts", s.owner.shuts, []codec.Reason{codec.IdleTimeout})

	// A frame that became complete takes its clock with it.
	s = newServerEnd(nil)
	s.feed(requestV1(1, "")[:5])
	s.feed(requestV1(1, "")[5:])
	s.Tick(s.now + int64(defaultHeadTimeout))
	want(t, "shuts", len(s.owner.shuts), 0)
}

// TestServerGatherBudget has a connection wait while the loop gathers too much.
func TestServerGatherBudget(t *testing.T) {
	s := newServerEnd(nil)
	s.mem.Charge(codec.Gather, codec.GatherBudget)
	in := requestV1(1, "x")
	want(t, "consumed", s.feed(in[:8]), 8)
	want(t, "paused", s.sink.paused, true)
	s.Tick(s.now + int64(gatherRetry))
	want(t, "paused still", s.sink.paused, true)
	s.mem.Release(codec.Gather, codec.GatherBudget)
	s.Tick(s.now + 2*int64(gatherRetry))
	want(t, "paused", s.sink.paused, false)
	s.feed(in[8:])
	want(t, "requests", len(s.accept.requests), 1)
	want(t, "gathered", s.mem.Used(codec.Gather), 0)
}

// TestServerIdleMemory lets two heartbeats pass without a request between.
func TestServerIdleMemory(t *testing.T) {
	s := newServerEnd(nil)
	s.accept.setup = echo
	s.feed(requestV1(1, "x"))
	if s.free == nil {
		t.Fatal("the stream is not kept for reuse")
	}
	s.feed(wireBytes(heartbeatV1Hex))
	if s.free == nil {
		t.Fatal("the stream was given up at the first heartbeat")
	}
	s.feed(requestV1(2, "x"))
	s.feed(wireBytes(heartbeatV1Hex))
	if s.free == nil {
		t.Fatal("the stream was given up though there was a request since")
	}
	s.feed(wireBytes(heartbeatV1Hex))
	if s.free != nil {
		t.Fatal("the stream is kept by an idle session")
	}
}
