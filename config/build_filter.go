// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// streamFilters reads the filters of a listener. What is not implemented was
// reported with its type.
func (b *builder) streamFilters(v view) []StreamFilter {
	var list []StreamFilter
	for _, f := range v.children("stream_filters") {
		name := f.text("type")
		if c := filterConfig(name, func(o *object) view { return f.settings(o) }); c != nil {
			list = append(list, StreamFilter{name, c})
		}
	}
	return list
}

// routeFilters reads what a virtual host or a route says to filters, nil for
// nothing.
func (v view) routeFilters() map[string]any {
	var all map[string]any
	configs := v.child("per_filter_config")
	for i := range filterConfigObject.keys {
		k := &filterConfigObject.keys[i]
		if k.kind != objectKind || !configs.has(k.name) {
			continue
		}
		if all == nil {
			all = make(map[string]any)
		}
		all[k.name] = filterConfig(k.name, func(*object) view { return configs.child(k.name) })
	}
	return all
}

// filterConfig reads the settings of one filter, nil for one that is not
// implemented.
func filterConfig(name string, settings func(*object) view) any {
	switch name {
	case "fault":
		return settings(faultObject).fault()
	case "payload_limit":
		return settings(payloadLimitObject).payloadLimit()
	case "ip_access":
		return settings(accessObject).access()
	case "header_to_metadata":
		return settings(headerToMetadataObject).headerToMetadata()
	case "local_rate_limit":
		return settings(localRateLimitObject).localRateLimit()
	case "flowControlFilter":
		return settings(flowControlObject).flowControl()
	case traceFilterName:
		return settings(traceSamplingObject).traceSampling()
	case "adaptive_concurrency":
		return settings(adaptiveObject).adaptiveConcurrency()
	}
	return nil
}

// statusMin is the first status that ends an exchange (RFC 9110, 15.2).
const statusMin = 200

// status reads the status of a reply; 0 is the default.
func (v view) status(name string, fallback int) int {
	n := v.integer(name)
	switch {
	case n == 0:
		return fallback
	case n < statusMin:
		v.errorf(name, "expected the status of a reply, from %d to %d, found %d", statusMin, statusMax, n)
	}
	return n
}

// number reads a number that may have a fraction, within a range.
func (v view) number(name string, low, high float64) float64 {
	k, n := v.key(name)
	text := k.fallback
	if n != nil && n.kind == numberNode {
		text = n.text
	}
	f, _ := strconv.ParseFloat(text, 64)
	if !(f >= low && f <= high) {
		v.errorf(name, "expected a number from %v to %v, found %s", low, high, text)
	}
	return f
}

// percent reads Envoy's object around a percentage.
func (v view) percent(name string, fallback float64) float64 {
	if c := v.child(name); c.has("value") {
		return c.number("value", 0, 100)
	}
	return fallback
}

func (v view) fault() *Fault {
	delay, abort := v.child("delay"), v.child("abort")
	f := &Fault{
		DelayPercent: delay.uint32("percentage"), AbortPercent: abort.uint32("percentage"),
		AbortStatus: abort.status("status", 0), Cluster: v.text("upstream_cluster"), Headers: v.comparisons("headers"),
	}
	f.Delay, _ = delay.duration("fixed_delay")
	if f.DelayPercent > 0 && f.Delay == 0 {
		delay.warnf("fixed_delay", "without a fixed_delay no request is delayed")
	}
	if f.AbortPercent > 0 && f.AbortStatus == 0 {
		abort.errorf("status", "an abort needs the status of its reply")
	}
	return f
}

func (v view) payloadLimit() *PayloadLimit {
	l := &PayloadLimit{MaxBytes: int64(v.integer("max_entity_size ")), Status: v.status("http_status", 413)}
	if v.has("max_entity_size") {
		l.MaxBytes = int64(v.integer("max_entity_size"))
	}
	return l
}

func (v view) access() *Access {
	a := &Access{DefaultDeny: v.text("default_action") == "deny", Header: v.text("header")}
	for _, r := range v.children("ips") {
		rule := AccessRule{Deny: r.text("action") != "allow", Names: r.nameMatches("names")}
		for _, text := range r.texts("addrs") {
			p, ok := network(text.text)
			if !ok {
				v.c.errorAt(text.position, text.path, "expected an IP address or a network such as \"10.0.0.0/8\", found %q", text.text)
				continue
			}
			rule.Networks = append(rule.Networks, p)
		}
		a.Rules = append(a.Rules, rule)
	}
	return a
}

// network reads an address or a network. IPv4 within IPv6 is IPv4.
func network(text string) (netip.Prefix, bool) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, false
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), err == nil
}

func (v view) headerToMetadata() *HeaderToMetadata {
	m := new(HeaderToMetadata)
	pair := func(v view) MetadataPair { return MetadataPair{v.text("key"), v.text("value")} }
	for _, r := range v.children("request_rules") {
		rule := MetadataRule{Header: r.text("header"), Present: pair(r.child("on_header_present")), Missing: pair(r.child("on_header_missing"))}
		if missing := r.child("on_header_missing"); rule.Missing.Key != "" && rule.Missing.Value == "" {
			missing.errorf("value", "a label for requests without the header needs a value")
		}
		m.Rules = append(m.Rules, rule)
	}
	return m
}

func (v view) tokenBucket() TokenBucket {
	t := TokenBucket{Max: v.uint32("max_tokens"), Fill: v.uint32("tokens_per_fill")}
	t.Interval, _ = v.duration("fill_interval")
	return t
}

func (v view) localRateLimit() *LocalRateLimit {
	l := &LocalRateLimit{
		MaxDynamic: v.uint32("max_dynamic_descriptors"), Status: v.child("status").status("code", 429),
		ResourceExhausted: v.flag("rate_limited_as_resource_exhausted"),
	}
	if v.has("token_bucket") {
		l.Bucket = v.child("token_bucket").tokenBucket()
	}
	for _, d := range v.children("descriptors") {
		descriptor := RateDescriptor{Bucket: d.child("token_bucket").tokenBucket()}
		for _, e := range d.children("entries") {
			descriptor.Entries = append(descriptor.Entries, RateEntry{e.text("key"), e.text("value")})
		}
		if _, n := d.key("entries"); n != nil && n.kind == listNode && len(n.items) == 0 {
			d.errorf("entries", "a descriptor needs at least one header; token_bucket beside it is for every request")
		}
		l.Descriptors = append(l.Descriptors, descriptor)
	}
	if l.Bucket.Max == 0 && len(l.Descriptors) == 0 {
		v.warnf("token_bucket", "without a token_bucket or descriptors nothing is limited")
	}
	return l
}

// flowControl is nil where the filter is switched off.
func (v view) flowControl() any {
	f := &FlowControl{
		Monitor: v.flag("monitor"), Status: v.child("action").status("status", 509), Body: v.child("action").text("body"),
		Key: map[string]FlowKey{"ARG": FlowArg, "URI": FlowURI}[v.text("limit_key_type")],
	}
	for _, r := range v.children("rules") {
		f.Rules = append(f.Rules, FlowRule{
			Resource:    r.text("resource"),
			Threshold:   r.number("threshold", 0, math.MaxInt32),
			Interval:    time.Duration(r.uint32("statIntervalInMs")) * time.Millisecond,
			Throttle:    r.integer("controlBehavior") == 1,
			MaxQueueing: time.Duration(r.uint32("maxQueueingTimeMs")) * time.Millisecond,
		})
	}
	if !v.flag("global_switch") {
		if len(f.Rules) > 0 {
			v.warnf("global_switch", "without \"global_switch\": true the rules are not used, as in MOSN")
		}
		return nil
	}
	return f
}

func (v view) adaptiveConcurrency() *AdaptiveConcurrency {
	g := v.child("gradient_controller_config")
	limit, rtt := g.child("concurrency_limit_params"), g.child("min_rtt_calc_params")
	a := &AdaptiveConcurrency{
		Percentile:     g.percent("sample_aggregate_percentile", 50),
		MaxConcurrency: limit.uint32("max_concurrency_limit"), MinConcurrency: rtt.uint32("min_concurrency"),
		MinRTTRequests: rtt.uint32("request_count"),
		JitterPercent:  rtt.percent("jitter", 15), BufferPercent: rtt.percent("buffer", 25),
		Status: v.child("concurrency_limit_exceeded_status").status("code", 503),
	}
	a.UpdateInterval, _ = limit.duration("concurrency_update_interval")
	a.MinRTTInterval, _ = rtt.duration("interval")
	a.FixedMinRTT, _ = rtt.duration("fixed_value")
	if a.MinConcurrency > a.MaxConcurrency {
		limit.errorf("max_concurrency_limit", "the highest limit is below the lowest, which is %d", a.MinConcurrency)
	}
	return a
}

// overload reads what the process does when it is short of something.
func (v view) overload() Overload {
	o := Overload{
		MaxHeap:           uint64(v.integer("max_heap_size_bytes")),
		ShrinkHeap:        v.number("shrink_heap", 0, 1),
		RefuseRequests:    v.number("stop_accepting_requests", 0, 1),
		RefuseConnections: v.number("stop_accepting_connections", 0, 1),
	}
	o.MaxLoopDelay, _ = v.duration("max_loop_delay")
	// 0 is off, and not the default.
	if _, n := v.key("max_loop_delay"); n != nil {
		if d, _, ok := durationOf(n, false); ok && d == 0 {
			o.MaxLoopDelay = 0
		}
	}
	return o
}
