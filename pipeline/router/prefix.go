// SPDX-License-Identifier: Apache-2.0

package router

import "bytes"

// prefixTree finds all of a set of prefixes that a path begins with in one walk
// along the path, whatever their number. It is a radix tree: a node's text is
// what its edge adds.
type prefixTree struct {
	text []byte
	// routes are those whose prefix ends here.
	routes []candidate
	// lowest is the first route at or below the node.
	lowest int32
	// first are the first bytes of children's texts, in the same order.
	first    []byte
	children []*prefixTree
}

// add enters a route, which come in their order.
func (t *prefixTree) add(prefix []byte, c candidate) {
	for {
		if len(prefix) == 0 {
			t.routes = append(t.routes, c)
			return
		}
		i := bytes.IndexByte(t.first, prefix[0])
		if i < 0 {
			t.first = append(t.first, prefix[0])
			t.children = append(t.children, &prefixTree{text: prefix, routes: []candidate{c}, lowest: c.route})
			return
		}
		child := t.children[i]
		n := commonLength(child.text, prefix)
		if n < len(child.text) {
			child = child.split(n)
			t.children[i] = child
		}
		t, prefix = child, prefix[n:]
	}
}

// split returns a node for the first n bytes of t's text, with t below it.
func (t *prefixTree) split(n int) *prefixTree {
	above := &prefixTree{text: t.text[:n], lowest: t.lowest, first: []byte{t.text[n]}, children: []*prefixTree{t}}
	t.text = t.text[n:]
	return above
}

func commonLength(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// find lowers best to the first route of the tree that matches.
func (t *prefixTree) find(v *virtualHost, q *Query, path []byte, best int32) int32 {
	for {
		best = v.first(t.routes, q, best)
		if len(path) == 0 {
			return best
		}
		i := bytes.IndexByte(t.first, path[0])
		if i < 0 {
			return best
		}
		t = t.children[i]
		if t.lowest >= best || !bytes.HasPrefix(path, t.text) {
			return best
		}
		path = path[len(t.text):]
	}
}
