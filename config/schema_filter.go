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
// bytes of a connection go. It may stand before the proxy or after it.
var networkFilterTypes = []value{
	{name: "proxy", object: proxyObject, doc: "Proxies requests by their routes."},
	{name: "connection_manager", object: connectionManagerObject, doc: "Declares a router, in the shape of 2018 to 2020."},
	{name: "tcp_proxy", status: refused, note: "proxying of plain TCP is not implemented", object: streamProxyObject, doc: "Forwards bytes of TCP."},
	{name: "udp_proxy", status: refused, note: "proxying of UDP is not implemented", object: streamProxyObject, doc: "Forwards datagrams."},
	{name: "fault_inject", object: faultInjectObject, doc: "Delays connections."},
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
	{name: "forward_client_cert_details", kind: textKind, fallback: `"SANITIZE"`, values: forwardCertValues, doc: "What becomes of x-forwarded-client-cert, as in Envoy. MOSN has no such key."},
	{name: "set_current_client_cert_details", kind: objectKind, object: certDetailsObject, doc: "What APPEND_FORWARD and SANITIZE_SET tell of a client's certificate beside its hash, as in Envoy."},
	{name: "extend_config", kind: objectKind, object: extendConfigObject, doc: "Settings by protocol."},
	{name: "virtual_hosts", kind: objectsKind, object: virtualHostObject, doc: "The routes themselves, as in MOSN 0.1 and 0.2."},
	{name: "support_dynamic_route", kind: flagKind, status: ignored, doc: "A switch of MOSN 0.x without effect."},
}}

var forwardCertValues = []value{
	{name: "SANITIZE", doc: "Remove it."},
	{name: "FORWARD_ONLY", doc: "Pass it on from clients whose certificate was verified, remove it from others."},
	{name: "APPEND_FORWARD", doc: "Add the client's certificate to it; remove it from clients without a verified one."},
	{name: "SANITIZE_SET", doc: "Put the client's certificate in its place; remove it from clients without a verified one."},
	{name: "ALWAYS_FORWARD_ONLY", doc: "Pass it on from any client."},
}

var certDetailsObject = &object{name: "details of a client's certificate", keys: []key{
	{name: "subject", kind: flagKind, doc: "Its subject."},
	{name: "cert", kind: flagKind, doc: "All of it, in PEM with URL encoding."},
	{name: "chain", kind: flagKind, doc: "The chain that the client sent, in the same form."},
	{name: "dns", kind: flagKind, doc: "Its DNS names."},
	{name: "uri", kind: flagKind, doc: "Its URIs, such as a SPIFFE id."},
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
