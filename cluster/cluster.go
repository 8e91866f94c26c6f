// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/stats"
)

// DefaultIdleTimeout closes upstream connections that carry nothing.
const DefaultIdleTimeout = 5 * time.Minute

// Cluster is a named set of hosts and how to talk to them. It never changes.
type Cluster struct {
	Name           string
	Hosts          []*Host
	Balancing      config.Balancing
	ConnectTimeout time.Duration
	IdleTimeout    time.Duration
	// MaxRequestsPerConn is how many requests a connection carries before it
	// is replaced; 0 means no limit.
	MaxRequestsPerConn uint32
	// Keepalive is what the configuration asks for, nil where it says nothing.
	Keepalive *Keepalive
	// BufferLimit is the high watermark, in bytes, of a connection's output; 0
	// leaves the loop's own.
	BufferLimit int
	Limits      Limits
	usage       *usage
	// HTTP2 is what a host may ask for that is spoken to in HTTP/2.
	HTTP2 config.HTTP2Limits
	// Meter counts the cluster's requests; it is set before the cluster is in
	// use.
	Meter *stats.Meter
	// Check is how hosts are probed, Outlier how they are judged by their
	// requests; each is nil where they are not.
	Check   *config.HealthCheck
	Outlier *config.OutlierDetection
	// Security encrypts connections to the hosts; nil leaves them in plain
	// text.
	Security Security
	// Transport tells apart ways to secure connections: where it changes, those
	// from before carry no further request.
	Transport string

	// Zone is where this proxy is; it counts where Balancing prefers it.
	Zone string
	// index is made of all of the above, nil in a Cluster that was not made by
	// New, With, Mark or Judged.
	index *index
}

// Security says how connections are encrypted. Its method is called on loops.
type Security interface {
	Secure(*Host, codec.Protocol) *eventloop.ClientTLS
}

// transport is the Transport of connections to one host.
func (c *Cluster) transport(h *Host) string {
	if h.Plain {
		return ""
	}
	return c.Transport
}

// secure is how a connection to a host is encrypted, nil for plain text.
func (c *Cluster) secure(h *Host, p codec.Protocol) *eventloop.ClientTLS {
	if c.Security == nil || h.Plain {
		return nil
	}
	return c.Security.Secure(h, p)
}

// Host is one upstream address. It never changes.
type Host struct {
	Network string // tcp or unix
	// Address identifies the host within its cluster, and is where it is, too,
	// unless Dial says otherwise.
	Address string
	// Dial is where new connections go; empty for Address.
	Dial string
	// Authority is what a request that names no host of its own is sent with.
	Authority []byte
	// Weight is the host's part of the requests in relation to those of others;
	// 0 is 1.
	Weight uint32
	// Labels are what subsets choose hosts by.
	Labels map[string]string
	// Name is the host's own name, empty where it has none.
	Name []byte
	// ServerName is what TLS asks for and verifies where the cluster says
	// nothing.
	ServerName string
	// Plain is a host that is spoken to in plain text whatever its cluster
	// says.
	Plain bool
	// Down is why the host is not to be chosen, 0 for a healthy one.
	Down Down
}

func (h *Host) dialAddress() string {
	if h.Dial != "" {
		return h.Dial
	}
	return h.Address
}

// ZoneLabel is the label that says where a host is.
const ZoneLabel = "zone"

// Down is the set of those who hold a host for unhealthy.
type Down uint8

const (
	// FailedCheck is the verdict of active health checks.
	FailedCheck Down = 1 << iota
	// Ejected is that of outlier detection.
	Ejected
)

// With returns the cluster with other hosts. Host state and pools are kept by
// address.
func (c *Cluster) With(hosts []*Host) *Cluster {
	n := *c
	n.Hosts = hosts
	n.index = newIndex(&n, nil)
	return &n
}

// Mark returns the cluster in which the verdict d of the host at address is set
// or lifted, or c itself where that changes nothing.
func (c *Cluster) Mark(address string, d Down, set bool) *Cluster {
	return c.Judged(func(h *Host) Down {
		switch {
		case h.Address != address:
			return h.Down
		case set:
			return h.Down | d
		}
		return h.Down &^ d
	})
}

// Judged returns the cluster in which each host is Down as verdict says, or c
// itself where that changes nothing.
func (c *Cluster) Judged(verdict func(*Host) Down) *Cluster {
	var hosts []*Host
	for i, h := range c.Hosts {
		d := verdict(h)
		if d == h.Down {
			continue
		}
		if hosts == nil {
			hosts = slices.Clone(c.Hosts)
		}
		judged := *h
		judged.Down = d
		hosts[i] = &judged
	}
	if hosts == nil {
		return c
	}
	n := *c
	n.Hosts = hosts
	n.index = newIndex(&n, c.index)
	return &n
}

// In returns the cluster as a proxy in this zone sees it.
func (c *Cluster) In(zone string) *Cluster {
	if zone == c.Zone {
		return c
	}
	n := *c
	n.Zone = zone
	n.index = newIndex(&n, nil)
	return &n
}

// Set is the clusters of one configuration by name. It never changes.
type Set map[string]*Cluster

// New returns the cluster that c describes. One whose hosts are still to be found
// (STRICT_DNS, ORIGINAL_DST) has none.
func New(c *config.Cluster) *Cluster {
	n := &Cluster{
		Name:               c.Name,
		Balancing:          c.LB,
		ConnectTimeout:     c.ConnectTimeout,
		IdleTimeout:        c.IdleTimeout,
		MaxRequestsPerConn: c.MaxRequestPerConn,
		Keepalive:          newKeepalive(c.Keepalive),
		BufferLimit:        int(c.ConnBufferLimit),
		Limits:             newLimits(&c.Breakers),
		usage:              new(usage),
		HTTP2:              c.HTTP2,
		Check:              c.HealthCheck,
		Outlier:            c.Outlier,
	}
	if n.IdleTimeout == 0 {
		n.IdleTimeout = DefaultIdleTimeout
	}
	if c.Type.HasHosts() {
		for i := range c.Hosts {
			n.Hosts = append(n.Hosts, NewHost(&c.Hosts[i]))
		}
	}
	n.index = newIndex(n, nil)
	return n
}

// unixAuthority stands for a Unix socket, whose path is no host name.
const unixAuthority = "localhost"

// NewHost returns the host that h describes.
func NewHost(h *config.Host) *Host {
	n := &Host{Network: "tcp", Address: h.Address, Authority: []byte(h.Address), Weight: h.Weight, Labels: h.Metadata, Name: []byte(h.Hostname), Plain: h.Plain}
	if strings.HasPrefix(h.Address, "/") || strings.HasPrefix(h.Address, "@") {
		n.Network, n.Authority = "unix", []byte(unixAuthority)
	}
	if n.ServerName = h.Hostname; n.ServerName == "" {
		n.ServerName = addressName(h.Address)
	}
	return n
}

// addressName is the host of an address.
func addressName(address string) string {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return name
}
