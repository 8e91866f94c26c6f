// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sideloop/sideloop/bench/peers"
)

// scenario is one kind of work.
type scenario struct {
	id, name, what string
	hops           []hop // in the order of a request's way
	connections    int
	inFlight       int
	body, reply    int // bytes; a reply of 0 is an echo
	rate           int // requests per second, 0 for a closed loop
	// share, unless 0, is the rate as a part of what the slowest peer can do.
	share         float64
	times         int // how many of Options.Measure it takes, 0 for one
	figure        figure
	perConnection int    // requests of one connection, 0 for any number
	resumed       bool   // connections resume TLS sessions
	group         string // of scenarios, empty for none
	added         bool   // latency counts as what the proxy adds to direct calls
	alone         bool   // only Sideloop takes part
	// sizes is not empty in scenarios of growth, in which Sideloop is set beside
	// itself: the first is the measure of the others.
	sizes []size
}

// size is what grows. Zeros stand for what the scenario has, or one.
type size struct {
	name        string // in tables
	connections int
	peers.Size
}

// hop is what one proxy process speaks to its client and to its backend.
type hop struct {
	down, up       peers.Protocol
	downTLS, upTLS bool
}

// figure is what a scenario states first.
type figure uint8

const (
	microsPerRequest figure = iota
	millisPerTransfer
	bytesPerConnection
	microsPerConnection
	peakMegabytes
	collectorPercent
)

const (
	// connections and inFlight of the throughput scenarios keep every worker
	// busy and let frames share reads and writes, as services under load do.
	connections = 32
	inFlight    = 16
	// openRate is of a service that has work, but not all the time.
	openRate = 4000
	// lowShare is how much of the slowest peer's CPU latency is measured at, so
	// that it is nobody's queue.
	lowShare = 0.2
	// openTimes is because few requests come in an open loop: a tail needs many.
	openTimes = 2
	// growthRate is high enough that a look-up shows, and far from what one CPU
	// can do.
	growthRate = 10000
	// largeBody is over every buffer and window.
	largeBody = 64 << 20
	// idleConnections are many enough that a fixed cost does not show.
	idleConnections = 5000
	// idleReply is what the one request of an idle connection gets.
	idleReply = 128
)

var (
	boltHop  = []hop{{down: peers.Bolt, up: peers.Bolt}}
	http2Hop = []hop{{down: peers.HTTP2, up: peers.HTTP2}}
	chain    = []hop{{down: peers.Bolt, up: peers.HTTP2}, {down: peers.HTTP2, up: peers.Bolt}}
)

// allScenarios returns the scenarios in the order of reports.
func allScenarios() []*scenario {
	busy := func(id, name, what string, hops []hop, inFlight, body, reply int) *scenario {
		return &scenario{
			id: id, name: name, hops: hops, connections: connections, inFlight: inFlight, body: body, reply: reply,
			what: fmt.Sprintf("%s, closed loop, %d connections with %d in flight on each.", what, connections, inFlight),
		}
	}
	large := func(id, name, what string, hops []hop, body, reply int) *scenario {
		return &scenario{
			id: id, name: name, hops: hops, connections: 1, inFlight: 1, body: body, reply: reply,
			figure: millisPerTransfer, what: what + ", one after the other on one connection.",
		}
	}
	idle := func(id, name, what string, hops []hop) *scenario {
		return &scenario{
			id: id, name: name, hops: hops, connections: idleConnections, inFlight: 1, reply: idleReply, figure: bytesPerConnection,
			what: fmt.Sprintf("%d client connections that have had %s each and are idle: growth of the proxy's anonymous memory per connection. Pages of the program that come back and memory of the kernel are not counted.", idleConnections, what),
		}
	}
	open := func(id, name, what string, hops []hop, rate int, share float64, pace string) *scenario {
		return &scenario{
			id: id, name: name, hops: hops, connections: connections, inFlight: inFlight, body: 1 << 10, rate: rate, share: share, added: true, times: openTimes,
			what: fmt.Sprintf("%s, open loop of %s over %d connections; latency counts from the intended send time.", what, pace, connections),
		}
	}
	low := fmt.Sprintf("%.0f %% of what the slowest of them answers in a closed loop", 100*lowShare)
	all := []*scenario{
		busy("bolt-128", "Bolt 128 B", "Bolt to Bolt, 128-byte echo", boltHop, inFlight, 128, 0),
		busy("bolt-1k", "Bolt 1 KB", "Bolt to Bolt, 1 KB echo", boltHop, inFlight, 1<<10, 0),
		busy("bolt-16k", "Bolt 16 KB", "Bolt to Bolt, 16 KB echo", boltHop, inFlight, 16<<10, 0),
		busy("bolt-1k-1", "Bolt 1 KB, 1 in flight", "Bolt to Bolt, 1 KB echo", boltHop, 1, 1<<10, 0),
		busy("h2-get", "HTTP/2 GET 128 B", "h2c to h2c, GET with a reply of 128 bytes", http2Hop, inFlight, 0, 128),
		busy("h2-post", "HTTP/2 POST 1 KB", "h2c to h2c, POST with a 1 KB echo", http2Hop, inFlight, 1<<10, 0),
		busy("chain", "Seed chain 1 KB", "Bolt to HTTP/2 to Bolt through two proxy processes on the same CPU, 1 KB echo; CPU of both together (proxies that do not convert carry Bolt all the way)", chain, inFlight, 1<<10, 0),
		large("bolt-large", "Bolt echo 64 MB", "Bolt to Bolt, content of 64 MB in each direction", boltHop, largeBody, 0),
		large("h2-upload", "HTTP/2 upload 64 MB", "h2c to h2c, POST of 64 MB with a reply of one byte", http2Hop, largeBody, 1),
		large("h2-download", "HTTP/2 download 64 MB", "h2c to h2c, GET with a reply of 64 MB", http2Hop, 0, largeBody),
		idle("idle-bolt", "Idle Bolt connections", "one Bolt call", boltHop),
		idle("idle-h2", "Idle HTTP/2 connections", "one GET", http2Hop),
		stalled("stall-bolt", "Stalled Bolt 64 MB", "Bolt calls with content of 64 MB", boltHop),
		stalled("stall-h2", "Stalled HTTP/2 64 MB", "POST requests of 64 MB", http2Hop),
		open("open-bolt", "Bolt 1 KB at 4,000/s", "Bolt to Bolt, 1 KB echo", boltHop, openRate, 0, fmt.Sprintf("%d requests per second", openRate)),
		open("low-bolt", "Bolt 1 KB at low load", "Bolt to Bolt, 1 KB echo", boltHop, 0, lowShare, low),
		open("low-h2", "HTTP/2 POST 1 KB at low load", "h2c to h2c, POST with a 1 KB echo", http2Hop, 0, lowShare, low),
		collected("gc-bolt", "Garbage: Bolt 1 KB", "Bolt to Bolt, 1 KB echo", boltHop),
		collected("gc-h2", "Garbage: HTTP/2 POST 1 KB", "h2c to h2c, POST with a 1 KB echo", http2Hop),
		collected("gc-chain", "Garbage: seed chain 1 KB", "Bolt to HTTP/2 to Bolt, 1 KB echo", chain),
	}
	return append(append(all, growth()...), secured(busy)...)
}

// Groups of scenarios, by which all of one are asked for. That with TLS takes part
// only so.
const (
	growthGroup = "growth"
	tlsGroup    = "tls"
)

// secured returns the scenarios with TLS. busy makes those of a closed loop.
func secured(busy func(id, name, what string, hops []hop, inFlight, body, reply int) *scenario) []*scenario {
	const legs = ", TLS 1.3 with AES-128-GCM "
	toClients, everywhere := legs+"toward clients only", legs+"on both sides"
	on := func(h []hop, both bool) []hop {
		return []hop{{down: h[0].down, up: h[0].up, downTLS: true, upTLS: both}}
	}
	shaking := func(id, name, what string, resumed bool) *scenario {
		return &scenario{
			id: id, name: name, hops: on(http2Hop, false), connections: connections, inFlight: 1, reply: idleReply,
			figure: microsPerConnection, perConnection: 1, resumed: resumed,
			what: fmt.Sprintf("Connections of one GET each, %s (TLS 1.3, X25519, ECDSA P-256), %d at a time. One CPU makes a million by this figure per second.", what, connections),
		}
	}
	all := []*scenario{
		busy("tls-get", "TLS: HTTP/2 GET 128 B", "h2 to h2c, GET with a reply of 128 bytes"+toClients, on(http2Hop, false), inFlight, 0, 128),
		busy("tls-get-both", "TLS on both sides: HTTP/2 GET 128 B", "h2 to h2, GET with a reply of 128 bytes"+everywhere, on(http2Hop, true), inFlight, 0, 128),
		busy("tls-post", "TLS: HTTP/2 POST 1 KB", "h2 to h2c, POST with a 1 KB echo"+toClients, on(http2Hop, false), inFlight, 1<<10, 0),
		busy("tls-post-both", "TLS on both sides: HTTP/2 POST 1 KB", "h2 to h2, POST with a 1 KB echo"+everywhere, on(http2Hop, true), inFlight, 1<<10, 0),
		busy("tls-bolt", "TLS: Bolt 1 KB", "Bolt to Bolt, 1 KB echo"+toClients, on(boltHop, false), inFlight, 1<<10, 0),
		busy("tls-bolt-both", "TLS on both sides: Bolt 1 KB", "Bolt to Bolt, 1 KB echo"+everywhere, on(boltHop, true), inFlight, 1<<10, 0),
		shaking("tls-full", "TLS: full handshakes", "with a full handshake", false),
		shaking("tls-resumed", "TLS: resumed handshakes", "resuming the session of one before", true),
	}
	for _, s := range all {
		s.group = tlsGroup
	}
	return all
}

// growth returns the scenarios in which Sideloop is set beside itself. Requests
// come at a rate where what grows would change how many share a read or a write:
// the cost of a system call more is not that of a look-up.
func growth() []*scenario {
	grows := func(id, name, what string, rate int, grown size) *scenario {
		grown.name = "grown"
		return &scenario{
			id: id, name: "Growth: " + name, hops: boltHop, connections: connections, inFlight: inFlight, body: 1 << 10, rate: rate,
			sizes: []size{{name: "before"}, grown}, group: growthGroup,
			what: "Bolt to Bolt, 1 KB echo, " + what,
		}
	}
	atRate := fmt.Sprintf("open loop of %d requests per second", growthRate)
	busy := fmt.Sprintf("closed loop, %d connections with %d in flight on each", connections, inFlight)
	return []*scenario{
		grows("growth-connections", "32 to 5,000 connections", atRate+" over so many client connections.", growthRate,
			size{connections: 5000}),
		grows("growth-routes", "1 to 1,000 routes", busy+"; the last route matches.", 0,
			size{Size: peers.Size{Routes: 1000}}),
		grows("growth-hosts", "1 to 1,000 hosts", atRate+", round robin.", growthRate,
			size{Size: peers.Size{Hosts: 1000}}),
		grows("growth-loops", "1 to 2 loops", busy+", on the same CPU.", 0,
			size{Size: peers.Size{Workers: 2}}),
	}
}

// selectScenarios returns the named scenarios in the order of allScenarios;
// without names, all but those with TLS.
func selectScenarios(ids []string) ([]*scenario, error) {
	all := allScenarios()
	if len(ids) == 0 {
		return slices.DeleteFunc(all, func(s *scenario) bool { return s.group == tlsGroup }), nil
	}
	known := []string{growthGroup, tlsGroup}
	for _, s := range all {
		known = append(known, s.id)
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return nil, fmt.Errorf("there is no scenario %q; there are %s", id, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(s *scenario) bool {
		return !slices.Contains(ids, s.id) && (s.group == "" || !slices.Contains(ids, s.group))
	}), nil
}

// serves reports whether p takes part.
func (s *scenario) serves(p *peers.Peer) bool {
	for _, h := range s.hops {
		if !p.Carries(peers.Hop{Down: h.down, Up: h.up, DownTLS: h.downTLS, UpTLS: h.upTLS}) {
			return false
		}
	}
	return true
}

// client and backend are what the ends of the way speak.
func (s *scenario) client() peers.Protocol  { return s.hops[0].down }
func (s *scenario) backend() peers.Protocol { return s.hops[len(s.hops)-1].up }

// encrypted tells that there is TLS on some side.
func (s *scenario) encrypted() bool {
	return slices.ContainsFunc(s.hops, func(h hop) bool { return h.downTLS || h.upTLS })
}
