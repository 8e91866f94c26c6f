// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/server"
	"github.com/sideloop/sideloop/stats"
)

// kind is what a family's values are.
type kind uint8

const (
	counter kind = iota
	gauge
	histogram
)

// family is the metrics of one name. docs/METRICS.md has a line for each, and a
// test that it does.
type family struct {
	name   string
	kind   kind
	labels []string
	help   string
}

// visitor is told every value. A histogram has no value but h, which is nil for
// the others.
type visitor func(f *family, value float64, h *stats.Histogram, labels ...string)

var (
	buildInfo        = &family{"sideloop_build_info", gauge, []string{"go", "version"}, "1, with the version and the toolchain."}
	startTime        = &family{"sideloop_start_time_seconds", gauge, nil, "When the proxy was started, in Unix time."}
	draining         = &family{"sideloop_draining", gauge, nil, "1 once the process drains."}
	reloads          = &family{"sideloop_config_reloads_total", counter, []string{"result"}, "Changes of the configuration, applied or refused."}
	reloadTime       = &family{"sideloop_config_applied_time_seconds", gauge, nil, "When the configuration in force was taken, in Unix time."}
	failures         = &family{"sideloop_requests_failed_total", counter, []string{"reason"}, "Requests that ended other than by success, by reason."}
	glitches         = &family{"sideloop_glitches_total", counter, []string{"kind"}, "Anomalies of peers, by kind."}
	handshakes       = &family{"sideloop_tls_handshakes_total", counter, []string{"result"}, "TLS handshakes with clients, by how they ended."}
	logLines         = &family{"sideloop_access_log_lines_total", counter, []string{"path"}, "Lines written to an access log."}
	logDropped       = &family{"sideloop_access_log_lines_dropped_total", counter, []string{"path"}, "Lines that are missing in it, because the disk did not keep up or failed."}
	logFailures      = &family{"sideloop_access_log_write_errors_total", counter, []string{"path"}, "Writes to it that failed."}
	held             = &family{"sideloop_held_bytes", gauge, []string{"purpose"}, "Bytes that loops hold for peers, by purpose."}
	listenerConns    = &family{"sideloop_listener_connections_active", gauge, []string{"listener"}, "Open connections of a listener."}
	listenerRequests = &family{"sideloop_listener_requests_total", counter, []string{"listener"}, "Requests that began."}
	listenerActive   = &family{"sideloop_listener_requests_active", gauge, []string{"listener"}, "Requests in progress."}
	listenerReplies  = &family{"sideloop_listener_replies_total", counter, []string{"listener", "class"}, "Requests that ended, by the class of the reply's status in HTTP's terms; none for one-way requests."}
	listenerFailed   = &family{"sideloop_listener_requests_failed_total", counter, []string{"listener", "reason"}, "Requests that ended other than by success, by reason."}
	listenerDuration = &family{"sideloop_listener_request_duration_seconds", histogram, []string{"listener"}, "From a request's head to its end."}
	clusterRequests  = &family{"sideloop_cluster_requests_total", counter, []string{"cluster"}, "Requests that a route sent to the cluster and that have ended."}
	clusterActive    = &family{"sideloop_cluster_requests_active", gauge, []string{"cluster"}, "Requests in progress on connections to the cluster's hosts."}
	clusterWaiting   = &family{"sideloop_cluster_requests_waiting", gauge, []string{"cluster"}, "Requests that wait for a connection."}
	clusterReplies   = &family{"sideloop_cluster_replies_total", counter, []string{"cluster", "class"}, "Requests that ended, by the class of the reply's status in HTTP's terms; none for one-way requests."}
	clusterFailed    = &family{"sideloop_cluster_requests_failed_total", counter, []string{"cluster", "reason"}, "Requests that ended other than by success, by reason."}
	clusterDuration  = &family{"sideloop_cluster_upstream_duration_seconds", histogram, []string{"cluster"}, "From the choice of a host to the reply's head, or to the end of the try without one."}
	clusterConns     = &family{"sideloop_cluster_connections_active", gauge, []string{"cluster"}, "Open connections to the cluster's hosts."}
	clusterHosts     = &family{"sideloop_cluster_hosts", gauge, []string{"cluster"}, "Hosts of the cluster."}
	clusterHealthy   = &family{"sideloop_cluster_hosts_healthy", gauge, []string{"cluster"}, "Hosts that nobody holds for unhealthy."}
	hostsOmitted     = &family{"sideloop_hosts_omitted", gauge, nil, "Hosts without series, because there are too many; only with ?hosts=true."}
	hostConns        = &family{"sideloop_host_connections_active", gauge, []string{"cluster", "host"}, "Open connections to a host; only with ?hosts=true."}
	hostActive       = &family{"sideloop_host_requests_active", gauge, []string{"cluster", "host"}, "Requests in progress on a host's connections; only with ?hosts=true."}
	hostHealthy      = &family{"sideloop_host_healthy", gauge, []string{"cluster", "host"}, "1 unless somebody holds the host for unhealthy; only with ?hosts=true."}
	loopStuck        = &family{"sideloop_loop_stuck", gauge, []string{"loop"}, "1 for a loop that has not answered within a second."}
	loopLag          = &family{"sideloop_loop_lag_seconds", gauge, []string{"loop"}, "How long the loop took to begin its answer to the latest scrape."}
	loopLongest      = &family{"sideloop_loop_longest_turn_seconds", gauge, []string{"loop"}, "The longest turn since the scrape before."}
	loopBusy         = &family{"sideloop_loop_busy_seconds_total", counter, []string{"loop"}, "Time within turns; its rate is the loop's use."}
	loopTurns        = &family{"sideloop_loop_turns_total", counter, []string{"loop"}, "Turns of the loop."}
	loopConns        = &family{"sideloop_loop_connections", gauge, []string{"loop"}, "Open connections of a loop, of both sides."}
	readBytes        = &family{"sideloop_read_bytes_total", counter, nil, "Bytes read of all connections."}
	writtenBytes     = &family{"sideloop_written_bytes_total", counter, nil, "Bytes written to all connections."}
	reads            = &family{"sideloop_reads_total", counter, nil, "Reads that brought bytes."}
	writes           = &family{"sideloop_writes_total", counter, nil, "Calls of write and writev."}
	spans            = &family{"sideloop_spans_total", counter, []string{"result"}, "Spans that the collector has taken, that found the queue full, and that the collector did not take."}
	panics           = &family{"sideloop_panics_total", counter, nil, "Callbacks that panicked; each ended one connection."}

	// counters are the counters of the loops' blocks, by their own names.
	counters = func() (all [stats.CounterCount]*family) {
		for c := range all {
			name := "sideloop_" + stats.Counter(c).String()
			all[c] = &family{name, counter, nil, "Sum over all loops of " + stats.Counter(c).String() + "."}
		}
		return all
	}()
)

// families is all of them, in the order of the exposition.
func families() []*family {
	all := []*family{
		buildInfo, startTime, draining, reloads, reloadTime, failures, glitches, handshakes, held,
		logLines, logDropped, logFailures,
		listenerConns, listenerRequests, listenerActive, listenerReplies, listenerFailed, listenerDuration,
		clusterRequests, clusterActive, clusterWaiting, clusterReplies, clusterFailed, clusterDuration,
		clusterConns, clusterHosts, clusterHealthy, hostsOmitted, hostConns, hostActive, hostHealthy,
		loopStuck, loopLag, loopLongest, loopBusy, loopTurns, loopConns,
		readBytes, writtenBytes, reads, writes, spans, panics,
	}
	return append(all, counters[:]...)
}

// classes are the labels of stats.Traffic's classes.
var classes = [stats.Classes]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// visit tells v all values. What has never happened is left out where a label has
// many values: series are bounded by what the configuration names and by the
// closed sets of reasons and classes.
//
// The series of hosts are not among them: visitHosts.
func (a *admin) visit(s *server.Sample, v visitor) {
	m := newMatcher(&a.control.Config().Metrics)
	if m.rejectsAny() {
		all := v
		v = func(f *family, value float64, h *stats.Histogram, labels ...string) {
			if !m.rejects(f) {
				all(f, value, h, labels...)
			}
		}
	}
	a.visitProcess(s, v)
	a.visitListeners(s, v)
	a.visitClusters(s, v)
	visitLoops(s, v)
}

func (a *admin) visitProcess(s *server.Sample, v visitor) {
	v(buildInfo, 1, nil, runtime.Version(), a.Version)
	v(startTime, float64(a.control.Began().UnixNano())/1e9, nil)
	v(draining, number(a.control.Draining()), nil)
	if n, on := a.control.Spans(); on {
		v(spans, float64(n.Sent), nil, "sent")
		v(spans, float64(n.Dropped), nil, "dropped")
		v(spans, float64(n.Failed), nil, "failed")
	}
	r := a.control.Reloads()
	v(reloads, float64(r.Applied), nil, "applied")
	v(reloads, float64(r.Refused), nil, "refused")
	for _, l := range a.control.AccessLogs() {
		v(logLines, float64(l.Lines), nil, l.Path)
		v(logDropped, float64(l.Dropped), nil, l.Path)
		v(logFailures, float64(l.Failures), nil, l.Path)
	}
	v(reloadTime, float64(r.Latest.UnixNano())/1e9, nil)
	for c := range stats.CounterCount {
		v(counters[c], float64(s.Block.Get(c)), nil)
	}
	for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
		v(failures, float64(s.Block.EndedFor(uint8(r))), nil, r.String())
	}
	s.Block.EachGlitch(func(word string, n uint64) { v(glitches, float64(n), nil, word) })
	a.control.EachHandshake(func(result string, n uint64) { v(handshakes, float64(n), nil, result) })
}

func (a *admin) visitListeners(s *server.Sample, v visitor) {
	// Names need not be unique; what is not configured any more has no meter.
	conns := make(map[string]int)
	for _, l := range a.control.Listeners() {
		conns[l.Name] += l.Connections
	}
	for i := range s.Listeners {
		t := &s.Listeners[i]
		v(listenerConns, float64(conns[t.Name]), nil, t.Name)
		v(listenerRequests, float64(t.Begun()), nil, t.Name)
		v(listenerActive, float64(t.Begun()-t.Ended()), nil, t.Name)
		visitTraffic(t, v, listenerReplies, listenerFailed, listenerDuration)
	}
}

func visitTraffic(t *server.TrafficSample, v visitor, replies, failed, duration *family) {
	for class, word := range classes {
		if n := t.Replies(class); n > 0 {
			v(replies, float64(n), nil, t.Name, word)
		}
	}
	for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
		if n := t.EndedFor(uint8(r)); n > 0 {
			v(failed, float64(n), nil, t.Name, r.String())
		}
	}
	if h := t.Duration(); h != nil {
		v(duration, 0, h, t.Name)
	}
}

func (a *admin) visitClusters(s *server.Sample, v visitor) {
	for i := range s.Clusters {
		t := &s.Clusters[i]
		v(clusterRequests, float64(t.Ended()), nil, t.Name)
		visitTraffic(t, v, clusterReplies, clusterFailed, clusterDuration)
	}
	seen := make(map[string]bool)
	for _, c := range a.control.Clusters() {
		var sum server.HostSample
		hosts, healthy := 0, 0
		eachHost(c, s, seen, func(h *hostRow) {
			hosts++
			sum.Connections += h.Connections
			sum.InFlight += h.InFlight
			sum.Waiting += h.Waiting
			if h.healthy {
				healthy++
			}
		})
		v(clusterHosts, float64(hosts), nil, c.Name)
		v(clusterHealthy, float64(healthy), nil, c.Name)
		v(clusterConns, float64(sum.Connections), nil, c.Name)
		v(clusterActive, float64(sum.InFlight), nil, c.Name)
		v(clusterWaiting, float64(sum.Waiting), nil, c.Name)
	}
}

func visitLoops(s *server.Sample, v visitor) {
	var purposesHeld [codec.PurposeCount]int
	for i := range s.Loops {
		l := &s.Loops[i]
		name := strconv.Itoa(i)
		v(loopStuck, number(l.Stuck), nil, name)
		v(loopLag, l.Lag.Seconds(), nil, name)
		v(loopLongest, float64(l.Turns.Longest)/1e9, nil, name)
		v(loopBusy, float64(l.Turns.Busy)/1e9, nil, name)
		v(loopTurns, float64(l.Turns.Turns), nil, name)
		v(loopConns, float64(l.Turns.Conns), nil, name)
		for p, n := range l.Held {
			purposesHeld[p] += n
		}
	}
	for p, n := range purposesHeld {
		v(held, float64(n), nil, purposes[p])
	}
	sum := s.Turns()
	v(readBytes, float64(sum.BytesRead), nil)
	v(writtenBytes, float64(sum.BytesWritten), nil)
	v(reads, float64(sum.Reads), nil)
	v(writes, float64(sum.Writes), nil)
	v(panics, float64(sum.Panics), nil)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// key is a series as text: the name without the prefix, and the labels in
// brackets.
func (f *family) key(labels []string) string {
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(f.name, "sideloop_"))
	for i, l := range f.labels {
		fmt.Fprintf(&b, "%c%s=%q", "{,"[min(i, 1)], l, labels[i])
	}
	if len(f.labels) > 0 {
		b.WriteByte('}')
	}
	return b.String()
}

// MetricNames are the names of all metrics of the proxy's own.
func MetricNames() []string {
	var names []string
	for _, f := range families() {
		names = append(names, f.name)
	}
	return names
}
