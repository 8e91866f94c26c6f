// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// counter takes content without keeping it.
type counter struct {
	receiver
	n int
}

func (r *counter) OnHeaders(codec.Head, []byte, bool) {}
func (r *counter) OnTrailers(codec.Head)              {}
func (r *counter) OnData(b []byte, _ bool) {
	r.n += len(b)
	r.stream.Consumed(len(b))
}

// countingAcceptor gives each request a counter.
type countingAcceptor struct{ got []*counter }

func (a *countingAcceptor) OnRequest(s codec.Stream) codec.Receiver {
	a.got = append(a.got, &counter{receiver: receiver{stream: s}})
	return a.got[len(a.got)-1]
}

// TestTwoGigabytes feeds frames of the largest content that there is, passed on
// and dropped, in both roles. The gauges stay at zero throughout.
func TestTwoGigabytes(t *testing.T) {
	const size = math.MaxInt32
	chunk := make([]byte, 1<<20)
	feed := func(feed func([]byte) int, mem *codec.Memory) {
		for left := size; left > 0; left -= len(chunk) {
			b := chunk[:min(left, len(chunk))]
			if n := feed(b); n != len(b) {
				t.Fatalf("%d of %d bytes taken", n, len(b))
			}
			if used := mem.Used(codec.Gather) + mem.Used(codec.Hold) + mem.Used(codec.Replay); used != 0 {
				t.Fatalf("%d bytes held", used)
			}
		}
	}
	head := func(b []byte) []byte {
		binary.BigEndian.PutUint32(b[len(b)-4:], size)
		return b
	}
	var accept countingAcceptor
	s := newServerEnd(nil)
	s.Server.accept = &accept
	s.feed(head(requestV1(1, "")))
	feed(s.feed, &s.mem)
	want(t, "passed on by the server", accept.got[0].n, size)
	s.feed(head(requestV1(2, "")))
	accept.got[1].stream.Reset(codec.NoRoute)
	feed(s.feed, &s.mem)
	want(t, "dropped by the server", accept.got[1].n, 0)

	c := newClientEnd(1, nil)
	got := &counter{}
	got.stream = c.Open(got)
	got.stream.SendHeaders(request(), nil, true)
	c.feed(head(replyV1(1, "")))
	feed(c.feed, &c.mem)
	want(t, "passed on by the client", got.n, size)
	c.feed(head(replyV1(77, "")))
	feed(c.feed, &c.mem)
	want(t, "glitches", c.owner.glitches, []string{"unknown_request_id"})
	c.feed(wireBytes("01 01 0064 01 00000000 01 00000000 0000 0000 00000000"))
	want(t, "framing is intact", c.owner.shuts, []codec.Reason{codec.ReasonNone})
}
