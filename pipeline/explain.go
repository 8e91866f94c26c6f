// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/convert"
	"github.com/sideloop/sideloop/pipeline/router"
)

// Explanation is the way that a request would take.
type Explanation struct {
	router.Trace
	// Upstream is the protocol toward the host.
	Upstream codec.Protocol
	Shares   []router.Share
	Effects  []string
	// Reason is why it would end without a host, ReasonNone where it would not.
	Reason codec.Reason
}

// Explain routes a request as an exchange does, without sending it.
func Explain(s *Snapshot, chain *Chain, h codec.Head, from router.Peer) (x Explanation) {
	var c convert.Converter
	x.Upstream = chain.Upstream
	if x.Upstream == codec.ProtocolUnknown {
		x.Upstream = h.Protocol()
	}
	asked := convert.Ask(h)
	if asked.Connect && !chain.Connect {
		x.Reason = codec.TunnelRefused
		return x
	}
	view, _, reason := c.View(h, x.Upstream)
	if x.Reason = reason; reason != codec.ReasonNone {
		return x
	}
	x.Reason = codec.NoRoute
	table := s.Routers[chain.Router]
	if table == nil {
		return x
	}
	q := &router.Query{Request: view, Peer: from, Protocol: h.Protocol()}
	if x.Trace = table.Explain(q); x.Route == nil {
		return x
	}
	x.Reason = codec.ReasonNone
	if p := x.Route.Upstream; p != codec.ProtocolUnknown {
		x.Upstream = p
	}
	x.Shares = x.Route.Shares(q)
	if len(x.Shares) == 1 {
		q.Cluster = x.Shares[0].Cluster
		if s.Clusters[q.Cluster] == nil {
			x.Reason = codec.NoCluster
		}
	}
	x.Effects = x.Route.Effects(q)
	return x
}
