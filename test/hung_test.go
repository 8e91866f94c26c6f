// SPDX-License-Identifier: Apache-2.0

package test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// illness is what a host does with a connection.
type illness int32

const (
	healthy   illness = iota
	deafness          // accepts and never reads
	muteness          // reads and never writes
	leaving           // sends its FIN at once
	departure         // sends its FIN when a request has come
	resetting         // resets at once
	collapse          // resets when a request has come
)

// patient is a host whose illness can be changed; what it has is what its next
// connections get.
type patient struct {
	listener net.Listener
	illness  atomic.Int32
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
}

// startPatient serves healthy connections by handing them to serve, which closes
// them.
func startPatient(t *testing.T, serve func(net.Conn)) *patient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &patient{listener: l}
	h.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.conns = append(h.conns, c)
			h.mu.Unlock()
			h.wg.Go(func() { h.suffer(c, serve) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		h.mu.Lock()
		for _, c := range h.conns {
			c.Close()
		}
		h.mu.Unlock()
		h.wg.Wait()
	})
	return h
}

func (h *patient) suffer(c net.Conn, serve func(net.Conn)) {
	tcp := c.(*net.TCPConn)
	request := make([]byte, 16)
	switch illness(h.illness.Load()) {
	case healthy:
		serve(c)
	case muteness:
		io.Copy(io.Discard, c)
	case leaving:
		tcp.CloseWrite()
	case departure:
		io.ReadFull(c, request)
		tcp.CloseWrite()
	case resetting:
		tcp.SetLinger(0)
		c.Close()
	case collapse:
		io.ReadFull(c, request)
		tcp.SetLinger(0)
		c.Close()
	}
}

// A host that hangs or leaves in any way costs its requests, each of which ends
// with its reason, and nothing else: no bytes stay held, its connections are given
// up, and when it is well again it is used.
func TestHungHosts(t *testing.T) {
	const quickly = `, "connect_timeout": "100ms", "keepalive": {"interval": "100ms", "timeout": "100ms", "fast_fail": true}`
	for _, tt := range []struct {
		name    string
		illness illness
		bolt    []codec.Reason // what a request may end with
	}{
		{"accepts and never reads", deafness, []codec.Reason{codec.UpstreamUnresponsive, codec.UpstreamTimeout}},
		{"reads and never writes", muteness, []codec.Reason{codec.UpstreamUnresponsive, codec.UpstreamTimeout}},
		{"FIN without data", leaving, []codec.Reason{codec.UpstreamClosed, codec.ConnectFailed}},
		{"FIN after the request", departure, []codec.Reason{codec.UpstreamClosed, codec.ConnectFailed}},
		{"RST at once", resetting, []codec.Reason{codec.UpstreamClosed, codec.ConnectFailed}},
		{"RST after the request", collapse, []codec.Reason{codec.UpstreamClosed, codec.ConnectFailed}},
	} {
		for _, up := range []string{"SofaRpc", "Http2"} {
			t.Run(tt.name+" "+up, func(t *testing.T) {
				host := startPatient(t, servePlain(t, up))
				p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: up,
					hosts: []string{host.listener.Addr().String()}, route: `, "timeout": "2s"`, clusterKV: quickly}))
				host.illness.Store(int32(tt.illness))
				for _, n := range []int{10, 300 << 10} {
					c := dialBolt(t, p.address("in"))
					r := c.mustCall(t, newBoltRequest(service, body(n)))
					if r.status == 0 || !among(r.get(codec.ReasonHeader), tt.bolt) {
						t.Errorf("%d bytes: status %d, reason %q, want one of %v", n, r.status, r.get(codec.ReasonHeader), tt.bolt)
					}
				}
				p.wantNothingHeld()
				host.illness.Store(int32(healthy))
				eventually(t, "the host is used again", func() bool {
					return dialBolt(t, p.address("in")).mustCall(t, newBoltRequest(service, body(100))).status == 0
				})
				p.wantNothingHeld()
				eventually(t, "the sick connections are given up", func() bool {
					s := p.stats()
					return s.Get(stats.UpstreamConnections)-s.Get(stats.UpstreamConnectionsClosed) <= 2
				})
			})
		}
	}
}

func among(word string, reasons []codec.Reason) bool {
	for _, r := range reasons {
		if r.String() == word {
			return true
		}
	}
	return false
}

// servePlain answers requests on one connection by an echo.
func servePlain(t *testing.T, protocol string) func(net.Conn) {
	if protocol == "SofaRpc" {
		s := &boltService{handle: echoBolt, conns: make(map[net.Conn]bool)}
		return s.serve
	}
	h2 := startH2Service(t, "127.0.0.1:0", echoH2)
	return func(c net.Conn) { relayTo(c, h2.address()) }
}

// relayTo joins a connection with a new one to an address until either ends.
func relayTo(c net.Conn, address string) {
	defer c.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(c, to)
		c.Close()
	})
	io.Copy(to, c)
	to.Close()
	back.Wait()
}

// A host that does not even take the SYN costs its requests the connect timeout.
func TestBlackHole(t *testing.T) {
	for _, up := range []string{"SofaRpc", "Http2"} {
		t.Run(up, func(t *testing.T) {
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: up,
				hosts: []string{startDeaf(t)}, clusterKV: `, "connect_timeout": "50ms"`}))
			for _, n := range []int{10, 300 << 10} {
				r := dialBolt(t, p.address("in")).mustCall(t, newBoltRequest(service, body(n)))
				wantBoltFailure(t, r, 6, codec.ConnectTimeout)
			}
			p.wantNothingHeld()
		})
	}
}
