// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
)

// The last bytes of a large Bolt request, once the upstream has taken them, do
// not keep the client's connection from being read until the reply comes.
func TestCreditOfARequestThatEnded(t *testing.T) {
	const window = 65535 // HTTP/2's initial one
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{l.Addr().String()}}))
	c := dial(t, p.address("in"))
	first := newBoltRequest(service, body(window+64<<10+1))
	first.id = 1
	frame := first.encode()
	head := len(frame) - len(first.content)
	c.Write(frame[:head+window])
	up := acceptFrames(t, l)
	a := up.wantHeaders()
	got, _ := up.wantData(window)
	// From here on nothing is taken, and with the last byte more is owed than
	// the connection may owe.
	c.Write(frame[head+window : len(frame)-1])
	c.Write(frame[len(frame)-1:])
	eventually(t, "the request was read to its end", func() bool { return p.held()[codec.Hold] == 64<<10+1 })
	up.grant(a.StreamID, 1<<20)
	rest, ended := up.wantData(-1)
	if !ended || !bytes.Equal(append(got, rest...), first.content) {
		t.Fatalf("%d bytes of %d arrived", len(got)+len(rest), len(first.content))
	}
	second := newBoltRequest(service, nil)
	second.id = 2
	c.Write(second.encode())
	b := up.wantHeaders()
	r := newReader(c)
	for _, id := range []uint32{b.StreamID, a.StreamID} {
		up.send(id, true, ":status", "200")
	}
	for _, id := range []uint32{2, 1} {
		if f, err := readBolt(r); err != nil || f.id != id || f.status != 0 {
			t.Errorf("reply to %d: id %d, status %d, %v", id, f.id, f.status, err)
		}
	}
	p.wantOK(2)
}

// What waits for a connection is bounded in bytes, not only in number.
func TestWaitingBodiesAreBounded(t *testing.T) {
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{startDeaf(t)}}))
	c := dial(t, p.address("in"))
	const size, requests = 60 << 10, 400 // 23 MiB
	f := newBoltRequest(service, body(size))
	frame := f.encode()
	for range requests {
		c.Write(frame)
	}
	r := newReader(c)
	for range requests - codec.HoldLimit/size {
		got, err := readBolt(r)
		if err != nil {
			t.Fatal(err)
		}
		wantBoltFailure(t, got, 4, codec.Overflow)
	}
	if n := p.held()[codec.Replay]; n > codec.HoldLimit {
		t.Errorf("%d bytes wait", n)
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	p.wantNothingHeld()
}

// A reply passes a client that opens its window byte by byte, trailers last.
func TestTrailersWaitForTheBody(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}))
	c := dialFrames(t, p.address("in"), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	c.ask(1, true)
	up := acceptFrames(t, l)
	id := up.wantHeaders().StreamID
	up.send(id, false, ":status", "200", "content-type", "application/grpc")
	up.data(id, body(50), false)
	up.send(id, true, "grpc-status", "0")
	if h := c.wantHeaders(); field(h, ":status") != "200" || h.StreamEnded() {
		t.Fatalf("the head is %v", h)
	}
	var got []byte
	for range 50 {
		c.fr.WriteWindowUpdate(1, 1)
		b, _ := c.wantData(1)
		got = append(got, b...)
	}
	if h := c.wantHeaders(); field(h, "grpc-status") != "0" || !h.StreamEnded() {
		t.Errorf("the trailers are %v", h)
	}
	if !bytes.Equal(got, body(50)) {
		t.Error("the body is wrong")
	}
	p.wantOK(1)
}

// A large body crosses windows of one byte less than a frame, both ways at once.
func TestNarrowWindowsBothWays(t *testing.T) {
	const size = 300 << 10
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}))
	narrow := http2.Setting{ID: http2.SettingInitialWindowSize, Val: 16<<10 - 1}
	c := dialFrames(t, p.address("in"), narrow)
	c.ask(1, false)
	up := acceptFrames(t, l, narrow)
	id := up.wantHeaders().StreamID
	up.send(id, false, ":status", "200")
	c.wantHeaders()
	sent := body(size)
	// exchange moves size bytes from one peer to the other in steps of what
	// both windows are sure to take.
	exchange := func(from *framePeer, fromID uint32, to *framePeer, toID uint32) {
		const step = 10_000
		var got []byte
		for at := 0; at < size; at += step {
			chunk := sent[at:min(at+step, size)]
			from.data(fromID, chunk, at+step >= size)
			b, _ := to.wantData(len(chunk))
			got = append(got, b...)
			to.grant(toID, len(chunk))
		}
		if !bytes.Equal(got, sent) {
			t.Error("the body is wrong")
		}
	}
	exchange(c, 1, up, id)
	exchange(up, id, c, 1)
	p.wantOK(1)
}

// Bodies that are gathered side by side are held to the loop's limit: the one
// that has waited longest gives way, the others are served.
func TestGatheredBodiesAreBounded(t *testing.T) {
	const requests, size = 24, 900 << 10
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}}))
	client := newH2Client(t)
	address, end := p.address("in"), make(chan struct{})
	var seen outcomes
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			q, _ := http.NewRequest("POST", "http://"+address+"/", io.MultiReader(bytes.NewReader(body(size)), endOn(end)))
			q.Header.Set("Service", service)
			r, err := client.Do(q)
			if err != nil {
				seen.add(err.Error())
				return
			}
			defer r.Body.Close()
			b, _ := io.ReadAll(r.Body)
			if r.StatusCode == 200 && !bytes.Equal(b, body(size)) {
				t.Error("an echo is wrong")
			}
			seen.add(r.Status + r.Header.Get(codec.ReasonHeader))
		})
	}
	const fit = codec.HoldLimit / size
	eventually(t, "the rest gave way", func() bool { return p.ended(codec.Overflow) >= requests-fit-1 })
	close(end)
	wg.Wait()
	ok, over := seen.counts["200 OK"], seen.counts["503 Service Unavailableoverflow"]
	if ok+over != requests || ok == 0 || over < requests-fit-1 {
		t.Errorf("%v; want about %d to be served and the rest to overflow", seen.counts, fit)
	}
	p.wantNothingHeld()
}

// endOn is a reader that ends when a channel is closed.
type endOn chan struct{}

func (e endOn) Read([]byte) (int, error) {
	<-e
	return 0, io.EOF
}

// A client that ends its connection within a large request, while that is not
// read because nobody takes it, is noticed at once: its request ends, and so
// does the upstream's. One that has sent all of it is served.
func TestClientLeavesDuringAPause(t *testing.T) {
	for _, whole := range []bool{false, true} {
		l := listenScript(t)
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{l.Addr().String()}}))
		c := dial(t, p.address("in"))
		const window = 65535
		// What is left unread at the pause fits into any receive buffer, so that
		// the FIN behind it arrives.
		f := newBoltRequest(service, body(window+100<<10))
		f.id = 1
		frame := f.encode()
		head := len(frame) - len(f.content)
		c.Write(frame[:head+window])
		up := acceptFrames(t, l)
		id := up.wantHeaders().StreamID
		got, _ := up.wantData(window)
		rest := frame[head+window:]
		if !whole {
			rest = rest[:len(rest)-1]
		}
		c.Write(rest)
		c.(*net.TCPConn).CloseWrite()
		if !whole {
			up.wantReset()
			p.wantEnded(codec.DownstreamClosed, 1)
			p.wantNothingHeld()
			continue
		}
		up.grant(id, 1<<20)
		more, ended := up.wantData(-1)
		if !ended || !bytes.Equal(append(got, more...), f.content) {
			t.Fatalf("%d bytes of %d arrived", len(got)+len(more), len(f.content))
		}
		up.send(id, true, ":status", "200")
		if r, err := readBolt(newReader(c)); err != nil || r.id != 1 || r.status != 0 {
			t.Errorf("id %d, status %d, %v", r.id, r.status, err)
		}
		p.wantOK(1)
	}
}
