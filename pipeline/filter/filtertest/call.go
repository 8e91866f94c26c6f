// SPDX-License-Identifier: Apache-2.0

// Package filtertest has what the tests of filters need of a pipeline.
package filtertest

import "github.com/sideloop/sideloop/pipeline/filter"

// Head is a head made of headers; ":path" is the path.
type Head map[string]string

// Get implements filter.View.
func (h Head) Get(name string) ([]byte, bool) {
	v, ok := h[name]
	return []byte(v), ok
}

// Method implements filter.View.
func (h Head) Method() []byte { return []byte("POST") }

// Path implements filter.View.
func (h Head) Path() []byte { return []byte(h[":path"]) }

// Authority implements filter.View.
func (h Head) Authority() []byte { return nil }

// Route is a route with settings of filters by name.
type Route map[string]any

// FilterConfig implements filter.Route.
func (r Route) FilterConfig(name string) any { return r[name] }

// Call is a request with these headers, on a route without settings.
func Call(h Head) *filter.Call { return &filter.Call{Head: h, Route: Route{}, Now: 1} }
