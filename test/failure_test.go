// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// wantBoltFailure checks status and reason of a reply that the proxy made.
func wantBoltFailure(t testing.TB, r boltFrame, status uint16, reason codec.Reason) {
	t.Helper()
	if r.status != status || r.get(codec.ReasonHeader) != reason.String() {
		t.Errorf("status %d, reason %q; want %d, %q", r.status, r.get(codec.ReasonHeader), status, reason)
	}
}

// wantEnded waits until exactly n requests have ended for a reason.
func (p *proxy) wantEnded(r codec.Reason, n int) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%d requests ended with %v", n, r), func() bool { return p.ended(r) == uint64(n) })
}

func TestUpstreamDown(t *testing.T) {
	nobody := freeAddress(t)
	p := startProxy(t, configOf(
		hop{name: "bb", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{nobody}},
		hop{name: "bh", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{nobody}},
		hop{name: "hh", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{nobody}, match: anyRequest},
		hop{name: "hb", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{nobody}},
	))
	for _, listener := range []string{"bb", "bh"} {
		r := dialBolt(t, p.address(listener)).mustCall(t, newBoltRequest(service, []byte("x")))
		wantBoltFailure(t, r, 6, codec.ConnectFailed)
	}
	for _, listener := range []string{"hh", "hb"} {
		r := postH2(t, newH2Client(t), p.address(listener), []byte("x"), true, http.Header{"Service": {service}})
		if r.status != 502 || r.header.Get(codec.ReasonHeader) != "connect_failed" {
			t.Errorf("%s: status %d, reason %q", listener, r.status, r.header.Get(codec.ReasonHeader))
		}
	}
	p.wantEnded(codec.ConnectFailed, 4)
	p.wantNothingHeld()
}

func TestNoRoute(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	only := `{"headers": [{"name": "service", "value": "known"}]}`
	p := startProxy(t, configOf(
		hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, match: only},
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}},
	))
	c := dialBolt(t, p.address("b"))
	wantBoltFailure(t, c.mustCall(t, newBoltRequest("unknown", nil)), 6, codec.NoRoute)
	wantBoltEcho(t, boltFrame{}, c.mustCall(t, newBoltRequest("known", nil)))
	// Plain HTTP/2 that names no service, with and without a body.
	for _, b := range [][]byte{nil, body(300 << 10)} {
		r := postH2(t, newH2Client(t), p.address("h"), b, true, nil)
		if r.status != 404 || r.header.Get(codec.ReasonHeader) != "no_route" || !bytes.HasPrefix(r.body, []byte("no_route: ")) {
			t.Errorf("status %d, reason %q, body %q", r.status, r.header.Get(codec.ReasonHeader), r.body)
		}
	}
	p.wantEnded(codec.NoRoute, 3)
	p.wantNothingHeld()
}

func TestTimeouts(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		if f.get("service") == "hang" {
			<-release
		}
		return echoBolt(f)
	})
	far := startProxy(t, configOf(hop{name: "far", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}}))
	p := startProxy(t, configOf(
		hop{name: "frame", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}},
		hop{name: "route", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, route: `, "timeout": "100ms"`},
		hop{name: "chain", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{far.address("far")}},
		hop{name: "http", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}, route: `, "timeout": "100ms"`},
	))
	for listener, timeout := range map[string]int32{"frame": 100, "route": 30_000, "chain": 100} {
		c := dialBolt(t, p.address(listener))
		f := newBoltRequest("hang", []byte("x"))
		f.timeout = timeout
		wantBoltFailure(t, c.mustCall(t, f), 7, codec.UpstreamTimeout)
		wantBoltEcho(t, boltFrame{}, c.mustCall(t, newBoltRequest("prompt", nil)))
	}
	r := postH2(t, newH2Client(t), p.address("http"), []byte("x"), true, http.Header{"Service": {"hang"}})
	if r.status != 504 || r.header.Get(codec.ReasonHeader) != "upstream_timeout" {
		t.Errorf("status %d, reason %q", r.status, r.header.Get(codec.ReasonHeader))
	}
	// Over HTTP/2 gRPC learns it from its own status.
	r = postH2(t, newH2Client(t), p.address("http"), []byte("x"), true,
		http.Header{"Service": {"hang"}, "Content-Type": {"application/grpc"}})
	if r.status != 200 || r.header.Get("Grpc-Status")+r.trailer.Get("Grpc-Status") != "4" {
		t.Errorf("gRPC: status %d, header %v, trailer %v", r.status, r.header, r.trailer)
	}
	// On the chain either sidecar may be first to notice; the client is told the
	// same, and each counts its own outcome.
	eventually(t, "every timeout was counted", func() bool {
		near, ok, beyond := p.ended(codec.UpstreamTimeout), p.ended(codec.ReasonNone), far.ended(codec.UpstreamTimeout)+far.ended(codec.DownstreamReset)
		return (near == 5 && ok == 3 || near == 4 && ok == 4) && beyond == 1
	})
	p.wantNothingHeld()
}

// A reply that comes after its request's timeout reaches nobody.
func TestLateReply(t *testing.T) {
	held := make(chan struct{})
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		if f.get("service") == "late" {
			<-held
		}
		return echoBolt(f)
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	c := dialBolt(t, p.address("in"))
	// Connecting may take longer than the timeout, and then nothing is sent.
	c.mustCall(t, newBoltRequest("prompt", nil))
	f := newBoltRequest("late", []byte("late"))
	f.timeout = 50
	wantBoltFailure(t, c.mustCall(t, f), 7, codec.UpstreamTimeout)
	close(held)
	eventually(t, "the late reply was dropped", func() bool { return p.stats().Glitches("unknown_request_id") == 1 })
	for range 100 {
		f := newBoltRequest("prompt", []byte("prompt"))
		wantBoltEcho(t, f, c.mustCall(t, f))
	}
	if c.strays > 0 {
		t.Errorf("%d stray replies", c.strays)
	}
}

func TestUpstreamAnswersTwiceAndUnasked(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		r := f.reply()
		unasked := r
		unasked.id ^= 0x55555555
		return []boltFrame{unasked, r, r}
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	c := dialBolt(t, p.address("in"))
	for i := range 50 {
		f := newBoltRequest(service, []byte(fmt.Sprint(i)))
		wantBoltEcho(t, f, c.mustCall(t, f))
	}
	eventually(t, "the others were dropped", func() bool { return p.stats().Glitches("unknown_request_id") == 100 })
	p.wantOK(50)
	if c.strays > 0 {
		t.Errorf("%d stray replies", c.strays)
	}
}

// A client that has sent its FIN still gets the replies to what it asked.
func TestHalfClosedClient(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		asked.Add(1)
		<-release
		return echoBolt(f)
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	c, err := net.Dial("tcp", p.address("in"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 5 {
		f := newBoltRequest(service, body(1000*i))
		f.id = uint32(i)
		c.Write(f.encode())
	}
	c.(*net.TCPConn).CloseWrite()
	eventually(t, "the requests are upstream", func() bool { return asked.Load() == 5 })
	close(release)
	c.SetReadDeadline(time.Now().Add(callTimeout))
	r := newReader(c)
	for range 5 {
		f, err := readBolt(r)
		if err != nil || !bytes.Equal(f.content, body(int(f.id)*1000)) {
			t.Fatalf("reply %d: %v", f.id, err)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("after the replies: %v", err)
	}
	p.wantOK(5)
}

func TestOneWay(t *testing.T) {
	var got sync.WaitGroup
	got.Add(4)
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		if f.kind == kindOneWay {
			got.Done()
		}
		// A server that answers all the same, as the Node one does.
		return []boltFrame{f.reply()}
	})
	far := startProxy(t, configOf(hop{name: "far", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}}))
	p := startProxy(t, configOf(
		hop{name: "direct", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}},
		hop{name: "chain", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{far.address("far")}},
	))
	for _, listener := range []string{"direct", "chain"} {
		c := dialBolt(t, p.address(listener))
		for _, n := range []int{10, 300 << 10} {
			f := newBoltRequest(service, body(n))
			f.kind = kindOneWay
			if err := c.send(f); err != nil {
				t.Fatal(err)
			}
			// The connection goes on working.
			two := newBoltRequest(service, []byte("two-way"))
			wantBoltEcho(t, two, c.mustCall(t, two))
		}
		if c.strays > 0 {
			t.Errorf("%s: %d replies to one-way requests", listener, c.strays)
		}
	}
	got.Wait()
	p.wantOK(8)
	far.wantOK(4)
}

func TestMaxRequestsPerConnection(t *testing.T) {
	for _, up := range []string{"SofaRpc", "Http2"} {
		t.Run(up, func(t *testing.T) {
			var address string
			var conns func() int64
			if up == "SofaRpc" {
				s := startBoltService(t, "127.0.0.1:0", echoBolt)
				address, conns = s.address(), s.accepted.Load
			} else {
				s := startH2Service(t, "127.0.0.1:0", echoH2)
				address, conns = s.address(), s.accepted.Load
			}
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: up, hosts: []string{address}, clusterKV: `, "max_request_per_conn": 10`}))
			c := dialBolt(t, p.address("in"))
			for range 100 {
				f := newBoltRequest(service, []byte("x"))
				wantBoltEcho(t, f, c.mustCall(t, f))
			}
			// One client connection uses one loop, so its requests use one pool.
			if n := conns(); n < 10 || n > 12 {
				t.Errorf("100 requests used %d connections of 10 requests each", n)
			}
			p.wantOK(100)
			eventually(t, "the used connections are closed", func() bool {
				s := p.stats()
				return s.Get(stats.UpstreamConnections)-s.Get(stats.UpstreamConnectionsClosed) <= 2
			})
		})
	}
}

// The proxy drains: what is in flight is answered, then the connections close.
func TestDrain(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		asked.Add(1)
		<-release
		return echoBolt(f)
	})
	p := startProxy(t, configOf(
		hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}},
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}},
	))
	results := make(chan string, 2)
	bolt, h2, h2Address := dialBolt(t, p.address("b")), newH2Client(t), p.address("h")
	go func() { results <- boltOutcome(bolt, 1) }()
	go func() { results <- h2Outcome(h2, h2Address, 2) }()
	eventually(t, "both are in flight", func() bool { return asked.Load() == 2 })
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		p.Drain(ctx)
	}()
	eventually(t, "new connections are refused", func() bool {
		c, err := net.Dial("tcp", h2Address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(release)
	for range 2 {
		if r := <-results; r != "ok" {
			t.Errorf("in flight at the drain: %s", r)
		}
	}
	<-drained
}
