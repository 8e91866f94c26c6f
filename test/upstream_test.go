// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// With one of two hosts down every request is answered, by the other.
func TestOneHostDown(t *testing.T) {
	bolt, h2 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
	for protocol, up := range map[string]string{"SofaRpc": bolt.address(), "Http2": h2.address()} {
		for _, lb := range []string{"LB_RANDOM", "LB_ROUNDROBIN"} {
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: protocol,
				hosts: []string{freeAddress(t), up}, clusterKV: `, "lb_type": "` + lb + `"`}))
			var seen outcomes
			callMany(t, "SofaRpc", p.address("in"), 200, &seen, new(atomic.Int64))
			if seen.counts["ok"] != 200 {
				t.Errorf("%s, %s: %v", protocol, lb, seen.counts)
			}
			p.wantOK(200)
		}
	}
}

// Requests are spread over the hosts.
func TestHostsTakeTurns(t *testing.T) {
	var counts [3]atomic.Int64
	var hosts []string
	for i := range counts {
		s := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
			counts[i].Add(1)
			return echoBolt(f)
		})
		hosts = append(hosts, s.address())
	}
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: hosts}))
	c := dialBolt(t, p.address("in"))
	for range 300 {
		c.mustCall(t, newBoltRequest(service, nil))
	}
	for i := range counts {
		if n := counts[i].Load(); n != 100 {
			t.Errorf("host %d served %d of 300", i, n)
		}
	}
}

// narrow is a listener whose queue holds a connection or two.
type narrow struct {
	t       testing.TB
	fd      int
	address string
}

func listenNarrow(t testing.TB) *narrow {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return &narrow{t, fd, fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port)}
}

// deafen fills the queue, so that connecting hangs from now on.
func (n *narrow) deafen() {
	n.t.Helper()
	for {
		c, err := net.DialTimeout("tcp", n.address, 200*time.Millisecond)
		if err != nil {
			return
		}
		n.t.Cleanup(func() { c.Close() })
	}
}

// accept takes one connection.
func (n *narrow) accept() net.Conn {
	n.t.Helper()
	fd, _, err := unix.Accept4(n.fd, unix.SOCK_CLOEXEC)
	if err != nil {
		n.t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "accepted")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// A host that takes one stream at a time gets one at a time, on as many
// connections as it takes; none is refused for good.
func TestHostWithFewStreams(t *testing.T) {
	up := startH2Limited(t, "127.0.0.1:0", echoH2, 1)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{up.address()}}))
	for range 3 {
		var seen outcomes
		callMany(t, "SofaRpc", p.address("in"), scale(200), &seen, new(atomic.Int64))
		if seen.counts["ok"] != scale(200) {
			t.Fatalf("%v", seen.counts)
		}
	}
	p.wantOK(3 * scale(200))
}

// startDeaf listens without accepting, with its queue full.
func startDeaf(t *testing.T) string {
	t.Helper()
	n := listenNarrow(t)
	n.deafen()
	return n.address
}

// A connection that has carried its requests takes no more, also when its
// successor cannot be made: what comes then waits until its own deadline.
func TestRequestLimitHoldsWithoutSuccessor(t *testing.T) {
	n := listenNarrow(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{n.address}, clusterKV: `, "max_request_per_conn": 4`}))
	s := &boltService{handle: echoBolt, conns: make(map[net.Conn]bool)}
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		up := n.accept()
		n.deafen()
		s.wg.Go(func() { s.serve(up) })
	}()
	c := dialBolt(t, p.address("in"))
	for range 4 {
		wantBoltEcho(t, boltFrame{}, c.mustCall(t, newBoltRequest(service, nil)))
	}
	<-accepted
	for range 2 {
		f := newBoltRequest(service, nil)
		f.timeout = 100
		wantBoltFailure(t, c.mustCall(t, f), 7, codec.UpstreamTimeout)
	}
	if n := p.stats().Get(stats.UpstreamPendingAtLimit); n != 2 {
		t.Errorf("%d requests were counted as waiting at the limit", n)
	}
	s.wg.Wait() // the connection was closed after its four requests
}

func TestConnectTimeout(t *testing.T) {
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{startDeaf(t)}, clusterKV: `, "connect_timeout": "50ms"`}))
	r := dialBolt(t, p.address("in")).mustCall(t, newBoltRequest(service, nil))
	wantBoltFailure(t, r, 6, codec.ConnectTimeout)
	p.wantNothingHeld()
}

// While a connection is made, requests wait up to a bound; those beyond it, and
// those whose own timeout passes, are answered at once.
func TestWaitingRequestsAreBounded(t *testing.T) {
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{startDeaf(t)}}))
	var seen outcomes
	var wg sync.WaitGroup
	// Both loops have a queue of their own; four connections are two on each.
	for range 4 {
		c := dialBolt(t, p.address("in"))
		for range 800 {
			wg.Go(func() {
				f := newBoltRequest(service, []byte("x"))
				f.timeout = 2000
				r, err := c.call(f)
				if err != nil {
					seen.add(err.Error())
					return
				}
				seen.add(r.get(codec.ReasonHeader))
			})
		}
	}
	wg.Wait()
	const queues, room = 2, 1024
	if seen.counts["upstream_timeout"] != queues*room || seen.counts["overflow"] != 4*800-queues*room {
		t.Errorf("%v; want %d to wait until their timeout and the rest to overflow", seen.counts, queues*room)
	}
	p.wantNothingHeld()
}

// A host that comes back is used again without a restart.
func TestHostComesBack(t *testing.T) {
	address := freeAddress(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{address}}))
	c := dialBolt(t, p.address("in"))
	for range 5 {
		wantBoltFailure(t, c.mustCall(t, newBoltRequest(service, nil)), 6, codec.ConnectFailed)
	}
	startBoltService(t, address, echoBolt)
	eventually(t, "the host is used again", func() bool {
		r, err := c.call(newBoltRequest(service, nil))
		return err == nil && r.status == 0
	})
}

func TestIdleUpstreamConnectionsClose(t *testing.T) {
	bolt, h2 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
	p := startProxy(t, configOf(
		hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address()}, clusterKV: `, "idle_timeout": "100ms"`},
		hop{name: "h", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{h2.address()}, clusterKV: `, "idle_timeout": "100ms"`},
	))
	for round := 1; round <= 2; round++ {
		for _, listener := range []string{"b", "h"} {
			f := newBoltRequest(service, []byte("x"))
			wantBoltEcho(t, f, dialBolt(t, p.address(listener)).mustCall(t, f))
		}
		eventually(t, "both connections are closed", func() bool {
			s := p.stats()
			return s.Get(stats.UpstreamConnections) == uint64(2*round) && s.Get(stats.UpstreamConnectionsClosed) == uint64(2*round)
		})
	}
}

func TestIdleDownstreamConnectionsClose(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	text := configOf(
		hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}},
		hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}},
		hop{name: "a", listen: "127.0.0.1:0", down: "Auto", up: "SofaRpc", hosts: []string{up.address()}},
	)
	text = strings.ReplaceAll(text, `"bind_port"`, `"connection_idle_timeout": "100ms", "bind_port"`)
	p := startProxy(t, text)
	for _, listener := range []string{"b", "a"} {
		wantClosed(t, dial(t, p.address(listener)))
	}
	c := newH2Client(t)
	for range 3 {
		if r := postH2(t, c, p.address("h"), nil, true, http.Header{"Service": {service}}); r.status != 200 {
			t.Errorf("status %d", r.status)
		}
		eventually(t, "the connection is closed", func() bool {
			s := p.stats()
			return s.Get(stats.DownstreamConnections) == s.Get(stats.DownstreamConnectionsClosed)
		})
	}
}

// Upstreams and listeners may be Unix sockets.
func TestUnixSockets(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", dir+"/up")
	if err != nil {
		t.Fatal(err)
	}
	s := &boltService{listener: l, handle: echoBolt, conns: make(map[net.Conn]bool)}
	s.wg.Go(s.accept)
	t.Cleanup(func() { l.Close(); s.wg.Wait() })
	p := startProxy(t, configOf(
		hop{name: "far", listen: dir + "/in", down: "SofaRpc", up: "SofaRpc", hosts: []string{dir + "/up"}},
		hop{name: "near", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{dir + "/in"}},
	))
	c := dialBolt(t, p.address("near"))
	for _, n := range sizes {
		f := newBoltRequest(service, body(n))
		wantBoltEcho(t, f, c.mustCall(t, f))
	}
	p.wantOK(2 * len(sizes))
	p.Stop(t.Context())
}
