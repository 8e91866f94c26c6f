// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"maps"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// choiceCountMax keeps a choice from costing as much as looking at every
	// host.
	choiceCountMax = 32
	// biasMax is far beyond what tells hosts apart.
	biasMax = 10
	// dnsRefreshMin and dnsRefreshMax bound the load on a resolver and how
	// long an address that has gone is used.
	dnsRefreshMin = 100 * time.Millisecond
	dnsRefreshMax = 24 * time.Hour
)

var addressFamilies = []value{
	{name: "V4_ONLY", doc: "IPv4."},
	{name: "V6_ONLY", doc: "IPv6."},
	{name: "ALL", doc: "Both; Envoy's, MOSN has none."},
}

var policies = map[string]Policy{
	"LB_RANDOM":              Random,
	"LB_ROUNDROBIN":          RoundRobin,
	"LB_WEIGHTED_ROUNDROBIN": RoundRobin,
	"LB_LEAST_REQUEST":       LeastRequest,
	"LB_LEAST_CONNECTION":    LeastConnection,
	"LB_PEAK_EWMA":           PeakEWMA,
	"LB_MAGLEV":              Maglev,
	"LB_REQUEST_ROUNDROBIN":  RequestRoundRobin,
}

// balancing reads how a cluster's hosts are found and chosen.
func (b *builder) balancing(v view, c *Cluster) {
	c.Type = ClusterType(v.text("type"))
	original := c.Type == OriginalDST
	switch lb := v.text("lb_type"); {
	case lb != "LB_ORIGINAL_DST":
		c.LB.Policy = policies[lb]
	case c.Type == OriginalDST:
	case v.has("type"):
		v.errorf("lb_type", "LB_ORIGINAL_DST needs the type ORIGINAL_DST, found %s", c.Type)
	default:
		// The policy names where requests go; MOSN's default type has no say.
		c.Type, original = OriginalDST, true
	}
	l := v.child("lbconfig")
	c.LB.ChoiceCount = int(l.uint32("choice_count"))
	c.LB.ActiveRequestBias = l.numberWithin("active_request_bias", 0, biasMax)
	c.LB.ClientErrorBias = l.numberWithin("client_error_bias", 0, biasMax)
	c.LB.ServerErrorBias = l.numberWithin("server_error_bias", 0, biasMax)
	if p := c.LB.Policy; v.has("lbconfig") && p != LeastRequest && p != LeastConnection && p != PeakEWMA {
		v.warnf("lbconfig", "only LB_LEAST_REQUEST, LB_LEAST_CONNECTION and LB_PEAK_EWMA use it")
	}
	common := v.child("common_lb_config")
	c.LB.PanicThreshold = common.numberWithin("healthy_panic_threshold", 0, 100)
	c.LB.PreferLocalZone = common.flag("prefer_local_zone")
	c.LB.Overprovisioning = common.numberWithin("overprovisioning_factor", 100, 10_000)
	c.LB.SlowStart = v.child("slow_start").slowStart()
	if c.LB.SlowStart.Duration > 0 && c.LB.Policy == RequestRoundRobin {
		v.warnf("slow_start", "LB_REQUEST_ROUNDROBIN knows no weights; hosts get their full share at once")
	}
	c.LB.Subsets = b.subsets(v.child("lb_subset_config"))
	c.DNS = b.dns(v)
	if c.Type == StrictDNS || c.Type == LogicalDNS {
		for _, h := range v.children("hosts") {
			if isSocketPath(h.text("address")) {
				h.errorf("address", "a Unix socket has no name to resolve; use the type SIMPLE")
			}
		}
	}
	if original {
		b.original(v, c)
	} else if v.has("original_dst_lb_config") && !v.child("original_dst_lb_config").n.neutral() {
		v.warnf("original_dst_lb_config", "only a cluster of type ORIGINAL_DST uses it")
	}
}

func (v view) slowStart() SlowStart {
	s := SlowStart{
		Aggression: v.numberWithin("aggression", 0.01, biasMax),
		MinWeight:  v.numberWithin("min_weight_percent", 0, 1),
	}
	s.Duration, _ = v.duration("slow_start_duration")
	return s
}

func (b *builder) original(v view, c *Cluster) {
	o := v.child("original_dst_lb_config")
	c.LB.Original = OriginalDestination{Set: true, ReplaceLocal: o.flag("replace_local")}
	if o.flag("use_header") {
		c.LB.Original.Header = strings.ToLower(o.text("header_name"))
	}
	if len(c.Hosts) > 0 {
		v.warnf("hosts", "a cluster of type ORIGINAL_DST has no hosts of its own; these are not used")
	}
	if len(c.LB.Subsets.Selectors) > 0 {
		v.warnf("lb_subset_config", "a cluster of type ORIGINAL_DST has no subsets")
	}
}

// subsets reads lb_subset_config.
func (b *builder) subsets(v view) Subsets {
	s := Subsets{Fallback: Fallback(v.integer("fall_back_policy")), Default: v.textMap("default_subset")}
	_, n := v.key("subset_selectors")
	if n == nil {
		return s
	}
	at, path := v.at("subset_selectors")
	if n.kind != listNode {
		b.errorAt(at, path, "expected a list of lists of labels, found %s", n.describe())
		return s
	}
	seen := make(map[string]bool)
	for i, item := range n.items {
		names, ok := b.selector(item, itemPath(path, i))
		key := strings.Join(names, "\x00")
		switch {
		case !ok:
		case seen[key]:
			b.warnAt(item.position, itemPath(path, i), "another selector has the same labels")
		default:
			seen[key] = true
			s.Selectors = append(s.Selectors, names)
		}
	}
	if s.Fallback == DefaultSubset && len(s.Default) == 0 && len(s.Selectors) > 0 {
		v.warnf("default_subset", "without labels the default subset is all hosts")
	}
	return s
}

// selector reads one list of labels: sorted, each once.
func (b *builder) selector(n *node, path string) (names []string, ok bool) {
	if !b.expect(n, listNode, path, "a list of labels") {
		return nil, false
	}
	for i, item := range n.items {
		name, ok := textOf(item)
		if !ok || name == "" {
			b.errorAt(item.position, itemPath(path, i), "expected the name of a label, found %s", item.describe())
			return nil, false
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		b.errorAt(n.position, path, "a selector needs at least one label")
		return nil, false
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

// dns reads how names are resolved.
func (b *builder) dns(v view) DNS {
	r := v.child("dns_resolvers")
	d := DNS{
		RespectTTL: v.flag("respect_dns_ttl"),
		File:       v.text("dns_resolver_file"),
		Ndots:      r.integer("ndots"),
		Timeout:    time.Duration(r.uint32("timeout")) * time.Second,
		Attempts:   int(r.uint32("attempts")),
	}
	d.RefreshRate, _ = v.duration("dns_refresh_rate")
	switch v.text("dns_lookup_family") {
	case "V6_ONLY":
		d.Family = IPv6
	case "ALL":
		d.Family = AnyFamily
	}
	if d.File != "" && !filepath.IsAbs(d.File) {
		d.File = filepath.Join(b.directory, d.File)
	}
	d.Port = v.port("dns_resolver_port")
	port := r.port("port")
	for _, s := range r.texts("servers") {
		ip, err := netip.ParseAddr(s.text)
		if err == nil {
			n, _ := strconv.Atoi(port)
			d.Servers = append(d.Servers, netip.AddrPortFrom(ip, uint16(n)).String())
		} else if at, err := netip.ParseAddrPort(s.text); err == nil {
			d.Servers = append(d.Servers, at.String())
		} else {
			b.errorAt(s.position, s.path, "expected the IP address of a resolver, found %q", s.text)
		}
	}
	for _, s := range r.texts("search") {
		d.Search = append(d.Search, s.text)
	}
	if d.File != "" && len(d.Servers) > 0 {
		v.warnf("dns_resolver_file", "dns_resolvers has servers; the file is not read")
	}
	return d
}

// port reads a port that is written as a string.
func (v view) port(name string) string {
	s := v.text(name)
	if n, err := strconv.ParseUint(s, 10, 16); err != nil || n == 0 {
		v.errorf(name, "expected a port from 1 to 65535, found %q", s)
		return "53"
	}
	return s
}

// numberWithin reads a number that may have a fraction.
func (v view) numberWithin(name string, low, high float64) float64 {
	k, n := v.key(name)
	if n != nil && n.kind == numberNode {
		if f, err := strconv.ParseFloat(n.text, 64); err == nil && f >= low && f <= high {
			return f
		}
		v.errorf(name, "expected a number from %v to %v, found %s", low, high, n.text)
	}
	f, err := strconv.ParseFloat(cmp.Or(k.fallback, "0"), 64)
	if err != nil {
		return math.NaN() // a mistake in the table
	}
	return f
}

// textMap reads an object whose values are strings.
func (v view) textMap(name string) map[string]string {
	_, n := v.key(name)
	if n == nil || len(n.members) == 0 {
		return nil
	}
	m := make(map[string]string, len(n.members))
	for _, member := range n.members {
		if s, ok := textOf(member.value); ok {
			m[member.name] = s
		}
	}
	return m
}

// labels reads a host's labels: the flat ones of MOSN 0.1, and over them those of
// today.
func (v view) labels() map[string]string {
	all := v.textMap("meta_data")
	now := v.child("metadata").child("filter_metadata").textMap("mosn.lb")
	if all == nil {
		return now
	}
	maps.Copy(all, now)
	return all
}
