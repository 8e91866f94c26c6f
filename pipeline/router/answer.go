// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"

	"github.com/sideloop/sideloop/config"
)

// Answer is a reply that a route gives by itself.
type Answer struct {
	// Status is that of HTTP.
	Status int
	Body   []byte

	redirect     bool
	scheme, host string
	path         []byte
}

func newAnswer(c *config.Route) *Answer {
	switch {
	case c.Direct != nil:
		return &Answer{Status: c.Direct.Status, Body: []byte(c.Direct.Body)}
	case c.Redirect != nil:
		r := c.Redirect
		return &Answer{Status: r.Status, redirect: true, scheme: r.Scheme, host: r.Host, path: []byte(r.NewPath)}
	}
	return nil
}

// defaultPorts are left out with the scheme that they belong to.
var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// Location appends where a redirect leads; it appends nothing for any other
// answer.
func (a *Answer) Location(q *Query, b []byte) []byte {
	if !a.redirect {
		return b
	}
	scheme := string(q.scheme())
	own := q.Authority()
	if a.scheme != "" && a.scheme != scheme {
		own = bytes.TrimSuffix(own, []byte(defaultPorts[scheme]))
		scheme = a.scheme
	}
	if scheme == "" {
		scheme = "http"
	}
	b = append(append(b, scheme...), "://"...)
	if a.host != "" {
		b = append(b, a.host...)
	} else {
		b = append(b, own...)
	}
	if len(a.path) == 0 {
		return append(b, q.Path()...)
	}
	b = append(b, a.path...)
	if i := bytes.IndexByte(q.Path(), '?'); i >= 0 && bytes.IndexByte(a.path, '?') < 0 {
		b = append(b, q.Path()[i:]...)
	}
	return b
}
