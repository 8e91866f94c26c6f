// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// Config is one configuration file with every default filled in. It is not
// changed after it was returned and may be read from any goroutine.
type Config struct {
	Server   Server
	Clusters []Cluster
	// PidFile is empty when the file names none.
	PidFile string
	// Zone is where this proxy is, empty when the file does not say.
	Zone    string
	Admin   Admin
	Metrics Metrics
	// Tracing is nil where no spans are made.
	Tracing *Tracing
}

// Server is the one entry of "servers".
type Server struct {
	Name string
	// LogPath is "stdout", "stderr" or the path of a file.
	LogPath  string
	LogLevel string
	// Processor is the number of loops asked for, 0 when the file leaves it to
	// the proxy.
	Processor       int
	GracefulTimeout time.Duration
	Listeners       []Listener
	// Routers are those of "routers" and those that stand inside filters.
	// Their names are unique.
	Routers  []Router
	Overload Overload
}

// Listener is one address that connections arrive at.
type Listener struct {
	Name string
	// Network is "tcp" or "unix".
	Network string
	Address string
	// BindPort false means that no socket is opened for it.
	BindPort bool
	// OriginalDst tells that connections come by iptables' REDIRECT.
	OriginalDst bool
	// LogPath and LogLevel are empty when they are those of the server.
	LogPath  string
	LogLevel string
	// IdleTimeout is 0 when the file states none.
	IdleTimeout time.Duration
	// TLS are the contexts that are on, none for a listener in plain text.
	TLS []TLS
	// Inspector takes plain text beside TLS.
	Inspector bool
	Proxy     Proxy
	// StreamFilters are in the order in which requests meet them.
	StreamFilters []StreamFilter
	// ConnectionFault is the filter "fault_inject".
	ConnectionFault ConnectionFault
	AccessLogs      []AccessLog
	Path            string
}

// ConnectionFault delays the first read of Percent of the connections by Delay.
type ConnectionFault struct {
	Percent uint32
	Delay   time.Duration
}

// Protocol is a wire protocol in the terms of this package.
type Protocol uint8

const (
	// ProtocolSame stands for the protocol of the other side.
	ProtocolSame Protocol = iota
	ProtocolBolt
	ProtocolHTTP2
)

// String is the protocol's name in messages.
func (p Protocol) String() string {
	switch p {
	case ProtocolBolt:
		return "bolt"
	case ProtocolHTTP2:
		return "http2"
	}
	return "same"
}

// Proxy is the filter "proxy" of a listener.
type Proxy struct {
	// Downstream is the set of protocols that clients may speak, each once and
	// never ProtocolSame. With more than one the first bytes decide.
	Downstream []Protocol
	// Upstream is ProtocolSame when nothing is to be converted.
	Upstream Protocol
	// RouterName is one of Server.Routers, or names none of them: then no
	// request of this listener has a route.
	RouterName         string
	FallbackForUnknown bool
	ClientCert         ClientCert
	HTTP2              HTTP2Options
	Bolt               BoltOptions
	Path               string
}

// ClientCert is what requests tell of their client's certificate, in
// x-forwarded-client-cert.
type ClientCert struct {
	Forward ForwardCert
	// What is told beside the hash.
	Subject, Cert, Chain, DNS, URI bool
}

// ForwardCert is Envoy's forward_client_cert_details.
type ForwardCert uint8

const (
	// ForwardNone removes what a client has sent.
	ForwardNone ForwardCert = iota
	// ForwardOnly passes it on if the client's certificate was verified.
	ForwardOnly
	// ForwardAppend adds that certificate to it.
	ForwardAppend
	// ForwardSet puts that certificate in its place.
	ForwardSet
	// ForwardAlways passes on what any client has sent.
	ForwardAlways
)

// HTTP2Options is extend_config.Http2.
type HTTP2Options struct {
	// UseStream is MOSN's switch from whole bodies to streamed ones.
	UseStream bool
	// Limits are those of connections from clients.
	Limits HTTP2Limits
}

// BoltOptions is extend_config.bolt.
type BoltOptions struct {
	// GoAway tells clients of a draining proxy to leave, with a Bolt command
	// that only some of them know.
	GoAway bool
	// MaxFrame is the largest frame in bytes, 0 for any.
	MaxFrame uint32
	// WholeFrame is the size up to which requests are forwarded whole, 0 for
	// the default.
	WholeFrame uint32
	// MaxInFlight is how many requests of one connection may be in progress, 0
	// for the default.
	MaxInFlight uint32
}

// Cluster is a named set of hosts that serve the same.
type Cluster struct {
	Name              string
	Type              ClusterType
	LB                Balancing
	DNS               DNS
	MaxRequestPerConn uint32 // 0 for no limit
	ConnBufferLimit   uint32 // 0 for the built-in one
	ConnectTimeout    time.Duration
	// IdleTimeout is 0 when the file states none.
	IdleTimeout time.Duration
	Keepalive   Keepalive
	Breakers    Breakers
	// HTTP2 are the limits of connections to the hosts.
	HTTP2 HTTP2Limits
	// TLS is nil for a cluster in plain text.
	TLS   *TLS
	Hosts []Host
	// HealthCheck is nil where hosts are not probed, Outlier where they are not
	// judged by their requests.
	HealthCheck *HealthCheck
	Outlier     *OutlierDetection
	Path        string
}

// Keepalive is how hosts that have died are noticed.
type Keepalive struct {
	// Set is false when the file says nothing.
	Set bool
	// Interval is how long a connection may be silent before it is probed,
	// Timeout how long the answer may take.
	Interval, Timeout time.Duration
	// FastFail gives a connection up after its first probe without an answer.
	FastFail bool
}

// Host is one address of a cluster.
type Host struct {
	// Address is "host:port" or the path of a Unix socket.
	Address  string
	Hostname string
	// Weight is within 1 and 128, as in MOSN.
	Weight uint32
	// Metadata are the labels that subsets choose hosts by; "zone" is where
	// the host is.
	Metadata map[string]string
	// Plain is a host without TLS whatever its cluster says.
	Plain bool
	Path  string
}
