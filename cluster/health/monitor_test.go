// SPDX-License-Identifier: Apache-2.0

package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

// Each row is the results of a host's probes, + and -, and the verdicts after
// each of them, U and D.
func TestThresholds(t *testing.T) {
	for _, tt := range []struct {
		healthy, unhealthy uint32
		initially          bool
		probes, verdicts   string
	}{
		{1, 1, false, "+-+-", "UDUD"},
		{2, 3, false, "--+---", "UUUUUD"},
		{2, 3, false, "---+-++", "UUDDDDU"},
		{3, 1, false, "-++++", "DDDUU"},
		{3, 1, true, "+-", "UD"},       // the first good probe is enough
		{3, 1, true, "-++++", "DDDUU"}, // but only the first of all
	} {
		b := newBench(t)
		check := often(config.HealthTCP)
		check.HealthyThreshold, check.UnhealthyThreshold, check.InitiallyUnhealthy = tt.healthy, tt.unhealthy, tt.initially
		b.follow(t, Cluster{Name: "c", Hosts: hosts("127.0.0.1:1"), Check: check})
		h := b.clusters["c"].hosts["127.0.0.1:1"]
		got := ""
		for _, p := range tt.probes {
			var err error
			if p == '-' {
				err = errors.New("no")
			}
			b.settle(h, err)
			got += map[bool]string{false: "U", true: "D"}[h.verdict().FailedCheck]
		}
		if got != tt.verdicts {
			t.Errorf("%d/%d %s: %s, want %s", tt.healthy, tt.unhealthy, tt.probes, got, tt.verdicts)
		}
	}
}

// The interval depends on the verdict and on whether it has just turned, and is
// always longer by a random part within bounds.
func TestIntervalsAndJitter(t *testing.T) {
	c := &cluster{check: &config.HealthCheck{Interval: 1000, Unhealthy: 2000, HealthyEdge: 3000, UnhealthyEdge: 4000, Jitter: 100}}
	for _, tt := range []struct {
		down, edge bool
		least      int64
	}{{false, false, 1000}, {true, false, 2000}, {false, true, 3000}, {true, true, 4000}} {
		h := &host{cluster: c, check: checkState{down: tt.down, edge: tt.edge}}
		seen := make(map[int64]bool)
		for range 1000 {
			d := h.interval()
			if seen[d] = true; d < tt.least || d > tt.least+100 {
				t.Fatalf("%+v: %d", tt, d)
			}
		}
		if len(seen) < 50 {
			t.Errorf("%+v: %d different intervals", tt, len(seen))
		}
	}
	for range 1000 {
		if d := firstProbe(1000); d < 500 || d > 1000 {
			t.Fatalf("the first probe after %d of 1000", d)
		}
	}
}

// A host is asked by one prober, however often the hosts are replaced: the rate
// of probes after 1,000 updates is what it was.
func TestHostUpdatesDoNotMultiplyProbes(t *testing.T) {
	var now, most atomic.Int64
	hold := make(chan struct{})
	p := startPeer(t, func(c net.Conn) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		if request(c) == nil {
			<-hold
			io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
		}
	})
	b := newBench(t)
	c := Cluster{Name: "c", Check: httpCheck(config.CodeRange{First: 200, Last: 200}), Hosts: []Host{p.host()}}
	b.Run(b.alarms)
	b.follow(t, c)
	eventually(t, "the host is being probed", func() bool { return now.Load() > 0 })
	for i := range 1000 {
		// The host comes, goes, and comes back while it is being probed.
		if c.Hosts = nil; i%3 != 0 {
			c.Hosts = append(hosts(fmt.Sprintf("127.0.0.1:%d", 1+i%7)), p.host(), p.host())
		}
		b.follow(t, c)
	}
	c.Hosts = []Host{p.host()}
	b.follow(t, c)
	var hosts, queued, probes int
	look := func() bool {
		b.mu2(func() { hosts, queued, probes = len(b.clusters["c"].hosts), len(b.queue.list), b.probes })
		return hosts == 1
	}
	eventually(t, "one host is left", look)
	if queued != 0 || probes != 1 {
		t.Errorf("%d hosts are queued, %d being probed", queued, probes)
	}
	close(hold)
	before := b.totals().Probes
	eventually(t, "probes go on", func() bool { return b.totals().Probes > before+5 })
	if n := most.Load(); n != 1 {
		t.Errorf("%d probes of one host at a time", n)
	}
	look()
	if hosts != 1 || queued+probes > 1 {
		t.Errorf("%d hosts, %d queued, %d being probed", hosts, queued, probes)
	}
}

// What is known of a host survives a change of the others and of thresholds; a
// host that was away begins anew.
func TestVerdictsSurviveUpdates(t *testing.T) {
	b := newBench(t)
	c := Cluster{Name: "c", Hosts: hosts("127.0.0.1:1", "127.0.0.1:2"), Check: often(config.HealthTCP), Outlier: detection()}
	b.follow(t, c)
	b.settle(b.clusters["c"].hosts["127.0.0.1:1"], errors.New("no"))
	b.eject(b.clusters["c"], finding{of: b.clusters["c"].hosts["127.0.0.1:2"]})
	want := map[string]Verdict{"127.0.0.1:1": {FailedCheck: true}}
	c.Hosts = append(c.Hosts, hosts("127.0.0.1:3", "127.0.0.1:4", "127.0.0.1:5")...)
	b.follow(t, c)
	b.eject(b.clusters["c"], finding{of: b.clusters["c"].hosts["127.0.0.1:2"]})
	want["127.0.0.1:2"] = Verdict{Ejected: true}
	again := *c.Check
	again.UnhealthyThreshold = 3
	c.Check = &again
	b.follow(t, c)
	if got := b.Verdicts("c"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	c.Hosts = c.Hosts[2:]
	b.follow(t, c)
	c.Hosts = append(c.Hosts, hosts("127.0.0.1:1", "127.0.0.1:2")...)
	b.follow(t, c)
	if got := b.Verdicts("c"); len(got) != 0 {
		t.Errorf("%v of hosts that were away", got)
	}
	if err := b.FollowAll(nil); err != nil || len(b.View()) != 0 || len(b.queue.list) != 0 {
		t.Errorf("%v; %d clusters and %d hosts are left", err, len(b.View()), len(b.queue.list))
	}
}

// Without a check any more, nothing holds a host back.
func TestCheckTakenAway(t *testing.T) {
	b := newBench(t)
	c := Cluster{Name: "c", Hosts: hosts("127.0.0.1:1"), Check: often(config.HealthTCP), Outlier: detection()}
	b.follow(t, c)
	b.settle(b.clusters["c"].hosts["127.0.0.1:1"], errors.New("no"))
	c.Check = nil
	b.follow(t, c)
	if got := b.Verdicts("c"); len(got) != 0 || len(b.queue.list) != 0 {
		t.Errorf("%v, %d queued", got, len(b.queue.list))
	}
	c.Check = often(config.HealthTCP)
	b.follow(t, c)
	if len(b.queue.list) != 1 {
		t.Errorf("%d queued", len(b.queue.list))
	}
}

func TestEventLogThatCannotBeOpened(t *testing.T) {
	b := newBench(t)
	check := often(config.HealthTCP)
	check.EventLog = "bad"
	if err := b.Follow(Cluster{Name: "c", Check: check}); err == nil || !strings.Contains(err.Error(), `cluster "c"`) {
		t.Errorf("%v", err)
	}
}

// Many hosts that fail together make few changes.
func TestChangesAreGathered(t *testing.T) {
	b := newBench(t)
	c := Cluster{Name: "c", Check: often(config.HealthTCP)}
	for i := range 500 {
		c.Hosts = append(c.Hosts, hosts(fmt.Sprintf("127.0.0.1:%d", 1+i))...)
	}
	b.follow(t, c)
	for _, h := range b.clusters["c"].hosts {
		b.mu2(func() { b.settle(h, errors.New("no")) })
	}
	b.running.Go(b.publish)
	eventually(t, "the change is told", func() bool { return b.changed() > 0 })
	b.Stop()
	if n := b.changed(); n != 1 {
		t.Errorf("%d changes for 500 hosts that fell together", n)
	}
	if n := len(b.Verdicts("c")); n != 500 {
		t.Errorf("%d verdicts", n)
	}
}

// mu2 runs f with the Monitor's lock, as probes have it.
func (b *bench) mu2(f func()) {
	b.Monitor.mu.Lock()
	defer b.Monitor.mu.Unlock()
	f()
}

// Stop ends probes that wait for a mute host.
func TestStopEndsProbes(t *testing.T) {
	arrived := make(chan struct{}, 64)
	p := startPeer(t, func(c net.Conn) {
		arrived <- struct{}{}
		io.Copy(io.Discard, c)
	})
	b := newBench(t)
	check := often(config.HealthBolt)
	check.Timeout = time.Hour
	b.follow(t, Cluster{Name: "c", Hosts: []Host{p.host()}, Check: check})
	b.Run(b.alarms)
	<-arrived
	b.Stop()
	if got := b.Verdicts("c"); len(got) != 0 {
		t.Errorf("the end is a verdict: %v", got)
	}
}

// However many hosts are due and mute, the probes under way are bounded.
func TestProbesAreBounded(t *testing.T) {
	p := startPeer(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	b := newBench(t)
	c := Cluster{Name: "c", Check: often(config.HealthBolt)}
	c.Check.Timeout = time.Hour
	for i := range maxProbes + 100 {
		c.Hosts = append(c.Hosts, Host{Network: "tcp", Address: fmt.Sprintf("cart-%d:12200", i), Dial: p.Addr().String()})
	}
	b.follow(t, c)
	b.Run(b.alarms)
	under := func() (n, queued int) {
		b.mu2(func() { n, queued = b.probes, len(b.queue.list) })
		return n, queued
	}
	eventually(t, "all slots are taken", func() bool { n, _ := under(); return n == maxProbes })
	if _, queued := under(); queued != 100 {
		t.Errorf("%d hosts wait", queued)
	}
}

// A host that is only waited for costs little: what many of them add to the heap.
func TestMemoryPerHost(t *testing.T) {
	const n, limit = 20_000, 1024
	list := make([]Host, n)
	for i := range list {
		list[i] = Host{Network: "tcp", Address: fmt.Sprintf("10.0.%d.%d:12200", i/250, i%250)}
	}
	b := newBench(t)
	check := often(config.HealthBolt)
	before := inUse()
	b.follow(t, Cluster{Name: "c", Hosts: list, Check: check, Outlier: detection()})
	per := (inUse() - before) / n
	t.Logf("%d bytes per host", per)
	if per > limit {
		t.Errorf("%d bytes per host, want at most %d", per, limit)
	}
	runtime.KeepAlive(b)
	runtime.KeepAlive(list)
}

// inUse is the bytes in use.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Each line of the log of events is one JSON object in Envoy's terms.
func TestCheckEvents(t *testing.T) {
	b := newBench(t)
	check := often(config.HealthBolt)
	check.EventLog, check.LogFailures, check.UnhealthyThreshold = "log", true, 2
	unix := Host{Network: "unix", Address: "/run/cart.sock"}
	b.follow(t, Cluster{Name: "c", Hosts: []Host{unix}, Check: check})
	h := b.clusters["c"].hosts[unix.Address]
	for _, err := range []error{wrongAnswer("status 4"), io.EOF, nil} {
		b.settle(h, err)
	}
	var got []string
	for line := range strings.Lines(b.events.String()) {
		var e checkEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Host.Pipe == nil || e.Host.Pipe.Path != unix.Address || e.Type != "BOLT" || e.Timestamp == "" {
			t.Errorf("event %s", line)
		}
		switch {
		case e.Failure != nil:
			got = append(got, fmt.Sprintf("failure %s first=%v %s", e.Failure.Type, e.Failure.First, e.Reason))
		case e.Ejected != nil:
			got = append(got, fmt.Sprintf("eject %s %s", e.Ejected.Type, e.Reason))
		case e.Added != nil:
			got = append(got, fmt.Sprintf("add first=%v", e.Added.First))
		}
	}
	want := []string{"failure ACTIVE first=true status 4", "failure NETWORK first=false EOF", "eject NETWORK EOF", "add first=false"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// A connection that is kept between probes, of each protocol.
func TestMemoryPerKeptConnection(t *testing.T) {
	h2 := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {})}
	h2.Protocols.SetUnencryptedHTTP2(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); h2.Serve(l) }()
	defer func() { h2.Close(); <-done }()
	host := Host{Network: "tcp", Address: l.Addr().String()}
	c := often(config.HealthHTTP2)
	c.Reuse, c.Request = true, config.HealthRequest{Method: "GET", Path: "/", Codes: []config.CodeRange{{First: 200, Last: 200}}}
	a := newAsker(c, usualLimits(t))
	const n, limit = 50, 8 << 10
	var kept []session
	ask := func() {
		s, err := a.ask(deadline(t, waitLimit), new(net.Dialer), host, nil)
		if err != nil || s == nil {
			t.Fatalf("%v, kept %v", err, s != nil)
		}
		kept = append(kept, s)
	}
	ask()
	// The server's memory counts, too: what is measured is what closing ours
	// gives back while its goes on, so that an upper bound is asserted.
	for range n {
		ask()
	}
	with := inUse()
	for _, s := range kept {
		h := s.(*http2Session)
		h.client, h.out = nil, nil
		h.mem = codec.Memory{}
	}
	per := (with - inUse()) / n
	t.Logf("%d bytes per kept HTTP/2 connection, its socket not included", per)
	if per > limit {
		t.Errorf("%d bytes, want at most %d", per, limit)
	}
	for _, s := range kept {
		s.(*http2Session).connection.close()
	}
}
