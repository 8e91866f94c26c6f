// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/router"
	"github.com/sideloop/sideloop/stats"
)

// Verdict is what the first bytes of a connection say about its protocol.
type Verdict uint8

const (
	No Verdict = iota
	Yes
	// More means that the bytes so far could be the protocol's.
	More
)

// Server is how to serve one protocol downstream.
type Server struct {
	Protocol codec.Protocol
	// ALPN is the protocol's name in TLS.
	ALPN string
	// Detect judges the first bytes of a connection. It is asked only where a
	// listener speaks several protocols.
	Detect func(prefix []byte) Verdict
	// StreamIdle ends exchanges without progress; 0 is the default.
	StreamIdle time.Duration
	New        func(codec.Sink, codec.Owner, codec.Acceptor, *codec.Memory) codec.ServerSession
}

// Chain is the filter chain of one listener: proxy and connection_manager. It
// never changes; a connection keeps the chain it was accepted with.
type Chain struct {
	Listener string
	Servers  []Server
	// Upstream is the protocol toward upstreams unless a route says otherwise;
	// ProtocolUnknown means that of the client.
	Upstream codec.Protocol
	// Connect takes CONNECT, which is otherwise refused.
	Connect bool
	// OriginalDst tells that iptables redirects connections here, whose
	// destination is asked for where a cluster wants to know it.
	OriginalDst bool
	// ClientCert is what requests tell of their client.
	ClientCert config.ClientCert
	// Router is the name of the table that routes this listener's requests.
	Router string
	// Filters see the requests; nil for none. Fault is for tests of clients.
	Filters *filter.Chain
	Fault   ConnectionFault
	// Observers are told of each request when it has ended; nil for none.
	Observers *Observers
	// IdleTimeout closes connections on which nothing happens.
	IdleTimeout time.Duration
	// DetectTime is how long the bytes that tell a connection's protocol may
	// take.
	DetectTime time.Duration
	// Meter counts the requests of the listener.
	Meter *stats.Meter
	// Log gets failed requests. It must not block.
	Log *slog.Logger
	// Retired tells that no further connection should live on this chain: those
	// that were on their way to their loop drain at once.
	Retired atomic.Bool
}

// negotiated is how to serve what a client agreed on in its TLS handshake, nil
// where that says nothing.
func (c *Chain) negotiated(h *eventloop.Hello) *Server {
	if h == nil || h.Protocol == "" {
		return nil
	}
	for i := range c.Servers {
		if c.Servers[i].ALPN == h.Protocol {
			return &c.Servers[i]
		}
	}
	return nil
}

// Snapshot is what requests are routed by. It never changes; publishing another
// one replaces it for the requests that begin afterwards.
type Snapshot struct {
	Routers  map[string]*router.Table
	Clusters cluster.Set
}
