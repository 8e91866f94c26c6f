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

// clusterTypes: LOGICAL_DNS is Envoy's; MOSN has the others.
var clusterTypes = []value{
	{name: "SIMPLE", doc: "The hosts of the file. Names are resolved when a connection is made, at most every 15s."},
	{name: "STATIC", doc: "The same as SIMPLE."},
	{name: "DYNAMIC", doc: "The same as SIMPLE."},
	{name: "EDS", status: differs, note: "EDS is not implemented; the cluster has the hosts that this file gives it", doc: "Hosts that xDS gives."},
	{name: "STRICT_DNS", doc: "Every address that the names of hosts resolve to is a host."},
	{name: "LOGICAL_DNS", doc: "Every name is one host, at its first address; connections outlive a change of it. Envoy's; MOSN has none."},
	{name: "ORIGINAL_DST", doc: "The address that the client's connection was headed for is the host; hosts must not be given."},
}

// balancingPolicies: all of them heed weights, also LB_RANDOM and LB_ROUNDROBIN,
// which do not in MOSN.
var balancingPolicies = []value{
	{name: "LB_RANDOM", doc: "Any host, as often as its weight says."},
	{name: "LB_ROUNDROBIN", doc: "One host after the other, as often as their weights say."},
	{name: "LB_WEIGHTED_ROUNDROBIN", doc: "The same as LB_ROUNDROBIN."},
	{name: "LB_LEAST_REQUEST", doc: "The host with fewest requests in progress, of choice_count; where weights differ, hosts take turns by weight / (requests + 1) ^ active_request_bias."},
	{name: "LB_LEAST_CONNECTION", doc: "The same with connections in place of requests."},
	{name: "LB_REQUEST_ROUNDROBIN", doc: "The first host of the list that is healthy; each further try of a request the next one. Weights mean nothing."},
	{name: "LB_PEAK_EWMA", doc: "The same as LB_LEAST_REQUEST by latency x (requests + 1) ^ active_request_bias / share of successes; a slow reply counts at once and fades."},
	{name: "LB_MAGLEV", doc: "The host that the route's hash_policy selects, by weight; without one, any host."},
	{name: "LB_ORIGINAL_DST", doc: "That of type ORIGINAL_DST, which implies it."},
}

var clusterObject = &object{name: "a cluster", keys: []key{
	{name: "name", kind: textKind, required: true, doc: "Name that routes refer to."},
	{name: "type", kind: textKind, fallback: `"SIMPLE"`, values: clusterTypes, doc: "How the hosts are found."},
	{name: "sub_type", kind: textKind, status: ignored, doc: "Parsed and not used by MOSN."},
	{name: "lb_type", kind: textKind, fallback: `"LB_ROUNDROBIN"`, values: balancingPolicies, unknown: differs, doc: "How a host is chosen."},
	{name: "max_request_per_conn", kind: integerKind, max: math.MaxUint32, fallback: `0`, doc: "Requests per connection, 0 for no limit; MOSN parses and does not use it."},
	{name: "conn_buffer_limit_bytes", kind: integerKind, max: math.MaxUint32, fallback: `0`, doc: "Output per connection at which its sources pause, 0 for 32 KiB; MOSN parses and does not use it."},
	{name: "mark", kind: integerKind, max: math.MaxUint32, status: refused, note: "SO_MARK is not set; the kernel may route connections by it", doc: "SO_MARK of connections to hosts."},
	{name: "circuit_breakers", kind: objectsKind, object: circuitBreakerObject, doc: "Limits of the cluster over all loops; the first entry counts."},
	{name: "health_check", kind: objectKind, object: healthCheckObject, doc: "Active health checks: hosts that fail them get no requests."},
	{name: "outlier_detection", kind: objectKind, object: outlierObject, doc: "Passive health checks: hosts whose requests fail or take long get none for a while. The keys are Envoy's; MOSN has none."},
	{name: "spec", kind: objectKind, object: clusterSpecObject, status: differs, note: "no registry is asked; the cluster has the hosts that this file gives it", doc: "Subscriptions at a service registry."},
	{name: "lb_subset_config", kind: objectKind, object: subsetObject, doc: "Subsets of hosts by their labels, for routes with a metadata_match."},
	{name: "original_dst_lb_config", kind: objectKind, object: originalDestinationObject, doc: "Settings of ORIGINAL_DST."},
	{name: "common_lb_config", kind: objectKind, object: commonBalancingObject, doc: "What holds for every policy; Envoy's, MOSN has none."},
	{name: "cluster_manager_tls", kind: flagKind, doc: "Use the cluster manager's tls_context, unless the cluster has its own."},
	{name: "tls_context", kind: objectKind, object: tlsObject, doc: "TLS toward the hosts."},
	{name: "hosts", kind: objectsKind, object: hostObject, doc: "The hosts."},
	{name: "connect_timeout", kind: durationKind, fallback: `"10s"`, doc: "Bound on making a connection; 0 is the default."},
	{name: "idle_timeout", kind: durationKind, doc: "How long a connection to a host may be idle."},
	{name: "keepalive", kind: objectKind, object: keepaliveObject, doc: "Heartbeats on connections that are silent. Bolt connections have them also without this key, over 90s; HTTP/2 connections get PINGs only with it."},
	{name: "lbconfig", kind: objectKind, object: balancingObject, doc: "Settings of LB_LEAST_REQUEST, LB_LEAST_CONNECTION and LB_PEAK_EWMA."},
	{name: "slow_start", kind: objectKind, object: slowStartObject, doc: "Less traffic for hosts that are new or healthy again."},
	{name: "extend_config", kind: objectKind, object: clusterExtendObject, doc: "Settings by protocol toward the hosts; MOSN has none."},
	{name: "cluster_pool_enable", kind: flagKind, status: ignored, doc: "Connections of the cluster's own; Sideloop never shares them."},
	{name: "dns_refresh_rate", kind: durationKind, fallback: `"5s"`, min: int64(dnsRefreshMin), max: int64(dnsRefreshMax), doc: "How often STRICT_DNS and LOGICAL_DNS resolve."},
	{name: "respect_dns_ttl", kind: flagKind, doc: "Resolve when an answer expires, in place of dns_refresh_rate; not sooner than after 1s."},
	{name: "dns_lookup_family", kind: textKind, fallback: `"V4_ONLY"`, values: addressFamilies, doc: "Addresses that STRICT_DNS and LOGICAL_DNS use."},
	{name: "dns_resolvers", kind: objectKind, object: resolversObject, doc: "Servers that STRICT_DNS and LOGICAL_DNS ask; the system's by default."},
	{name: "dns_resolver_file", kind: textKind, doc: "File like /etc/resolv.conf with the servers to ask."},
	{name: "dns_resolver_port", kind: textKind, fallback: `"53"`, doc: "Port of the servers of dns_resolver_file."},
}}

var hostObject = &object{name: "a host", keys: []key{
	{name: "address", kind: textKind, required: true, doc: "\"ip:port\", \"name:port\", or the path of a Unix socket."},
	{name: "hostname", kind: textKind, doc: "Name of the host, which TLS asks for and verifies where no server_name is given."},
	{name: "weight", kind: integerKind, max: math.MaxUint32, fallback: `1`, doc: "Weight, clamped to 1..128; the host's part of the requests in relation to those of others."},
	{name: "metadata", kind: objectKind, object: metadataObject, doc: "Labels of the host; subsets choose by them, and \"zone\" is where it is."},
	{name: "meta_data", kind: textMapKind, doc: "Labels of the host, as in MOSN 0.1 and 0.2; metadata counts where both have one."},
	{name: "tls_disable", kind: flagKind, doc: "No TLS toward this host."},
}}

var clusterSpecObject = &object{name: "a cluster's spec", keys: []key{
	{name: "subscribe", kind: objectsKind, object: subscribeObject, doc: "The subscriptions."},
}}

var subscribeObject = &object{name: "a subscription", keys: []key{
	{name: "subscriber", kind: textKind, doc: "Name of the subscriber."},
	{name: "service_name", kind: textKind, doc: "Name of the service."},
}}

var subsetObject = &object{name: "a subset configuration", keys: []key{
	{name: "fall_back_policy", kind: integerKind, max: 2, doc: "For requests that no subset is for: 0 no host, 1 any host, 2 the default subset."},
	{name: "default_subset", kind: textMapKind, doc: "Labels of the default subset's hosts."},
	{name: "subset_selectors", kind: anyKind, doc: "Lists of labels, such as [[\"zone\"], [\"zone\", \"version\"]]; hosts that have all labels of a list are divided by their values."},
}}

var originalDestinationObject = &object{name: "an original destination", keys: []key{
	{name: "use_header", kind: flagKind, doc: "Take the destination from a header; without one, or where it is no \"ip:port\", that of the connection."},
	{name: "header_name", kind: textKind, fallback: `"host"`, doc: "Name of the header."},
	{name: "replace_local", kind: flagKind, doc: "Replace the address by 127.0.0.1, and keep the port."},
}}

// commonBalancingObject: MOSN sends nothing to a host that is not healthy, even
// where all of them are not. Envoy's default of 50 would send two thirds of the
// requests to dead hosts where two of three have died, so that a file in MOSN's
// format gets MOSN's meaning unless it says otherwise.
var commonBalancingObject = &object{name: "a common balancing configuration", keys: []key{
	{name: "healthy_panic_threshold", kind: numberKind, fallback: `0`, doc: "Percentage of healthy hosts below which requests go to all hosts, healthy or not; 0 for never. Envoy's default is 50."},
	{name: "prefer_local_zone", kind: flagKind, doc: "Send to hosts whose label \"zone\" is this proxy's (--zone, SIDELOOP_ZONE, node.locality.zone) as long as they can take it; the rest goes to all others by weight."},
	{name: "overprovisioning_factor", kind: numberKind, fallback: `140`, doc: "What the healthy hosts of a zone can take, in percent of their own part; with 140, requests leave the zone once less than 71% of its hosts are healthy."},
}}

var keepaliveObject = &object{name: "a keepalive", keys: []key{
	{name: "interval", kind: durationKind, fallback: `"15s"`, doc: "How long a connection may be silent before a heartbeat is sent."},
	{name: "timeout", kind: durationKind, fallback: `"1s"`, doc: "How long an answer may take before the next heartbeat; after six without an answer the connection is closed."},
	{name: "fast_fail", kind: flagKind, doc: "Close a connection at its first lost heartbeat."},
}}

var balancingObject = &object{name: "a balancing configuration", keys: []key{
	{name: "choice_count", kind: integerKind, max: choiceCountMax, fallback: `2`, doc: "Hosts that are compared where all weights are the same."},
	{name: "active_request_bias", kind: numberKind, fallback: `1`, doc: "Exponent of the requests in progress; 0 leaves them out."},
	{name: "client_error_bias", kind: numberKind, fallback: `1`, doc: "Exponent of the share of replies other than 4xx, for LB_PEAK_EWMA; 0 leaves it out."},
	{name: "server_error_bias", kind: numberKind, fallback: `1`, doc: "Exponent of the share of requests without a 5xx or a lost connection, for LB_PEAK_EWMA; 0 leaves it out."},
}}

var slowStartObject = &object{name: "a slow start", keys: []key{
	{name: "mode", kind: textKind, fallback: `"duration"`, values: named("duration"), doc: "How the time is measured."},
	{name: "slow_start_duration", kind: durationKind, doc: "Time until a host has its full weight; 0 for at once."},
	{name: "aggression", kind: numberKind, fallback: `1`, doc: "Shape of the ramp: weight x (elapsed / duration) ^ (1 / aggression)."},
	{name: "min_weight_percent", kind: numberKind, fallback: `0.1`, doc: "Part of the weight that a host has at least, from 0 to 1."},
}}

var resolversObject = &object{name: "resolvers", keys: []key{
	{name: "servers", kind: textsKind, doc: "IP addresses of the servers."},
	{name: "search", kind: textsKind, doc: "Domains to try behind a name."},
	{name: "port", kind: textKind, fallback: `"53"`, doc: "Port of the servers."},
	{name: "ndots", kind: integerKind, max: 15, fallback: `1`, doc: "Dots that make a name absolute."},
	{name: "timeout", kind: integerKind, max: 30, fallback: `5`, doc: "Seconds for an answer."},
	{name: "attempts", kind: integerKind, max: 5, fallback: `2`, doc: "Tries per server."},
}}
