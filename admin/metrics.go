// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bufio"
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/sideloop/sideloop/config"
)

// scrapesAtOnce bounds the memory of scrapes; one of a large configuration takes
// some megabytes while it lasts.
const scrapesAtOnce = 2

// collectorTime is what Go's collector takes of the CPU, which client_golang
// leaves out unless it is asked for.
const collectorTime = `^/cpu/classes/gc/total:cpu-seconds$`

// metrics answers scrapes of Prometheus, for one address. The series of the proxy
// are written by exposition, those of Go and the process are client_golang's.
type metrics struct {
	admin  *admin
	sink   config.PrometheusSink
	places chan struct{} // one for each scrape
	once   sync.Once
	own    *prometheus.Registry // made with the first scrape
}

func newMetrics(a *admin, sink config.PrometheusSink) *metrics {
	return &metrics{admin: a, sink: sink, places: make(chan struct{}, scrapesAtOnce)}
}

func (m *metrics) serve(w http.ResponseWriter, q *http.Request) {
	select {
	case m.places <- struct{}{}:
		defer func() { <-m.places }()
	default:
		http.Error(w, "too many scrapes at once", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
	var to io.Writer = w
	if acceptsGzip(q) {
		w.Header().Set("Content-Encoding", "gzip")
		// The fastest level: the loops need the processor more.
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		defer z.Close()
		to = z
	}
	out := bufio.NewWriter(to)
	m.write(out, flag(q, "hosts"))
	_ = out.Flush() // an error is the client's, who has left
}

func (m *metrics) write(out *bufio.Writer, hosts bool) {
	s := m.admin.control.Sample()
	e := exposition{lines: make(map[*family][]byte)}
	m.admin.visit(s, e.add)
	e.flush(out)
	if hosts {
		w := streamed{out: out}
		m.admin.visitHosts(s, w.add)
	}
	for _, f := range m.process() {
		_, _ = expfmt.MetricFamilyToText(out, f) // out keeps the error
	}
}

// process gathers what is not the proxy's own.
func (m *metrics) process() []*dto.MetricFamily {
	m.once.Do(func() {
		m.own = prometheus.NewRegistry()
		if !m.sink.NoGo {
			m.own.MustRegister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
				collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(collectorTime)},
			)))
		}
		if !m.sink.NoProcess {
			m.own.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		}
	})
	all, _ := m.own.Gather() // what cannot be read is left out
	match := newMatcher(&m.admin.control.Config().Metrics)
	return slices.DeleteFunc(all, func(f *dto.MetricFamily) bool {
		return match.rejectsName(f.GetName()) || slices.ContainsFunc(f.Metric[0].Label, func(l *dto.LabelPair) bool { return match.rejectsLabel(l.GetName()) })
	})
}

// acceptsGzip tells that the client can have a compressed reply.
func acceptsGzip(q *http.Request) bool {
	for _, list := range q.Header.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(list, ",") {
			name, weight, _ := strings.Cut(one, ";")
			if strings.TrimSpace(name) == "gzip" && strings.ReplaceAll(weight, " ", "") != "q=0" {
				return true
			}
		}
	}
	return false
}
