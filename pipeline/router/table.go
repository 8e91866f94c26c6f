// SPDX-License-Identifier: Apache-2.0

// Package router decides which route a request takes. A Table is compiled once
// from one router of the config and never changes, so that every loop may read
// it without a lock; matching allocates nothing.
package router

import (
	"fmt"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

// Request is what a match may look at. codec.Head satisfies it.
type Request interface {
	Get(name string) (value []byte, ok bool)
	Method() []byte
	Path() []byte
	Authority() []byte
}

// Route is where a request goes and how.
type Route struct {
	Cluster string
	// Timeout bounds the whole exchange when TimeoutSet.
	Timeout    time.Duration
	TimeoutSet bool
	// Upstream is the protocol toward the upstream, ProtocolUnknown when the
	// listener's filter chain decides.
	Upstream codec.Protocol
	// Retry is nil where only what surely was not processed is retried.
	Retry *Retry

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

// Table is a compiled router: virtual hosts by domain, each with its routes in
// order.
type Table struct {
	name    string
	domains domains
}

type virtualHost struct {
	name   string
	routes []Route
}

// Compile builds the table of one router of the config. It fails where config's
// own checks would have: a pattern that does not compile or a domain twice.
func Compile(c *config.Router) (*Table, error) {
	t := &Table{name: c.Name}
	for i := range c.VirtualHosts {
		vc := &c.VirtualHosts[i]
		vh := &virtualHost{name: vc.Name, routes: make([]Route, 0, len(vc.Routes))}
		for j := range vc.Routes {
			r, err := compileRoute(&vc.Routes[j])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", vc.Routes[j].Path, err)
			}
			r.filters, r.hostFilters = vc.Routes[j].Filters, vc.Filters
			vh.routes = append(vh.routes, r)
		}
		for _, d := range vc.Domains {
			if err := t.domains.add(d, vh); err != nil {
				return nil, fmt.Errorf("%s: %w", vc.Path, err)
			}
		}
	}
	t.domains.sort()
	return t, nil
}

func compileRoute(c *config.Route) (Route, error) {
	m, err := compileMatch(&c.Match)
	if err != nil {
		return Route{}, err
	}
	return Route{
		Cluster:    c.Action.Cluster,
		Timeout:    c.Action.Timeout,
		TimeoutSet: c.Action.TimeoutSet,
		Upstream:   UpstreamProtocol(c.Action.UpstreamProtocol),
		Retry:      compileRetry(&c.Action.Retry),
		match:      m,
	}, nil
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

// Name is the router's name in the config.
func (t *Table) Name() string { return t.name }

// Match returns the first route that r satisfies, in the virtual host of its
// domain, or nil.
func (t *Table) Match(r Request) *Route {
	vh := t.domains.find(r.Authority())
	if vh == nil {
		return nil
	}
	for i := range vh.routes {
		if vh.routes[i].match.matches(r) {
			return &vh.routes[i]
		}
	}
	return nil
}
