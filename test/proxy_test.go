// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/server"
	"github.com/sideloop/sideloop/stats"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(echoVariable); address != "" {
		serveEcho(address)
	}
	if what := os.Getenv(moveVariable); what != "" {
		os.Exit(runMove(what))
	}
	goleak.VerifyTestMain(m,
		// gnet's pool of enrolling goroutines belongs to the process.
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"),
	)
}

// scale multiplies counts: 1 in make test, more in make soak.
func scale(n int) int {
	if os.Getenv("SIDELOOP_SOAK") != "" {
		return n * soakFactor
	}
	return n
}

const soakFactor = 50

// waitLimit bounds how long a condition may take to become true.
const waitLimit = 20 * time.Second

// eventually polls until ok is true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(waitLimit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", waitLimit, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// reaches polls until a count is at least as told. It may take as long as the count
// goes on growing, since a soak's load takes minutes.
func reaches(t testing.TB, what string, count *atomic.Int64, least int64) {
	t.Helper()
	last, moved := count.Load(), time.Now()
	for n := last; n < least; n = count.Load() {
		if n > last {
			last, moved = n, time.Now()
		} else if time.Since(moved) > waitLimit {
			t.Fatalf("nothing for %v, at %d of %d: %s", waitLimit, n, least, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// freeAddress is a loopback address that nobody listens on now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// proxy is a running server and where it listens.
type proxy struct {
	*server.Server
	t testing.TB
}

// startProxy runs the proxy on a configuration and, at the test's end, checks
// that it holds nothing any more.
func startProxy(t testing.TB, text string) *proxy {
	t.Helper()
	c, problems := config.Parse("test.json", []byte(text))
	if problems.FailCheck() {
		t.Fatalf("the test's configuration is wrong: %v", problems)
	}
	s, err := server.Start(c, server.Options{Concurrency: 2})
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{s, t}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return p
}

// hop is one listener and the cluster that it routes to.
type hop struct {
	name, listen     string
	down, up         string // SofaRpc or Http2
	hosts            []string
	match            string // a match object; default: any service
	route, clusterKV string // more members, each beginning with a comma
	listenerKV, tls  string // more members of the listener and its chain, the same
	proxyKV          string // and of the proxy
}

// anyRequest matches whatever the protocol.
const anyRequest = `{"prefix": "/"}`

// unhurried keeps a proxy from refusing requests because its turns are long: the
// machine may have other tests to run, and the race detector takes its time.
const unhurried = `"overload_manager": {"max_loop_delay": "0s"}`

// configOf is a configuration in the 2018 shape, of an unhurried proxy.
func configOf(hops ...hop) string {
	var listeners, clusters []string
	for _, h := range hops {
		if h.match == "" {
			h.match = `{"headers": [{"name": "service", "value": ".*"}]}`
		}
		listeners = append(listeners, fmt.Sprintf(`{"name": %q, "address": %q, "bind_port": true%s, "filter_chains": [{"filters": [
 {"type": "proxy", "config": {"downstream_protocol": %q, "upstream_protocol": %q, "router_config_name": %q%s}},
 {"type": "connection_manager", "config": {"router_config_name": %q, "virtual_hosts": [{"name": "all", "domains": ["*"],
  "routers": [{"match": %s, "route": {"cluster_name": %q%s}}]}]}}]%s}]}`,
			h.name, h.listen, h.listenerKV, h.down, h.up, h.name, h.proxyKV, h.name, h.match, h.name, h.route, h.tls))
		var hosts []string
		for _, a := range h.hosts {
			hosts = append(hosts, fmt.Sprintf(`{"address": %q}`, a))
		}
		clusters = append(clusters, fmt.Sprintf(`{"name": %q, "type": "SIMPLE", "lb_type": "LB_ROUNDROBIN"%s, "hosts": [%s]}`,
			h.name, h.clusterKV, strings.Join(hosts, ",")))
	}
	return fmt.Sprintf(`{"servers": [{"default_log_path": "stderr", "default_log_level": "ERROR", `+unhurried+`, "listeners": [%s]}], "cluster_manager": {"clusters": [%s]}}`,
		strings.Join(listeners, ","), strings.Join(clusters, ","))
}

func (p *proxy) address(listener string) string {
	p.t.Helper()
	a := p.Addr(listener)
	if a == nil {
		p.t.Fatalf("no listener %q", listener)
	}
	return a.String()
}

func (p *proxy) stats() *stats.Block {
	p.t.Helper()
	return answered(p.t, p.Stats)
}

func (p *proxy) turns() eventloop.Stats {
	p.t.Helper()
	return answered(p.t, p.Turns)
}

// answered asks the loops until they answer: on a busy machine they may take
// longer than the server waits.
func answered[T any](t testing.TB, ask func() (T, error)) (answer T) {
	t.Helper()
	eventually(t, "the loops answer", func() bool {
		var err error
		answer, err = ask()
		return err == nil
	})
	return answer
}

// ended is the number of requests that ended for reason r.
func (p *proxy) ended(r codec.Reason) uint64 { return p.stats().EndedFor(uint8(r)) }

// held is the bytes that the loops hold, by purpose.
func (p *proxy) held() [codec.PurposeCount]int {
	p.t.Helper()
	return answered(p.t, p.Held)
}

// wantNothingHeld waits until no loop holds a byte.
func (p *proxy) wantNothingHeld() {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("no bytes are held; at first %v", p.held()), func() bool { return p.held() == [codec.PurposeCount]int{} })
}
