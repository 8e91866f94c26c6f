// SPDX-License-Identifier: Apache-2.0

// Package access is the filter that lets clients pass by their addresses and by
// the names in their certificates.
package access

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
)

// Name is the filter's type.
const Name = "ip_access"

// Kind makes access lists.
var Kind = filter.Kind{Listener: func(settings any) (filter.Plan, error) {
	a := settings.(*config.Access)
	l := &list{Access: a}
	for i := range a.Rules {
		r := compiled{AccessRule: &a.Rules[i]}
		for j := range r.Names {
			r.named = append(r.named, r.Names[j].Compile())
		}
		l.rules = append(l.rules, r)
	}
	return l, nil
}}

// list is the settings, which are as good to look up as anything else, but for the
// names.
type list struct {
	*config.Access
	rules []compiled
}

type compiled struct {
	*config.AccessRule
	named []func(name string) bool
}

// Instance implements filter.Plan: nothing is kept by loop.
func (l *list) Instance() any { return l }

// OnRequest implements filter.RequestFilter.
func (l *list) OnRequest(c *filter.Call, _ *int64) filter.Answer {
	if l.Header != "" {
		if text, ok := c.Head.Get(l.Header); ok {
			return answer(c, l.allowsAll(text, c.Names))
		}
	}
	return answer(c, l.allows(c.Peer, c.Names))
}

func answer(c *filter.Call, allowed bool) filter.Answer {
	if allowed {
		return filter.Continue
	}
	c.Refusal = filter.Refusal{Reason: codec.AccessDenied}
	return filter.Reply
}

// allowsAll judges the addresses that a header lists, such as x-forwarded-for:
// each of them must be allowed, since any may have been added by the client. What
// is no address is denied.
func (l *list) allowsAll(text []byte, names []string) bool {
	for item := range bytes.SplitSeq(text, []byte{','}) {
		a, ok := parse(bytes.TrimSpace(item))
		if !ok || !l.allows(a, names) {
			return false
		}
	}
	return true
}

// longest is the longest text of an address.
const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

func parse(text []byte) (netip.Addr, bool) {
	if len(text) > longest {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(string(text))
	return a.Unmap(), err == nil
}

// allows judges one address. One that is not valid, as of a client on a Unix
// socket, is in no network.
func (l *list) allows(a netip.Addr, names []string) bool {
	for i := range l.rules {
		if r := &l.rules[i]; r.meets(a, names) {
			return !r.Deny
		}
	}
	return !l.DefaultDeny
}

// meets tells whether a rule is for a client: of one of its networks and with one
// of its names, of which either may be left open. A rule with neither is for
// nobody, as in MOSN.
func (r *compiled) meets(a netip.Addr, names []string) bool {
	inside := len(r.Networks) == 0 && len(r.named) > 0
	for _, n := range r.Networks {
		inside = inside || n.Contains(a)
	}
	return inside && (len(r.named) == 0 || r.has(names))
}

func (r *compiled) has(names []string) bool {
	for _, matches := range r.named {
		if slices.ContainsFunc(names, matches) {
			return true
		}
	}
	return false
}
