// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"slices"
	"strings"
)

func (b *builder) route(v view) Route {
	a := v.child("route")
	r := Route{
		Match: b.match(v.child("match")), Action: b.action(a), Direct: v.direct(), Redirect: v.redirect(),
		Filters: v.routeFilters(), Path: b.place(v),
	}
	if m := v.child("request_mirror_policies"); m.text("cluster") != "" {
		r.Mirror = Mirror{Cluster: m.text("cluster"), Percent: m.integer("percent")}
		b.referCluster(m, "cluster")
	}
	switch {
	case r.Direct != nil && (r.Redirect != nil || a.n != nil), r.Redirect != nil && a.n != nil:
		b.answered(v, &r)
	case r.Direct != nil || r.Redirect != nil || a.leads():
	case v.has("route") && a.n == nil: // reported
	default:
		v.warnf("route", "a route without cluster_name answers its requests as having no cluster")
	}
	b.rewrites(a, &r)
	return r
}

// answered warns of what a route says besides how it answers itself. Headers of
// replies count all the same.
func (b *builder) answered(v view, r *Route) {
	by := "redirect"
	if r.Direct != nil {
		by = "direct_response"
		if r.Redirect != nil {
			v.warnf("redirect", "not looked at, because the route has a direct_response")
		}
	}
	if v.child("route").leads() {
		v.warnf("route", "no host is asked, because the route has a %s", by)
	}
}

// leads tells whether an action names a cluster in some way.
func (v view) leads() bool {
	return slices.ContainsFunc(clusterKeys, v.has)
}

// clusterKeys say where a request goes; the first that is there counts.
var clusterKeys = []string{"weighted_clusters", "cluster_name", "cluster_variable", "cluster_header"}

func (b *builder) action(v view) Action {
	a := Action{Labels: v.criteria(), Headers: v.headerChanges(), Hash: v.hashPolicies()}
	a.Timeout, a.TimeoutSet = v.duration("timeout")
	a.UpstreamProtocol = v.upstream("upstream_protocol", nil)
	a.Retry = b.retry(v)
	chosen := ""
	for _, key := range clusterKeys {
		switch {
		case key != "weighted_clusters" && v.text(key) == "", key == "weighted_clusters" && len(v.children(key)) == 0:
		case chosen != "":
			v.warnf(key, "not looked at, because the route has %s", chosen)
		default:
			chosen = key
			b.destination(v, key, &a)
		}
	}
	return a
}

// destination reads the one of clusterKeys that counts.
func (b *builder) destination(v view, key string, a *Action) {
	switch name := v.text(key); key {
	case "cluster_name":
		a.Cluster = name
		b.referCluster(v, key)
	case "cluster_variable":
		a.ClusterVariable = name
		v.variable(key, inMatch)
	case "cluster_header":
		a.ClusterHeader = name
	case "weighted_clusters":
		a.Weighted = b.weighted(v)
	}
}

func (b *builder) weighted(v view) []WeightedCluster {
	var list []WeightedCluster
	sum := uint64(0)
	for _, entry := range v.children("weighted_clusters") {
		c := entry.child("cluster")
		if c.text("name") == "" {
			if c.n == nil {
				entry.errorf("cluster", "a weighted cluster needs this key")
			}
			continue
		}
		w := WeightedCluster{Cluster: c.text("name"), Weight: c.uint32("weight"), Labels: c.criteria()}
		sum += uint64(w.Weight)
		list = append(list, w)
		b.referCluster(c, "name")
	}
	switch {
	case len(list) > 0 && sum == 0:
		v.errorf("weighted_clusters", "the weights add up to nothing, so that no cluster can be chosen")
	case sum > math.MaxUint32:
		v.errorf("weighted_clusters", "the weights add up to %d; at most %d can be told apart", sum, uint32(math.MaxUint32))
	}
	return list
}

func (b *builder) referCluster(v view, key string) {
	r := b.refer(v, key)
	r.lost = "the route's requests will be answered as having no cluster"
	if key == "cluster" {
		r.lost = "nothing is mirrored"
	}
	b.routers.clusters = append(b.routers.clusters, r)
}

// criteria reads the labels that a host must have.
func (v view) criteria() map[string]string {
	return v.child("metadata_match").child("filter_metadata").textMap("mosn.lb")
}

func (v view) hashPolicies() []HashPolicy {
	var list []HashPolicy
	for _, p := range v.children("hash_policy") {
		h := HashPolicy{Header: p.child("header").text("key"), SourceIP: p.has("source_ip")}
		cookie := p.child("cookie")
		if h.Cookie = cookie.text("name"); h.Cookie != "" {
			h.CookiePath = cookie.text("path")
			h.TTL, _ = cookie.duration("ttl")
			h.Make = cookie.has("ttl")
			if strings.Trim(h.Cookie, tokenBytes) != "" || strings.ContainsAny(h.CookiePath, ";\r\n") {
				p.errorf("cookie", "expected a cookie's name and path, found %q and %q", h.Cookie, h.CookiePath)
			}
		}
		switch given := p.given("header", "cookie", "source_ip"); {
		case given == 1 && (h.Header != "" || h.Cookie != "" || h.SourceIP):
			list = append(list, h)
		case given != 1:
			p.c.errorAt(p.position(), p.path, "a hash policy is one of header, cookie and source_ip, found %d of them", given)
		}
	}
	return list
}

// given counts the keys that are there.
func (v view) given(names ...string) (n int) {
	for _, name := range names {
		if v.has(name) {
			n++
		}
	}
	return n
}

// rewrites reads how the path and the host are rewritten.
func (b *builder) rewrites(a view, r *Route) {
	w := &r.Action.Rewrite
	w.Host, w.HostHeader, w.AutoHost = a.text("host_rewrite"), a.text("auto_host_rewrite_header"), a.flag("auto_host_rewrite")
	if strings.ContainsAny(w.Host, " /@?#\\") {
		a.errorf("host_rewrite", "expected a host with or without a port, found %q", w.Host)
	}
	w.Prefix = a.text("prefix_rewrite")
	expression := a.child("regex_rewrite")
	switch {
	case w.Prefix != "" && w.Prefix[0] != '/':
		a.errorf("prefix_rewrite", "a path begins with \"/\", found %q", w.Prefix)
	case w.Prefix != "" && r.Match.Kind != MatchPrefix && r.Match.Kind != MatchPath:
		a.warnf("prefix_rewrite", "nothing is replaced, because the match has neither a prefix nor a path")
		w.Prefix = ""
	case expression.n == nil:
	case w.Prefix != "":
		a.warnf("regex_rewrite", "not looked at, because the route has a prefix_rewrite")
	default:
		pattern := expression.child("pattern")
		w.Regex, w.Substitution = pattern.text("regex"), expression.text("substitution")
		expression.substitution(pattern.expression("regex", w.Regex), w.Substitution)
	}
}

// substitution checks that every \1 has its group.
func (v view) substitution(groups int, text string) {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++
		if c := text[i]; c != '\\' && (c < '0' || c > '9' || int(c-'0') > groups) {
			v.errorf("substitution", "the expression has %d groups, so that nothing is \\%c", groups, c)
			return
		}
	}
}

// redirectCodes are the statuses that have a Location.
var redirectCodes = []int{301, 302, 303, 307, 308}

func (v view) redirect() *Redirect {
	if !v.has("redirect") {
		return nil
	}
	v = v.child("redirect")
	r := &Redirect{Status: v.integer("response_code"), Scheme: v.text("scheme_redirect"), Host: v.text("host_redirect"), NewPath: v.text("path_redirect")}
	if r.Status == 0 {
		r.Status = redirectCodes[0]
	}
	switch {
	case !slices.Contains(redirectCodes, r.Status):
		v.errorf("response_code", "expected 301, 302, 303, 307 or 308, found %d", r.Status)
	case strings.Trim(r.Scheme, tokenBytes) != "":
		v.errorf("scheme_redirect", "expected a scheme such as \"https\", found %q", r.Scheme)
	case strings.ContainsAny(r.Host, " /@?#\\"):
		v.errorf("host_redirect", "expected a host with or without a port, found %q", r.Host)
	case r.NewPath != "" && r.NewPath[0] != '/' || strings.ContainsAny(r.NewPath, " \r\n\t"):
		v.errorf("path_redirect", "expected a path that begins with \"/\", found %q", r.NewPath)
	case r.Scheme == "" && r.Host == "" && r.NewPath == "":
		v.c.warnAt(v.position(), v.path, "the redirect leads to where the request came from")
	}
	return r
}

func (v view) direct() *DirectResponse {
	if !v.has("direct_response") {
		return nil
	}
	v = v.child("direct_response")
	return &DirectResponse{Status: v.integer("status"), Body: v.text("body")}
}
