// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// small makes frames over 64 bytes large ones.
func small(l *Limits) { l.WholeFrame, l.StreamWindow = 64, 100 }

// pattern is n bytes that differ from their neighbours.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// crcFrame is a version 2 frame with checksum; flip spoils the checksum.
func crcFrame(typ byte, id uint32, content []byte, flip bool) []byte {
	head := wireBytes("02 02 01 0001 01 00000000 01 01 00000000 0000 0000 00000000")
	if typ == TypeResponse {
		head = wireBytes("02 02 00 0002 01 00000000 01 01 0000 0000 0000 00000000")
	}
	binary.BigEndian.PutUint32(head[6:], id)
	binary.BigEndian.PutUint32(head[len(head)-4:], uint32(len(content)))
	b := append(head, content...)
	crc := crc32.ChecksumIEEE(b)
	if flip {
		crc ^= 1
	}
	return binary.BigEndian.AppendUint32(b, crc)
}

// TestLargeRequestSplit streams a large request with checksum, split at every
// byte: the same content, the same end.
func TestLargeRequestSplit(t *testing.T) {
	content := pattern(200)
	for _, flip := range []bool{false, true} {
		in := append(crcFrame(TypeRequest, 5, content, flip), requestV1(6, "next")...)
		for split := 0; split <= len(in); split++ {
			s := newServerEnd(small)
			if split == 0 {
				for i := range in {
					s.feed(in[i : i+1])
				}
			} else {
				want(t, "consumed", s.feed(in[:split])+s.feed(in[split:]), len(in))
			}
			r := s.accept.requests[0]
			if !bytes.Equal(r.content, content) || !r.ended {
				t.Fatalf("split at %d: %d bytes, ended %v", split, len(r.content), r.ended)
			}
			want(t, "corrupt", r.tail == CorruptTail, flip)
			want(t, "glitches", len(s.owner.glitches) == 1, flip)
			want(t, "next", string(s.accept.requests[1].content), "next")
			s.Close(codec.DownstreamClosed)
			wantIdle(t, s, &s.mem)
		}
	}
}

// TestWholeFrameBoundary has frames of one byte less, as much and more than
// WholeFrame.
func TestWholeFrameBoundary(t *testing.T) {
	for size := 63; size <= 65; size++ {
		s := newServerEnd(small)
		var first bool
		s.accept.setup = func(r *receiver) { r.onHead = func(r *receiver) { first = s.body.open } }
		s.feed(requestV1(1, string(make([]byte, size-22))))
		want(t, "streamed", first, size > 64)
		want(t, "ended", s.accept.requests[0].ended, true)
	}
}

// TestLargeReplyForwarded streams a reply through a server stream piece by
// piece; a whole reply waits for it and a second streamed one after that.
func TestLargeReplyForwarded(t *testing.T) {
	s := newServerEnd(nil)
	s.feed(append(requestV1(1, ""), append(requestV1(2, ""), append(requestV1(3, ""), crcFrame(TypeRequest, 4, nil, false)...)...)...))
	st := func(i int) codec.Stream { return s.accept.requests[i].stream }
	large := func() *Head { h := response(); h.ContentLength = 6; return h }

	st(0).SendHeaders(large(), []byte("ab"), false)
	want(t, "blocked", st(0).Blocked(), false)
	st(1).SendHeaders(large(), []byte("AB"), false)
	st(3).SendHeaders(large(), nil, false)
	st(2).SendHeaders(response(), []byte("whole"), true)
	want(t, "blocked", []bool{st(1).Blocked(), st(3).Blocked()}, []bool{true, true})
	st(3).SendData([]byte("uvwxyz"), true)
	st(1).SendData([]byte("CD"), false)
	want(t, "held", s.mem.Used(codec.Hold), 25+24+32)
	st(0).SendData([]byte("cd"), false)
	st(0).SendData([]byte("ef"), true)
	want(t, "sent", wireText(s.sink.take()), wireText(wireBytes(
		"01 00 0002 01 00000001 01 0000 0000 0000 00000006 616263646566",
		"01 00 0002 01 00000003 01 0000 0000 0000 00000005 77686f6c65",
		"01 00 0002 01 00000002 01 0000 0000 0000 00000006 41424344")))

	want(t, "ticks", s.owner.ticks, []time.Duration{0})
	want(t, "woken within a Stream method", s.accept.requests[1].wakes, 0)
	s.Tick(s.now)
	want(t, "woken", s.accept.requests[1].wakes, 1)
	want(t, "blocked", st(1).Blocked(), false)
	st(1).SendTrailers(&Head{})
	want(t, "an end that comes early", s.owner.shuts, []codec.Reason{codec.UpstreamProtocolError})
	s.Close(codec.DownstreamClosed)
	want(t, "events of what was over", s.accept.requests[3].resets, 0)
	wantIdle(t, s, &s.mem)
}

// TestHeldReplyIsSent completes a streamed reply while it waits.
func TestHeldReplyIsSent(t *testing.T) {
	s := newServerEnd(nil)
	s.feed(append(requestV1(1, ""), crcFrame(TypeRequest, 4, nil, false)...))
	first, second := s.accept.requests[0].stream, s.accept.requests[1].stream
	h := response()
	h.ContentLength = 3
	first.SendHeaders(h, nil, false)
	second.SendHeaders(h, []byte("xy"), false)
	second.SendData([]byte("z"), true)
	want(t, "active", s.Active(), 1)
	s.Drain()
	first.SendData([]byte("abc"), true)
	want(t, "sent", wireText(s.sink.out), wireText(append(replyV1(1, "abc"), crcFrame(TypeResponse, 4, []byte("xyz"), false)...)))
	want(t, "shuts", s.owner.shuts, []codec.Reason{codec.ReasonNone})
	wantIdle(t, s, &s.mem)
}

// TestReplyBreaksItsLength costs the connection, and nothing follows.
func TestReplyBreaksItsLength(t *testing.T) {
	for _, c := range []struct {
		name string
		send func(codec.Stream)
		want codec.Reason
	}{
		{"too much", func(s codec.Stream) { s.SendData([]byte("abcd"), false) }, codec.UpstreamProtocolError},
		{"too much at the end", func(s codec.Stream) { s.SendData([]byte("abcd"), true) }, codec.UpstreamProtocolError},
		{"early end", func(s codec.Stream) { s.SendData([]byte("ab"), true) }, codec.UpstreamProtocolError},
		{"early trailers", func(s codec.Stream) { s.SendTrailers(&Head{}) }, codec.UpstreamProtocolError},
		{"corrupt without a checksum", func(s codec.Stream) { s.SendData([]byte("abc"), false); s.SendTrailers(CorruptTail) }, codec.UpstreamProtocolError},
		{"reset", func(s codec.Stream) { s.Reset(codec.UpstreamReset) }, codec.UpstreamReset},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServerEnd(nil)
			s.feed(append(requestV1(1, ""), requestV1(2, "")...))
			h := response()
			h.ContentLength = 3
			broken, waiting := s.accept.requests[0], s.accept.requests[1]
			broken.stream.SendHeaders(h, nil, false)
			waiting.stream.SendHeaders(h, []byte("a"), false)
			s.sink.take()
			c.send(broken.stream)
			want(t, "shuts", s.owner.shuts, []codec.Reason{c.want})
			s.sink.take()
			waiting.stream.SendData([]byte("bc"), false)
			want(t, "consumed after the shut", s.feed(wireBytes(heartbeatV1Hex)), 0)
			want(t, "sent after the shut", len(s.sink.out), 0)
			s.Close(c.want)
			want(t, "resets of the other", waiting.resets, 1)
			wantIdle(t, s, &s.mem)
		})
	}
}

// TestWaitingReplyIsGivenUp ends replies that wait for the wire: the connection
// lives and the client is told.
func TestWaitingReplyIsGivenUp(t *testing.T) {
	s := newServerEnd(nil)
	for id := range uint32(5) {
		s.feed(requestV1(id, ""))
	}
	h := response()
	h.ContentLength = 3
	r := s.accept.requests
	for _, r := range r[:4] {
		r.stream.SendHeaders(h, nil, false)
	}
	r[2].stream.Reset(codec.UpstreamReset)              // from the middle
	r[3].stream.SendData([]byte("abcd"), false)         // from the end
	r[1].stream.SendData([]byte("longer than 3"), true) // over at once: no OnReset
	r[4].stream.SendHeaders(h, []byte("new"), false)    // behind nobody now
	want(t, "told within a Stream method", r[3].resets, 0)
	s.Tick(s.now)
	want(t, "events", []any{r[1].resets, r[2].resets, r[3].reset}, []any{0, 0, codec.UpstreamProtocolError})
	r[0].stream.SendData([]byte("abc"), true)
	status := func(id byte, status byte, word string) []byte {
		m := AppendPair(nil, []byte(codec.ReasonHeader), []byte(word))
		b := wireBytes("01 00 0002 01 00000000 01 0000 0000 0000 00000000")
		b[8], b[11], b[15] = id, status, byte(len(m))
		return append(b, m...)
	}
	var out []byte
	out = append(out, replyV1(0, "abc")...)
	out = append(out, status(2, 3, "upstream_reset")...)
	out = append(out, status(3, 9, "upstream_protocol_error")...)
	out = append(out, status(1, 9, "upstream_protocol_error")...)
	out = append(out, replyV1(4, "new")...)
	want(t, "sent", wireText(s.sink.out), wireText(out))
	want(t, "shuts", len(s.owner.shuts), 0)
	r[4].stream.SendData(nil, true)
	want(t, "receivers still to be told", s.doomed, 0)
	wantIdle(t, s, &s.mem)
}

// TestWaitingReplyOverflows ignores Blocked until the session gives up.
func TestWaitingReplyOverflows(t *testing.T) {
	s := newServerEnd(func(l *Limits) { l.MaxUnsent = 1000 })
	s.feed(append(requestV1(1, ""), requestV1(2, "")...))
	h := response()
	h.ContentLength = 5000
	s.accept.requests[0].stream.SendHeaders(h, nil, false)
	r := s.accept.requests[1]
	r.stream.SendHeaders(h, nil, false)
	for range 10 {
		r.stream.SendData(make([]byte, 300), false)
	}
	s.Tick(s.now)
	want(t, "events", r.log[len(r.log)-1], "reset overflow")
	want(t, "shuts", len(s.owner.shuts), 0)
	want(t, "held, the answer", s.mem.Used(codec.Hold), 20+4+17+4+8)
}

// TestQueueIsBounded has whole replies pile up behind a large one.
func TestQueueIsBounded(t *testing.T) {
	s := newServerEnd(func(l *Limits) { l.MaxUnsent = 1000 })
	for id := range uint32(4) {
		s.feed(requestV1(id, ""))
	}
	h := response()
	h.ContentLength = 5
	r := s.accept.requests
	r[0].stream.SendHeaders(h, nil, false)
	r[1].stream.SendHeaders(response(), make([]byte, 600), true)
	want(t, "consumed with half the limit queued", s.feed(requestV1(9, "")), 0)
	want(t, "paused", s.sink.paused, true)
	r[0].stream.SendData([]byte("abcde"), true)
	want(t, "paused", s.sink.paused, false)

	r[2].stream.SendHeaders(h, nil, false)
	r[3].stream.SendHeaders(response(), make([]byte, 1000), true)
	want(t, "shuts", s.owner.shuts, []codec.Reason{codec.DownstreamSlow})
	s.Close(codec.DownstreamSlow)
	wantIdle(t, s, &s.mem)
}

// TestStreamedReplyWaitsForSink streams to a client that stops reading.
func TestStreamedReplyWaitsForSink(t *testing.T) {
	s := newServerEnd(nil)
	s.feed(requestV1(1, ""))
	r := s.accept.requests[0]
	h := response()
	h.ContentLength = 3 << 20
	r.stream.SendHeaders(h, nil, false)
	s.sink.blocked = true
	r.stream.SendData(make([]byte, 2<<20), false)
	want(t, "blocked", r.stream.Blocked(), true)
	want(t, "shuts", len(s.owner.shuts), 0)
	s.sink.blocked = false
	s.Writable()
	want(t, "woken", r.wakes, 1)
	s.Writable()
	want(t, "woken without having been blocked", r.wakes, 1)
	r.stream.SendData(make([]byte, 1<<20), true)
	want(t, "active", s.Active(), 0)
}

// TestCorruptTailPassedOn carries a wrong checksum from one side to the other.
func TestCorruptTailPassedOn(t *testing.T) {
	content := pattern(200)
	s := newServerEnd(small)
	s.feed(crcFrame(TypeRequest, 9, content, true))
	c := newClientEnd(9, nil)
	r := s.accept.requests[0]
	up := c.Open(&receiver{})
	up.SendHeaders(r.head, r.content[:50], false)
	up.SendData(r.content[50:], false)
	up.SendTrailers(r.tail)
	sent := c.sink.out
	good := crcFrame(TypeRequest, 9, content, false)
	want(t, "frame but for its checksum", wireText(sent[:len(sent)-4]), wireText(good[:len(good)-4]))
	if intact(sent) {
		t.Fatal("the checksum was put right")
	}
}

// TestCredit pauses a connection whose content is not consumed.
func TestCredit(t *testing.T) {
	s := newServerEnd(small)
	s.accept.setup = func(r *receiver) { r.keep = true }
	in := append(requestV1(1, string(pattern(500))), requestV1(2, "")...)
	n := s.feed(in[:100])
	want(t, "paused with 78 bytes owed", s.sink.paused, false)
	n += s.feed(in[n : n+30])
	want(t, "paused with 108 bytes owed", s.sink.paused, true)
	want(t, "consumed while paused", s.feed(in[n:]), 0)
	r := s.accept.requests[0]
	r.stream.Consumed(58)
	want(t, "paused with 50 bytes owed", s.sink.paused, true)
	r.stream.Consumed(1)
	want(t, "paused with 49 bytes owed", s.sink.paused, false)
	r.keep = false
	n += s.feed(in[n:])
	want(t, "consumed", n, len(in))
	want(t, "owed, the rest being consumed at once", s.owed, 49)
	r.stream.SendHeaders(response(), nil, true)
	want(t, "owed by a stream that is over", s.owed, 0)
	s.accept.requests[1].stream.Consumed(1000)
	want(t, "owed after too much was given back", s.owed, 0)
}

// TestClientStall has a large reply's receiver keep another request waiting.
func TestClientStall(t *testing.T) {
	c := newClientEnd(1, small)
	slow, other := c.call(), c.call()
	slow.keep = true
	in := append(replyV1(1, string(pattern(500))), replyV1(2, "ok")...)
	n := c.feed(in[:200])
	want(t, "paused", c.sink.paused, true)
	want(t, "ticks", c.owner.ticks, []time.Duration{defaultStallTimeout})
	c.Tick(c.now + int64(defaultStallTimeout) - 1)
	want(t, "resets too early", slow.resets, 0)
	c.Tick(c.now + int64(defaultStallTimeout))
	want(t, "events", slow.log[len(slow.log)-1], "reset downstream_slow")
	want(t, "paused", c.sink.paused, false)
	want(t, "capacity while the rest is dropped", c.Capacity(), 0)
	released := c.owner.released
	c.feed(in[n:])
	want(t, "content of the other", string(other.content), "ok")
	want(t, "released", c.owner.released, released+2)
	want(t, "capacity", c.Capacity(), defaultMaxStreams)

	// With nobody waiting the receiver may take its time.
	c = newClientEnd(1, small)
	slow = c.call()
	slow.keep = true
	c.feed(in[:200])
	want(t, "ticks", len(c.owner.ticks), 0)
	c.Tick(c.now + int64(time.Hour))
	want(t, "resets", slow.resets, 0)
	slow.stream.Consumed(len(slow.content))
	slow.keep = false
	c.feed(in[200:520])
	want(t, "complete", bytes.Equal(slow.content, pattern(500)), true)
	wantIdle(t, c, &c.mem)
}

// TestClientResetOfLargeReply drops the rest of it.
func TestClientResetOfLargeReply(t *testing.T) {
	c := newClientEnd(1, small)
	large, other := c.call(), c.call()
	in := append(crcFrame(TypeResponse, 1, pattern(500), true), replyV1(2, "ok")...)
	c.feed(in[:100])
	large.stream.Reset(codec.DownstreamReset)
	c.feed(in[100:])
	want(t, "content of the other", string(other.content), "ok")
	want(t, "glitches", len(c.owner.glitches), 0)
	want(t, "events after the reset", []any{large.ended, large.resets}, []any{false, 0})
	wantIdle(t, c, &c.mem)
}

// TestClientLargeRequest holds the connection until its last byte.
func TestClientLargeRequest(t *testing.T) {
	c := newClientEnd(1, nil)
	r := &receiver{}
	up := c.Open(r)
	h := request()
	h.ContentLength = 6
	up.SendHeaders(h, []byte("ab"), false)
	want(t, "capacity", c.Capacity(), 0)
	want(t, "asked", c.Probe(), false)
	c.feed(wireBytes("01 01 0000 01 00000007 01 000003e8 0000 0000 00000000"))
	c.sink.blocked = true
	up.SendData([]byte("cd"), false)
	want(t, "blocked", up.Blocked(), true)
	c.sink.blocked = false
	c.Writable()
	want(t, "woken", r.wakes, 1)
	released := c.owner.released
	up.SendData([]byte("ef"), true)
	want(t, "released", c.owner.released, released+1)
	want(t, "capacity", c.Capacity(), defaultMaxStreams-1)
	want(t, "sent", wireText(c.sink.take()), wireText(append(requestV1(1, "abcdef"),
		wireBytes("01 00 0000 01 00000007 01 0000 0000 0000 00000000")...)))
	want(t, "asked", c.Probe(), true)
	c.feed(replyV1(1, "ok"))
	want(t, "content", string(r.content), "ok")
	wantIdle(t, c, &c.mem)
}

// TestClientRequestGivenUp cannot complete its frame.
func TestClientRequestGivenUp(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(codec.Stream)
		want codec.Reason
	}{
		{"reset", func(s codec.Stream) { s.Reset(codec.DownstreamReset) }, codec.DownstreamReset},
		{"too much", func(s codec.Stream) { s.SendData(make([]byte, 9), false) }, codec.ProtocolError},
		{"early end", func(s codec.Stream) { s.SendData(nil, true) }, codec.ProtocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newClientEnd(1, nil)
			r := &receiver{}
			up := e.Open(r)
			h := request()
			h.ContentLength = 6
			up.SendHeaders(h, []byte("ab"), false)
			c.end(up)
			want(t, "shuts", e.owner.shuts, []codec.Reason{c.want})
			want(t, "capacity", e.Capacity(), 0)
			e.Close(c.want)
			wantIdle(t, e, &e.mem)
		})
	}
}
