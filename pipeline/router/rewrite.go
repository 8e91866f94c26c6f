// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sideloop/sideloop/config"
)

// Rewrite is what a request is sent with in place of its path and host.
type Rewrite struct {
	prefix  []byte // replaces the first matched bytes, or the whole path
	matched int
	whole   bool

	regex        *regexp.Regexp
	substitution []byte // in the notation of package regexp

	host   []byte
	header string
	// AutoHost sends the name of the host that is chosen, where Host has none.
	AutoHost bool
}

func newRewrite(c *config.Route) (r Rewrite, err error) {
	w := &c.Action.Rewrite
	r = Rewrite{host: []byte(w.Host), header: w.HostHeader, AutoHost: w.AutoHost && w.Host == ""}
	switch {
	case w.Prefix != "":
		r.prefix, r.matched, r.whole = []byte(w.Prefix), len(c.Match.Prefix), c.Match.Kind == config.MatchPath
	case w.Regex != "":
		if r.regex, err = regexp.Compile(w.Regex); err != nil {
			return r, fmt.Errorf("route.regex_rewrite: %w", err)
		}
		r.substitution = goTemplate(w.Substitution)
	}
	return r, nil
}

// goTemplate writes \1 as ${1}.
func goTemplate(substitution string) []byte {
	var b strings.Builder
	for i := 0; i < len(substitution); i++ {
		switch c := substitution[i]; {
		case c == '$':
			b.WriteString("$$")
		case c == '\\' && i+1 < len(substitution):
			i++
			if d := substitution[i]; d >= '0' && d <= '9' {
				fmt.Fprintf(&b, "${%c}", d)
			} else {
				b.WriteByte(d)
			}
		default:
			b.WriteByte(c)
		}
	}
	return []byte(b.String())
}

func (r *Rewrite) none() bool {
	return r.prefix == nil && r.regex == nil && len(r.host) == 0 && r.header == "" && !r.AutoHost
}

// Path appends the path that the request is sent with, query and all; changed is
// false where it keeps its own. An expression costs some memory.
func (r *Rewrite) Path(q *Query, b []byte) (path []byte, changed bool) {
	own := q.Path()
	bare := withoutQuery(own)
	switch {
	case r.prefix == nil && r.regex == nil || len(own) == 0 || own[0] != '/':
		return b, false
	case r.whole:
		b = append(b, r.prefix...)
	case r.prefix != nil:
		b = append(append(b, r.prefix...), bare[r.matched:]...)
	default:
		start := len(b)
		if b = append(b, r.regex.ReplaceAll(bare, r.substitution)...); len(b) == start || b[start] != '/' {
			return b[:start], false // it would be no path
		}
	}
	return append(b, own[len(bare):]...), true
}

// Host is the host that the request is sent with, nil where it keeps its own or
// has that of AutoHost.
func (r *Rewrite) Host(q *Query) []byte {
	if len(r.host) > 0 {
		return r.host
	}
	if r.header != "" {
		if v, ok := q.header(r.header); ok && validHost(v) {
			return v
		}
	}
	return nil
}

// validHost tells whether what a request claims can be a host.
func validHost(v []byte) bool {
	for _, c := range v {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("@/?#\\", c) >= 0 {
			return false
		}
	}
	return len(v) > 0
}
