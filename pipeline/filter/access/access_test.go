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
	known := config.Access{DefaultDeny: true, Rules: []config.AccessRule{
		{Deny: true, Names: []config.NameMatch{{Text: "spiffe://mesh/ns/b/sa/thief"}}},
		{Networks: rule(false, "10.0.0.0/8").Networks, Names: []config.NameMatch{{Kind: config.NamePrefix, Text: "spiffe://mesh/ns/b/"}, {Kind: config.NameSuffix, Text: ".B.example", IgnoreCase: true}}},
		{Names: []config.NameMatch{{Kind: config.NameRegex, Text: "admin-[0-9]+"}}},
	}}
	proxied := shut
	proxied.Header = "x-forwarded-for"
	for _, c := range []struct {
		name   string
		config config.Access
		peer   string
		header string
		passes bool
		names  []string
	}{
		{"nothing configured", config.Access{}, "1.2.3.4", "", true, nil},
		{"denied", open, "10.2.3.4", "", false, nil},
		{"denied IPv6", open, "2001:db8::1", "", false, nil},
		{"others", open, "11.2.3.4", "", true, nil},
		{"no address, open", open, "", "", true, nil},
		{"no address, shut", shut, "", "", false, nil},
		{"allowed", shut, "10.2.3.4", "", true, nil},
		{"the first rule counts", shut, "10.1.3.4", "", false, nil},
		{"default", shut, "1.2.3.4", "", false, nil},
		{"header ignored", shut, "1.2.3.4", "10.2.3.4", false, nil},
		{"header", proxied, "1.2.3.4", "10.2.3.4", true, nil},
		{"header denied", proxied, "10.2.3.4", "1.2.3.4", false, nil},
		{"header missing", proxied, "10.2.3.4", "", true, nil},
		{"IPv4 in IPv6", proxied, "1.2.3.4", "::ffff:10.2.3.4", true, nil},
		{"all of a list", proxied, "1.2.3.4", "10.2.3.4, 10.2.3.5", true, nil},
		{"not all of a list", proxied, "1.2.3.4", "10.2.3.4, 1.2.3.4", false, nil},
		{"no address at all", proxied, "10.2.3.4", "unknown", false, nil},
		{"an empty item", proxied, "10.2.3.4", "10.2.3.4,", false, nil},
		{"a port", proxied, "10.2.3.4", "10.2.3.4:80", false, nil},
		{"a name", known, "10.2.3.4", "", true, []string{"b.example", "spiffe://mesh/ns/b/sa/x"}},
		{"a name by its end, in another case", known, "10.2.3.4", "", true, []string{"x.b.Example"}},
		{"a name from elsewhere", known, "1.2.3.4", "", false, []string{"spiffe://mesh/ns/b/sa/x"}},
		{"a name that is denied", known, "10.2.3.4", "", false, []string{"spiffe://mesh/ns/b/sa/thief"}},
		{"a name alone", known, "1.2.3.4", "", true, []string{"admin-7"}},
		{"a name that holds another", known, "1.2.3.4", "", false, []string{"not-admin-7"}},
		{"another name", known, "10.2.3.4", "", false, []string{"spiffe://mesh/ns/bb/sa/x"}},
		{"no name", known, "10.2.3.4", "", false, nil},
		{"a rule for nobody", config.Access{Rules: []config.AccessRule{{Deny: true}}}, "1.2.3.4", "", true, nil},
	} {
		p, _ := Kind.Listener(&c.config)
		head := filtertest.Head{}
		if c.header != "" {
			head["x-forwarded-for"] = c.header
		}
		call, word := filtertest.Call(head), int64(0)
		call.Names = c.names
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
