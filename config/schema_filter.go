// SPDX-License-Identifier: Apache-2.0

package config

import "math"

var networkFilterObject = &object{name: "a network filter", keys: []key{
	{name: "type", kind: textKind, required: true, values: networkFilterTypes, doc: "Name of the filter."},
	{name: "config", kind: byTypeKind, values: networkFilterTypes, doc: "Settings of the filter."},
	{name: "go_plugin_config", kind: objectKind, object: goPluginObject, status: refused, note: "filters from Go plugins are not implemented", doc: "Shared object that the filter comes from."},
}}

var goPluginObject = &object{name: "a Go plugin", keys: []key{
	{name: "so_path", kind: textKind, doc: "Path of the shared object."},
	{name: "factory_method", kind: textKind, doc: "Function that makes the filter."},
}}

// networkFilterTypes: all but fault_inject, which only delays, decide where the
// bytes of a connection go.
var networkFilterTypes = []value{
	{name: "proxy", object: proxyObject, doc: "Proxies requests by their routes."},
	{name: "connection_manager", object: connectionManagerObject, doc: "Declares a router, in the shape of 2018 to 2020."},
	{name: "tcp_proxy", status: refused, note: "proxying of plain TCP is not implemented", object: streamProxyObject, doc: "Forwards bytes of TCP."},
	{name: "udp_proxy", status: refused, note: "proxying of UDP is not implemented", object: streamProxyObject, doc: "Forwards datagrams."},
	{name: "fault_inject", status: differs, note: "no faults are injected", object: faultInjectObject, doc: "Delays connections."},
	{name: "grpc", status: refused, note: "servers inside the proxy are not implemented", object: grpcObject, doc: "Serves gRPC inside the process."},
	{name: "tunnel", status: refused, note: "tunnels are not implemented", doc: "Accepts reverse connections."},
	{name: "rpc_proxy", status: refused, note: "the filter is not implemented", doc: "An old form of the proxy."},
	{name: "x_proxy", status: refused, note: "the filter is not implemented", doc: "An old form of the proxy."},
}

var proxyObject = &object{name: "a proxy", keys: []key{
	{name: "name", kind: textKind, status: ignored, doc: "Name of the filter."},
	{name: "downstream_protocol", kind: protocolKind, required: true, values: protocolValues, doc: "What clients speak: one protocol, several joined by commas, or \"Auto\"."},
	{name: "upstream_protocol", kind: protocolKind, values: protocolValues, doc: "What the hosts speak; the client's protocol by default. MOSN ignores it from 0.26 on, Sideloop converts."},
	{name: "router_config_name", kind: textKind, doc: "Name of the router that requests go through."},
	{name: "router_handler_name", kind: textKind, fallback: `"default"`, values: named("default"), doc: "How a route is chosen; other names are code added to MOSN."},
	{name: "validate_clusters", kind: flagKind, status: ignored, doc: "Parsed and not used by MOSN; unknown clusters are always warned of."},
	{name: "fallback_for_unknown_protocol", kind: flagKind, status: differs, note: "no filter can follow the proxy; a connection of an unknown protocol is closed", doc: "Leave connections of an unknown protocol to the next filter."},
	{name: "concurrency_num", kind: integerKind, min: math.MinInt32, max: math.MaxInt32, status: ignored, doc: "Goroutines per connection in MOSN."},
	{name: "transparent_proxy", kind: flagKind, status: refused, note: "using the client's address toward hosts is not implemented", doc: "Use the client's address toward hosts."},
	{name: "extend_config", kind: objectKind, object: extendConfigObject, doc: "Settings by protocol."},
	{name: "virtual_hosts", kind: objectsKind, object: virtualHostObject, doc: "The routes themselves, as in MOSN 0.1 and 0.2."},
	{name: "support_dynamic_route", kind: flagKind, status: ignored, doc: "A switch of MOSN 0.x without effect."},
}}

// protocolValues are all names of protocols. SofaRpc, and X with a sub_protocol,
// are how Bolt is written in older files.
var protocolValues = []value{
	{name: "Auto", doc: "Told apart by the first bytes."},
	{name: "bolt", doc: "SOFABolt."},
	{name: "boltv2", doc: "SOFABolt; both versions are accepted on one connection."},
	{name: "SofaRpc", doc: "SOFABolt, in files of 2018 and 2019."},
	{name: "Http2", doc: "HTTP/2 with prior knowledge, gRPC included."},
	{name: "OLDHttp2", doc: "HTTP/2, in files of MOSN 0.4."},
	{name: "X", doc: "The protocols that extend_config.sub_protocol names."},
	{name: "Http1", status: refused, doc: "HTTP/1.1."},
	{name: "dubbo", status: refused, doc: "Dubbo."},
	{name: "dubbothrift", status: refused, doc: "Dubbo over Thrift."},
	{name: "tars", status: refused, doc: "Tars."},
}

var extendConfigObject = &object{name: "extend_config", keys: []key{
	{name: "Http2", kind: objectKind, object: http2Object, doc: "Settings of HTTP/2."},
	{name: "Http1", kind: objectKind, object: http1Object, status: ignored, doc: "Settings of HTTP/1.1."},
	{name: "bolt", kind: objectKind, object: boltObject, doc: "Settings of Bolt."},
	{name: "boltv2", kind: objectKind, object: boltObject, doc: "Settings of Bolt."},
	{name: "http2_use_stream", kind: flagKind, doc: "Older place of Http2.http2_use_stream."},
	{name: "enable_bolt_goaway", kind: flagKind, doc: "Older place of bolt.enable_bolt_goaway."},
	{name: "max_header_size", kind: integerKind, max: math.MaxInt32, status: ignored, doc: "Older place of Http1.max_header_size."},
	{name: "max_request_body_size", kind: integerKind, max: math.MaxInt32, status: ignored, doc: "Older place of Http1.max_request_body_size."},
	{name: "sub_protocol", kind: protocolKind, values: protocolValues, doc: "The protocols that \"X\" stands for, joined by commas."},
}}

var http1Object = &object{name: "Http1", keys: []key{
	{name: "max_header_size", kind: integerKind, max: math.MaxInt32, doc: "Largest head in bytes."},
	{name: "max_request_body_size", kind: integerKind, max: math.MaxInt32, doc: "Largest body in bytes."},
}}

var boltObject = &object{name: "bolt", keys: []key{
	{name: "enable_bolt_goaway", kind: flagKind, doc: "Tell clients to leave when the process stops; clients that do not know the command log it."},
	{name: "max_frame_size", kind: integerKind, max: math.MaxInt32, doc: "Largest frame in bytes, request or reply; others are refused (body_too_large). Unlimited by default. MOSN has no such key."},
	{name: "whole_frame_size", kind: integerKind, min: wholeFrameMin, max: wholeFrameMax, doc: "Requests up to this many bytes, 65536 by default, are forwarded whole, on connections that they share; larger ones are streamed. MOSN has no such key."},
	{name: "max_requests_in_flight", kind: integerKind, max: math.MaxInt32, doc: "Requests in progress at which a client's connection is not read; 1024 by default. MOSN has no such key."},
}}

// A whole frame is gathered where it arrives in parts. It has to hold at least a
// head, and to leave room in a loop's 8 MiB for those of other connections.
const (
	wholeFrameMin = 1 << 10
	wholeFrameMax = 1 << 20
)

var connectionManagerObject = &object{name: "a connection manager", keys: routerObject.keys}

var streamProxyObject = &object{name: "a TCP or UDP proxy", keys: []key{
	{name: "stat_prefix", kind: textKind, doc: "Prefix of metrics."},
	{name: "cluster", kind: textKind, doc: "Cluster that the bytes go to."},
	{name: "idle_timeout", kind: anyKind, doc: "How long a connection may be idle, in nanoseconds."},
	{name: "max_connect_attempts", kind: integerKind, max: math.MaxUint32, doc: "Tries to connect."},
	{name: "transparent_proxy", kind: flagKind, doc: "Use the client's address toward hosts."},
	{name: "routes", kind: objectsKind, object: streamRouteObject, doc: "Clusters by address."},
}}

var streamRouteObject = &object{name: "a TCP or UDP route", keys: []key{
	{name: "cluster", kind: textKind, doc: "Cluster that the bytes go to."},
	{name: "source_addrs", kind: textsKind, doc: "Networks of clients."},
	{name: "destination_addrs", kind: textsKind, doc: "Networks of destinations."},
}}

var faultInjectObject = &object{name: "a fault injection", keys: []key{
	{name: "delay_percent", kind: integerKind, max: 100, doc: "Share of connections that are delayed."},
	{name: "delay_duration", kind: durationKind, nanoseconds: true, doc: "The delay."},
}}

var grpcObject = &object{name: "a gRPC server", keys: []key{
	{name: "graceful_stop_timeout", kind: durationKind, doc: "How long calls may take to finish."},
	{name: "server_name", kind: textKind, doc: "Name of the registered server."},
	{name: "grpc_config", kind: anyKind, doc: "Settings of the server."},
}}

var streamFilterObject = &object{name: "a stream filter", keys: []key{
	{name: "type", kind: textKind, required: true, values: streamFilterTypes, doc: "Name of the filter."},
	{name: "config", kind: byTypeKind, values: streamFilterTypes, doc: "Settings of the filter."},
	{name: "go_plugin_config", kind: objectKind, object: goPluginObject, status: refused, note: "filters from Go plugins are not implemented", doc: "Shared object that the filter comes from."},
}}

// streamFilterTypes: a filter that exists to turn requests away, or that can
// change where they go, is refused, because without it requests pass that the
// operator forbade. One that tests, copies, compresses, counts or guesses at
// failing hosts is left out with a warning.
var streamFilterTypes = []value{
	{name: "fault", status: differs, note: "no faults are injected", object: faultObject, doc: "Delays or aborts requests, for tests."},
	{name: "mirror", status: differs, note: "requests are not mirrored", object: mirrorObject, doc: "Sends copies of requests to another cluster."},
	{name: "gzip", status: differs, note: "replies are not compressed", object: gzipObject, doc: "Compresses replies."},
	{name: "fault_tolerance", status: differs, note: "the filter ejects no hosts; state outlier_detection in the clusters", doc: "Takes hosts with many errors out of use."},
	{name: "grpc_metric", status: differs, note: "the filter's metrics are not kept", doc: "Metrics by gRPC method."},
	{name: "istio_stats", status: differs, note: "the filter's metrics are not kept", doc: "Istio's metrics."},
	{name: "healthcheck", status: differs, note: "health checks are routed like any request", doc: "Answers health checks (MOSN 0.x)."},
	{name: "payload_limit", status: refused, note: "the limit is not implemented; larger requests would pass", object: payloadLimitObject, doc: "Refuses large requests."},
	{name: "flowControlFilter", status: refused, note: "rate limits are not implemented; requests over them would pass", doc: "Refuses requests over a rate."},
	{name: "ip_access", status: refused, note: "access by address is not implemented; forbidden clients would pass", object: accessObject, doc: "Allows or denies by address."},
	{name: "rbac", status: refused, note: "access by role is not implemented; forbidden clients would pass", doc: "Istio's access rules."},
	{name: "jwt_auth", status: refused, note: "tokens are not verified; forbidden clients would pass", doc: "Verifies JSON web tokens."},
	{name: "jwt_authn", status: refused, note: "tokens are not verified; forbidden clients would pass", doc: "Verifies JSON web tokens."},
	{name: "mixer", status: refused, note: "Istio's Mixer is not asked; forbidden requests would pass", doc: "Istio's Mixer."},
	{name: "dsl", status: refused, note: "expressions are not implemented; they may change a request or its route", doc: "Runs CEL expressions."},
	{name: "header_to_metadata", status: refused, note: "hosts cannot be chosen by metadata", doc: "Chooses hosts by a header."},
	{name: "transcoder", status: refused, note: "transcoders are not implemented; set upstream_protocol to convert between Bolt and HTTP/2", doc: "Converts protocols."},
	{name: "proxywasm", status: refused, note: "WebAssembly is not implemented", doc: "Runs a WebAssembly module."},
	{name: "so_plugin", status: refused, note: "filters from Go plugins are not implemented", doc: "Runs a Go plugin."},
	{name: "dubbo_stream", status: refused, note: "Dubbo is not implemented", doc: "Reads Dubbo requests for routing."},
	{name: "seata", status: refused, note: "distributed transactions are not implemented", doc: "Takes part in Seata's transactions."},
}

var faultObject = &object{name: "a fault", keys: []key{
	{name: "delay", kind: objectKind, object: faultDelayObject, doc: "The delay."},
	{name: "abort", kind: objectKind, object: faultAbortObject, doc: "The abort."},
	{name: "upstream_cluster", kind: textKind, doc: "Only requests to this cluster."},
	{name: "headers", kind: objectsKind, object: headerMatchObject, doc: "Only requests with these headers."},
}}

var faultDelayObject = &object{name: "a delay", keys: []key{
	{name: "percentage", kind: integerKind, max: 100, doc: "Share of requests that are delayed."},
	{name: "fixed_delay", kind: durationKind, nanoseconds: true, doc: "The delay."},
}}

var faultAbortObject = &object{name: "an abort", keys: []key{
	{name: "percentage", kind: integerKind, max: 100, doc: "Share of requests that are aborted."},
	{name: "status", kind: integerKind, max: 999, doc: "Status of the reply."},
}}

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
	{name: "max_entity_size", kind: integerKind, max: math.MaxInt32, doc: "Largest body in bytes."},
	{name: "http_status", kind: integerKind, max: 999, doc: "Status of the reply."},
}}

var accessObject = &object{name: "an access list", keys: []key{
	{name: "default_action", kind: textKind, values: named("allow", "deny"), doc: "What happens to other addresses."},
	{name: "header", kind: textKind, doc: "Header that holds the address."},
	{name: "ips", kind: objectsKind, object: accessRuleObject, doc: "The rules, in their order."},
}}

var accessRuleObject = &object{name: "an access rule", keys: []key{
	{name: "action", kind: textKind, values: named("allow", "deny"), doc: "What happens to the addresses."},
	{name: "addrs", kind: textsKind, doc: "Addresses and networks."},
}}
