// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sideloop/sideloop/stats"
)

// scrapesAtOnce bounds the memory of scrapes; one of a large configuration takes
// some megabytes while it lasts.
const scrapesAtOnce = 2

const (
	// shortest and longest are the powers of two, in nanoseconds, that the
	// buckets of the exposition end at: 65 µs to 69 s. Each is exact.
	shortest = 16
	longest  = 36
)

// metrics is the exposition for Prometheus. Everything is made with the first
// scrape.
type metrics struct {
	admin        *admin
	once         sync.Once
	plain, hosts http.Handler
}

func (m *metrics) serve(w http.ResponseWriter, q *http.Request) {
	m.once.Do(func() { m.plain, m.hosts = m.handler(false), m.handler(true) })
	if flag(q, "hosts") {
		m.hosts.ServeHTTP(w, q)
		return
	}
	m.plain.ServeHTTP(w, q)
}

func (m *metrics) handler(hosts bool) http.Handler {
	r := prometheus.NewRegistry()
	c := &collector{admin: m.admin, hosts: hosts, descs: make(map[*family]*prometheus.Desc)}
	for _, f := range families() {
		c.descs[f] = prometheus.NewDesc(f.name, f.help, f.labels, nil)
	}
	r.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: scrapesAtOnce})
}

// collector hands values to client_golang.
type collector struct {
	admin *admin
	hosts bool
	descs map[*family]*prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	c.admin.visit(func(f *family, value float64, h *stats.Histogram, labels ...string) {
		for i := range labels {
			labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
		}
		switch f.kind {
		case counter:
			to <- prometheus.MustNewConstMetric(c.descs[f], prometheus.CounterValue, value, labels...)
		case gauge:
			to <- prometheus.MustNewConstMetric(c.descs[f], prometheus.GaugeValue, value, labels...)
		case histogram:
			buckets := make(map[float64]uint64, longest-shortest+1)
			for d := shortest; d <= longest; d++ {
				buckets[float64(uint64(1)<<d)/1e9] = h.Below(d)
			}
			to <- prometheus.MustNewConstHistogram(c.descs[f], h.Count(), h.Sum().Seconds(), buckets, labels...)
		}
	}, c.hosts)
}
