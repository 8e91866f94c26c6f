// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"strings"

	"github.com/sideloop/sideloop/config"
)

// Trace is how a request was matched.
type Trace struct {
	// VirtualHost is the name and the place of the virtual host, empty where no
	// domain is the request's.
	VirtualHost, Place string
	// Route is nil where none matches.
	Route *Route
	// Others are the routes that the request does not take.
	Others []Miss
}

// Miss is a route that was not taken and why.
type Miss struct {
	Place  string `json:"route"`
	Reason string `json:"reason"`
}

// Explain is Match with its reasons, for people.
func (t *Table) Explain(q *Query) Trace {
	vh := t.domains.find(q.Authority())
	if vh == nil {
		return Trace{}
	}
	trace := Trace{VirtualHost: vh.name, Place: vh.path, Route: vh.index.find(vh, q)}
	for i := range vh.routes {
		r := &vh.routes[i]
		if r == trace.Route {
			continue
		}
		reason := r.match.fault(q)
		if reason == "" {
			reason = "it matches, but the route taken comes before it"
		}
		trace.Others = append(trace.Others, Miss{r.Place, reason})
	}
	return trace
}

// fault is the first condition that fails, in words; empty where all hold.
func (m *matcher) fault(q *Query) string {
	if s := m.service; s != nil {
		if s.matches(q) {
			return ""
		}
		v, ok := q.Get(serviceHeader)
		want := fmt.Sprintf("%q", s.value)
		if s.any {
			want = "any service"
		}
		return "header service: " + versus(want, v, ok)
	}
	if !m.matchesPath(q) {
		path := withoutQuery(q.Path())
		return "path: " + versus(m.pathCondition(), path, len(path) > 0)
	}
	for i := range m.headers {
		h := &m.headers[i]
		if v, ok := q.header(h.Name); !h.matches(v, ok) {
			return "header " + h.Name + ": " + versus(h.condition(), v, ok)
		}
	}
	for i := range m.query {
		p := &m.query[i]
		if v, ok := parameter(queryOf(q.Path()), p.Name); !p.matches(v, ok) {
			return "query parameter " + p.Name + ": " + versus(p.condition(), v, ok)
		}
	}
	if m.matchesVariables(q) {
		return ""
	}
	return m.variableFault(q)
}

// variableFault names the variables that do not match; with "or" between them
// it is not one alone.
func (m *matcher) variableFault(q *Query) string {
	var faults []string
	for i := range m.variables {
		v := &m.variables[i]
		if v.matches(q) {
			continue
		}
		want := fmt.Sprintf("%q", v.value)
		if v.regex != nil {
			want = "a match of " + want
		}
		value, ok := q.Value(&v.variable)
		faults = append(faults, "variable "+v.name+": "+versus(want, value, ok))
	}
	return strings.Join(faults, "; ")
}

func versus(want string, have []byte, ok bool) string {
	if !ok {
		return "want " + want + ", request has none"
	}
	return fmt.Sprintf("want %s, request has %q", want, have)
}

func (m *matcher) pathCondition() string {
	switch m.kind {
	case config.MatchPrefix:
		return fmt.Sprintf("prefix %q", m.path)
	case config.MatchPath:
		return fmt.Sprintf("%q", m.path)
	}
	return fmt.Sprintf("a match of %q", m.regex)
}

func (m *textMatch) condition() string {
	want := fmt.Sprintf("%q", m.Value)
	switch m.Compare {
	case config.CompareRegex:
		want = "a match of " + want
	case config.ComparePrefix:
		want = "prefix " + want
	case config.CompareSuffix:
		want = "suffix " + want
	case config.ComparePresent:
		want = "any value"
	case config.CompareRange:
		want = fmt.Sprintf("a number from %d to %d", m.Least, m.Most-1)
	}
	if m.Invert {
		return "not " + want
	}
	return want
}

// Share is a cluster that requests go to, and how many in a hundred.
type Share struct {
	Cluster string   `json:"cluster"`
	Percent float64  `json:"percent"`
	Labels  []string `json:"labels,omitempty"`
}

// Shares are the clusters that such a request may go to.
func (r *Route) Shares(q *Query) []Share {
	a := r.Action
	switch {
	case a == nil:
		return []Share{{Cluster: r.Cluster, Percent: 100}}
	case a.Answer != nil:
		return nil
	case a.weighted == nil:
		t := a.Target(q)
		return []Share{t.share(100)}
	}
	var shares []Share
	below := uint32(0)
	for i := range a.weighted {
		w := &a.weighted[i]
		if w.upTo > below {
			shares = append(shares, w.share(float64(w.upTo-below)/float64(a.total)*100))
		}
		below = w.upTo
	}
	return shares
}

func (t *Target) share(percent float64) Share {
	s := Share{Cluster: string(t.Cluster), Percent: percent}
	if t.Subset != nil {
		for _, p := range t.Subset.Pairs {
			s.Labels = append(s.Labels, p.Key+"="+p.Value)
		}
	}
	return s
}

// Effects says what the route does to such a request and to its reply.
func (r *Route) Effects(q *Query) []string {
	a := r.Action
	if a == nil {
		return nil
	}
	var list []string
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if a.Answer != nil {
		say("answers with status %d", a.Answer.Status)
		if a.Answer.redirect {
			say("redirects to %s", a.Answer.Location(q, nil))
		}
	} else {
		if path, changed := a.Rewrite.Path(q, nil); changed {
			say("path becomes %q", path)
		}
		if host := a.Rewrite.Host(q); host != nil {
			say("host becomes %q", host)
		} else if a.Rewrite.AutoHost {
			say("host becomes the name of the host that is chosen")
		}
		a.Request.describe(q, "request", say)
		if hash, ok, cookie := a.Hash(q); ok {
			say("hosts are chosen by the hash %016x", hash)
			if cookie.Any() {
				say("reply gets the cookie %s", cookie.Append(nil))
			}
		}
		if a.mirrorPercent > 0 {
			say("%d%% of the requests are copied to %q", a.mirrorPercent, a.Mirror)
		}
	}
	a.Reply.describe(q, "reply", say)
	return list
}

// describe tells the edits; variables of the reply stay as they are written.
func (e *Edits) describe(q *Query, of string, say func(string, ...any)) {
	for i := range e.list {
		c := &e.list[i]
		if !c.add {
			say("%s header %s is removed", of, c.name)
			continue
		}
		var value []byte
		for _, s := range c.value {
			switch {
			case s.Variable == nil:
				value = append(value, s.Text...)
			case s.Variable.Known():
				v, _ := q.Value(s.Variable)
				value = append(value, v...)
			default:
				value = append(value, "<of the reply>"...)
			}
		}
		if c.join {
			say("%s header %s gets %q appended", of, c.name, value)
		} else {
			say("%s header %s becomes %q", of, c.name, value)
		}
	}
}
