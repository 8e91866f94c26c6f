// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/stats"
)

// counted is an echo service that counts its requests.
type counted struct {
	address string
	stop    func()
	served  atomic.Int64
}

func startCounted(t *testing.T, protocol string) *counted {
	c := new(counted)
	if protocol == "SofaRpc" {
		s := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
			c.served.Add(1)
			return echoBolt(f)
		})
		c.address, c.stop = s.address(), s.stop
		return c
	}
	s := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		c.served.Add(1)
		echoH2(w, r)
	})
	c.address, c.stop = s.address(), s.stop
	return c
}

// wantServedBy holds what each host has served since it was last asked against its
// weight, to within 5 % of its share.
func wantServedBy(t *testing.T, what string, hosts []*counted, weights ...float64) {
	t.Helper()
	total, sum := 0.0, 0.0
	served := make([]float64, len(hosts))
	for i, h := range hosts {
		served[i] = float64(h.served.Swap(0))
		total += served[i]
		sum += weights[i]
	}
	for i, w := range weights {
		if want := total * w / sum; math.Abs(served[i]-want) > 0.05*want {
			t.Errorf("%s: the hosts served %v, want shares of %v", what, served, weights)
			return
		}
	}
}

// One of three hosts dies, another one comes, the configuration is loaded anew,
// all under load: before, between and after, each host serves its share.
func TestDistributionThroughChanges(t *testing.T) {
	for _, protocol := range []string{"SofaRpc", "Http2"} {
		t.Run(protocol, func(t *testing.T) {
			var all []*counted
			for range 4 {
				all = append(all, startCounted(t, protocol))
			}
			text := func(hosts []*counted, more string) string {
				var addresses []string
				for _, h := range hosts {
					addresses = append(addresses, h.address)
				}
				return configOf(hop{name: "in", listen: "127.0.0.1:0", down: protocol, up: protocol, hosts: addresses, clusterKV: more})
			}
			p := startProxy(t, text(all[:3], ""))
			calls := min(scale(6000), 150_000) // of each of five loads
			load := func(during func(done *atomic.Int64)) {
				var seen outcomes
				var done atomic.Int64
				finished := make(chan struct{})
				go func() {
					defer close(finished)
					callMany(t, protocol, p.address("in"), calls, &seen, &done)
				}()
				during(&done)
				<-finished
				for what, n := range seen.counts {
					switch what {
					case "ok", "upstream_closed", "upstream_reset", "connect_failed", "reset after the reply's head":
					default:
						t.Errorf("%d calls ended with %q", n, what)
					}
				}
				if lost := calls - seen.counts["ok"]; lost > calls/50 {
					t.Errorf("%d of %d calls were lost: %v", lost, calls, seen.counts)
				}
			}
			half := func(done *atomic.Int64) {
				reaches(t, "half of the load is done", done, int64(calls)/2)
			}
			steady := func(*atomic.Int64) {}
			load(steady)
			wantServedBy(t, "three hosts", all[:3], 1, 1, 1)
			load(func(done *atomic.Int64) {
				half(done)
				all[0].stop()
			})
			for _, h := range all {
				h.served.Store(0)
			}
			load(steady)
			wantServedBy(t, "one of three is dead", all[1:3], 1, 1)
			load(func(done *atomic.Int64) {
				half(done)
				if err := p.Update("in", func(c *cluster.Cluster) *cluster.Cluster {
					fresh := cluster.NewHost(&config.Host{Address: all[3].address, Weight: 1})
					return c.With(append(append([]*cluster.Host(nil), c.Hosts...), fresh))
				}); err != nil {
					t.Error(err)
				}
				for _, h := range all {
					h.served.Store(0)
				}
			})
			wantServedBy(t, "another one came half way", all[1:], 1, 1, 1)
			load(func(done *atomic.Int64) {
				half(done)
				c, problems := config.Parse("test.json", []byte(text(all[1:], `, "connect_timeout": "3s"`)))
				if problems.HasErrors() {
					t.Errorf("%v", problems)
					return
				}
				if _, err := p.Reload(c); err != nil {
					t.Error(err)
				}
			})
			wantServedBy(t, "loaded anew half way", all[1:], 1, 1, 1)
			p.wantNothingHeld()
		})
	}
}

// Weights are heeded by every policy, over real sockets.
func TestWeightsOfHosts(t *testing.T) {
	for _, lb := range []string{"LB_RANDOM", "LB_ROUNDROBIN", "LB_WEIGHTED_ROUNDROBIN", "LB_LEAST_REQUEST", "LB_LEAST_CONNECTION"} {
		hosts := []*counted{startCounted(t, "SofaRpc"), startCounted(t, "SofaRpc"), startCounted(t, "SofaRpc")}
		var list []string
		for i, h := range hosts {
			list = append(list, fmt.Sprintf(`{"address": %q, "weight": %d}`, h.address, []int{1, 2, 5}[i]))
		}
		text := configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc"})
		text = strings.Replace(text, `"LB_ROUNDROBIN"`, `"`+lb+`"`, 1)
		text = strings.Replace(text, `"hosts": []`, `"hosts": [`+strings.Join(list, ",")+`]`, 1)
		p := startProxy(t, text)
		c := dialBolt(t, p.address("in"))
		const calls = 4000
		for range calls {
			c.mustCall(t, newBoltRequest(service, nil))
		}
		for i, w := range []float64{1, 2, 5} {
			want := calls * w / 8
			// Six standard deviations of a random choice.
			if n := float64(hosts[i].served.Load()); math.Abs(n-want) > 6*math.Sqrt(want) {
				t.Errorf("%s: the host of weight %v served %v of %d", lb, w, n, calls)
			}
		}
	}
}

// A request that waits for a connection to a host that goes is served by another
// one.
func TestWaitingOutlivesTheHost(t *testing.T) {
	for _, protocol := range []string{"SofaRpc", "Http2"} {
		good := startCounted(t, protocol)
		deaf := listenNarrow(t)
		deaf.deafen()
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: protocol, up: protocol, hosts: []string{deaf.address}}))
		var seen outcomes
		var done atomic.Int64
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			callMany(t, protocol, p.address("in"), 32, &seen, &done)
		}()
		eventually(t, "all requests wait", func() bool { return p.stats().Get(stats.UpstreamPendingQueued) == 32 })
		if err := p.Update("in", func(c *cluster.Cluster) *cluster.Cluster {
			return c.With([]*cluster.Host{cluster.NewHost(&config.Host{Address: good.address})})
		}); err != nil {
			t.Fatal(err)
		}
		<-finished
		if seen.counts["ok"] != 32 {
			t.Errorf("%s: %v", protocol, seen.counts)
		}
		p.wantNothingHeld()
	}
}
