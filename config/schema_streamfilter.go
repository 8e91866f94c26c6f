// SPDX-License-Identifier: Apache-2.0

package config

import "math"

var streamFilterObject = &object{name: "a stream filter", keys: []key{
	{name: "type", kind: textKind, required: true, values: streamFilterTypes, doc: "Name of the filter."},
	{name: "config", kind: byTypeKind, values: streamFilterTypes, doc: "Settings of the filter."},
	{name: "go_plugin_config", kind: objectKind, object: goPluginObject, status: refused, note: "filters from Go plugins are not implemented", doc: "Shared object that the filter comes from."},
}}

// streamFilterTypes: of those that are not implemented, a filter that exists to
// turn requests away, or that can change where they go, is refused, because
// without it requests pass that the operator forbade. One that copies,
// compresses, counts or guesses at failing hosts is left out with a warning.
var streamFilterTypes = []value{
	{name: "fault", object: faultObject, doc: "Delays or aborts requests, for tests."},
	{name: "payload_limit", object: payloadLimitObject, doc: "Refuses large requests."},
	{name: "ip_access", object: accessObject, doc: "Allows or denies by address and by the names in a client's certificate."},
	{name: "header_to_metadata", object: headerToMetadataObject, doc: "Chooses hosts by a header."},
	{name: "local_rate_limit", object: localRateLimitObject, doc: "Refuses requests over a rate, as Envoy's filter of that name. MOSN has none."},
	{name: "flowControlFilter", object: flowControlObject, doc: "Refuses or delays requests over a rate, by rules of Sentinel."},
	{name: "adaptive_concurrency", object: adaptiveObject, doc: "Refuses requests beyond what the hosts can take at once, as Envoy's filter of that name. MOSN has none."},
	{name: "tracing", object: traceSamplingObject, doc: "Samples the listener's requests at a rate of its own, where tracing is on; it always comes first. MOSN has none."},
	{name: "mirror", status: differs, note: "requests are not mirrored", object: mirrorObject, doc: "Sends copies of requests to another cluster."},
	{name: "gzip", status: differs, note: "replies are not compressed", object: gzipObject, doc: "Compresses replies."},
	{name: "fault_tolerance", status: differs, note: "the filter ejects no hosts; state outlier_detection in the clusters", doc: "Takes hosts with many errors out of use."},
	{name: "grpc_metric", status: differs, note: "the filter's metrics are not kept", doc: "Metrics by gRPC method."},
	{name: "istio_stats", status: differs, note: "the filter's metrics are not kept", doc: "Istio's metrics."},
	{name: "healthcheck", status: differs, note: "health checks are routed like any request", doc: "Answers health checks (MOSN 0.x)."},
	{name: "rbac", status: refused, note: "access by role is not implemented; forbidden clients would pass", doc: "Istio's access rules."},
	{name: "jwt_auth", status: refused, note: "tokens are not verified; forbidden clients would pass", doc: "Verifies JSON web tokens."},
	{name: "jwt_authn", status: refused, note: "tokens are not verified; forbidden clients would pass", doc: "Verifies JSON web tokens."},
	{name: "mixer", status: refused, note: "Istio's Mixer is not asked; forbidden requests would pass", doc: "Istio's Mixer."},
	{name: "dsl", status: refused, note: "expressions are not implemented; they may change a request or its route", doc: "Runs CEL expressions."},
	{name: "transcoder", status: refused, note: "transcoders are not implemented; set upstream_protocol to convert between Bolt and HTTP/2", doc: "Converts protocols."},
	{name: "proxywasm", status: refused, note: "WebAssembly is not implemented", doc: "Runs a WebAssembly module."},
	{name: "so_plugin", status: refused, note: "filters from Go plugins are not implemented", doc: "Runs a Go plugin."},
	{name: "dubbo_stream", status: refused, note: "Dubbo is not implemented", doc: "Reads Dubbo requests for routing."},
	{name: "seata", status: refused, note: "distributed transactions are not implemented", doc: "Takes part in Seata's transactions."},
}

// filterConfigObject is per_filter_config: what a virtual host or a route says to
// the listener's filters. The filters before routing have passed by then.
var filterConfigObject = &object{name: "per_filter_config", keys: append([]key{
	{name: "fault", kind: objectKind, object: faultObject, doc: "Replaces the settings of fault."},
	{name: "payload_limit", kind: objectKind, object: payloadLimitObject, doc: "Replaces the settings of payload_limit."},
	{name: "local_rate_limit", kind: objectKind, object: localRateLimitObject, doc: "Replaces the settings of local_rate_limit."},
	{name: "tracing", kind: objectKind, object: traceSamplingObject, doc: "Samples requests of the route at a rate of its own, where tracing is on."},
}, unroutedFilters("fault", "payload_limit", "local_rate_limit", "tracing")...)}

// unroutedFilters are the filters that routes cannot configure, those named
// apart. What decides who may pass is refused, the rest is left out.
func unroutedFilters(routed ...string) (keys []key) {
	for _, v := range streamFilterTypes {
		k := key{name: v.name, kind: anyKind, status: refused, note: "the filter is configured by listener only", doc: "Settings of a filter that routes cannot configure."}
		if v.status == differs {
			k.status, k.note = differs, v.note
		}
		isRouted := false
		for _, name := range routed {
			isRouted = isRouted || name == v.name
		}
		if !isRouted {
			keys = append(keys, k)
		}
	}
	return keys
}

var faultObject = &object{name: "a fault", keys: []key{
	{name: "delay", kind: objectKind, object: faultDelayObject, doc: "The delay."},
	{name: "abort", kind: objectKind, object: faultAbortObject, doc: "The abort."},
	{name: "upstream_cluster", kind: textKind, doc: "Only requests to this cluster."},
	{name: "headers", kind: objectsKind, object: headerMatchObject, doc: "Only requests with these headers."},
}}

var faultDelayObject = &object{name: "a delay", keys: []key{
	{name: "percentage", kind: integerKind, max: 100, doc: "Share of requests that are delayed."},
	{name: "fixed_delay", kind: durationKind, nanoseconds: true, doc: "The delay, which counts toward the request's timeouts."},
}}

var faultAbortObject = &object{name: "an abort", keys: []key{
	{name: "percentage", kind: integerKind, max: 100, doc: "Share of requests that are aborted."},
	{name: "status", kind: integerKind, max: statusMax, doc: "Status of the reply; Bolt and gRPC clients get what it maps to."},
}}

// statusMax is the last status of a reply (RFC 9110, 15).
const statusMax = 599

var mirrorObject = &object{name: "a mirror", keys: []key{
	{name: "amplification", kind: integerKind, max: math.MaxInt32, doc: "Copies of each request."},
	{name: "broadcast", kind: flagKind, doc: "Send a copy to every host."},
}}

var gzipObject = &object{name: "gzip", keys: []key{
	{name: "gzip_level", kind: integerKind, max: 9, doc: "Compression level."},
	{name: "content_length", kind: integerKind, max: math.MaxUint32, doc: "Smallest body that is compressed."},
	{name: "content_types", kind: textsKind, doc: "Types that are compressed."},
}}

// payloadLimitObject: MOSN reads the key with a space at its end.
var payloadLimitObject = &object{name: "a payload limit", keys: []key{
	{name: "max_entity_size ", kind: integerKind, max: math.MaxInt32, doc: "Largest body in bytes; MOSN's key ends in a space."},
	{name: "max_entity_size", kind: integerKind, max: math.MaxInt32, doc: "Largest body in bytes; 0 is no limit."},
	{name: "http_status", kind: integerKind, max: statusMax, fallback: `413`, doc: "Status of the reply; Bolt clients get status 8."},
}}

var accessObject = &object{name: "an access list", keys: []key{
	{name: "default_action", kind: textKind, fallback: `"allow"`, values: named("allow", "deny"), doc: "What happens to other addresses."},
	{name: "header", kind: textKind, doc: "Header that holds the address; where it is missing, or empty here, that of the connection counts."},
	{name: "ips", kind: objectsKind, object: accessRuleObject, doc: "The rules; the first that is for the client counts."},
}}

var accessRuleObject = &object{name: "an access rule", keys: []key{
	{name: "action", kind: textKind, required: true, values: named("allow", "deny"), doc: "What happens to the addresses."},
	{name: "addrs", kind: textsKind, doc: "Addresses and networks, as in \"10.0.0.0/8\"; any address if it is not given."},
	{name: "names", kind: objectsKind, object: nameMatcherObject, doc: "Alternative names, SPIFFE ids among them, of which the client's verified certificate must have one that matches. The rule is for clients of addrs with such a name. MOSN has no such key."},
}}

var headerToMetadataObject = &object{name: "header_to_metadata", keys: []key{
	{name: "request_rules", kind: objectsKind, object: metadataRuleObject, doc: "The rules, all of which are followed."},
}}

var metadataRuleObject = &object{name: "a metadata rule", keys: []key{
	{name: "header", kind: textKind, required: true, doc: "Name of the header."},
	{name: "on_header_present", kind: objectKind, object: metadataPairObject, doc: "The label that hosts must have for requests with the header."},
	{name: "on_header_missing", kind: objectKind, object: metadataPairObject, doc: "The label for requests without it."},
	{name: "remove", kind: flagKind, status: refused, note: "headers are not removed here; use request_headers_to_remove", doc: "Take the header from the request."},
}}

var metadataPairObject = &object{name: "a label", keys: []key{
	{name: "key", kind: textKind, required: true, doc: "Key of the label."},
	{name: "value", kind: textKind, doc: "Its value; that of the header if it is not given."},
}}

var localRateLimitObject = &object{name: "a local rate limit", keys: []key{
	{name: "stat_prefix", kind: textKind, status: ignored, doc: "Prefix of Envoy's metrics."},
	{name: "token_bucket", kind: objectKind, object: tokenBucketObject, doc: "The bucket of all requests, one for all loops."},
	{name: "descriptors", kind: objectsKind, object: rateDescriptorObject, doc: "Further buckets, for requests with certain headers."},
	{name: "max_dynamic_descriptors", kind: integerKind, min: 1, max: 1 << 16, fallback: `1024`, doc: "How many values of headers have a bucket at a time; beyond it the longest unused is forgotten. Envoy's default is 20."},
	{name: "status", kind: objectKind, object: statusObject, doc: "Status of the reply, 429 by default; Bolt clients get what it maps to."},
	{name: "rate_limited_as_resource_exhausted", kind: flagKind, doc: "Tell gRPC clients RESOURCE_EXHAUSTED in place of UNAVAILABLE."},
	{name: "filter_enabled", kind: anyKind, status: differs, note: "the filter is always on", doc: "Share of requests that are looked at; 0 % in Envoy unless it is given."},
	{name: "filter_enforced", kind: anyKind, status: differs, note: "the filter is always enforced", doc: "Share of requests that are refused; 0 % in Envoy unless it is given."},
}}

var tokenBucketObject = &object{name: "a token bucket", keys: []key{
	{name: "max_tokens", kind: integerKind, min: 1, max: math.MaxInt32, required: true, doc: "Requests that may come at once."},
	{name: "tokens_per_fill", kind: integerKind, min: 1, max: math.MaxInt32, fallback: `1`, doc: "Requests that each interval adds."},
	{name: "fill_interval", kind: durationKind, min: 1e6, max: 24 * 3600e9, required: true, doc: "The interval; tokens come evenly within it."},
}}

var rateDescriptorObject = &object{name: "a rate limit descriptor", keys: []key{
	{name: "entries", kind: objectsKind, object: rateEntryObject, required: true, doc: "The headers, all of which a request must have."},
	{name: "token_bucket", kind: objectKind, object: tokenBucketObject, required: true, doc: "The bucket."},
}}

var rateEntryObject = &object{name: "a descriptor entry", keys: []key{
	{name: "key", kind: textKind, required: true, doc: "Name of the header."},
	{name: "value", kind: textKind, doc: "Its value; without one each value has a bucket of its own."},
}}

var statusObject = &object{name: "a status", keys: []key{
	{name: "code", kind: integerKind, max: statusMax, doc: "The status."},
}}

var flowControlObject = &object{name: "flow control", keys: []key{
	{name: "app_name", kind: textKind, status: ignored, doc: "Name toward Sentinel's dashboard."},
	{name: "callback_name", kind: textKind, status: ignored, doc: "Code added to MOSN."},
	{name: "log_path", kind: textKind, status: ignored, doc: "Directory of Sentinel's logs."},
	{name: "global_switch", kind: flagKind, doc: "Whether the filter is on."},
	{name: "monitor", kind: flagKind, doc: "Refuse and delay nothing."},
	{name: "limit_key_type", kind: textKind, fallback: `"PATH"`, values: []value{
		{name: "PATH", doc: "The path without its query; for Bolt the service."},
		{name: "ARG", doc: "The query."},
		{name: "URI", doc: "The path with its query."},
	}, doc: "What the rules' resources are."},
	{name: "action", kind: objectKind, object: flowActionObject, doc: "The reply."},
	{name: "rules", kind: objectsKind, object: flowRuleObject, doc: "The rules; every one for a request's resource must be kept."},
}}

var flowActionObject = &object{name: "a flow control action", keys: []key{
	{name: "status", kind: integerKind, max: statusMax, fallback: `509`, doc: "Status of the reply; Bolt clients get what it maps to."},
	{name: "body", kind: textKind, doc: "Its body; Bolt clients get none."},
}}

var flowRuleObject = &object{name: "a flow rule", keys: []key{
	{name: "id", kind: anyKind, status: ignored, doc: "Identity in Sentinel."},
	{name: "resource", kind: textKind, required: true, doc: "The resource that the rule is for."},
	{name: "threshold", kind: numberKind, doc: "Requests that pass in each interval."},
	{name: "statIntervalInMs", kind: integerKind, max: 24 * 3600e3, fallback: `1000`, doc: "The interval in milliseconds."},
	{name: "controlBehavior", kind: integerKind, max: 1, doc: "0 refuses what is over the threshold, 1 spaces requests evenly."},
	{name: "maxQueueingTimeMs", kind: integerKind, max: 3600e3, doc: "How long a request may wait for its turn where requests are spaced."},
	{name: "tokenCalculateStrategy", kind: integerKind, max: 2, status: refused, note: "warming up and thresholds by memory are not implemented; more requests would pass than they allow", doc: "How the threshold changes; 0 is not at all."},
	{name: "relationStrategy", kind: integerKind, max: 1, status: refused, note: "rules by the rate of another resource are not implemented", doc: "Whose requests count; 0 is those of the resource."},
	{name: "refResource", kind: textKind, status: ignored, doc: "The other resource."},
	{name: "warmUpPeriodSec", kind: integerKind, max: math.MaxInt32, status: ignored, doc: "Time of warming up."},
	{name: "warmUpColdFactor", kind: integerKind, max: math.MaxInt32, status: ignored, doc: "How far the threshold is down at first."},
	{name: "lowMemUsageThreshold", kind: integerKind, max: math.MaxInt64, status: ignored, doc: "Threshold while little memory is used."},
	{name: "highMemUsageThreshold", kind: integerKind, max: math.MaxInt64, status: ignored, doc: "Threshold while much memory is used."},
	{name: "memLowWaterMarkBytes", kind: integerKind, max: math.MaxInt64, status: ignored, doc: "What little memory is."},
	{name: "memHighWaterMarkBytes", kind: integerKind, max: math.MaxInt64, status: ignored, doc: "What much memory is."},
}}

var adaptiveObject = &object{name: "adaptive concurrency", keys: []key{
	{name: "gradient_controller_config", kind: objectKind, object: gradientObject, doc: "How the limit follows the latency."},
	{name: "enabled", kind: anyKind, status: differs, note: "the filter is always on", doc: "Envoy's switch at run time."},
	{name: "concurrency_limit_exceeded_status", kind: objectKind, object: statusObject, doc: "Status of the reply, 503 by default; Bolt clients get what it maps to."},
}}

var gradientObject = &object{name: "a gradient controller", keys: []key{
	{name: "sample_aggregate_percentile", kind: objectKind, object: percentObject, doc: "Percentile of the latencies that is compared, 50 by default."},
	{name: "concurrency_limit_params", kind: objectKind, object: concurrencyObject, doc: "The limit."},
	{name: "min_rtt_calc_params", kind: objectKind, object: minRTTObject, doc: "The latency without load."},
}}

var percentObject = &object{name: "a percentage", keys: []key{
	{name: "value", kind: numberKind, doc: "From 0 to 100."},
}}

var concurrencyObject = &object{name: "concurrency_limit_params", keys: []key{
	{name: "max_concurrency_limit", kind: integerKind, min: 1, max: math.MaxInt32, fallback: `1000`, doc: "The highest limit."},
	{name: "concurrency_update_interval", kind: durationKind, min: 1e6, max: 3600e9, fallback: `"100ms"`, doc: "Time between two changes of the limit."},
}}

var minRTTObject = &object{name: "min_rtt_calc_params", keys: []key{
	{name: "interval", kind: durationKind, min: 1e6, max: 24 * 3600e9, fallback: `"60s"`, doc: "Time between two measurements, in which the limit is min_concurrency."},
	{name: "fixed_value", kind: durationKind, min: 1e3, max: 3600e9, doc: "The latency without load, in place of measurements."},
	{name: "request_count", kind: integerKind, min: 1, max: math.MaxInt32, fallback: `50`, doc: "Requests of one measurement."},
	{name: "jitter", kind: objectKind, object: percentObject, doc: "How much later a measurement may be, 15 % of the interval by default."},
	{name: "min_concurrency", kind: integerKind, min: 1, max: math.MaxInt32, fallback: `3`, doc: "The lowest limit."},
	{name: "buffer", kind: objectKind, object: percentObject, doc: "How much more latency is no sign of load, 25 % by default."},
}}

// overloadObject has Envoy's names of the resources and actions, without the
// triggers: each action has one threshold.
var overloadObject = &object{name: "the overload manager", keys: []key{
	{name: "max_heap_size_bytes", kind: integerKind, max: math.MaxInt64, doc: "Memory that the process should have at most; the limits of its control group and GOMEMLIMIT count in any case."},
	{name: "shrink_heap", kind: numberKind, fallback: `0.90`, doc: "Share of the memory from which garbage is collected and given back."},
	{name: "stop_accepting_requests", kind: numberKind, fallback: `0.95`, doc: "Share of the memory from which requests are refused."},
	{name: "stop_accepting_connections", kind: numberKind, fallback: `0.98`, doc: "Share of the memory or of the descriptors from which connections wait in the kernel."},
	{name: "max_loop_delay", kind: durationKind, fallback: `"100ms"`, doc: "How long a loop that is overloaded serves requests in a turn before it refuses those that follow."},
}}
