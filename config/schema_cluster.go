// SPDX-License-Identifier: Apache-2.0

package config

import "math"

var clusterManagerObject = &object{name: "the cluster manager", keys: []key{
	{name: "clusters", kind: objectsKind, object: clusterObject, doc: "The clusters."},
	{name: "clusters_configs", kind: textKind, doc: "Directory with one file per cluster, relative to this file."},
	{name: "tls_context", kind: objectKind, object: tlsObject, doc: "TLS toward hosts of clusters with cluster_manager_tls."},
	{name: "cluster_pool_enable", kind: flagKind, status: ignored, doc: "Connections of a cluster's own; Sideloop never shares them between clusters."},
	{name: "auto_discovery", kind: flagKind, status: ignored, doc: "A switch of MOSN 0.x for its service registry."},
	{name: "registry_use_health_check", kind: flagKind, status: ignored, doc: "A switch of MOSN 0.x for its service registry."},
}}

// clusterTypes: MOSN treats all types but the last two alike. STRICT_DNS and
// ORIGINAL_DST find their hosts in ways that are not implemented.
var clusterTypes = []value{
	{name: "SIMPLE", doc: "The hosts of the file."},
	{name: "STATIC", doc: "The same as SIMPLE."},
	{name: "DYNAMIC", doc: "The same as SIMPLE."},
	{name: "EDS", status: differs, note: "EDS is not implemented; the cluster has the hosts that this file gives it", doc: "Hosts that xDS gives."},
	{name: "STRICT_DNS", status: refused, note: "STRICT_DNS is not implemented; use SIMPLE, which resolves names of hosts when connecting", doc: "Every address that the names resolve to is a host."},
	{name: "ORIGINAL_DST", status: refused, note: "ORIGINAL_DST is not implemented", doc: "The destination before iptables' REDIRECT is the host."},
}

// balancingPolicies: hosts of one cluster serve the same, and MOSN's weights are
// clamped to 1..128, so no weight takes a host out of use. A policy that only
// changes how many requests each host gets is therefore replaced with a
// warning. LB_MAGLEV gives a key to the same host each time, on which state may
// depend, and LB_ORIGINAL_DST leaves the cluster's hosts: both are refused.
var balancingPolicies = []value{
	{name: "LB_RANDOM", doc: "Any host; weights are ignored."},
	{name: "LB_ROUNDROBIN", doc: "One host after the other; weights are ignored."},
	{name: "LB_WEIGHTED_ROUNDROBIN", status: differs, note: "LB_WEIGHTED_ROUNDROBIN is not implemented; taken as LB_ROUNDROBIN, without weights", doc: "One host after the other, by weight."},
	{name: "LB_LEAST_REQUEST", status: differs, note: "LB_LEAST_REQUEST is not implemented; taken as LB_ROUNDROBIN", doc: "The host with fewer requests, of some."},
	{name: "LB_LEAST_CONNECTION", status: differs, note: "LB_LEAST_CONNECTION is not implemented; taken as LB_ROUNDROBIN", doc: "The host with fewer connections, of some."},
	{name: "LB_REQUEST_ROUNDROBIN", status: differs, note: "LB_REQUEST_ROUNDROBIN is not implemented; taken as LB_ROUNDROBIN", doc: "One host after the other within the tries of a request."},
	{name: "LB_PEAK_EWMA", status: differs, note: "LB_PEAK_EWMA is not implemented; taken as LB_ROUNDROBIN", doc: "The host with the lower latency, of some."},
	{name: "LB_MAGLEV", status: refused, note: "LB_MAGLEV is not implemented; requests with one key would go to many hosts", doc: "The host that a key of the request selects."},
	{name: "LB_ORIGINAL_DST", status: refused, note: "LB_ORIGINAL_DST is not implemented", doc: "The destination before iptables' REDIRECT."},
}

var clusterObject = &object{name: "a cluster", keys: []key{
	{name: "name", kind: textKind, required: true, doc: "Name that routes refer to."},
	{name: "type", kind: textKind, fallback: `"SIMPLE"`, values: clusterTypes, doc: "How the hosts are found."},
	{name: "sub_type", kind: textKind, status: ignored, doc: "Parsed and not used by MOSN."},
	{name: "lb_type", kind: textKind, fallback: `"LB_ROUNDROBIN"`, values: balancingPolicies, unknown: differs, doc: "How a host is chosen."},
	{name: "max_request_per_conn", kind: integerKind, max: math.MaxUint32, fallback: `0`, doc: "Requests per connection, 0 for no limit; MOSN parses and does not use it."},
	{name: "conn_buffer_limit_bytes", kind: integerKind, max: math.MaxUint32, fallback: `0`, doc: "Output per connection at which its sources pause, 0 for 256 KiB; MOSN parses and does not use it."},
	{name: "mark", kind: integerKind, max: math.MaxUint32, status: refused, note: "SO_MARK is not set; the kernel may route connections by it", doc: "SO_MARK of connections to hosts."},
	{name: "circuit_breakers", kind: objectsKind, object: circuitBreakerObject, status: differs, note: "the limits are not enforced", doc: "Limits of the cluster; the first entry counts."},
	{name: "health_check", kind: objectKind, object: healthCheckObject, doc: "Active health checks."},
	{name: "spec", kind: objectKind, object: clusterSpecObject, status: differs, note: "no registry is asked; the cluster has the hosts that this file gives it", doc: "Subscriptions at a service registry."},
	{name: "lb_subset_config", kind: objectKind, object: subsetObject, status: refused, note: "choosing hosts by metadata is not implemented", doc: "Subsets of hosts by their labels."},
	{name: "original_dst_lb_config", kind: objectKind, object: originalDestinationObject, status: ignored, doc: "Settings of LB_ORIGINAL_DST."},
	{name: "cluster_manager_tls", kind: flagKind, status: ignored, doc: "Use the cluster manager's tls_context."},
	{name: "tls_context", kind: objectKind, object: tlsObject, doc: "TLS toward the hosts."},
	{name: "hosts", kind: objectsKind, object: hostObject, doc: "The hosts."},
	{name: "connect_timeout", kind: durationKind, fallback: `"10s"`, doc: "Bound on making a connection; 0 is the default."},
	{name: "idle_timeout", kind: durationKind, doc: "How long a connection to a host may be idle."},
	{name: "keepalive", kind: objectKind, object: keepaliveObject, doc: "Heartbeats on connections that are silent. Bolt connections have them also without this key, over 90s; HTTP/2 connections get PINGs only with it."},
	{name: "lbconfig", kind: objectKind, object: balancingObject, status: differs, note: "only policies that are not implemented use it", doc: "Settings of LB_LEAST_REQUEST and LB_PEAK_EWMA."},
	{name: "slow_start", kind: objectKind, object: slowStartObject, status: differs, note: "new hosts get their full share at once", doc: "Less traffic for new hosts."},
	{name: "extend_config", kind: objectKind, object: clusterExtendObject, doc: "Settings by protocol toward the hosts; MOSN has none."},
	{name: "cluster_pool_enable", kind: flagKind, status: ignored, doc: "Connections of the cluster's own; Sideloop never shares them."},
	{name: "dns_refresh_rate", kind: durationKind, status: ignored, doc: "How often STRICT_DNS resolves."},
	{name: "respect_dns_ttl", kind: flagKind, status: ignored, doc: "Whether STRICT_DNS resolves when an answer expires."},
	{name: "dns_lookup_family", kind: textKind, status: ignored, values: named("V4_ONLY", "V6_ONLY"), doc: "Addresses that STRICT_DNS uses."},
	{name: "dns_resolvers", kind: objectKind, object: resolversObject, status: ignored, doc: "Servers that STRICT_DNS asks."},
	{name: "dns_resolver_file", kind: textKind, status: ignored, doc: "File with the servers that STRICT_DNS asks."},
	{name: "dns_resolver_port", kind: textKind, status: ignored, doc: "Port of the servers that STRICT_DNS asks."},
}}

var hostObject = &object{name: "a host", keys: []key{
	{name: "address", kind: textKind, required: true, doc: "\"ip:port\", \"name:port\", or the path of a Unix socket."},
	{name: "hostname", kind: textKind, doc: "Name of the host."},
	{name: "weight", kind: integerKind, max: math.MaxUint32, fallback: `1`, doc: "Weight, clamped to 1..128."},
	{name: "metadata", kind: objectKind, object: metadataObject, status: ignored, doc: "Labels of the host."},
	{name: "meta_data", kind: textMapKind, status: ignored, doc: "Labels of the host, as in MOSN 0.1 and 0.2."},
	{name: "tls_disable", kind: flagKind, status: ignored, doc: "No TLS toward this host."},
}}

var circuitBreakerObject = &object{name: "a circuit breaker", keys: []key{
	{name: "max_connections", kind: integerKind, max: math.MaxUint32, doc: "Connections per host."},
	{name: "max_pending_requests", kind: integerKind, max: math.MaxUint32, doc: "Requests that wait for a connection."},
	{name: "max_requests", kind: integerKind, max: math.MaxUint32, doc: "Requests in flight."},
	{name: "max_retries", kind: integerKind, max: math.MaxUint32, doc: "Retries in flight."},
	{name: "priority", kind: textKind, status: ignored, doc: "A name that MOSN 0.x read."},
}}

var healthCheckObject = &object{name: "a health check", keys: []key{
	{name: "protocol", kind: textKind, status: ignored, doc: "\"Http1\" asks over HTTP, anything else connects."},
	{name: "timeout", kind: durationKind, status: ignored, doc: "Bound on a probe; 1s in MOSN."},
	{name: "interval", kind: durationKind, status: ignored, doc: "Time between probes; 15s in MOSN."},
	{name: "interval_jitter", kind: durationKind, status: ignored, doc: "Random part of the interval; 5ms in MOSN."},
	{name: "initial_delay_seconds", kind: durationKind, status: ignored, doc: "Time before the first probe; 1s in MOSN."},
	{name: "healthy_threshold", kind: integerKind, max: math.MaxUint32, status: ignored, doc: "Good probes that make a host healthy."},
	{name: "unhealthy_threshold", kind: integerKind, max: math.MaxUint32, status: ignored, doc: "Bad probes that make a host unhealthy."},
	{name: "service_name", kind: textKind, status: differs, note: "hosts are not probed", doc: "Name in metrics; MOSN probes only where it is set."},
	{name: "check_config", kind: anyKind, status: ignored, doc: "Settings of the probe."},
	{name: "check_path", kind: textKind, status: ignored, doc: "Path of an HTTP probe in MOSN 0.x."},
	{name: "event_log_path", kind: textKind, status: ignored, doc: "File with the changes of health."},
	{name: "common_callbacks", kind: textsKind, status: ignored, doc: "Hooks to run on a change of health."},
}}

var clusterSpecObject = &object{name: "a cluster's spec", keys: []key{
	{name: "subscribe", kind: objectsKind, object: subscribeObject, doc: "The subscriptions."},
}}

var subscribeObject = &object{name: "a subscription", keys: []key{
	{name: "subscriber", kind: textKind, doc: "Name of the subscriber."},
	{name: "service_name", kind: textKind, doc: "Name of the service."},
}}

var subsetObject = &object{name: "a subset configuration", keys: []key{
	{name: "fall_back_policy", kind: integerKind, max: 2, doc: "Without a match: 0 no host, 1 any host, 2 the default subset."},
	{name: "default_subset", kind: textMapKind, doc: "Labels of the default subset."},
	{name: "subset_selectors", kind: anyKind, doc: "Lists of labels that make up subsets."},
}}

var originalDestinationObject = &object{name: "an original destination", keys: []key{
	{name: "use_header", kind: flagKind, doc: "Take the destination from a header."},
	{name: "header_name", kind: textKind, doc: "Name of the header."},
	{name: "replace_local", kind: flagKind, doc: "Replace the address by 127.0.0.1."},
}}

var keepaliveObject = &object{name: "a keepalive", keys: []key{
	{name: "interval", kind: durationKind, fallback: `"15s"`, doc: "How long a connection may be silent before a heartbeat is sent."},
	{name: "timeout", kind: durationKind, fallback: `"1s"`, doc: "How long an answer may take before the next heartbeat; after six without an answer the connection is closed."},
	{name: "fast_fail", kind: flagKind, doc: "Close a connection at its first lost heartbeat."},
}}

var balancingObject = &object{name: "a balancing configuration", keys: []key{
	{name: "choice_count", kind: integerKind, max: math.MaxUint32, doc: "Hosts that are compared."},
	{name: "active_request_bias", kind: numberKind, doc: "Exponent of the requests in flight."},
	{name: "client_error_bias", kind: numberKind, doc: "Exponent of the rate of client errors."},
	{name: "server_error_bias", kind: numberKind, doc: "Exponent of the rate of server errors."},
}}

var slowStartObject = &object{name: "a slow start", keys: []key{
	{name: "mode", kind: textKind, values: named("duration"), doc: "How the time is measured."},
	{name: "slow_start_duration", kind: durationKind, doc: "Time until a new host has its full weight."},
	{name: "aggression", kind: numberKind, doc: "Shape of the ramp; 1.0 is a line."},
	{name: "min_weight_percent", kind: numberKind, doc: "Share of the weight at the beginning."},
}}

var resolversObject = &object{name: "resolvers", keys: []key{
	{name: "servers", kind: textsKind, doc: "Addresses of the servers."},
	{name: "search", kind: textsKind, doc: "Domains to try."},
	{name: "port", kind: textKind, doc: "Port of the servers."},
	{name: "ndots", kind: integerKind, max: math.MaxInt32, doc: "Dots that make a name absolute."},
	{name: "timeout", kind: integerKind, max: math.MaxInt32, doc: "Seconds for an answer."},
	{name: "attempts", kind: integerKind, max: math.MaxInt32, doc: "Tries per server."},
}}
