// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/stats"
)

// Keepalive is how a connection's host is found to be dead. A connection on
// which nothing was received for Interval, with requests in flight or without,
// is probed; each probe that goes unanswered for Timeout is followed by another,
// and after Probes of them the connection is given up. So a dead host is
// noticed within Interval + Probes*Timeout.
type Keepalive struct {
	Interval, Timeout time.Duration
	Probes            int
}

const (
	// keepaliveProbes is MOSN's number of lost heartbeats in a row.
	keepaliveProbes = 6
	// usualInterval keeps Bolt servers, which close connections that are idle
	// for 90 s, from closing ours; it is MOSN's.
	usualInterval = 15 * time.Second
)

// usualKeepalive is for Bolt where the configuration says nothing. MOSN then
// gives up after six intervals, which outlasts a long garbage collection.
var usualKeepalive = Keepalive{Interval: usualInterval, Timeout: usualInterval, Probes: keepaliveProbes - 1}

// newKeepalive is what the configuration asks for, nil when it says nothing.
func newKeepalive(k config.Keepalive) *Keepalive {
	switch {
	case !k.Set:
		return nil
	case k.FastFail:
		return &Keepalive{k.Interval, k.Timeout, 1}
	}
	return &Keepalive{k.Interval, k.Timeout, keepaliveProbes}
}

// keepalive is what holds for connections of protocol p, nil for nothing. MOSN
// sends heartbeats on every Bolt connection, but over HTTP/2 only those who ask
// for it get PINGs, because gRPC servers end connections that send many.
func (c *Cluster) keepalive(p codec.Protocol) *Keepalive {
	if c.Keepalive == nil && p == codec.Bolt {
		return &usualKeepalive
	}
	return c.Keepalive
}

// life watches for signs of life of a connection's host.
type life struct {
	prober codec.Prober // nil where the protocol has no probe
	at     int64        // loop time of the last sign
	probes int          // since then
}

// watch starts to look for signs of life.
func (c *conn) watch() {
	c.life.at = c.pool.manager.loop.Now()
	c.life.prober, _ = c.session.(codec.Prober)
	if k := c.pool.cluster.keepalive(c.pool.protocol); k != nil && c.life.prober != nil {
		c.pool.manager.loop.Schedule(&c.beat, k.Interval)
	}
}

// alive notes a sign of life: the host sent something, or took what it had left
// waiting.
func (c *conn) alive() {
	c.life.at = c.pool.manager.loop.Now()
	if c.life.probes > 0 {
		c.life.probes = 0
		if k := c.pool.cluster.keepalive(c.pool.protocol); k != nil {
			c.pool.manager.loop.Schedule(&c.beat, k.Interval)
		}
	}
	if c.trial {
		c.trial = false
		c.pool.enter(c)
	}
}

// heartbeat is the conn as the Expirer of its probes.
type heartbeat conn

// OnTimer implements eventloop.Expirer. The timer is not moved by each sign of
// life; it looks when it fires.
func (b *heartbeat) OnTimer(now int64) {
	c := (*conn)(b)
	loop := c.pool.manager.loop
	k := c.pool.cluster.keepalive(c.pool.protocol)
	if c.closed || c.shut || k == nil {
		return
	}
	if left := c.life.at + int64(k.Interval) - now; left > 0 && !c.trial {
		loop.Schedule(&c.beat, time.Duration(left))
		return
	}
	if c.life.probes >= k.Probes {
		c.pool.manager.stats.Add(stats.UpstreamUnresponsive)
		if !c.trial {
			c.pool.unresponsive()
		}
		c.Shut(codec.UpstreamUnresponsive)
		return
	}
	if !c.life.prober.Probe() {
		// Silence says nothing now.
		c.life.probes = 0
		loop.Schedule(&c.beat, k.Interval)
		return
	}
	c.life.probes++
	loop.Schedule(&c.beat, k.Timeout)
}
