// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"fmt"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// carrier carries one request from a server session to a client session.
type carrier struct {
	codec.Parcel
	lane     *laneEnd
	replied  bool // the reply has come
	unfolded bool
	// down and up get what happens to the streams of a parcel that was unfolded.
	down, up receiver
}

func (c *carrier) OnReply(h codec.Head, body []byte) {
	if c.replied || c.unfolded {
		panic("a reply to a parcel that is over")
	}
	c.replied = true
	if !c.lane.server.Answer(&c.Parcel, h, body) {
		c.Unfold()
	}
}

func (c *carrier) Unfold() {
	if c.unfolded {
		panic("a parcel unfolded twice")
	}
	c.unfolded = true
	c.down.stream = c.lane.server.Server.Unfold(&c.Parcel, &c.down)
	if !c.replied {
		c.up.stream = c.lane.client.Unfold(&c.Parcel, &c.up)
	}
}

// laneEnd is two sessions with the lane between them. It takes all that it is
// offered unless it is full.
type laneEnd struct {
	server   *serverEnd
	client   *clientEnd
	carriers []*carrier
	full     bool
}

func newLane(adjust func(*Limits)) *laneEnd {
	l := &laneEnd{server: newServerEnd(adjust), client: newClientEnd(100, nil)}
	l.server.Server = NewServer(&l.server.sink, &l.server.owner, l, &l.server.mem, &l.server.limits)
	return l
}

func (l *laneEnd) OnRequest(s codec.Stream) codec.Receiver { return l.server.accept.OnRequest(s) }

func (l *laneEnd) OnWhole(h codec.Head, body []byte) *codec.Parcel {
	if l.full || l.client.Capacity() == 0 {
		return nil
	}
	c := &carrier{lane: l}
	c.Carrier = c
	l.carriers = append(l.carriers, c)
	l.client.Send(&c.Parcel, h, body)
	return &c.Parcel
}

// check wants both sessions to have that much in progress.
func (l *laneEnd) check(t *testing.T, down, up int) {
	t.Helper()
	want(t, "in progress downstream", l.server.Active(), down)
	want(t, "in progress upstream", l.client.Active(), up)
}

// A request and its reply pass byte for byte, but for the id, and for the checksum
// that follows from it.
func TestParcelPasses(t *testing.T) {
	for cut := range 30 {
		l := newLane(nil)
		q := append(requestV1(7, "one"), requestV1(8, "two")...)
		l.server.feed(q[:cut])
		l.server.feed(q[cut:])
		want(t, "upstream", wireText(l.client.sink.take()), wireText(append(requestV1(100, "one"), requestV1(101, "two")...)))
		l.check(t, 2, 2)
		r := append(replyV1(101, "zwei"), replyV1(100, "eins")...)
		l.client.feed(r[:cut])
		l.client.feed(r[cut:])
		want(t, "downstream", wireText(l.server.sink.take()), wireText(append(replyV1(8, "zwei"), replyV1(7, "eins")...)))
		l.check(t, 0, 0)
		want(t, "streams", len(l.server.accept.requests), 0)
	}
}

// A reply states the version and the switches of its request and the codec of the
// host.
func TestParcelOfVersion2(t *testing.T) {
	l := newLane(nil)
	l.server.feed(wireBytes("02 01 01 0001 01 00000007 01 00 00000bb8 0000 0000 00000001 61"))
	want(t, "upstream", wireText(l.client.sink.take()), wireText(wireBytes("02 01 01 0001 01 00000064 01 00 00000bb8 0000 0000 00000001 61")))
	l.client.feed(wireBytes("02 01 00 0002 01 00000064 0b 00 0000 0000 0000 00000001 62"))
	want(t, "downstream", wireText(l.server.sink.take()), wireText(wireBytes("02 01 00 0002 01 00000007 0b 00 0000 0000 0000 00000001 62")))
	l.check(t, 0, 0)
}

// What is not a whole request that wants a reply is not offered, and what is not
// taken becomes a stream.
func TestParcelNotTaken(t *testing.T) {
	l := newLane(func(l *Limits) { l.WholeFrame = 64 })
	oneWay := requestV1(1, "one-way")
	oneWay[1] = TypeOneWay
	l.server.feed(oneWay)
	l.server.feed(requestV1(2, fmt.Sprintf("%0100d", 0)))
	l.full = true
	l.server.feed(requestV1(3, "late"))
	want(t, "parcels", len(l.carriers), 0)
	want(t, "streams", len(l.server.accept.requests), 3)
}

// Replies that are no good, too large, or late.
func TestParcelUnfolds(t *testing.T) {
	large := replyV1(100, fmt.Sprintf("%0100000d", 0))
	for _, c := range []struct {
		name     string
		reply    []byte
		up       []string
		glitches string
	}{
		{"bad map", wireBytes("01 00 0002 01 00000064 01 0000 0000 0004 00000000 00000009"), []string{"reset upstream_protocol_error"}, "[bad_header_map]"},
		{"bad checksum", wireBytes("02 02 00 0002 01 00000064 01 01 0000 0000 0000 00000000 00000009"), []string{"reset upstream_protocol_error"}, "[crc_mismatch]"},
		{"large", large[:50], []string{"head id=100 type=0 codec=1 timeout=0 status=0 class= map= length=100000"}, "[]"},
		{"of another", replyV1(101, ""), nil, "[unknown_request_id]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLane(nil)
			l.server.feed(requestV1(7, "one"))
			l.client.feed(c.reply)
			p := l.carriers[0]
			want(t, "unfolded", p.unfolded, c.up != nil)
			want(t, "upstream", p.up.log, c.up)
			want(t, "glitches", l.client.owner.glitches, c.glitches)
			want(t, "in progress downstream", l.server.Active(), 1)
		})
	}
}

// A reply that the client may not get because of its size is no one's fault
// upstream.
func TestParcelReplyOverLimit(t *testing.T) {
	l := newLane(func(l *Limits) { l.MaxFrame = 100 })
	l.server.feed(requestV1(7, "one"))
	l.client.feed(replyV1(100, fmt.Sprintf("%0100d", 0)))
	p := l.carriers[0]
	want(t, "unfolded", p.unfolded, true)
	want(t, "up", p.up.stream, nil)
	l.check(t, 1, 0)
}

// Either connection ends with some requests in the lane and some beside it.
func TestParcelsEndWithConnection(t *testing.T) {
	for _, downstream := range []bool{true, false} {
		l := newLane(nil)
		for id := range uint32(20) {
			l.full = id%5 == 0
			l.server.feed(requestV1(id, "q"))
		}
		ended, held := codec.UpstreamClosed, codec.Session(l.client)
		if downstream {
			ended, held = codec.DownstreamClosed, codec.Session(l.server)
		}
		held.Close(ended)
		for _, p := range l.carriers {
			want(t, "unfolded", p.unfolded, true)
			gone := &p.up
			if downstream {
				gone = &p.down
			}
			want(t, "resets", gone.log, "[reset "+ended.String()+"]")
			if downstream {
				p.up.stream.Reset(ended)
			} else {
				p.down.stream.Reset(ended)
			}
		}
		want(t, "in progress", held.Active(), 0)
		if downstream {
			want(t, "in progress upstream", l.client.Active(), 0)
			l.client.feed(replyV1(105, "late"))
			want(t, "glitches", l.client.owner.glitches, "[unknown_request_id]")
		}
	}
}

// Parcels count as streams do: for the limit of requests in progress, and for a
// connection that ends when nothing is.
func TestParcelsCount(t *testing.T) {
	l := newLane(func(l *Limits) { l.MaxInFlight = 2 })
	q := append(append(requestV1(1, ""), requestV1(2, "")...), requestV1(3, "")...)
	rest := q[l.server.feed(q):]
	want(t, "paused", l.server.sink.paused, true)
	l.check(t, 2, 2)
	l.client.feed(replyV1(100, ""))
	want(t, "paused", l.server.sink.paused, false)
	l.server.feed(rest)
	l.server.PeerClosed()
	l.client.Drain()
	l.client.feed(replyV1(101, ""))
	want(t, "shuts", fmt.Sprint(l.server.owner.shuts, l.client.owner.shuts), "[] []")
	l.client.feed(replyV1(102, ""))
	want(t, "shuts", len(l.server.owner.shuts)+len(l.client.owner.shuts), 2)
	l.check(t, 0, 0)
}

// FuzzLane plays a script on two sessions with the lane between them: requests and
// replies in pieces, good and bad, parcels that unfold, sessions that end. Each
// parcel has one end, and nothing is left.
func FuzzLane(f *testing.F) {
	f.Add([]byte{0, 1, 5, 0, 2, 5, 1, 1, 3, 1, 0, 3})
	f.Add([]byte{0, 1, 5, 4, 0, 0, 3, 9, 4, 0, 0, 4, 4, 7, 0, 1, 0, 5, 6, 0, 5, 1})
	f.Add([]byte{0, 1, 200, 0, 2, 200, 2, 9, 3, 40, 7, 1, 8, 1, 5, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		l := newLane(func(l *Limits) { l.WholeFrame, l.MaxInFlight = 128, 8 })
		next := func() int {
			if len(script) == 0 {
				return 0
			}
			b := script[0]
			script = script[1:]
			return int(b)
		}
		for len(script) > 0 {
			l.step(next(), next(), next)
		}
		l.server.Close(codec.DownstreamClosed)
		l.client.Close(codec.UpstreamClosed)
		for _, p := range l.carriers {
			if !p.replied && !p.unfolded {
				t.Fatal("a parcel without an end")
			}
		}
		wantIdle(t, l.server, &l.server.mem)
		wantIdle(t, l.client, &l.client.mem)
	})
}

// step does one thing.
func (l *laneEnd) step(op, arg int, next func() int) {
	switch op % 9 {
	case 0:
		q := requestV1(uint32(arg), string(content('q', next())))
		q[1] = byte(1 + arg/250)
		l.server.feed(q[:min(next(), len(q))])
	case 1:
		l.client.feed(replyV1(100+uint32(arg%32), string(content('r', next()))))
	case 2:
		l.server.feed(content(byte(next()), arg))
	case 3:
		l.client.feed(content(byte(next()), arg))
	case 4:
		l.full = !l.full
	case 5:
		[]func(){l.server.Drain, l.client.Drain, l.server.PeerClosed, l.client.PeerClosed}[arg%4]()
	case 6:
		if n := len(l.carriers); n > 0 {
			if p := l.carriers[arg%n]; !p.replied && !p.unfolded {
				p.Unfold()
			}
		}
	case 7:
		if n := len(l.carriers); n > 0 {
			if p := l.carriers[arg%n]; p.unfolded && p.down.resets == 0 && p.down.stream != nil {
				p.down.stream.SendHeaders(response(), nil, true)
				p.down.stream = nil
				p.down.resets++
			}
		}
	case 8:
		l.server.sink.blocked = arg%2 == 0
		if arg%2 != 0 {
			l.server.Writable()
		}
	}
}
