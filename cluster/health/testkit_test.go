// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sideloop/sideloop/cluster/tally"
	"github.com/sideloop/sideloop/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// waitLimit bounds how long a condition may take to become true.
const waitLimit = 20 * time.Second

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", waitLimit, what)
		}
	}
}

// memory is an event log that a test reads.
type memory struct {
	mu   sync.Mutex
	text strings.Builder
}

func (m *memory) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.Write(b)
}

func (m *memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

// loops answers for the data plane.
type loops struct {
	mu     sync.Mutex
	runs   []tally.Runs
	counts map[string]*tally.Counts
	asked  int
}

func (l *loops) Runs(_, _ string, ended [tally.RunKinds]int64) ([]tally.Runs, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	all := append([]tally.Runs(nil), l.runs...)
	for i := range all {
		all[i].Forget(ended)
	}
	return all, nil
}

func (l *loops) Counts(string) (map[string]*tally.Counts, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	l.counts = nil
	return c, nil
}

// bench is a Monitor under test.
type bench struct {
	*Monitor
	loops  *loops
	events *memory
	alarms chan tally.Alarm

	mu      sync.Mutex
	changes int
}

// newBench returns a Monitor that does not run yet.
func newBench(t testing.TB) *bench {
	b := &bench{loops: new(loops), events: new(memory), alarms: make(chan tally.Alarm, 16)}
	b.Monitor = New(Options{
		Loops: b.loops,
		Changed: func([]string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.changes++
		},
		EventLog: func(path string) (io.Writer, error) {
			if path == "bad" {
				return nil, fmt.Errorf("no such log")
			}
			return b.events, nil
		},
		Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(b.Stop)
	return b
}

func (b *bench) changed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changes
}

func (b *bench) follow(t testing.TB, c Cluster) {
	t.Helper()
	if err := b.Follow(c); err != nil {
		t.Fatal(err)
	}
}

// totals is that of the only cluster.
func (b *bench) totals() Totals { return b.View()[0].Totals }

// often is a check that probes quickly.
func often(p config.HealthProtocol) *config.HealthCheck {
	const interval = 10 * time.Millisecond
	return &config.HealthCheck{
		Protocol: p, Timeout: 5 * time.Second, Interval: interval, Unhealthy: interval, HealthyEdge: interval, UnhealthyEdge: interval,
		HealthyThreshold: 1, UnhealthyThreshold: 1,
	}
}

// hosts are addresses as hosts.
func hosts(addresses ...string) (list []Host) {
	for _, a := range addresses {
		list = append(list, Host{Network: "tcp", Address: a})
	}
	return list
}

// peer is a server that is scripted connection by connection.
type peer struct {
	net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	accepted int
	open     map[net.Conn]bool
}

func startPeer(t testing.TB, serve func(net.Conn)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Listener: l, open: make(map[net.Conn]bool)}
	p.wg.Go(func() { p.accept(serve) })
	t.Cleanup(p.stop)
	return p
}

func (p *peer) accept(serve func(net.Conn)) {
	for {
		c, err := p.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.accepted++
		p.open[c] = true
		p.mu.Unlock()
		p.wg.Go(func() {
			serve(c)
			c.Close()
			p.mu.Lock()
			delete(p.open, c)
			p.mu.Unlock()
		})
	}
}

func (p *peer) stop() {
	p.Close()
	p.mu.Lock()
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *peer) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

func (p *peer) host() Host { return Host{Network: "tcp", Address: p.Addr().String()} }

// askOnce is one probe of h on a new connection.
func askOnce(t testing.TB, c *config.HealthCheck, h Host, timeout time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	s, err := newAsker(c, usualLimits(t)).ask(ctx, new(net.Dialer), h, nil)
	if s != nil {
		s.close()
	}
	return err
}

// usualLimits are those of a cluster that states none.
func usualLimits(t testing.TB) *config.HTTP2Limits {
	t.Helper()
	c, problems := config.Parse("t.json", []byte(`{"servers": [{"listeners": []}], "cluster_manager": {"clusters": [{"name": "c", "hosts": [{"address": "127.0.0.1:1"}]}]}}`))
	if c == nil {
		t.Fatal(problems)
	}
	return &c.Clusters[0].HTTP2
}

func deadline(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
