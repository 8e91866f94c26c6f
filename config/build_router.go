// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
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
	r := Router{Name: name, VirtualHosts: b.virtualHosts(v), Headers: v.headerChanges(), Path: b.place(v)}
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
	h := VirtualHost{Name: v.text("name"), Headers: v.headerChanges(), Filters: v.routeFilters(), Path: b.place(v)}
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
