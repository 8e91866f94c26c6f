// SPDX-License-Identifier: Apache-2.0

package access

import (
	"net/netip"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/filter/filtertest"
)

func rule(deny bool, networks ...string) (r config.AccessRule) {
	r.Deny = deny
	for _, n := range networks {
		r.Networks = append(r.Networks, netip.MustParsePrefix(n))
	}
	return r
}

func TestAccess(t *testing.T) {
	open := config.Access{Rules: []config.AccessRule{rule(true, "10.0.0.0/8", "2001:db8::/32")}}
	shut := config.Access{DefaultDeny: true, Rules: []config.AccessRule{rule(true, "10.1.0.0/16"), rule(false, "10.0.0.0/8")}}
	proxied := shut
	proxied.Header = "x-forwarded-for"
	for _, c := range []struct {
		name   string
		config config.Access
		peer   string
		header string
		passes bool
	}{
		{"nothing configured", config.Access{}, "1.2.3.4", "", true},
		{"denied", open, "10.2.3.4", "", false},
		{"denied IPv6", open, "2001:db8::1", "", false},
		{"others", open, "11.2.3.4", "", true},
		{"no address, open", open, "", "", true},
		{"no address, shut", shut, "", "", false},
		{"allowed", shut, "10.2.3.4", "", true},
		{"the first rule counts", shut, "10.1.3.4", "", false},
		{"default", shut, "1.2.3.4", "", false},
		{"header ignored", shut, "1.2.3.4", "10.2.3.4", false},
		{"header", proxied, "1.2.3.4", "10.2.3.4", true},
		{"header denied", proxied, "10.2.3.4", "1.2.3.4", false},
		{"header missing", proxied, "10.2.3.4", "", true},
		{"IPv4 in IPv6", proxied, "1.2.3.4", "::ffff:10.2.3.4", true},
		{"all of a list", proxied, "1.2.3.4", "10.2.3.4, 10.2.3.5", true},
		{"not all of a list", proxied, "1.2.3.4", "10.2.3.4, 1.2.3.4", false},
		{"no address at all", proxied, "10.2.3.4", "unknown", false},
		{"an empty item", proxied, "10.2.3.4", "10.2.3.4,", false},
		{"a port", proxied, "10.2.3.4", "10.2.3.4:80", false},
	} {
		p, _ := Kind.Listener(&c.config)
		head := filtertest.Head{}
		if c.header != "" {
			head["x-forwarded-for"] = c.header
		}
		call, word := filtertest.Call(head), int64(0)
		if c.peer != "" {
			call.Peer = netip.MustParseAddr(c.peer)
		}
		a := p.Instance().(filter.RequestFilter).OnRequest(call, &word)
		if (a == filter.Continue) != c.passes {
			t.Errorf("%s: answer %v", c.name, a)
		}
		if a == filter.Reply && call.Refusal.Reason != codec.AccessDenied {
			t.Errorf("%s: refused with %+v", c.name, call.Refusal)
		}
	}
}
