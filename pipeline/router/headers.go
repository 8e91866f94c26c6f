// SPDX-License-Identifier: Apache-2.0

package router

import "github.com/sideloop/sideloop/config"

// Headers are conditions on headers outside of a route's match. No conditions
// hold for every request.
type Headers struct {
	match matcher
}

// CompileHeaders compiles conditions that mean what they mean in a match.
func CompileHeaders(conditions []config.HeaderMatch) (*Headers, error) {
	m, err := compileMatch(&config.Match{Headers: conditions})
	return &Headers{m}, err
}

// Match tells whether all conditions hold of q.Request.
func (h *Headers) Match(q *Query) bool { return h.match.matches(q) }
