// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
	"regexp"
	"strings"
)

// routerSet is the routers found so far, by unique name.
type routerSet struct {
	list   []Router
	byName map[string]*declared
	// clusters and users are the names that routes and proxies refer to.
	clusters, users []reference
}

// declared is where a router stands and what it says.
type declared struct {
	path    string
	content Router
}

// add registers a router. The 2018 shape may state one in each listener that
// uses it, so the same content twice is no contradiction.
func (s *routerSet) add(b *builder, v view, r Router) {
	if s.byName == nil {
		s.byName = make(map[string]*declared)
	}
	content := withoutPaths(r)
	if first := s.byName[r.Name]; first != nil {
		if !reflect.DeepEqual(first.content, content) {
			v.errorf("router_config_name", "the router %q was given at %s already, with other content", r.Name, first.path)
		}
		return
	}
	s.byName[r.Name] = &declared{r.Path, content}
	s.list = append(s.list, r)
}

// withoutPaths is a copy that compares equal to one from another place.
func withoutPaths(r Router) Router {
	r.Path = ""
	hosts := make([]VirtualHost, len(r.VirtualHosts))
	for i, h := range r.VirtualHosts {
		h.Path = ""
		routes := make([]Route, len(h.Routes))
		for j, route := range h.Routes {
			route.Path, route.Match.Path = "", ""
			routes[j] = route
		}
		h.Routes = routes
		hosts[i] = h
	}
	r.VirtualHosts = hosts
	return r
}

func (b *builder) router(v view, name string) {
	if name == "" {
		v.warnf("router_config_name", "without a name nothing can refer to the router")
	}
	r := Router{Name: name, VirtualHosts: b.virtualHosts(v), Path: b.place(v)}
	switch {
	case v.text("router_configs") == "":
	case len(r.VirtualHosts) > 0:
		v.errorf("router_configs", "a router has either virtual_hosts or router_configs, not both")
	default:
		domains := make(domainSet)
		b.readDirectory(v, "router_configs", virtualHostObject, func(file view) {
			r.VirtualHosts = append(r.VirtualHosts, b.virtualHost(file, domains))
		})
	}
	b.routers.add(b, v, r)
}

func (b *builder) virtualHosts(v view) []VirtualHost {
	var list []VirtualHost
	domains := make(domainSet)
	for _, h := range v.children("virtual_hosts") {
		list = append(list, b.virtualHost(h, domains))
	}
	return list
}

func (b *builder) virtualHost(v view, domains domainSet) VirtualHost {
	h := VirtualHost{Name: v.text("name"), Filters: v.routeFilters(), Path: b.place(v)}
	for _, d := range v.texts("domains") {
		if problem := domains.add(d.text, joinPlace(b.prefix, d.path)); problem != "" {
			b.errorAt(d.position, d.path, "%s", problem)
		}
		h.Domains = append(h.Domains, d.text)
	}
	if _, n := v.key("domains"); n == nil || n.kind == listNode && len(n.items) == 0 {
		v.warnf("domains", "a virtual host without domains serves nothing; \"*\" is every host")
	}
	for _, r := range v.children("routers") {
		h.Routes = append(h.Routes, b.route(r))
	}
	return h
}

func (b *builder) route(v view) Route {
	r := Route{Match: b.match(v.child("match")), Filters: v.routeFilters(), Path: b.place(v)}
	a := v.child("route")
	r.Action.Cluster = a.text("cluster_name")
	r.Action.Timeout, r.Action.TimeoutSet = a.duration("timeout")
	r.Action.UpstreamProtocol = a.upstream("upstream_protocol", nil)
	r.Action.Retry = b.retry(a)
	switch {
	case r.Action.Cluster != "":
		b.routers.clusters = append(b.routers.clusters, b.refer(a, "cluster_name"))
	case elsewhere(v, a) || v.has("route") && a.n == nil: // reported
	default:
		v.warnf("route", "a route without cluster_name answers its requests as having no cluster")
	}
	return r
}

// elsewhere tells whether a route says where requests go in a way that was
// refused already.
func elsewhere(route, action view) bool {
	return route.has("redirect") || route.has("direct_response") || action.has("cluster_variable") || action.has("weighted_clusters")
}

// match takes the first of prefix, path and regex, as MOSN does.
func (b *builder) match(v view) Match {
	m := Match{Path: b.place(v), Headers: b.headerMatches(v)}
	kinds := []struct {
		key  string
		kind MatchKind
		to   *string
	}{{"prefix", MatchPrefix, &m.Prefix}, {"path", MatchPath, &m.PathExact}, {"regex", MatchRegex, &m.Regex}}
	chosen := ""
	for _, k := range kinds {
		s := v.text(k.key)
		switch {
		case s == "":
		case chosen != "":
			v.warnf(k.key, "not compared, because the match has a %s", chosen)
		default:
			chosen, m.Kind, *k.to = k.key, k.kind, s
		}
	}
	if m.Regex != "" {
		v.expression("regex", m.Regex)
	}
	return m
}

// headerMatches reads the headers of a match. A "service" that is all there is
// in a match is MOSN's RPC rule, which compares text whatever "regex" says.
func (b *builder) headerMatches(v view) []HeaderMatch {
	var list []HeaderMatch
	headers := v.children("headers")
	rpc := len(headers) == 1 && headers[0].text("name") == "service" &&
		v.text("prefix") == "" && v.text("path") == "" && v.text("regex") == ""
	for _, h := range headers {
		m := HeaderMatch{Name: h.text("name"), Value: h.text("value"), Regex: h.flag("regex")}
		switch {
		case m.Regex && rpc:
			h.warnf("regex", "the value is compared as it is, or is any with \".*\": MOSN knows no expressions where \"service\" is the only condition")
			m.Regex = false
		case m.Regex:
			h.expression("value", m.Value)
		}
		list = append(list, m)
	}
	return list
}

// expressionLimit bounds one expression, whose compiled form may be 1,000 times
// as large.
const expressionLimit = 64 << 10

// expression reports text that is not a regular expression.
func (v view) expression(key, text string) {
	if len(text) > expressionLimit {
		v.errorf(key, "a regular expression has at most %d bytes, found %d", expressionLimit, len(text))
		return
	}
	if _, err := regexp.Compile(text); err != nil {
		v.errorf(key, "invalid regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
}
