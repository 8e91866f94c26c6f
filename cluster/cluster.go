// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"
	"strings"
	"time"

	"github.com/sideloop/sideloop/cluster/balance"
	"github.com/sideloop/sideloop/config"
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
	// HTTP2 is what a host may ask for that is spoken to in HTTP/2.
	HTTP2 config.HTTP2Limits
}

// Host is one upstream address. It never changes.
type Host struct {
	Network string // tcp or unix
	Address string
	// Authority is what a request that names no host of its own is sent with.
	Authority []byte
	// Down is why the host is not to be chosen, 0 for a healthy one.
	Down Down
}

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
	return &n
}

// Mark returns the cluster in which the verdict d of the host at address is set
// or lifted, or c itself where that changes nothing.
func (c *Cluster) Mark(address string, d Down, set bool) *Cluster {
	for i, h := range c.Hosts {
		if h.Address != address || (h.Down&d != 0) == set {
			continue
		}
		marked := *h
		marked.Down ^= d
		hosts := slices.Clone(c.Hosts)
		hosts[i] = &marked
		return c.With(hosts)
	}
	return c
}

// Set is the clusters of one configuration by name. It never changes.
type Set map[string]*Cluster

// New returns the cluster that c describes.
func New(c *config.Cluster) *Cluster {
	n := &Cluster{
		Name:               c.Name,
		Balancing:          c.LB,
		ConnectTimeout:     c.ConnectTimeout,
		IdleTimeout:        c.IdleTimeout,
		MaxRequestsPerConn: c.MaxRequestPerConn,
		Keepalive:          newKeepalive(c.Keepalive),
		BufferLimit:        int(c.ConnBufferLimit),
		HTTP2:              c.HTTP2,
	}
	if n.IdleTimeout == 0 {
		n.IdleTimeout = DefaultIdleTimeout
	}
	for i := range c.Hosts {
		n.Hosts = append(n.Hosts, newHost(c.Hosts[i].Address))
	}
	return n
}

// unixAuthority stands for a Unix socket, whose path is no host name.
const unixAuthority = "localhost"

func newHost(address string) *Host {
	if strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") {
		return &Host{Network: "unix", Address: address, Authority: []byte(unixAuthority)}
	}
	return &Host{Network: "tcp", Address: address, Authority: []byte(address)}
}

func (c *Cluster) policy() balance.Policy {
	if c.Balancing == config.Random {
		return balance.Random{}
	}
	return balance.NewRoundRobin()
}
