// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"encoding/json"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
	"github.com/sideloop/sideloop/stats"
)

// overview is everything that the page at / shows, in one document. Counters only
// grow, so that a reader makes rates and quantiles of the differences of two.
// docs/OPERATIONS.md states the shape; members are added, not changed.
type overview struct {
	// At is when the loops were asked, in Unix time.
	At        float64            `json:"at"`
	Process   processOverview    `json:"process"`
	Failures  map[string]uint64  `json:"failures"`
	Counters  map[string]uint64  `json:"counters"`
	Glitches  map[string]uint64  `json:"glitches"`
	Loops     []loopOverview     `json:"loops"`
	Listeners []listenerOverview `json:"listeners"`
	Clusters  []clusterOverview  `json:"clusters"`
	Memory    memoryReport       `json:"memory"`
	Logs      map[string]string  `json:"logs"`
	Recent    []failureReport    `json:"recent_failures"`
}

type processOverview struct {
	Version  string  `json:"version"`
	Go       string  `json:"go"`
	PID      int     `json:"pid"`
	Started  float64 `json:"started"`
	Draining bool    `json:"draining"`
	// Generation is 1 for the configuration of the start and one more with
	// each that was applied.
	Generation uint64  `json:"config_generation"`
	Refused    uint64  `json:"config_refused"`
	Applied    float64 `json:"config_applied"`
}

type loopOverview struct {
	Stuck       bool    `json:"stuck"`
	Lag         float64 `json:"lag_seconds"`
	Longest     float64 `json:"longest_turn_seconds"`
	Busy        float64 `json:"busy_seconds"`
	Turns       uint64  `json:"turns"`
	Connections uint64  `json:"connections"`
	Read        uint64  `json:"read_bytes"`
	Written     uint64  `json:"written_bytes"`
}

// trafficOverview is what listeners and clusters have in common.
type trafficOverview struct {
	Replies map[string]uint64 `json:"replies"`
	Failed  map[string]uint64 `json:"failed"`
	// Duration is absent before the first request.
	Duration *histogramOverview `json:"duration,omitempty"`
}

type histogramOverview struct {
	Sum float64 `json:"sum_seconds"`
	// Buckets are pairs: the least duration of a bucket in nanoseconds and how
	// many fell into it. Those without any are left out.
	Buckets [][2]uint64 `json:"buckets"`
}

type listenerOverview struct {
	listenerReport
	Protocols    []string              `json:"protocols"`
	Upstream     string                `json:"upstream"`
	TLS          bool                  `json:"tls"`
	Requests     uint64                `json:"requests"`
	Active       uint64                `json:"requests_active"`
	Certificates []certificateOverview `json:"certificates,omitempty"`
	trafficOverview
}

type clusterOverview struct {
	clusterReport
	Requests     uint64                `json:"requests"`
	Certificates []certificateOverview `json:"certificates,omitempty"`
	trafficOverview
}

type certificateOverview struct {
	Subject  string   `json:"subject"`
	Names    []string `json:"names,omitempty"`
	NotAfter float64  `json:"not_after"`
	Failure  string   `json:"failure,omitempty"`
}

// overviews keeps the document of the latest sample, which its readers share.
type overviews struct {
	mu   sync.Mutex
	of   *server.Sample
	text []byte
}

func (a *admin) overview(w http.ResponseWriter, _ *http.Request) {
	text, err := a.latestOverview()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}

func (a *admin) latestOverview() ([]byte, error) {
	o := &a.overviews
	o.mu.Lock()
	defer o.mu.Unlock()
	sample := a.control.Sample()
	if o.of == sample {
		return o.text, nil
	}
	text, err := json.Marshal(a.makeOverview(sample))
	if err == nil {
		o.of, o.text = sample, text
	}
	return text, err
}

func (a *admin) makeOverview(s *server.Sample) *overview {
	o := &overview{
		At: unix(s.At), Process: a.processOverview(), Memory: reportMemory(s), Logs: a.control.LogLevels(), Recent: reportFailures(s, failuresShown),
		Failures: make(map[string]uint64), Counters: make(map[string]uint64), Glitches: make(map[string]uint64),
	}
	for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
		if n := s.Block.EndedFor(uint8(r)); n > 0 {
			o.Failures[r.String()] = n
		}
	}
	for c := range stats.CounterCount {
		o.Counters[c.String()] = s.Block.Get(c)
	}
	s.Block.EachGlitch(func(word string, n uint64) { o.Glitches[word] = n })
	for i := range s.Loops {
		l := &s.Loops[i]
		o.Loops = append(o.Loops, loopOverview{
			Stuck: l.Stuck, Lag: l.Lag.Seconds(), Longest: float64(l.Turns.Longest) / 1e9, Busy: float64(l.Turns.Busy) / 1e9,
			Turns: l.Turns.Turns, Connections: l.Turns.Conns, Read: l.Turns.BytesRead, Written: l.Turns.BytesWritten,
		})
	}
	certificates := a.certificates()
	o.Listeners = a.listenerOverviews(s, certificates)
	o.Clusters = a.clusterOverviews(s, certificates)
	return o
}

func (a *admin) processOverview() processOverview {
	r := a.control.Reloads()
	return processOverview{
		Version: a.Version, Go: runtime.Version(), PID: os.Getpid(),
		Started: unix(a.control.Began()), Draining: a.control.Draining(),
		Generation: r.Applied + 1, Refused: r.Refused, Applied: unix(r.Latest),
	}
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

// certificates are the proxy's own, by their owners.
func (a *admin) certificates() map[string][]certificateOverview {
	all := make(map[string][]certificateOverview)
	for _, c := range a.control.Certificates() {
		if c.Subject == "" && c.Failure == "" && len(c.Names) == 0 {
			continue // only trusted ones
		}
		all[c.Owner] = append(all[c.Owner], certificateOverview{c.Subject, c.Names, unix(c.NotAfter), c.Failure})
	}
	return all
}

func trafficOf(t *stats.Traffic) trafficOverview {
	o := trafficOverview{Replies: make(map[string]uint64), Failed: make(map[string]uint64)}
	if t == nil {
		return o
	}
	for class, word := range classes {
		if n := t.Replies(class); n > 0 {
			o.Replies[word] = n
		}
	}
	for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
		if n := t.EndedFor(uint8(r)); n > 0 {
			o.Failed[r.String()] = n
		}
	}
	if h := t.Duration(); h != nil {
		o.Duration = &histogramOverview{Sum: h.Sum().Seconds(), Buckets: [][2]uint64{}}
		h.Each(func(from, n uint64) { o.Duration.Buckets = append(o.Duration.Buckets, [2]uint64{from, n}) })
	}
	return o
}

// trafficByName is samples by the names that they are of.
func trafficByName(samples []server.TrafficSample) map[string]*stats.Traffic {
	all := make(map[string]*stats.Traffic, len(samples))
	for i := range samples {
		all[samples[i].Name] = &samples[i].Traffic
	}
	return all
}

func (a *admin) listenerOverviews(s *server.Sample, certificates map[string][]certificateOverview) []listenerOverview {
	all := []listenerOverview{}
	configured := make(map[string]*config.Listener)
	c := a.control.Config()
	for i := range c.Server.Listeners {
		configured[c.Server.Listeners[i].Name] = &c.Server.Listeners[i]
	}
	traffic := trafficByName(s.Listeners)
	for _, r := range a.listenerReports() {
		t := traffic[r.Name]
		o := listenerOverview{
			listenerReport: r, Protocols: []string{}, trafficOverview: trafficOf(t),
			Certificates: certificates["listener "+r.Name],
		}
		if t != nil {
			o.Requests, o.Active = t.Begun(), t.Begun()-t.Ended()
		}
		if l := configured[r.Name]; l != nil {
			for _, p := range l.Proxy.Downstream {
				o.Protocols = append(o.Protocols, p.String())
			}
			o.Upstream, o.TLS = l.Proxy.Upstream.String(), len(l.TLS) > 0
		}
		all = append(all, o)
	}
	return all
}

func (a *admin) clusterOverviews(s *server.Sample, certificates map[string][]certificateOverview) []clusterOverview {
	all := []clusterOverview{}
	traffic := trafficByName(s.Clusters)
	for _, c := range a.control.Clusters() {
		t := traffic[c.Name]
		o := clusterOverview{
			clusterReport: clusterReport{Name: c.Name, Hosts: hostReports(c, s)}, trafficOverview: trafficOf(t),
			Certificates: certificates["cluster "+c.Name],
		}
		if t != nil {
			o.Requests = t.Ended()
		}
		all = append(all, o)
	}
	return all
}
