// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// outcomes counts how calls ended.
type outcomes struct {
	mu     sync.Mutex
	counts map[string]int
}

func (o *outcomes) add(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counts == nil {
		o.counts = make(map[string]int)
	}
	o.counts[what]++
}

// A backend that crashes and returns under load: every request is answered
// once, well or with its reason.
func TestUpstreamKilledUnderLoad(t *testing.T) {
	for _, tt := range []struct{ name, down, up string }{
		{"bolt to bolt", "SofaRpc", "SofaRpc"}, {"http2 to http2", "Http2", "Http2"},
		{"bolt to http2", "SofaRpc", "Http2"}, {"http2 to bolt", "Http2", "SofaRpc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := freeAddress(t)
			kill, restart := crashable(t, tt.up, address)
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: tt.down, up: tt.up, hosts: []string{address}}))
			var seen outcomes
			calls := scale(4000)
			var done atomic.Int64
			load := make(chan struct{})
			go func() {
				defer close(load)
				callMany(t, tt.down, p.address("in"), calls, &seen, &done)
			}()
			for i := range 3 {
				reaches(t, "the load moves on", &done, int64(calls*(i+1)/5))
				kill()
				restart()
			}
			<-load
			total := 0
			for what, n := range seen.counts {
				total += n
				switch what {
				case "ok", "upstream_closed", "upstream_reset", "connect_failed", "reset after the reply's head":
				default:
					t.Errorf("%d calls ended with %q", n, what)
				}
			}
			t.Logf("%v", seen.counts)
			if total != calls || seen.counts["ok"] == 0 {
				t.Errorf("%d of %d calls ended: %v", total, calls, seen.counts)
			}
			p.wantNothingHeld()
		})
	}
}

// crashable runs an echo service that can be killed and started again.
func crashable(t *testing.T, protocol, address string) (kill, restart func()) {
	var stop func()
	restart = func() {
		if protocol == "SofaRpc" {
			stop = startBoltService(t, address, echoBolt).stop
		} else {
			stop = startH2Service(t, address, echoH2).stop
		}
	}
	restart()
	return func() { stop() }, restart
}

// callMany makes calls from 32 goroutines and counts how each ended.
func callMany(t *testing.T, protocol, address string, calls int, seen *outcomes, done *atomic.Int64) {
	callBy(t, 32, protocol, address, calls, seen, done)
}

// callBy makes calls from so many goroutines over 4 connections and counts how
// each ended. A call that gets more or less than one answer is an error.
func callBy(t *testing.T, callers int, protocol, address string, calls int, seen *outcomes, done *atomic.Int64) {
	const conns = 4
	var one func(k, i int) string
	if protocol == "SofaRpc" {
		var clients [conns]*boltClient
		for i := range clients {
			clients[i] = dialBolt(t, address)
		}
		defer func() {
			for _, c := range clients {
				if c.strays > 0 {
					t.Errorf("%d stray replies", c.strays)
				}
			}
		}()
		one = func(k, i int) string { return boltOutcome(clients[k%conns], i) }
	} else {
		var clients [conns]*http.Client
		for i := range clients {
			clients[i] = newH2Client(t)
		}
		one = func(k, i int) string { return h2Outcome(clients[k%conns], address, i) }
	}
	var wg sync.WaitGroup
	for k := range callers {
		wg.Go(func() {
			for i := k; i < calls; i += callers {
				seen.add(one(k, i))
				done.Add(1)
			}
		})
	}
	wg.Wait()
}

func boltOutcome(c *boltClient, i int) string {
	f := newBoltRequest(service, fmt.Appendf(nil, "call %d", i))
	r, err := c.call(f)
	switch {
	case err != nil:
		return err.Error()
	case r.status != 0:
		return r.get(codec.ReasonHeader)
	case !bytes.Equal(r.content, f.content):
		return "another's reply"
	}
	return "ok"
}

func h2Outcome(c *http.Client, address string, i int) string {
	b := fmt.Appendf(nil, "call %d", i)
	r, err := tryH2(c, address, b, true, http.Header{"Service": {service}})
	switch {
	case err != nil && strings.Contains(err.Error(), "INTERNAL_ERROR; received from peer"):
		return "reset after the reply's head"
	case err != nil:
		return err.Error()
	case r.status != 200:
		return r.header.Get(codec.ReasonHeader)
	case !bytes.Equal(r.body, b):
		return "another's reply"
	}
	return "ok"
}
