// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// queued is a server end with a large reply under way and others, whole and
// streamed, that wait behind it.
func queued(mem *codec.Memory) *serverEnd {
	s := newServerEnd(nil)
	s.Server = NewServer(&s.sink, &s.owner, &s.accept, mem, &s.limits)
	for id := range uint32(4) {
		s.feed(requestV1(id, ""))
	}
	large := response()
	large.ContentLength = 1000
	s.accept.requests[0].stream.SendHeaders(large, make([]byte, 10), false)
	s.accept.requests[1].stream.SendHeaders(response(), make([]byte, 400<<10), true)
	s.accept.requests[2].stream.SendHeaders(large, make([]byte, 500), false)
	s.accept.requests[3].stream.SendHeaders(large, make([]byte, 1000), false)
	s.accept.requests[3].stream.SendData(nil, true)
	return s
}

// TestEvictStuckConnection: what waits behind a large reply is let go of when
// the loop holds too much, from the connection that has been stuck for longest.
func TestEvictStuckConnection(t *testing.T) {
	var mem codec.Memory
	overflows := 0
	mem.OnOverflow = func() { overflows++ }
	stuck, moving := queued(&mem), queued(&mem)
	// The one that is first now moves, which makes the other the stalest.
	stuck, moving = moving, stuck
	moving.accept.requests[0].stream.SendData(make([]byte, 10), false)
	one := mem.Used(codec.Hold) / 2
	for mem.Used(codec.Hold)+one <= codec.HoldLimit {
		queued(&mem)
	}
	want(t, "overflows", overflows, 0)
	queued(&mem)
	if overflows == 0 {
		t.Fatal("no overflow was told")
	}
	mem.Relieve()
	want(t, "the stuck one", stuck.owner.shuts, []codec.Reason{codec.DownstreamSlow})
	want(t, "the one that moves", len(moving.owner.shuts), 0)
	if used := mem.Used(codec.Hold); used > codec.HoldLimit {
		t.Errorf("%d bytes are held", used)
	}
	// What is still sent to it goes nowhere, and it ends as any other.
	sent := len(stuck.sink.out)
	stuck.accept.requests[0].stream.SendData(make([]byte, 980), true)
	stuck.accept.requests[2].stream.SendData(make([]byte, 500), true)
	want(t, "sent after", len(stuck.sink.out), sent)
	used := mem.Used(codec.Hold)
	stuck.Close(codec.DownstreamSlow)
	want(t, "held after Close", mem.Used(codec.Hold), used)
	want(t, "active", stuck.Active(), 0)
}
