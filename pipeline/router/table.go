// SPDX-License-Identifier: Apache-2.0

// Package router decides which route a request takes and what the route does to
// it. A Table is compiled once from one router of the config and never changes,
// so that every loop may read it without a lock; matching allocates nothing.
package router

import (
	"fmt"

	"github.com/sideloop/sideloop/config"
)

// Table is a compiled router: virtual hosts by domain, each with its routes in
// order.
type Table struct {
	name    string
	domains domains
}

type virtualHost struct {
	name   string
	path   string
	routes []Route
	index  *index
}

// Compile builds the table of one router of the config. It fails where config's
// own checks would have: a pattern that does not compile or a domain twice.
func Compile(c *config.Router) (*Table, error) {
	t := &Table{name: c.Name}
	for i := range c.VirtualHosts {
		vc := &c.VirtualHosts[i]
		vh := &virtualHost{name: vc.Name, path: vc.Path, routes: make([]Route, 0, len(vc.Routes))}
		for j := range vc.Routes {
			r, err := compileRoute(c, vc, &vc.Routes[j])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", vc.Routes[j].Path, err)
			}
			vh.routes = append(vh.routes, r)
		}
		vh.index = newIndex(vh.routes)
		for _, d := range vc.Domains {
			if err := t.domains.add(d, vh); err != nil {
				return nil, fmt.Errorf("%s: %w", vc.Path, err)
			}
		}
	}
	t.domains.sort()
	return t, nil
}

// Name is the router's name in the config.
func (t *Table) Name() string { return t.name }

// Match returns the first route that the request satisfies, in the virtual host
// of its domain, or nil.
func (t *Table) Match(q *Query) *Route {
	vh := t.domains.find(q.Authority())
	if vh == nil {
		return nil
	}
	return vh.index.find(vh, q)
}
