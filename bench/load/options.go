// SPDX-License-Identifier: Apache-2.0

package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"time"
)

// Protocol is what the generator speaks.
type Protocol uint8

const (
	// Bolt is SOFABolt version 1.
	Bolt Protocol = iota
	// BoltV2 is SOFABolt version 2 with a checksum on every frame.
	BoltV2
	// HTTP2 is HTTP/2 with prior knowledge.
	HTTP2
	// GRPC is unary gRPC calls over the same.
	GRPC
	protocolCount
)

var protocolNames = [protocolCount]string{"bolt", "boltv2", "http2", "grpc"}

// String is the protocol's name on the command line and in results.
func (p Protocol) String() string {
	if p >= protocolCount {
		return "unknown"
	}
	return protocolNames[p]
}

// UnmarshalText implements encoding.TextUnmarshaler: the inverse of String.
func (p *Protocol) UnmarshalText(b []byte) error {
	for i, name := range protocolNames {
		if string(b) == name {
			*p = Protocol(i)
			return nil
		}
	}
	return fmt.Errorf("protocol %q is not one of %s", b, strings.Join(protocolNames[:], ", "))
}

// AnyReply, as Options.Reply, takes replies of every content.
const AnyReply = -1

// Options say what load to put on what. Zero values stand for the defaults
// named here.
type Options struct {
	// Target is host:port, or unix:PATH.
	Target   string
	Protocol Protocol
	// Connections is 1 by default, and InFlight, the most requests in flight
	// on each, is too.
	Connections, InFlight int
	// Body is the size of the requests' content.
	Body int
	// Reply is the size of the content that replies shall have: a beginning
	// of Content. Zero expects an echo or, where Body is 0 too, anything.
	Reply int
	// TLS encrypts the connections; nil is plain text.
	TLS *tls.Config
	// PerConnection is how many requests a connection is for: it is closed
	// after their replies, and another takes its place. 0 is no limit. The time
	// that connecting takes is in no latency.
	PerConnection int
	// Headers are "name: value": fields of HTTP/2 or pairs of Bolt's map.
	Headers []string
	// Rate is the number of requests per second of an open loop; 0 is a
	// closed loop.
	Rate float64
	// Duration and Count end the run, whichever is reached first; 0 is no
	// limit, and one of them is needed. Neither includes the warm-up.
	Duration time.Duration
	Count    uint64
	WarmUp   time.Duration
	// Service, unless empty, is sent in the header "service", which MOSN's
	// routes match.
	Service string
	// Method is GET where HTTP2 sends no body, else POST.
	Method string
	// Path is "/" for HTTP2 and "/loopbench.Echo/Echo" for GRPC.
	Path string
	// Name is of the result; the target by default.
	Name string
	// PIDs are processes whose CPU time and memory are measured along, with
	// those of their descendants.
	PIDs []int
	// Loops is the number of threads that generate load, 1 by default.
	Loops int
	// ConnectTimeout is 3 s and RequestTimeout 10 s by default.
	ConnectTimeout, RequestTimeout time.Duration
}

const (
	// maxRate is what no loop gets near.
	maxRate = 10e6
	// maxRequests bounds the requests in flight on all connections, which take
	// some 150 bytes each.
	maxRequests = 1 << 20
	// maxBody bounds a body, which is held once.
	maxBody = 1 << 30
	// maxTime keeps times within what histograms and clocks can say.
	maxTime = 30 * 24 * time.Hour
	// leastTimeout is what the timers of a loop can tell.
	leastTimeout = time.Millisecond

	defaultConnectTimeout = 3 * time.Second
	defaultRequestTimeout = 10 * time.Second
)

// withDefaults fills in what was left open.
func (o Options) withDefaults() Options {
	o.Connections = max(o.Connections, 1)
	o.InFlight = max(o.InFlight, 1)
	o.Loops = min(max(o.Loops, 1), o.Connections)
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = defaultRequestTimeout
	}
	if o.Name == "" {
		o.Name = o.Target
	}
	if o.Method == "" {
		o.Method = "POST"
		if o.Body == 0 && o.Protocol == HTTP2 {
			o.Method = "GET"
		}
	}
	if o.Path == "" {
		o.Path = "/"
		if o.Protocol == GRPC {
			o.Path = "/loopbench.Echo/Echo"
		}
	}
	return o
}

// network and address are what to dial.
func (o *Options) address() (network, address string) {
	if path, ok := strings.CutPrefix(o.Target, "unix:"); ok {
		return "unix", path
	}
	return "tcp", o.Target
}

// check finds options that cannot be meant.
func (o *Options) check() error {
	network, address := o.address()
	if network == "tcp" {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("the target is not HOST:PORT: %w", err)
		}
	}
	for _, c := range []struct {
		bad  bool
		what string
	}{
		{o.Protocol >= protocolCount, "the protocol is unknown"},
		{network == "unix" && address == "", "the target unix: has no path"},
		{o.Connections < 0 || o.InFlight < 0 || o.Loops < 0 || o.PerConnection < 0, "connections, requests in flight, requests per connection and loops cannot be negative"},
		{o.Connections > maxRequests || o.InFlight > maxRequests || max(o.Connections, 1)*max(o.InFlight, 1) > maxRequests,
			fmt.Sprintf("more than %d requests in flight in all", maxRequests)},
		{o.Body < 0 || o.Body > maxBody, fmt.Sprintf("the body is not between 0 and %d bytes", maxBody)},
		{o.Reply < AnyReply || o.Reply > maxBody, fmt.Sprintf("the reply is not between 0 and %d bytes", maxBody)},
		{math.IsNaN(o.Rate) || o.Rate < 0 || o.Rate > maxRate, fmt.Sprintf("the rate is not between 0 and %.0f requests per second", maxRate)},
		{o.Duration < 0 || o.WarmUp < 0 || o.ConnectTimeout < 0 || o.RequestTimeout < 0, "times cannot be negative"},
		{o.Duration > maxTime || o.WarmUp > maxTime, fmt.Sprintf("times are limited to %v", maxTime)},
		{o.Duration == 0 && o.Count == 0, "neither a duration nor a count says when the run ends"},
		{o.ConnectTimeout != 0 && o.ConnectTimeout < leastTimeout || o.RequestTimeout != 0 && o.RequestTimeout < leastTimeout,
			"timeouts are a millisecond at least"},
		{o.Rate > 0 && o.Duration > 0 && o.Rate*o.Duration.Seconds() < 1,
			fmt.Sprintf("at %g requests per second none is due within %v", o.Rate, o.Duration)},
		{o.Duration > 0 && o.Duration < time.Millisecond, "a run takes a millisecond at least"},
	} {
		if c.bad {
			return errors.New(c.what)
		}
	}
	return nil
}
