// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// TestEarlyReply ends the reply to a large request before the request ended.
func TestEarlyReply(t *testing.T) {
	in := requestV1(1, string(pattern(500)))
	s := newServerEnd(small)
	s.feed(in[:100])
	r := s.accept.requests[0]
	r.stream.SendHeaders(response(), []byte("no"), true)
	want(t, "active", s.Active(), 1)
	r.stream.Reset(codec.ReasonNone)
	want(t, "active", s.Active(), 0)
	want(t, "consumed", s.feed(in[100:]), len(in)-100)
	want(t, "sent", wireText(s.sink.out), wireText(replyV1(1, "no")))
	want(t, "shuts", len(s.owner.shuts), 0)

	c := newClientEnd(1, nil)
	call := &receiver{}
	up := c.Open(call)
	h := request()
	h.ContentLength = 3
	up.SendHeaders(h, nil, false)
	c.feed(replyV1(1, "no"))
	want(t, "ended", call.ended, true)
	want(t, "active", c.Active(), 1)
	c.feed(replyV1(1, "again"))
	want(t, "glitches", c.owner.glitches, []string{"unknown_request_id"})
	up.SendData([]byte("abc"), true)
	want(t, "active", c.Active(), 0)
	wantIdle(t, c, &c.mem)
}

// TestEarlyLargeReply streams a reply that ends before its request does; a
// second one under the same id finds nothing.
func TestEarlyLargeReply(t *testing.T) {
	c := newClientEnd(1, small)
	call := &receiver{}
	up := c.Open(call)
	call.stream = up
	h := request()
	h.ContentLength = 3
	up.SendHeaders(h, nil, false)
	in := replyV1(1, string(pattern(300)))
	c.feed(in)
	want(t, "ended", call.ended, true)
	c.feed(in)
	want(t, "glitches", c.owner.glitches, []string{"unknown_request_id"})
	up.SendData([]byte("abc"), true)
	wantIdle(t, c, &c.mem)
}

// TestEarlyReplyGivenUp breaks the length of a reply that waits for the wire
// while its request still arrives: the receiver sees the request's end and is
// told all the same, since it has not ended its reply.
func TestEarlyReplyGivenUp(t *testing.T) {
	s := newServerEnd(small)
	s.feed(requestV1(1, ""))
	in := requestV1(2, string(pattern(300)))
	s.feed(in[:100])
	h := response()
	h.ContentLength = 3
	s.accept.requests[0].stream.SendHeaders(h, nil, false)
	r := s.accept.requests[1]
	r.stream.SendHeaders(h, nil, false)
	r.stream.SendData([]byte("abcd"), false)
	s.feed(in[100:])
	want(t, "events", r.log[len(r.log)-2:], []string{"end", "reset upstream_protocol_error"})
	want(t, "active", s.Active(), 1)
}
