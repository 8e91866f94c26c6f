// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"
	"cmp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"

	"github.com/sideloop/sideloop/config"
)

// index finds the routes of a virtual host that can match a request without
// looking at all of them. Each route stands in one place: under the value of a
// header, under a path, under a prefix of the path, or among the rest. What is
// found in any place is compared in order, and the lowest number wins, so that
// the first route that matches is the one that counts, as in a walk over all.
type index struct {
	headers  []headerIndex
	paths    map[uint64][]candidate // by foldedSum; equal sums are told apart by the match
	longest  int                    // of paths
	prefixes prefixTree
	byPath   bool // paths or prefixes has any
	rest     []candidate
	// lone is the only route, where it wants no more than a prefix of the path;
	// nil where there are others.
	lone *Route
}

// headerIndex is the routes that want one header to have a certain value.
type headerIndex struct {
	name   string
	values map[string][]candidate
}

// candidate is the number of a route.
type candidate struct {
	route int32
	// sure: with what it was found by, its whole match holds.
	sure bool
}

// indexedHeaders bounds the headers that are looked up; routes by others stay
// among the rest.
const indexedHeaders = 8

// key is one condition of a route that an index can find it by.
type key struct {
	place place
	name  string // of the header
	value string
}

type place uint8

const (
	byPath place = iota
	byHeader
	byPrefix
)

// newIndex places each route where the fewest others are.
func newIndex(routes []Route) *index {
	n := &index{paths: make(map[uint64][]candidate)}
	shared := make(map[key]int)
	names := make(map[string]int)
	for i := range routes {
		for _, k := range routes[i].match.keys() {
			shared[k]++
			if k.place == byHeader {
				names[k.name]++
			}
		}
	}
	indexed := mostUsed(names)
	for i := range routes {
		var best *key
		for _, k := range routes[i].match.keys() {
			if k.place == byHeader && !slices.Contains(indexed, k.name) {
				continue
			}
			if best == nil || shared[k] < shared[*best] {
				best = &k
			}
		}
		n.add(best, candidate{route: int32(i)}, &routes[i].match)
	}
	if len(routes) == 1 && routes[0].match.onlyPrefix() {
		n.lone = &routes[0]
	}
	return n
}

// onlyPrefix tells of a match that looks at the beginning of the path alone, and
// not at where its query begins.
func (m *matcher) onlyPrefix() bool {
	return m.kind == config.MatchPrefix && m.conditions() == 1 && bytes.IndexByte(m.path, '?') < 0
}

// mostUsed are the names that most routes have.
func mostUsed(names map[string]int) []string {
	var list []string
	for name := range names {
		list = append(list, name)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(names[b]-names[a], cmp.Compare(a, b)) })
	return list[:min(len(list), indexedHeaders)]
}

func (n *index) add(k *key, c candidate, m *matcher) {
	switch {
	case k == nil:
		n.rest = append(n.rest, c)
	case k.place == byPath:
		sum := foldedSum([]byte(k.value))
		n.paths[sum] = append(n.paths[sum], c)
		n.longest = max(n.longest, len(k.value))
		n.byPath = true
	case k.place == byPrefix:
		n.byPath = true
		c.sure = m.kind == config.MatchPrefix && m.conditions() == 1
		n.prefixes.add([]byte(k.value), c)
	default:
		c.sure = m.conditions() == 1
		i := slices.IndexFunc(n.headers, func(h headerIndex) bool { return h.name == k.name })
		if i < 0 {
			i = len(n.headers)
			n.headers = append(n.headers, headerIndex{k.name, make(map[string][]candidate)})
		}
		n.headers[i].values[k.value] = append(n.headers[i].values[k.value], c)
	}
}

// find returns the first route that matches.
func (n *index) find(v *virtualHost, q *Query) *Route {
	if n.lone != nil {
		if !bytes.HasPrefix(q.Path(), n.lone.match.path) {
			return nil
		}
		return n.lone
	}
	none := int32(len(v.routes))
	best := none
	for i := range n.headers {
		h := &n.headers[i]
		if value, ok := q.header(h.name); ok {
			best = v.first(h.values[string(value)], q, best)
		}
	}
	if n.byPath {
		path := withoutQuery(q.Path())
		if len(path) <= n.longest {
			best = v.first(n.paths[foldedSum(path)], q, best)
		}
		best = n.prefixes.find(v, q, path, best)
	}
	if best = v.first(n.rest, q, best); best == none {
		return nil
	}
	return &v.routes[best]
}

// first returns the first of a list, in order, that comes before best and
// matches, else best.
func (v *virtualHost) first(list []candidate, q *Query, best int32) int32 {
	for _, c := range list {
		if c.route >= best {
			break
		}
		if c.sure || v.routes[c.route].match.matches(q) {
			return c.route
		}
	}
	return best
}

// keys are the conditions that an index can find the route by.
func (m *matcher) keys() []key {
	var list []key
	if m.service != nil {
		if !m.service.any {
			list = append(list, key{byHeader, serviceHeader, m.service.value})
		}
		return list
	}
	if m.kind == config.MatchPath {
		list = append(list, key{place: byPath, value: string(m.path)})
	}
	for i := range m.headers {
		if h := &m.headers[i]; h.Compare == config.CompareExact && !h.Invert {
			list = append(list, key{byHeader, h.Name, h.Value})
		}
	}
	switch m.kind {
	case config.MatchPrefix:
		list = append(list, key{place: byPrefix, value: string(m.path)})
	case config.MatchRegex:
		if prefix := anchoredPrefix(m.regex.String()); prefix != "" {
			list = append(list, key{place: byPrefix, value: prefix})
		}
	}
	return list
}

// conditions counts what must hold.
func (m *matcher) conditions() int {
	n := len(m.headers) + len(m.query) + len(m.variables)
	if m.kind != config.MatchHeaders || m.service != nil {
		n++
	}
	return n
}

// anchoredPrefix is the text that everything begins with which an expression
// such as "^/api/[0-9]+" matches, empty where there is none.
func anchoredPrefix(expression string) string {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return ""
	}
	re = re.Simplify()
	if re.Op != syntax.OpConcat || len(re.Sub) < 2 {
		return ""
	}
	anchor, text := re.Sub[0], re.Sub[1]
	if anchor.Op != syntax.OpBeginText || text.Op != syntax.OpLiteral || text.Flags&syntax.FoldCase != 0 {
		return ""
	}
	// A rune beyond ASCII may stand for bytes that are none.
	for i, r := range text.Rune {
		if r >= utf8.RuneSelf {
			return string(text.Rune[:i])
		}
	}
	return string(text.Rune)
}

// foldedSum is the FNV-1a sum of a path, whatever its case. Only the
// configuration decides what is under equal sums, so it needs no seed.
func foldedSum(path []byte) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	sum := uint64(offset)
	for _, c := range path {
		sum = (sum ^ uint64(lower(c))) * prime
	}
	return sum
}
