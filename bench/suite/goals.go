// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"

	"github.com/sideloop/sideloop/bench/result"
)

// goal is a line of the table of goals. A figure of Sideloop's is at most limit
// times that of others in the same round, or, where there are none to be set
// against, at most limit.
type goal struct {
	name   string
	metric *metric
	own    string   // whose figure it is, Sideloop's where it is empty
	works  []string // scenarios by id; the worst counts
	than   []string // peers; the hardest to beat counts
	sum    []string // or scenarios of our own that are the measure together
	limit  float64
}

// metric is a figure that a goal is about.
type metric struct {
	of   func(*sample) float64
	text func(float64) string
	// most says that the greatest of the rounds counts, not their median.
	most bool
	// each says that it is of one process where there are several.
	each bool
}

var (
	cpuTime        = &metric{of: func(s *sample) float64 { return s.cpu }, text: result.CPU.Format}
	addedP50       = &metric{of: func(s *sample) float64 { return s.p50 }, text: result.CPU.Format}
	addedP99       = &metric{of: func(s *sample) float64 { return s.p99 }, text: result.CPU.Format}
	addedP999      = &metric{of: func(s *sample) float64 { return s.p999 }, text: result.CPU.Format}
	peakRSS        = &metric{of: func(s *sample) float64 { return s.rss }, text: result.Bytes.Format, most: true, each: true}
	anonymous      = &metric{of: func(s *sample) float64 { return s.figure }, text: result.Number.Format}
	collectorShare = &metric{of: func(s *sample) float64 { return s.figure }, text: func(v float64) string { return fmt.Sprintf("%.2f %%", v) }}
	allocations    = &metric{of: func(s *sample) float64 { return s.allocs }, text: func(v float64) string { return fmt.Sprintf("%.4f", v) }}
)

var (
	// forBolt and forHTTP2 are what users would take instead.
	forBolt  = []string{"haproxy-tcp"}
	forHTTP2 = []string{"haproxy-h2", "nghttpx"}
	// everyPeer leaves out the bare relay, which is a floor.
	everyPeer = []string{"haproxy-tcp", "haproxy-h2", "nghttpx", "h2o", "nginx", "go", "mosn"}
	theRelay  = []string{"relay"}

	// fewConnections are the scenarios of up to 32 connections in which
	// Sideloop is as large as it comes.
	fewConnections = []string{
		"bolt-128", "bolt-1k", "bolt-16k", "bolt-1k-1", "h2-get", "h2-post", "chain", "bolt-large", "h2-upload", "h2-download",
		"stall-bolt", "stall-h2", "open-bolt", "low-bolt", "low-h2",
	}
)

// Names of the sides of a scenario of growth, by which it is compared.
const grown = "sideloop-2"

var before = []string{"sideloop-1"}

// noAllocations is what a connection, a window that grows or a timer of the
// runtime comes to over the requests of a measurement.
const noAllocations = 0.01

// goals are what Sideloop is measured by, in the order of reports.
var goals = []goal{
	{name: "Bolt 128 B: CPU", metric: cpuTime, works: []string{"bolt-128"}, than: forBolt, limit: 0.8},
	{name: "Bolt 1 KB: CPU", metric: cpuTime, works: []string{"bolt-1k"}, than: forBolt, limit: 0.8},
	{name: "Bolt 16 KB: CPU", metric: cpuTime, works: []string{"bolt-16k"}, than: forBolt, limit: 0.5},
	{name: "Bolt 1 KB, 1 in flight: CPU", metric: cpuTime, works: []string{"bolt-1k-1"}, than: forBolt, limit: 0.65},
	{name: "Bolt 1 KB at 4,000/s: CPU", metric: cpuTime, works: []string{"open-bolt"}, than: forBolt, limit: 1},
	{name: "Bolt 1 KB at 4,000/s: added p50", metric: addedP50, works: []string{"open-bolt"}, than: forBolt, limit: 1},

	{name: "HTTP/2 GET: CPU", metric: cpuTime, works: []string{"h2-get"}, than: forHTTP2, limit: 0.27},
	{name: "HTTP/2 POST 1 KB: CPU", metric: cpuTime, works: []string{"h2-post"}, than: forHTTP2, limit: 0.33},
	{name: "HTTP/2 download 64 MB: CPU", metric: cpuTime, works: []string{"h2-download"}, than: forHTTP2, limit: 1},
	{name: "HTTP/2 upload 64 MB: CPU", metric: cpuTime, works: []string{"h2-upload"}, than: forHTTP2, limit: 1},

	{name: "Seed chain, both sidecars: CPU", metric: cpuTime, works: []string{"chain"}, sum: []string{"bolt-1k", "h2-post"}, limit: 1.25},

	{name: "Bolt at low load: added p50", metric: addedP50, works: []string{"low-bolt"}, than: everyPeer, limit: 1},
	{name: "Bolt at low load: added p50, floor", metric: addedP50, works: []string{"low-bolt"}, than: theRelay, limit: 1.1},
	{name: "Bolt at low load: added p99", metric: addedP99, works: []string{"low-bolt"}, than: everyPeer, limit: 1},
	{name: "Bolt at low load: added p99.9", metric: addedP999, works: []string{"low-bolt"}, than: everyPeer, limit: 1},
	{name: "HTTP/2 at low load: added p50", metric: addedP50, works: []string{"low-h2"}, than: everyPeer, limit: 1},
	{name: "HTTP/2 at low load: added p50, floor", metric: addedP50, works: []string{"low-h2"}, than: theRelay, limit: 1.1},
	{name: "HTTP/2 at low load: added p99", metric: addedP99, works: []string{"low-h2"}, than: everyPeer, limit: 1},
	{name: "HTTP/2 at low load: added p99.9", metric: addedP999, works: []string{"low-h2"}, than: everyPeer, limit: 1},

	{name: "Peak RSS with up to 32 connections", metric: peakRSS, works: fewConnections, limit: 25 << 20},
	{name: "Idle Bolt connection, bytes", metric: anonymous, works: []string{"idle-bolt"}, limit: 1.5 * 1024},
	{name: "Idle HTTP/2 connection, bytes", metric: anonymous, works: []string{"idle-h2"}, limit: 4 * 1024},

	{name: "32 to 5,000 connections: CPU", metric: cpuTime, works: []string{"growth-connections"}, own: grown, than: before, limit: 1.3},
	{name: "1 to 1,000 routes: CPU", metric: cpuTime, works: []string{"growth-routes"}, own: grown, than: before, limit: 1.05},
	{name: "1 to 1,000 hosts: CPU", metric: cpuTime, works: []string{"growth-hosts"}, own: grown, than: before, limit: 1.1},
	{name: "1 to 2 loops: CPU", metric: cpuTime, works: []string{"growth-loops"}, own: grown, than: before, limit: 1.1},

	{name: "Allocations per request", metric: allocations, works: []string{"gc-bolt", "gc-h2", "gc-chain"}, limit: noAllocations},
	{name: "Collector's part of the CPU time", metric: collectorShare, works: []string{"gc-bolt", "gc-h2", "gc-chain"}, limit: 1},
}
