// SPDX-License-Identifier: Apache-2.0

package router

import (
	"time"

	"github.com/bytedance/gopkg/lang/fastrand"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

// Route is where a request goes and how.
type Route struct {
	// Place is where the route stands in the config.
	Place string
	// Cluster is empty where the request itself, or chance, decides: see
	// Action.Target.
	Cluster string
	// Timeout bounds the whole exchange when TimeoutSet.
	Timeout    time.Duration
	TimeoutSet bool
	// Upstream is the protocol toward the upstream, ProtocolUnknown when the
	// listener's filter chain decides.
	Upstream codec.Protocol
	// Retry is nil where only what surely was not processed is retried.
	Retry *Retry
	// Action is all that is done besides, nil for the usual route that sends its
	// requests to Cluster as they are.
	Action *Action

	match matcher
	// filters and hostFilters are settings of stream filters, the route's and
	// the virtual host's.
	filters, hostFilters map[string]any
}

// FilterConfig is the settings of a stream filter for this route, nil where there
// are none.
func (r *Route) FilterConfig(name string) any {
	if c, ok := r.filters[name]; ok {
		return c
	}
	return r.hostFilters[name]
}

// Action is what a route does besides sending to one cluster. Each of its parts
// is nil or zero where the route does not have it.
type Action struct {
	// Answer ends the exchange without a host.
	Answer *Answer
	targets
	hash []hashPolicy
	// Request and Reply are the changes of headers.
	Request, Reply Edits
	Rewrite        Rewrite
	// Mirror is the cluster that copies go to.
	Mirror        string
	mirrorPercent uint32
}

// Mirrored decides whether a request is copied to Mirror.
func (a *Action) Mirrored() bool {
	return a.mirrorPercent > 0 && fastrand.Uint32n(100) < a.mirrorPercent
}

func compileRoute(rc *config.Router, vc *config.VirtualHost, c *config.Route) (Route, error) {
	m, err := compileMatch(&c.Match)
	if err != nil {
		return Route{}, err
	}
	r := Route{
		Place:      c.Path,
		Cluster:    c.Action.Cluster,
		Timeout:    c.Action.Timeout,
		TimeoutSet: c.Action.TimeoutSet,
		Upstream:   UpstreamProtocol(c.Action.UpstreamProtocol),
		Retry:      compileRetry(&c.Action.Retry),
		match:      m, filters: c.Filters, hostFilters: vc.Filters,
	}
	a := &Action{
		Answer:  newAnswer(c),
		targets: newTargets(&c.Action),
		hash:    newHash(c.Action.Hash),
		Mirror:  c.Mirror.Cluster, mirrorPercent: uint32(c.Mirror.Percent),
	}
	for _, level := range []*config.HeaderChanges{&c.Action.Headers, &vc.Headers, &rc.Headers} {
		a.Request.add(&level.Request)
		a.Reply.add(&level.Reply)
	}
	if a.Rewrite, err = newRewrite(c); err != nil {
		return Route{}, err
	}
	if !a.idle() {
		r.Action = a
	}
	return r, nil
}

// idle tells that a does nothing.
func (a *Action) idle() bool {
	return a.Answer == nil && a.targets.none() && a.hash == nil && a.Request.Empty() && a.Reply.Empty() &&
		a.Rewrite.none() && a.mirrorPercent == 0
}

// UpstreamProtocol is the protocol that the config names for an upstream,
// ProtocolUnknown where it is that of the client.
func UpstreamProtocol(p config.Protocol) codec.Protocol {
	switch p {
	case config.ProtocolBolt:
		return codec.Bolt
	case config.ProtocolHTTP2:
		return codec.HTTP2
	}
	return codec.ProtocolUnknown
}
