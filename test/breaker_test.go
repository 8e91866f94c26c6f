// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// startGate runs a Bolt echo service that answers when it is let to.
func startGate(t testing.TB) (address string, open func(), asked *atomic.Int64) {
	t.Helper()
	gate := make(chan struct{})
	asked = new(atomic.Int64)
	up := startBoltService(t, "127.0.0.1:0", func(q boltFrame) []boltFrame {
		asked.Add(1)
		<-gate
		return echoBolt(q)
	})
	open = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(open)
	return up.address(), open, asked
}

// callAll makes calls at once, from four connections, so that both loops have
// some, and counts their ends.
func callAll(t testing.TB, address string, calls int, f boltFrame) *outcomes {
	t.Helper()
	var wg sync.WaitGroup
	var seen outcomes
	var clients [4]*boltClient
	for i := range clients {
		clients[i] = dialBolt(t, address)
	}
	for i := range calls {
		wg.Go(func() {
			r, err := clients[i%len(clients)].call(f)
			switch {
			case err != nil:
				seen.add(err.Error())
			case r.status != 0:
				seen.add(fmt.Sprint(r.status, " ", r.get(codec.ReasonHeader)))
			case !bytes.Equal(r.content, f.content):
				seen.add("another's reply")
			default:
				seen.add("ok")
			}
		})
	}
	wg.Wait()
	return &seen
}

// later runs callAll on a goroutine.
func later(t testing.TB, address string, calls int, f boltFrame) <-chan *outcomes {
	done := make(chan *outcomes, 1)
	go func() { done <- callAll(t, address, calls, f) }()
	return done
}

// max_requests is exact over all loops, what is over it is refused at once, and
// room is there again when requests end. It outlives a change of the hosts.
func TestMaxRequests(t *testing.T) {
	address, open, asked := startGate(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{address},
		clusterKV: `, "circuit_breakers": [{"max_requests": 5}]`}))
	first := later(t, p.address("in"), 20, newBoltRequest(service, []byte("x")))
	eventually(t, "fifteen are refused", func() bool { return p.stats().Get(stats.UpstreamOverflowRequests) == 15 })
	if err := p.Update("in", func(c *cluster.Cluster) *cluster.Cluster {
		return c.Mark(address, cluster.Ejected, false).With(c.Hosts)
	}); err != nil {
		t.Fatal(err)
	}
	if seen := callAll(t, p.address("in"), 3, newBoltRequest(service, nil)); seen.counts["4 overflow"] != 3 {
		t.Errorf("after a change of hosts: %v", seen.counts)
	}
	eventually(t, "five are at the host", func() bool { return asked.Load() == 5 })
	open()
	if seen := <-first; seen.counts["ok"] != 5 || seen.counts["4 overflow"] != 15 {
		t.Errorf("%v", seen.counts)
	}
	c := dialBolt(t, p.address("in"))
	for range 20 {
		wantBoltEcho(t, boltFrame{}, c.mustCall(t, newBoltRequest(service, nil)))
	}
	p.wantNothingHeld()
}

// What is in use counts on under the limit of another configuration, also where
// the old one had none that was reached.
func TestLimitsOutliveReload(t *testing.T) {
	address, open, asked := startGate(t)
	in := hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{address}}
	limited := func(n int) string {
		in.clusterKV = fmt.Sprintf(`, "circuit_breakers": [{"max_requests": %d}]`, n)
		return configOf(in)
	}
	p := startProxy(t, limited(100))
	first := later(t, p.address("in"), 10, newBoltRequest(service, []byte("x")))
	eventually(t, "ten are at the host", func() bool { return asked.Load() == 10 })
	if _, err := p.tryReload(limited(12)); err != nil {
		t.Fatal(err)
	}
	second := later(t, p.address("in"), 5, newBoltRequest(service, []byte("x")))
	eventually(t, "three are refused", func() bool { return p.stats().Get(stats.UpstreamOverflowRequests) == 3 })
	open()
	if a, b := <-first, <-second; a.counts["ok"] != 10 || b.counts["ok"] != 2 || b.counts["4 overflow"] != 3 {
		t.Errorf("%v, then %v", a.counts, b.counts)
	}
	if seen := callAll(t, p.address("in"), 12, newBoltRequest(service, nil)); seen.counts["ok"] != 12 {
		t.Errorf("when all have ended: %v", seen.counts)
	}
	p.wantNothingHeld()
}

// max_pending_requests bounds those that wait for a connection, over all loops.
func TestMaxPendingRequests(t *testing.T) {
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{startDeaf(t)},
		clusterKV: `, "circuit_breakers": [{"max_pending_requests": 7}]`}))
	f := newBoltRequest(service, nil)
	f.timeout = 500
	seen := callAll(t, p.address("in"), 30, f)
	if seen.counts["7 upstream_timeout"] != 7 || seen.counts["4 overflow"] != 23 {
		t.Errorf("%v", seen.counts)
	}
	if n := p.stats().Get(stats.UpstreamOverflowPending); n != 23 {
		t.Errorf("%d counted", n)
	}
	// Those that were answered have made room.
	if seen := callAll(t, p.address("in"), 7, f); seen.counts["7 upstream_timeout"] != 7 {
		t.Errorf("%v", seen.counts)
	}
	p.wantNothingHeld()
}

// max_retries bounds the retries under way, over all loops.
func TestMaxRetries(t *testing.T) {
	var asked, again atomic.Int64
	all, gate := make(chan struct{}), make(chan struct{})
	up := startBoltService(t, "127.0.0.1:0", func(q boltFrame) []boltFrame {
		switch n := asked.Add(1); {
		case n > 10:
			again.Add(1)
			<-gate
			return echoBolt(q)
		case n == 10:
			close(all)
		}
		<-all
		r := q.reply()
		r.status = 4
		return []boltFrame{r}
	})
	t.Cleanup(sync.OnceFunc(func() { close(gate) }))
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()},
		route:     `, "retry_policy": {"retry_on": true, "retry_back_off": {"base_interval": "1ms"}}`,
		clusterKV: `, "circuit_breakers": [{"max_retries": 2, "retry_budget": {"budget_percent": 100, "min_retry_concurrency": 100}}]`}))
	done := later(t, p.address("in"), 10, newBoltRequest(service, nil))
	eventually(t, "eight are not retried", func() bool { return p.stats().Get(stats.UpstreamOverflowRetries) == 8 })
	eventually(t, "two are", func() bool { return again.Load() == 2 })
	gate <- struct{}{}
	gate <- struct{}{}
	if seen := <-done; seen.counts["ok"] != 2 || seen.counts["4 "] != 8 {
		t.Errorf("%v", seen.counts)
	}
	p.wantNothingHeld()
}

// max_connections counts over all loops, but each loop may have one; a large
// request, which needs a connection for itself, gets its turn all the same.
func TestMaxConnections(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()},
		clusterKV: `, "circuit_breakers": [{"max_connections": 1}]`}))
	var wg sync.WaitGroup
	for k := range 4 {
		c := dialBolt(t, p.address("in"))
		for i := range 8 {
			size := 100
			if i == 0 {
				size = 300_000
			}
			wg.Go(func() {
				for range scale(30) {
					f := newBoltRequest(service, body(size))
					if r, err := c.call(f); err != nil || r.status != 0 || !bytes.Equal(r.content, f.content) {
						t.Errorf("client %d, %d bytes: status %d, reason %q, %v", k, size, r.status, r.get(codec.ReasonHeader), err)
					}
				}
			})
		}
	}
	wg.Wait()
	if n := up.accepted.Load(); n > 2 {
		t.Errorf("%d connections were made by two loops", n)
	}
	if n := p.stats().Get(stats.UpstreamOverflowConnections); n == 0 {
		t.Error("no connection was refused")
	}
	p.wantOK(4 * 8 * scale(30))
}

// A host that accepts connections and reads nothing does not get one after the
// other, each with its share of unsent requests.
func TestHostThatDoesNotRead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepted atomic.Int64
	var conns []net.Conn
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*net.TCPConn).SetReadBuffer(4 << 10)
			conns = append(conns, c)
			accepted.Add(1)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-over
		for _, c := range conns {
			c.Close()
		}
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{l.Addr().String()}}))
	f := newBoltRequest(service, body(60_000))
	f.timeout = 1500
	seen := callAll(t, p.address("in"), 1000, f)
	t.Logf("%v over %d connections", seen.counts, accepted.Load())
	// Two loops, each with two that are blocked and one that is being filled.
	if n := accepted.Load(); n > 6 {
		t.Errorf("%d connections were made", n)
	}
	p.wantNothingHeld()
}
