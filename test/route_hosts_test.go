// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// inSubsets is a cluster whose hosts have the label "env".
func inSubsets(name string, hosts ...[2]string) string {
	var list []string
	for _, h := range hosts {
		list = append(list, fmt.Sprintf(`{"address": %q, "metadata": {"filter_metadata": {"mosn.lb": {"env": %q}}}}`, h[0], h[1]))
	}
	return fmt.Sprintf(`{"name": %q, "lb_subset_config": {"fall_back_policy": 0, "subset_selectors": [["env"]]}, "hosts": [%s]}`,
		name, strings.Join(list, ","))
}

// wantHost asks over both protocols and wants the host of that name, "" for none.
func (p *proxy) wantHost(name string, headers ...string) {
	p.t.Helper()
	if r, _ := p.ask("h2", "GET", "/", "", headers...); r.Header.Get("x-name") != name {
		p.t.Errorf("HTTP/2 %v: host %q, reason %q; want %q", headers, r.Header.Get("x-name"), r.Header.Get(codec.ReasonHeader), name)
	}
	if f := p.call("bolt", headers...); f.get("x-name") != name {
		p.t.Errorf("Bolt %v: host %q, reason %q; want %q", headers, f.get("x-name"), f.get(codec.ReasonHeader), name)
	}
}

// subsetRoutes leads each protocol to a cluster of its own, told by the path that
// only one of them has; the header "want" asks for a label.
func subsetRoutes(more string) string {
	var list []string
	for _, env := range []string{"gray", "blue", "none"} {
		list = append(list,
			fmt.Sprintf(`{"match": {"prefix": "/", "headers": [{"name": "want", "value": %q}]}, "route": {"cluster_name": "h2", "metadata_match": {"filter_metadata": {"mosn.lb": {"env": %q}}}}}`, env, env),
			fmt.Sprintf(`{"match": {"headers": [{"name": "want", "value": %q}]}, "route": {"cluster_name": "bolt", "metadata_match": {"filter_metadata": {"mosn.lb": {"env": %q}}}}}`, env, env))
	}
	return routes(append(list,
		fmt.Sprintf(`{"match": {"prefix": "/"}, "route": {"cluster_name": "h2"%s}}`, more),
		fmt.Sprintf(`{"match": {"headers": [{"name": "service", "value": ".*"}]}, "route": {"cluster_name": "bolt"%s}}`, more))...)
}

// twins are two hosts of each protocol, named as their labels.
func twins(t *testing.T) []string {
	var h2, bolt [][2]string
	for _, name := range []string{"gray", "blue"} {
		h2 = append(h2, [2]string{namedH2(t, name).address(), name})
		bolt = append(bolt, [2]string{namedBolt(t, name).address(), name})
	}
	return []string{inSubsets("h2", h2...), inSubsets("bolt", bolt...)}
}

// A route's metadata_match narrows the hosts, and with fall_back_policy 0 a
// request whose labels no host has gets none.
func TestRouteToSubset(t *testing.T) {
	p := startProxy(t, routed(subsetRoutes(""), twins(t)...))
	for range 3 {
		p.wantHost("gray", "want", "gray")
		p.wantHost("blue", "want", "blue")
	}
	p.wantHost("", "want", "none")
	p.wantEnded(codec.NoHealthyUpstream, 2)
}

// The filter header_to_metadata narrows them by what a request says.
func TestHeaderToSubset(t *testing.T) {
	text := strings.ReplaceAll(routed(subsetRoutes(""), twins(t)...), `"bind_port"`,
		`"stream_filters": [{"type": "header_to_metadata", "config": {"request_rules": [{"header": "x-env", "on_header_present": {"key": "env"}}]}}], "bind_port"`)
	p := startProxy(t, text)
	for range 3 {
		p.wantHost("gray", "x-env", "gray")
		p.wantHost("blue", "x-env", "blue")
	}
	p.wantHost("", "x-env", "red")
}

// A route's hash_policy keeps like with like in a cluster of LB_MAGLEV, and
// spreads what differs.
func TestRouteByHash(t *testing.T) {
	var h2, bolt []string
	for i := range 4 {
		h2 = append(h2, namedH2(t, fmt.Sprint("host", i)).address())
		bolt = append(bolt, namedBolt(t, fmt.Sprint("host", i)).address())
	}
	maglev := func(name string, hosts []string) string {
		return strings.Replace(clusterOf(name, hosts...), `"hosts"`, `"lb_type": "LB_MAGLEV", "hosts"`, 1)
	}
	p := startProxy(t, routed(subsetRoutes(`, "hash_policy": [{"header": {"key": "user"}}]`), maglev("h2", h2), maglev("bolt", bolt)))
	seen := map[string]map[string]bool{"h2": {}, "bolt": {}}
	for user := range 24 {
		id := fmt.Sprint("user", user)
		first := p.hostsOf(id)
		if again := p.hostsOf(id); again != first {
			t.Errorf("%s went to %v and then to %v", id, first, again)
		}
		seen["h2"][first[0]], seen["bolt"][first[1]] = true, true
	}
	for protocol, hosts := range seen {
		if len(hosts) < 3 {
			t.Errorf("%s: 24 users went to %d of 4 hosts", protocol, len(hosts))
		}
	}
}

// hostsOf is the hosts that serve a user over HTTP/2 and over Bolt.
func (p *proxy) hostsOf(user string) [2]string {
	r, _ := p.ask("h2", "GET", "/", "", "user", user)
	f := p.call("bolt", "user", user)
	return [2]string{r.Header.Get("x-name"), f.get("x-name")}
}
