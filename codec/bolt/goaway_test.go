// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// TestServerGoAway serves what the client sent before it could read the GoAway.
func TestServerGoAway(t *testing.T) {
	s := newServerEnd(func(l *Limits) { l.SendGoAway, l.GoAwayGrace = true, time.Second })
	s.feed(wireBytes(requestV2Hex))
	s.accept.requests[0].stream.SendHeaders(response(), nil, true)
	s.sink.take()
	s.Drain()
	want(t, "GoAway", wireText(s.sink.take()), wireText(wireBytes("02 01 01 0064 01 00000000 01 00 00000000 0000 0000 00000000")))
	want(t, "shuts at once", len(s.owner.shuts), 0)
	s.now += int64(time.Hour) // the session was idle for long
	s.Tick(s.now)
	s.feed(requestV1(9, "crossed"))
	s.accept.requests[1].stream.SendHeaders(response(), nil, true)
	want(t, "reply", len(s.sink.take()), 20)
	s.now += int64(time.Second) - 1
	s.Tick(s.now)
	want(t, "shuts within the grace", len(s.owner.shuts), 0)
	s.feed(requestV1(10, "crossed, too"))
	s.now++
	s.Tick(s.now)
	want(t, "shuts with a request in flight", len(s.owner.shuts), 0)
	s.feed(requestV1(11, "late"))
	want(t, "answer to a late request", wireText(s.sink.take()), wireText(wireBytes(
		"01 00 0002 01 0000000b 01 0004 0000 0021 00000000", draining)))
	s.accept.requests[2].stream.SendHeaders(response(), nil, true)
	want(t, "shuts", s.owner.shuts, []codec.Reason{codec.ReasonNone})

	left := newServerEnd(func(l *Limits) { l.SendGoAway = true })
	left.Drain()
	left.PeerClosed()
	want(t, "shuts when the client leaves", left.owner.shuts, []codec.Reason{codec.ReasonNone})
}
