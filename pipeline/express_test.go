// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/stats"
)

// laneless hides from a session that its acceptor takes parcels.
type laneless struct{ codec.Acceptor }

// counted counts the parcels that an acceptor took.
type counted struct {
	codec.ParcelAcceptor
	taken int
}

func (c *counted) OnWhole(h codec.Head, body []byte) *codec.Parcel {
	p := c.ParcelAcceptor.OnWhole(h, body)
	if p != nil {
		c.taken++
	}
	return p
}

// play is one random conversation: requests of a client and replies of a host,
// good and bad, and how it ends. Everything is chosen by the seed.
type play struct {
	*rig
	rng     *rand.Rand
	id      uint32
	waiting [][]byte // requests that the host has not answered
	client  bytes.Buffer
	host    bytes.Buffer
	ending  int // what the client got before the end, in whose order requests fail together
	told    *told
}

// told is an observer that asks for little, for a header that is there, or for all,
// and keeps what it is told.
type told struct {
	asks  uint64
	lines []string
}

func (w *told) Observers(want *pipeline.Wanted, _ int) []pipeline.Observer {
	want.RequestHeader("missing")
	if w.asks > 0 {
		want.RequestHeader("service")
	}
	if w.asks > 1 {
		want.Target()
		want.ReplyHeader("x-sideloop-reason")
	}
	return []pipeline.Observer{w}
}

func (w *told) Ended(r *pipeline.Ended) {
	var b strings.Builder
	for _, at := range []int64{r.Began, r.Received, r.Sent, r.Resent, r.Replied, r.Finished, r.Wall} {
		fmt.Fprintf(&b, "%v ", at > 0)
	}
	fmt.Fprintf(&b, "%d %s %s %v %v %d %v %v ", r.Loop, r.Listener, r.Cluster, r.Route != nil, r.Host != nil, r.Tries, r.UpstreamLocal != nil, r.UpstreamConnection > 0)
	fmt.Fprintf(&b, "%v %v %v %v %v %v %v %v ", r.Connection > 0, r.Remote != nil, r.Local != nil, r.Hello, r.From, r.To, r.OneWay, r.GRPC)
	fmt.Fprintf(&b, "%q %v %v %v %d %d %d %d ", r.Class, r.Request, r.Reply, r.Reason, r.Status, r.GRPCStatus, r.BoltStatus, r.UpstreamStatus)
	fmt.Fprintf(&b, "%d %d %d %d", r.BytesReceived, r.BytesSent, r.UpstreamBytesSent, r.UpstreamBytesReceived)
	w.lines = append(w.lines, b.String())
}

// frame is a frame off the wire, in one of the versions; broken ones have a wrong
// checksum.
func frame(version int, kind byte, command uint16, id uint32, tail []byte, pairs bolt.HeaderMap, content []byte, broken bool) []byte {
	b := []byte{bolt.V1}
	if version > 0 {
		b = []byte{bolt.V2, byte(version)}
	}
	b = append(b, kind)
	b = binary.BigEndian.AppendUint16(b, command)
	b = append(b, 1)
	b = binary.BigEndian.AppendUint32(b, id)
	b = append(b, 1)
	if version > 0 {
		b = append(b, byte(version-1))
	}
	b = append(b, tail...)
	b = binary.BigEndian.AppendUint16(b, 3)
	b = binary.BigEndian.AppendUint16(b, uint16(len(pairs)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(content)))
	b = append(append(append(b, "a.B"...), pairs...), content...)
	if version == 2 {
		sum := crc32.ChecksumIEEE(b)
		if broken {
			sum++
		}
		b = binary.BigEndian.AppendUint32(b, sum)
	}
	return b
}

// request sends one, mostly of those that the lane takes.
func (p *play) request(timeout int32) {
	p.id += 1 + p.rng.Uint32N(3)
	kind, command := bolt.TypeRequest, bolt.CommandRequest
	pairs := bolt.AppendPair(nil, []byte("service"), []byte("com.example.Echo:1.0"))
	broken := false
	switch p.rng.IntN(24) {
	case 0:
		kind = bolt.TypeOneWay
	case 1:
		pairs = bolt.AppendPair(nil, []byte("other"), nil) // no route
	case 2:
		pairs = append(pairs, 0, 0, 0, 9) // no pair
	case 3:
		broken = true
	case 4:
		pairs = bolt.AppendPair(pairs, []byte("x-mosn-global-timeout"), []byte("60000"))
	case 5:
		command = bolt.CommandHeartbeat
	case 6:
		timeout = -1
	case 7:
		timeout = 0
	}
	f := frame(p.rng.IntN(3), kind, command, p.id, binary.BigEndian.AppendUint32(nil, uint32(timeout)), pairs, p.content(300), broken)
	p.fromClientTo(f)
}

func (p *play) content(n int) []byte { return bytes.Repeat([]byte{byte(p.id)}, p.rng.IntN(n)) }

// fromClientTo feeds bytes of the client in two pieces.
func (p *play) fromClientTo(f []byte) {
	cut := p.rng.IntN(len(f))
	for _, part := range [][]byte{f[:cut], f[cut:]} {
		if len(part) > 0 {
			p.handler.OnData(p.conn, part)
		}
	}
	p.collect()
}

// collect takes what was written both ways, and the requests among it.
func (p *play) collect() {
	p.client.Write(p.toClient.bytes)
	p.toClient.bytes = p.toClient.bytes[:0]
	p.host.Write(p.toUp.bytes)
	for b := p.toUp.bytes; len(b) > 0; {
		n := frameSize(b)
		if b[b[0]] == bolt.TypeRequest {
			p.waiting = append(p.waiting, bytes.Clone(b[:n]))
		}
		b = b[n:]
	}
	p.toUp.bytes = p.toUp.bytes[:0]
}

// frameSize is the size of the frame that b begins with.
func frameSize(b []byte) int {
	fixed := 20 + 2*int(b[0]-1)
	if b[b[0]] != bolt.TypeResponse {
		fixed += 2
	}
	n := fixed + int(binary.BigEndian.Uint16(b[fixed-8:])) + int(binary.BigEndian.Uint16(b[fixed-6:])) + int(binary.BigEndian.Uint32(b[fixed-4:]))
	if b[0] == bolt.V2 && b[1] == 2 && b[11] == 1 {
		n += 4
	}
	return n
}

// sorted are frames in an order of their own.
func sorted(b []byte) string {
	var frames []string
	for len(b) > 0 {
		n := min(frameSize(b), len(b)) // the last may be cut off
		frames = append(frames, fmt.Sprintf("%x", b[:n]))
		b = b[n:]
	}
	slices.Sort(frames)
	return strings.Join(frames, " ")
}

// reply answers one of the requests that wait.
func (p *play) reply() {
	if len(p.waiting) == 0 {
		return
	}
	i := p.rng.IntN(len(p.waiting))
	f := p.waiting[i]
	p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
	shift := int(f[0] - 1)
	version, id := 0, binary.BigEndian.Uint32(f[5+shift:])
	if shift == 1 {
		version = int(f[1])
	}
	content, status, times := p.content(300), []byte{0, 0}, 1
	pairs, broken := bolt.HeaderMap(nil), false
	switch p.rng.IntN(16) {
	case 0:
		status[1] = byte(p.rng.IntN(20))
	case 1:
		content = bytes.Repeat([]byte("l"), 70<<10)
	case 2:
		broken = true
	case 3:
		pairs = bolt.HeaderMap{0, 0, 0, 9}
	case 4:
		times = 2
	case 5:
		id += 1 << 20
	}
	g := frame(version, bolt.TypeResponse, bolt.CommandResponse, id, status, pairs, content, broken)
	for range times {
		p.upstream.Feed(bytes.Clone(g), p.loop.Now())
	}
	p.collect()
}

// end is how the conversation ends.
func (p *play) end() {
	p.ending = p.client.Len()
	goAway := func() {
		p.upstream.Feed(frame(0, bolt.TypeRequest, bolt.CommandGoAway, 1, make([]byte, 4), nil, nil, false), p.loop.Now())
	}
	answer := func() {
		for len(p.waiting) > 0 {
			p.reply()
		}
	}
	switch p.rng.IntN(5) {
	case 0:
		goAway()
		answer()
	case 1:
		p.upstream.Close(codec.UpstreamClosed)
	case 2:
		p.upstream.Close(codec.UpstreamUnresponsive)
	case 3:
		p.handler.OnPeerClosed(p.conn)
		answer()
	}
	p.collect()
	// What was never answered ends with the client.
	p.handler.OnClose(p.conn, eventloop.CausePeerReset)
	p.upstream.Close(codec.UpstreamClosed)
	p.collect()
}

// outcome is all that can be seen of a conversation.
func (p *play) outcome() string {
	var b strings.Builder
	s := p.worker.Stats()
	for c := range stats.CounterCount {
		fmt.Fprintf(&b, "%v %d\n", c, s.Get(c))
	}
	for r := range codec.ReasonCount {
		fmt.Fprintf(&b, "ended %q %d\n", r, s.EndedFor(uint8(r)))
	}
	for _, word := range []string{"unknown_request_id", "crc_mismatch", "bad_header_map"} {
		fmt.Fprintf(&b, "%s %d\n", word, s.Glitches(word))
	}
	for _, m := range []*stats.Meter{p.listener, p.cluster} {
		t := m.Loop(0)
		fmt.Fprintf(&b, "begun %d ended %d none %d observed %d", t.Begun(), t.Ended(), t.EndedFor(0), t.Duration().Count())
		for class := range stats.Classes {
			fmt.Fprintf(&b, " %d", t.Replies(class))
		}
		fmt.Fprintln(&b)
	}
	p.worker.Clusters().Report(func(r cluster.HostReport) { fmt.Fprintf(&b, "in flight %d\n", r.InFlight) })
	fmt.Fprintf(&b, "to the client %x\nin the end %s\nto the host %x\n", p.client.Bytes()[:p.ending], sorted(p.client.Bytes()[p.ending:]), p.host.Bytes())
	slices.Sort(p.told.lines) // requests fail together in any order
	fmt.Fprintf(&b, "told\n%s\n", strings.Join(p.told.lines, "\n"))
	return b.String()
}

// perform plays a seed, and returns its outcome.
func perform(t *testing.T, seed uint64) string {
	w := &told{asks: seed % 3}
	p := &play{rig: newRig(t, codec.Bolt, codec.Bolt, 128, w), rng: rand.New(rand.NewPCG(seed, 1)), told: w}
	p.on(func() {
		for range 120 {
			if p.rng.IntN(9) < 5 {
				p.request(30000)
			} else {
				p.reply()
			}
		}
		p.end()
	})
	return p.outcome()
}

// difference is the lines that two outcomes differ in.
func difference(lane, exchange string) string {
	var b strings.Builder
	other := strings.Split(exchange, "\n")
	for i, line := range strings.Split(lane, "\n") {
		if i >= len(other) || line != other[i] {
			fmt.Fprintf(&b, "\nwith the lane    %s", line)
			if i < len(other) {
				fmt.Fprintf(&b, "\nwith an exchange %s", other[i])
			}
		}
	}
	return b.String()
}

// A request in the lane cannot be told from one that goes through an exchange: by
// what is written, what is counted, what observers are told and why it ends.
func TestLaneIsLikeExchange(t *testing.T) {
	usual := lane
	t.Cleanup(func() { lane = usual })
	taken := 0
	for seed := range uint64(12) {
		var seen *counted
		lane = func(a codec.Acceptor) codec.Acceptor {
			seen = &counted{ParcelAcceptor: a.(codec.ParcelAcceptor)}
			return seen
		}
		fast := perform(t, seed)
		taken += seen.taken
		lane = func(a codec.Acceptor) codec.Acceptor { return laneless{a} }
		if slow := perform(t, seed); fast != slow {
			t.Fatalf("seed %d: %s", seed, difference(fast, slow))
		}
	}
	if taken < 300 {
		t.Errorf("only %d requests took the lane", taken)
	}
}

// A request whose reply does not come ends at its own deadline, and with what an
// exchange says then.
func TestLaneTimesOut(t *testing.T) {
	usual := lane
	t.Cleanup(func() { lane = usual })
	var replies [2]string
	for i := range replies {
		if i == 1 {
			lane = func(a codec.Acceptor) codec.Acceptor { return laneless{a} }
		}
		w := new(told)
		p := &play{rig: newRig(t, codec.Bolt, codec.Bolt, 128, w), rng: rand.New(rand.NewPCG(7, 7)), told: w}
		pairs := bolt.AppendPair(nil, []byte("service"), []byte("s"))
		p.on(func() {
			for id := range uint32(3) {
				p.fromClientTo(frame(0, bolt.TypeRequest, bolt.CommandRequest, id, []byte{0, 0, 0, 1}, pairs, nil, false))
			}
		})
		ended := func() (n uint64) {
			p.on(func() { n = p.worker.Stats().EndedFor(uint8(codec.UpstreamTimeout)) })
			return n
		}
		for deadline := time.Now().Add(20 * time.Second); ended() < 3; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d of 3 requests have timed out", ended())
			}
		}
		p.on(func() {
			p.collect()
			p.reply() // comes too late
			replies[i] = p.outcome()
		})
	}
	if replies[0] != replies[1] {
		t.Error(difference(replies[0], replies[1]))
	}
}
