// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"

	"github.com/sideloop/sideloop/config"
)

// anyService is MOSN's magic value of a service match: any service that is not
// empty. It is not a regular expression.
const anyService = ".*"

// serviceHeader is the key under which SOFARPC names the service.
const serviceHeader = "service"

// matcher is one compiled match: a path rule, if any, and lists, all of which
// must hold.
type matcher struct {
	kind      config.MatchKind
	path      []byte
	regex     *regexp.Regexp
	service   *serviceMatch
	headers   []textMatch
	query     []textMatch
	variables []variableMatch
}

// serviceMatch is the RPC rule: exactly one header named service.
type serviceMatch struct {
	any   bool
	value string
}

// textMatch compares a header or a parameter.
type textMatch struct {
	config.HeaderMatch
	regex *regexp.Regexp
}

type variableMatch struct {
	name     string
	variable config.Variable
	value    string
	regex    *regexp.Regexp
	or       bool
}

func compileMatch(c *config.Match) (m matcher, err error) {
	m.kind = c.Kind
	switch c.Kind {
	case config.MatchPrefix:
		m.path = []byte(c.Prefix)
	case config.MatchPath:
		m.path = []byte(c.PathExact)
	case config.MatchRegex:
		if m.regex, err = regexp.Compile(c.Regex); err != nil {
			return m, fmt.Errorf("match.regex: %w", err)
		}
	case config.MatchHeaders:
		if isRPC(c) {
			v := c.Headers[0].Value
			m.service = &serviceMatch{any: v == anyService, value: v}
			return m, nil
		}
	}
	if m.headers, err = compileTexts(c.Headers); err != nil {
		return m, fmt.Errorf("match.headers: %w", err)
	}
	if m.query, err = compileTexts(c.Query); err != nil {
		return m, fmt.Errorf("match.query_parameters: %w", err)
	}
	m.variables, err = compileVariables(c.Variables)
	return m, err
}

// isRPC tells MOSN's RPC rule.
func isRPC(c *config.Match) bool {
	if len(c.Headers) != 1 || len(c.Query)+len(c.Variables) > 0 {
		return false
	}
	h := &c.Headers[0]
	return h.Name == serviceHeader && h.Compare == config.CompareExact && !h.Invert
}

func compileTexts(list []config.HeaderMatch) ([]textMatch, error) {
	var compiled []textMatch
	for _, h := range list {
		m := textMatch{HeaderMatch: h}
		if h.Compare == config.CompareRegex {
			re, err := regexp.Compile(h.Value)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", h.Name, err)
			}
			m.regex = re
		}
		compiled = append(compiled, m)
	}
	return compiled, nil
}

func compileVariables(list []config.VariableMatch) ([]variableMatch, error) {
	var compiled []variableMatch
	for _, v := range list {
		variable, ok := config.ParseVariable(v.Name)
		if !ok {
			return nil, fmt.Errorf("match.variables: unknown variable %q", v.Name)
		}
		m := variableMatch{name: v.Name, variable: variable, value: v.Value, or: v.Or}
		if v.Compare == config.CompareRegex {
			re, err := regexp.Compile(v.Value)
			if err != nil {
				return nil, fmt.Errorf("match.variables: %q: %w", v.Name, err)
			}
			m.regex = re
		}
		compiled = append(compiled, m)
	}
	return compiled, nil
}

func (m *matcher) matches(q *Query) bool {
	if m.service != nil {
		return m.service.matches(q)
	}
	return m.matchesPath(q) && m.matchesLists(q)
}

func (m *matcher) matchesPath(q *Query) bool {
	switch m.kind {
	case config.MatchPrefix:
		return bytes.HasPrefix(withoutQuery(q.Path()), m.path)
	case config.MatchPath:
		return equalFold(withoutQuery(q.Path()), m.path)
	case config.MatchRegex:
		return m.regex.Match(withoutQuery(q.Path()))
	}
	return true
}

func (m *matcher) matchesLists(q *Query) bool {
	for i := range m.headers {
		if v, ok := q.header(m.headers[i].Name); !m.headers[i].matches(v, ok) {
			return false
		}
	}
	for i := range m.query {
		if v, ok := parameter(queryOf(q.Path()), m.query[i].Name); !m.query[i].matches(v, ok) {
			return false
		}
	}
	return m.matchesVariables(q)
}

// matchesVariables combines the results from left to right.
func (m *matcher) matchesVariables(q *Query) bool {
	result, or := true, false
	for i := range m.variables {
		v := &m.variables[i]
		if one := v.matches(q); or {
			result = result || one
		} else {
			result = result && one
		}
		or = v.or
	}
	return result
}

func (s *serviceMatch) matches(q *Query) bool {
	v, ok := q.Get(serviceHeader)
	if s.any {
		return len(v) > 0
	}
	return ok && string(v) == s.value
}

// matches compares a value, or one that is absent.
func (m *textMatch) matches(v []byte, ok bool) bool {
	if !ok {
		return m.Invert && m.Compare == config.ComparePresent
	}
	return m.holds(v) != m.Invert
}

func (m *textMatch) holds(v []byte) bool {
	switch m.Compare {
	case config.CompareRegex:
		return m.regex.Match(v)
	case config.ComparePrefix:
		return len(v) >= len(m.Value) && string(v[:len(m.Value)]) == m.Value
	case config.CompareSuffix:
		return len(v) >= len(m.Value) && string(v[len(v)-len(m.Value):]) == m.Value
	case config.ComparePresent:
		return true
	case config.CompareRange:
		n, ok := wholeNumber(v)
		return ok && n >= m.Least && n < m.Most
	}
	return string(v) == m.Value
}

// wholeNumber reads a decimal number; no number is longer than its limit.
func wholeNumber(v []byte) (int64, bool) {
	const longest = 20
	if len(v) > longest {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}

func (m *variableMatch) matches(q *Query) bool {
	v, _ := q.Value(&m.variable)
	if m.regex != nil {
		return m.regex.Match(v)
	}
	return string(v) == m.value
}

// equalFold compares ASCII without case; paths of HTTP have nothing else.
func equalFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
