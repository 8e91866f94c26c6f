// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// scrapeTimeout is for one answer of an admin server.
	scrapeTimeout = 5 * time.Second
	// scrapeAfter is when the counters are read first, after the warm-up: the
	// generator takes a while to start.
	scrapeAfter = warmUp + 300*time.Millisecond
	// sampleEvery is over how long the admin server answers from what it has.
	sampleEvery = 1100 * time.Millisecond
	// scrapeLead is by how much less than a measurement takes the readings are
	// apart, so that the second comes before requests are cut off at its end.
	scrapeLead = 600 * time.Millisecond
	// collectTimes leaves over a second between two readings even of the
	// shortest measurement; more often the proxy's own counters are not read.
	collectTimes = 2
)

// collected returns a scenario that looks at Go's collector.
func collected(id, name, what string, hops []hop) *scenario {
	return &scenario{
		id: id, name: name, hops: hops, connections: connections, inFlight: inFlight, body: 1 << 10, figure: collectorPercent, alone: true, times: collectTimes,
		what: fmt.Sprintf("%s, closed loop, %d connections with %d in flight on each: the part of the CPU time that Go's collector takes, and objects allocated per request, by the proxy's own metrics. What reading these allocates is taken off.", what, connections, inFlight),
	}
}

// counters are metrics of a process, or of several together.
type counters struct {
	collector, cpu float64 // seconds
	allocs         float64 // objects
	requests       float64
}

// counterNames are the lines of an exposition that counters are read from.
var counterNames = map[string]func(*counters) *float64{
	"go_cpu_classes_gc_total_cpu_seconds_total": func(c *counters) *float64 { return &c.collector },
	"process_cpu_seconds_total":                 func(c *counters) *float64 { return &c.cpu },
	"go_memstats_mallocs_total":                 func(c *counters) *float64 { return &c.allocs },
	"sideloop_downstream_requests_total":        func(c *counters) *float64 { return &c.requests },
}

// parseCounters reads an exposition of Prometheus.
func parseCounters(text string) (counters, error) {
	var c counters
	found := 0
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		field := counterNames[name]
		if field == nil {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return c, fmt.Errorf("metric %s: %w", name, err)
		}
		*field(&c) = v
		found++
	}
	if found != len(counterNames) {
		return c, fmt.Errorf("%d of %d metrics are there", found, len(counterNames))
	}
	return c, nil
}

// scraper asks for pages as they are and keeps no connection.
var scraper = &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}

// scrape reads the counters of all proxies of w, whose requests are the same.
func (w *way) scrape(ctx context.Context) (sum counters, err error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	for _, address := range w.admins {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
		if err != nil {
			return sum, err
		}
		reply, err := scraper.Do(request)
		if err != nil {
			return sum, err
		}
		text, err := io.ReadAll(reply.Body)
		_ = reply.Body.Close()
		if err != nil {
			return sum, err
		}
		c, err := parseCounters(string(text))
		if err != nil {
			return sum, fmt.Errorf("metrics at %s: %w", address, err)
		}
		sum.collector += c.collector
		sum.cpu += c.cpu
		sum.allocs += c.allocs
		sum.requests += c.requests / float64(len(w.admins))
	}
	return sum, nil
}

// scrapeIn does so after a while.
func (w *way) scrapeIn(ctx context.Context, wait time.Duration) (counters, error) {
	select {
	case <-ctx.Done():
		return counters{}, ctx.Err()
	case <-time.After(wait):
		return w.scrape(ctx)
	}
}

// scrapeCost is how many objects a scrape allocates that asks the loops, as those
// of a measurement do. What the first one makes is used again.
func (w *way) scrapeCost(ctx context.Context) (float64, error) {
	var all [3]counters
	for i, wait := range []time.Duration{0, 0, sampleEvery} {
		var err error
		if all[i], err = w.scrapeIn(ctx, wait); err != nil {
			return 0, err
		}
	}
	return all[2].allocs - all[1].allocs, nil
}

// collect measures under load what the collector takes.
func (r *runner) collect(ctx context.Context, round int, sc *scenario, name string, w *way) (sample, error) {
	idle, err := w.scrapeCost(ctx)
	if err != nil {
		return sample{}, err
	}
	type readings struct {
		before, after counters
		err           error
	}
	read := make(chan readings, 1)
	go func() {
		var got readings
		if got.before, got.err = w.scrapeIn(ctx, scrapeAfter); got.err == nil {
			got.after, got.err = w.scrapeIn(ctx, r.duration(sc)-scrapeLead)
		}
		read <- got
	}()
	got, err := r.load(ctx, round, sc, name, sc.connections, w)
	found := <-read
	if err = errors.Join(err, found.err); err != nil {
		return sample{}, err
	}
	before, after := found.before, found.after
	if after.requests <= before.requests || after.cpu <= before.cpu {
		return sample{}, errors.New("its metrics count no requests or no CPU time")
	}
	got.figure = 100 * (after.collector - before.collector) / (after.cpu - before.cpu)
	got.allocs = max(after.allocs-before.allocs-idle, 0) / (after.requests - before.requests)
	got.rss = 0 // that of scrapes is not the work's
	return got, nil
}
