// SPDX-License-Identifier: Apache-2.0

// Package access is the filter that lets clients pass by their addresses.
package access

import (
	"bytes"
	"net/netip"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
)

// Name is the filter's type.
const Name = "ip_access"

// Kind makes access lists.
var Kind = filter.Kind{Listener: func(settings any) (filter.Plan, error) {
	return (*list)(settings.(*config.Access)), nil
}}

// list is the settings, which are as good to look up as anything else.
type list config.Access

// Instance implements filter.Plan: nothing is kept by loop.
func (l *list) Instance() any { return l }

// OnRequest implements filter.RequestFilter.
func (l *list) OnRequest(c *filter.Call, _ *int64) filter.Answer {
	if l.Header != "" {
		if text, ok := c.Head.Get(l.Header); ok {
			return answer(c, l.allowsAll(text))
		}
	}
	return answer(c, l.allows(c.Peer))
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
func (l *list) allowsAll(text []byte) bool {
	for item := range bytes.SplitSeq(text, []byte{','}) {
		a, ok := parse(bytes.TrimSpace(item))
		if !ok || !l.allows(a) {
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
func (l *list) allows(a netip.Addr) bool {
	for i := range l.Rules {
		for _, n := range l.Rules[i].Networks {
			if n.Contains(a) {
				return !l.Rules[i].Deny
			}
		}
	}
	return !l.DefaultDeny
}
