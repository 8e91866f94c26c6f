// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/filter/access"
	"github.com/sideloop/sideloop/pipeline/filter/adaptive"
	"github.com/sideloop/sideloop/pipeline/filter/fault"
	"github.com/sideloop/sideloop/pipeline/filter/metadata"
	"github.com/sideloop/sideloop/pipeline/filter/payload"
	"github.com/sideloop/sideloop/pipeline/filter/ratelimit"
	"github.com/sideloop/sideloop/tracing"
)

// filters is the table type → stream filter.
var filters = filter.Registry{
	access.Name:         access.Kind,
	adaptive.Name:       adaptive.Kind,
	fault.Name:          fault.Kind,
	metadata.Name:       metadata.Kind,
	payload.Name:        payload.Kind,
	ratelimit.FlowName:  ratelimit.Flow,
	ratelimit.LocalName: ratelimit.Local,
	tracing.Name:        tracing.Kind(nil),
}

// registry is the table with what the filters of this process have to do with.
func (s *Server) registry() filter.Registry {
	if s.tracer == nil {
		return filters
	}
	r := maps.Clone(filters)
	r[tracing.Name] = tracing.Kind(s.tracer)
	return r
}

// compileFilters returns r with the settings that virtual hosts and routes have for
// filters compiled, which the router hands to the filters as they are.
func compileFilters(r *config.Router) (*config.Router, error) {
	c := *r
	c.VirtualHosts = slices.Clone(r.VirtualHosts)
	for i := range c.VirtualHosts {
		h := &c.VirtualHosts[i]
		var err error
		if h.Filters, err = compileAll(h.Filters); err != nil {
			return nil, fmt.Errorf("%s: %w", h.Path, err)
		}
		h.Routes = slices.Clone(h.Routes)
		for j := range h.Routes {
			if h.Routes[j].Filters, err = compileAll(h.Routes[j].Filters); err != nil {
				return nil, fmt.Errorf("%s: %w", h.Routes[j].Path, err)
			}
		}
	}
	return &c, nil
}

func compileAll(settings map[string]any) (map[string]any, error) {
	compiled := make(map[string]any, len(settings))
	for name, c := range settings {
		var err error
		if compiled[name], err = filters.CompileRoute(config.StreamFilter{Type: name, Config: c}); err != nil {
			return nil, err
		}
	}
	return compiled, nil
}
