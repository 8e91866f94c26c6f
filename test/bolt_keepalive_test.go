// SPDX-License-Identifier: Apache-2.0

package test

import (
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// patience is a keepalive that a busy machine does not break and that gives a
// frozen host up within two seconds or so.
const patience = `, "keepalive": {"interval": "300ms", "timeout": "300ms"}`

// keeper is an upstream host in Bolt that reads frames and does as it is told.
type keeper struct {
	beats  atomic.Int64
	answer atomic.Bool
	ended  chan error
	conn   net.Conn
}

func acceptKeeper(t testing.TB, l net.Listener) *keeper {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	k := &keeper{ended: make(chan error, 1), conn: c}
	go func() {
		r := newReader(c)
		for {
			f, err := readBolt(r)
			switch {
			case err != nil:
				k.ended <- err
				return
			case f.command == 0:
				k.beats.Add(1)
				if k.answer.Load() {
					f.kind, f.status = kindResponse, 0
					c.Write(f.encode())
				}
			case f.get("service") != neverService:
				f = f.reply()
				c.Write(f.encode())
			}
		}
	}()
	return k
}

// A silent connection is probed, idle or not, for as long as its host answers;
// one whose host does not is given up after as many probes as are due, and its
// requests end with that reason.
func TestKeepaliveProbes(t *testing.T) {
	for _, tt := range []struct {
		name, keepalive string
		probes          int64
	}{
		{"six", `, "keepalive": {"interval": "100ms", "timeout": "20ms"}`, 6},
		{"fast fail", `, "keepalive": {"interval": "100ms", "timeout": "20ms", "fast_fail": true}`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listenScript(t)
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
				hosts: []string{l.Addr().String()}, clusterKV: `, "keepalive": {"interval": "5ms", "timeout": "20s"}`}))
			c := dialBolt(t, p.address("in"))
			go c.call(newBoltRequest(service, nil))
			k := acceptKeeper(t, l)
			k.answer.Store(true)
			eventually(t, "the living host is probed again and again", func() bool { return k.beats.Load() >= 20 })
			if s := p.stats(); s.Get(stats.UpstreamUnresponsive) != 0 || s.Get(stats.UpstreamConnections) != 1 {
				t.Errorf("%d unresponsive, %d connections", s.Get(stats.UpstreamUnresponsive), s.Get(stats.UpstreamConnections))
			}

			q := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
				hosts: []string{l.Addr().String()}, clusterKV: tt.keepalive}))
			waiting := make(chan boltFrame, 1)
			d := dialBolt(t, q.address("in"))
			go func() {
				r, _ := d.call(newBoltRequest(neverService, nil))
				waiting <- r
			}()
			k = acceptKeeper(t, l)
			wantBoltFailure(t, <-waiting, 3, codec.UpstreamUnresponsive)
			<-k.ended
			if n := k.beats.Load(); n != tt.probes {
				t.Errorf("given up after %d probes, want %d", n, tt.probes)
			}
			if n := q.stats().Get(stats.UpstreamUnresponsive); n != 1 {
				t.Errorf("%d connections counted as unresponsive", n)
			}
			q.wantNothingHeld()
		})
	}
}

// A host that says anything is alive, whatever it does with heartbeats.
func TestKeepaliveTakesAnySign(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{l.Addr().String()}, clusterKV: `, "keepalive": {"interval": "1ms", "timeout": "10s", "fast_fail": true}`}))
	c := dialBolt(t, p.address("in"))
	go c.call(newBoltRequest(service, nil))
	k := acceptKeeper(t, l)
	for n := int64(1); n <= 10; n++ {
		eventually(t, "another probe follows", func() bool { return k.beats.Load() >= n })
		wantBoltEcho(t, boltFrame{}, c.mustCall(t, newBoltRequest(service, nil)))
	}
	if n := p.stats().Get(stats.UpstreamConnections); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// neverAnswered makes a call that its service does not answer and gives its
// status and reason.
func neverAnswered(t testing.TB, protocol, address string) <-chan string {
	outcome := make(chan string, 1)
	if protocol == "SofaRpc" {
		c := dialBolt(t, address)
		go func() {
			r, err := c.call(newBoltRequest(neverService, nil))
			if err != nil {
				outcome <- err.Error()
			} else {
				outcome <- r.get(codec.ReasonHeader)
			}
		}()
		return outcome
	}
	c := newH2Client(t)
	go func() {
		r, err := tryH2(c, address, nil, true, http.Header{"Service": {neverService}})
		if err != nil {
			outcome <- err.Error()
		} else {
			outcome <- r.header.Get(codec.ReasonHeader)
		}
	}()
	return outcome
}

// A host whose process is frozen still takes connections and bytes. It is given
// up by its silence, its requests end with the reason, those that follow are
// refused at once or served by another host, and it is used again when it runs
// again.
func TestFrozenUpstream(t *testing.T) {
	t.Parallel() // it waits for most of the time
	eachPair(t, func(t *testing.T, down, up string) {
		e := startEchoProcess(t, up)
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: up, hosts: []string{e.address}, clusterKV: patience}))
		var seen outcomes
		callMany(t, down, p.address("in"), 64, &seen, new(atomic.Int64))
		if seen.counts["ok"] != 64 {
			t.Fatalf("before: %v", seen.counts)
		}
		var waiting []<-chan string
		for range 4 {
			waiting = append(waiting, neverAnswered(t, down, p.address("in")))
		}
		eventually(t, "the requests are on their way", func() bool { return p.stats().Get(stats.UpstreamRequests) == 68 })
		e.freeze()
		for _, w := range waiting {
			if got := <-w; got != codec.UpstreamUnresponsive.String() {
				t.Errorf("a request in flight ended with %q", got)
			}
		}
		one := func() string {
			var seen outcomes
			callMany(t, down, p.address("in"), 1, &seen, new(atomic.Int64))
			for what := range seen.counts {
				return what
			}
			return ""
		}
		// One request per loop may wait for the verdict on a new connection.
		eventually(t, "requests are refused", func() bool { return one() == codec.UpstreamUnresponsive.String() })
		e.thaw()
		eventually(t, "the host is used again", func() bool { return one() == "ok" })
		p.wantNothingHeld()
	})
}

// With another host at hand, no request but those in flight is lost to a frozen
// one.
func TestFrozenUpstreamFailsOver(t *testing.T) {
	t.Parallel() // it waits for most of the time
	for _, up := range protocols {
		t.Run(up, func(t *testing.T) {
			frozen, other := startEchoProcess(t, up), startEchoProcess(t, up)
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: up,
				hosts: []string{frozen.address, other.address}, clusterKV: patience}))
			var seen outcomes
			callMany(t, "SofaRpc", p.address("in"), 64, &seen, new(atomic.Int64))
			frozen.freeze()
			// Both loops have connections, which are idle now.
			eventually(t, "the idle connections are given up", func() bool { return p.stats().Get(stats.UpstreamUnresponsive) >= 2 })
			callMany(t, "SofaRpc", p.address("in"), 200, &seen, new(atomic.Int64))
			if seen.counts["ok"] != 264 {
				t.Errorf("%v", seen.counts)
			}
			p.wantOK(264)
		})
	}
}
