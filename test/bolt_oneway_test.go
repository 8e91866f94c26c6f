// SPDX-License-Identifier: Apache-2.0

package test

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// One-way calls that come faster than the host takes them are not dropped: their
// client is not read meanwhile. All arrive in order, also when the client has
// closed its connection by then.
func TestOneWaysWaitForASlowHost(t *testing.T) {
	n := listenNarrow(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{n.address}, clusterKV: `, "max_request_per_conn": 1000000000, "connect_timeout": "60s"`}))
	c := dial(t, p.address("in"))
	f := newBoltRequest(service, body(2000))
	f.kind = kindOneWay
	c.Write(f.encode())
	up := n.accept()
	n.deafen() // no other connection takes what this one does not
	sent := 1
	for sent < 100_000 { // far more than buffers on the way take
		binary.BigEndian.PutUint32(f.content, uint32(sent))
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		b := f.encode()
		if n, err := c.Write(b); err != nil {
			// Stalled, as it should be. The frame is completed below.
			c.SetWriteDeadline(time.Time{})
			go func() {
				c.Write(b[n:])
				c.Close()
			}()
			sent++
			break
		}
		sent++
	}
	if sent == 100_000 {
		t.Fatal("the client was read on and on")
	}
	if h := p.held(); h[codec.Hold]+h[codec.Replay] > 8<<20 {
		t.Errorf("%v held", h)
	}
	defer up.Close()
	up.SetReadDeadline(time.Now().Add(callTimeout))
	r := newReader(up)
	for i := range sent {
		got, err := readBolt(r)
		if err != nil {
			t.Fatalf("%d of %d arrived: %v", i, sent, err)
		}
		if n := binary.BigEndian.Uint32(got.content); i > 0 && n != uint32(i) {
			t.Fatalf("call %d came as number %d", n, i)
		}
	}
	p.wantOK(sent)
}

// A client that resets its connection right after a one-way call has made it.
func TestOneWayOutlivesItsClient(t *testing.T) {
	for _, up := range protocols {
		l := listenScript(t)
		p := startProxy(t, configOf(
			hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: up, hosts: []string{l.Addr().String()}}))
		c := dial(t, p.address("in"))
		f := newBoltRequest(service, []byte("kept"))
		f.kind = kindOneWay
		c.Write(f.encode())
		eventually(t, "it was read", func() bool { return p.turns().BytesRead > 0 })
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		if up == "Http2" {
			peer := acceptFrames(t, l)
			id := peer.wantHeaders().StreamID
			if b, _ := peer.wantData(-1); string(b) != "kept" {
				t.Errorf("%q arrived", b)
			}
			peer.send(id, true, ":status", "200")
		} else if got, err := readBolt(newReader(acceptConn(t, l))); err != nil || string(got.content) != "kept" {
			t.Errorf("%q arrived, %v", got.content, err)
		}
		p.wantOK(1)
	}
}
