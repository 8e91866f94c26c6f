// SPDX-License-Identifier: Apache-2.0

//go:build !race

package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench/load"
)

// wideConfig is a listener and many clusters, whose hosts nobody asks.
func wideConfig(in hop, clusters, hosts int) string {
	text := configOf(in)
	var more strings.Builder
	for i := range clusters {
		fmt.Fprintf(&more, `{"name": "wide-%d", "type": "SIMPLE", "lb_type": "LB_RANDOM", "hosts": [`, i)
		for k := range hosts {
			fmt.Fprintf(&more, `%s{"address": "10.%d.%d.%d:12200"}`, ","[:min(k, 1)], i, k/250, k%250)
		}
		more.WriteString("]},")
	}
	return strings.Replace(text, `"clusters": [`, `"clusters": [`+more.String(), 1)
}

// A scrape of 100,000 series is done within a second, and those who call meanwhile
// hardly notice.
func TestScrapeOfManyHosts(t *testing.T) {
	clusters, hosts, soak := 34, 20, os.Getenv("SIDELOOP_SOAK") != ""
	if soak {
		hosts = 1000
	}
	in := echoThrough(t, freeAddress(t))
	address := freeAddress(t)
	p := startProcess(t, in.listen, "-c", writeConfig(t, withAdmin(wideConfig(in, clusters, hosts), address, "")))
	p.address = address
	before := p.footprint()
	if n := strings.Count(string(p.get("/metrics?hosts=true")), "\nsideloop_host_"); n != 3*(clusters*hosts+1) {
		t.Errorf("%d series of hosts", n)
	}
	rounds := 1 // the better of two, as others use the machine, too
	if soak {
		rounds = 2
	}
	quiet := p.calls(in.listen, rounds)
	stop, scrapes := make(chan struct{}), make(chan []time.Duration)
	go func() {
		var took []time.Duration
		for {
			select {
			case <-stop:
				scrapes <- took
				return
			case <-time.After(time.Second): // what may be asked of the loops
			}
			began := time.Now()
			if err := scrape(address); err != nil {
				t.Error(err)
			}
			took = append(took, time.Since(began))
		}
	}()
	busy := p.calls(in.listen, rounds)
	close(stop)
	took := <-scrapes
	after := p.footprint()
	t.Logf("%d hosts: scrapes took %v; p99 %v without, %v beside them; %d KiB resident before, %d after", clusters*hosts, took, quiet, busy, before.Resident>>10, after.Resident>>10)
	if len(took) == 0 {
		t.Error("nothing was scraped")
	}
	for _, d := range took {
		if soak && d > time.Second {
			t.Errorf("a scrape took %v", d)
		}
	}
	// What a scrape gathers is gone after it, but for what the collector has
	// not given back yet.
	const room = 40 << 20
	if grown := int64(after.Resident) - int64(before.Resident); grown > room {
		t.Errorf("scrapes cost %d KiB", grown>>10)
	}
	if soak && busy > 2*quiet+time.Millisecond {
		t.Errorf("the p99 is %v beside scrapes and %v without", busy, quiet)
	}
}

// scrape asks as Prometheus does, and drops what comes, so that the callers in this
// process do not wait for it.
func scrape(address string) error {
	q, err := http.NewRequest(http.MethodGet, "http://"+address+"/metrics?hosts=true", nil)
	if err != nil {
		return err
	}
	q.Header.Set("Accept-Encoding", "gzip")
	r, err := adminClient.Do(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return err
}

// calls is the p99 of calls at a rate that leaves the loops idle for the most part,
// in the best of some rounds.
func (p *process) calls(address string, rounds int) time.Duration {
	p.t.Helper()
	best := time.Hour
	for range rounds {
		r, err := load.Run(context.Background(), load.Options{
			Target: address, Protocol: load.Bolt, Connections: 4, InFlight: 64, Body: 100, Service: service, Rate: 1000,
			Duration: min(time.Duration(scale(2))*time.Second, 10*time.Second), WarmUp: time.Second,
		}, nil)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(r.Errors) > 0 {
			p.t.Errorf("errors: %v", r.Errors)
		}
		best = min(best, time.Duration(r.Latency.At(99)))
	}
	return best
}
