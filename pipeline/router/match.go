// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/sideloop/sideloop/config"
)

// anyService is MOSN's magic value of a service match: any service that is not
// empty. It is not a regular expression.
const anyService = ".*"

// serviceHeader is the key under which SOFARPC names the service.
const serviceHeader = "service"

// matcher is one compiled match: a path rule, if any, and headers, all of which
// must hold.
type matcher struct {
	kind    config.MatchKind
	path    []byte
	regex   *regexp.Regexp
	service *serviceMatch
	headers []headerMatch
}

// serviceMatch is the RPC rule: exactly one header named service.
type serviceMatch struct {
	any   bool
	value string
}

type headerMatch struct {
	name  string
	value string
	regex *regexp.Regexp
}

func compileMatch(c *config.Match) (matcher, error) {
	m := matcher{kind: c.Kind}
	switch c.Kind {
	case config.MatchPrefix:
		m.path = []byte(c.Prefix)
	case config.MatchPath:
		m.path = []byte(c.PathExact)
	case config.MatchRegex:
		re, err := regexp.Compile(c.Regex)
		if err != nil {
			return m, fmt.Errorf("match.regex: %w", err)
		}
		m.regex = re
	case config.MatchHeaders:
		if len(c.Headers) == 1 && c.Headers[0].Name == serviceHeader {
			v := c.Headers[0].Value
			m.service = &serviceMatch{any: v == anyService, value: v}
			return m, nil
		}
	}
	for _, h := range c.Headers {
		hm := headerMatch{name: h.Name, value: h.Value}
		if h.Regex {
			re, err := regexp.Compile(h.Value)
			if err != nil {
				return m, fmt.Errorf("match.headers %q: %w", h.Name, err)
			}
			hm.regex = re
		}
		m.headers = append(m.headers, hm)
	}
	return m, nil
}

func (m *matcher) matches(r Request) bool {
	if m.service != nil {
		return m.service.matches(r)
	}
	switch m.kind {
	case config.MatchPrefix:
		if !bytes.HasPrefix(withoutQuery(r.Path()), m.path) {
			return false
		}
	case config.MatchPath:
		if !bytes.EqualFold(withoutQuery(r.Path()), m.path) {
			return false
		}
	case config.MatchRegex:
		if !m.regex.Match(withoutQuery(r.Path())) {
			return false
		}
	}
	for i := range m.headers {
		if !m.headers[i].matches(r) {
			return false
		}
	}
	return true
}

func (s *serviceMatch) matches(r Request) bool {
	v, ok := r.Get(serviceHeader)
	if s.any {
		return len(v) > 0
	}
	return ok && string(v) == s.value
}

func (h *headerMatch) matches(r Request) bool {
	v, ok := r.Get(h.name)
	// MOSN lets "method" stand for the pseudo-header.
	if h.name == "method" && !ok {
		v = r.Method()
		ok = len(v) > 0
	}
	if !ok {
		return false
	}
	if h.regex != nil {
		return h.regex.Match(v)
	}
	return string(v) == h.value
}

func withoutQuery(path []byte) []byte {
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		return path[:i]
	}
	return path
}
