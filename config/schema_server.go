// SPDX-License-Identifier: Apache-2.0

package config

import "math"

// rootObject is the file itself. What makes up an xDS bootstrap is refused: the
// routes and clusters would come from a place that is never asked.
var rootObject = &object{name: "the configuration", keys: []key{
	{name: "servers", kind: objectsKind, object: serverObject, doc: "The one server of the process."},
	{name: "cluster_manager", kind: objectKind, object: clusterManagerObject, doc: "The upstream clusters."},
	{name: "pid", kind: textKind, doc: "Path of a file that the process writes its id to."},
	{name: "disable_upgrade", kind: flagKind, status: ignored, doc: "MOSN's switch against taking over listeners from a running MOSN; Sideloop never takes over from MOSN."},
	{name: "close_graceful", kind: flagKind, status: ignored, doc: "Older name of disable_upgrade."},
	{name: "inherit_old_mosnconfig", kind: flagKind, status: differs, note: "the configuration of a running MOSN is not inherited; only this file counts", doc: "On upgrade, take the whole configuration from the old process."},
	{name: "tracing", kind: objectKind, object: tracingObject, doc: "Distributed tracing."},
	{name: "metrics", kind: objectKind, object: metricsObject, doc: "Which metrics are shown, and where besides the admin server."},
	{name: "admin", kind: objectKind, object: adminObject, doc: "The admin server; without it there is none. It has no authentication: see docs/OPERATIONS.md."},
	{name: "pprof", kind: objectKind, object: pprofObject, doc: "Go's profiling server."},
	{name: "dynamic_resources", kind: anyKind, status: refused, note: "xDS is not implemented; the listeners, routes and clusters must stand in this file", doc: "xDS sources of an Envoy bootstrap."},
	{name: "static_resources", kind: anyKind, status: refused, note: "Envoy's static resources are not implemented; the listeners, routes and clusters must stand in servers and cluster_manager", doc: "Static part of an Envoy bootstrap."},
	{name: "node", kind: objectKind, object: nodeObject, doc: "Who and where this proxy is."},
	{name: "uds_dir", kind: textKind, status: ignored, doc: "Directory of MOSN's sockets for hot upgrade."},
	{name: "plugin", kind: objectKind, object: pluginObject, status: differs, note: "plugins in processes of their own are not implemented", doc: "Logs of plugins that run as processes."},
	{name: "third_part_codec", kind: anyKind, status: differs, note: "no protocol can be added by a plugin; listeners that use one are refused", doc: "Protocols loaded from Go plugins or WebAssembly."},
	{name: "extends", kind: anyKind, status: refused, note: "extensions such as tunnels and registries are not implemented", doc: "Settings of registered extensions."},
	{name: "wasm_global_plugins", kind: anyKind, status: differs, note: "WebAssembly is not implemented; filters that use it are refused", doc: "WebAssembly modules that filters may name."},
	{name: "service_registry", kind: anyKind, status: differs, note: "no service registry is asked; clusters have the hosts that this file gives them", doc: "Service registry of MOSN 0.x."},
}}

// nodeObject is Envoy's. What it says is for an xDS server, but for the zone.
var nodeObject = &object{name: "a node", keys: []key{
	{name: "id", kind: textKind, status: ignored, doc: "Name of the proxy."},
	{name: "cluster", kind: textKind, status: ignored, doc: "Name of the service that the proxy belongs to."},
	{name: "metadata", kind: anyKind, status: ignored, doc: "Labels of the proxy."},
	{name: "locality", kind: objectKind, object: localityObject, doc: "Where the proxy is."},
	{name: "user_agent_name", kind: textKind, status: ignored, doc: "Name of the software."},
	{name: "user_agent_version", kind: textKind, status: ignored, doc: "Version of the software."},
	{name: "user_agent_build_version", kind: anyKind, status: ignored, doc: "Version of the build."},
	{name: "dynamic_parameters", kind: anyKind, status: ignored, doc: "Parameters of subscriptions."},
	{name: "extensions", kind: anyKind, status: ignored, doc: "Extensions of the proxy."},
	{name: "client_features", kind: anyKind, status: ignored, doc: "Features of the proxy."},
	{name: "listening_addresses", kind: anyKind, status: ignored, doc: "Addresses of the proxy."},
}}

var localityObject = &object{name: "a locality", keys: []key{
	{name: "region", kind: textKind, status: ignored, doc: "Region."},
	{name: "zone", kind: textKind, doc: "Zone, for clusters with prefer_local_zone; --zone and SIDELOOP_ZONE count before it."},
	{name: "sub_zone", kind: textKind, status: ignored, doc: "Part of the zone."},
}}

var logLevels = named("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")

var serverObject = &object{name: "a server", keys: []key{
	{name: "mosn_server_name", kind: textKind, doc: "Name of the process in logs."},
	{name: "default_log_path", kind: textKind, fallback: `"stdout"`, doc: "\"stdout\", \"stderr\" or the path of the log file."},
	{name: "default_log_level", kind: textKind, fallback: `"INFO"`, values: logLevels, unknown: differs, doc: "Least severe level that is logged."},
	{name: "global_log_roller", kind: textKind, status: differs, note: "log files are not rolled; use logrotate", doc: "When log files are rolled, as in \"size=100 age=10 keep=10 compress=on\"."},
	{name: "use_netpoll_mode", kind: flagKind, status: ignored, doc: "Event loops in place of goroutines; Sideloop has nothing else."},
	{name: "graceful_timeout", kind: durationKind, fallback: `"30s"`, doc: "How long running requests may take to finish when the process stops."},
	{name: "processor", kind: processorKind, fallback: `"auto"`, doc: "Number of event loops, or \"auto\"."},
	{name: "overload_manager", kind: objectKind, object: overloadObject, doc: "What the process does without when it is short of memory, descriptors or time. MOSN has no such key."},
	{name: "listeners", kind: objectsKind, object: listenerObject, doc: "The addresses that connections arrive at."},
	{name: "routers", kind: objectsKind, object: routerObject, doc: "The routers that proxy filters name."},
}}

// listenerObject: use_original_dst is a boolean in MOSN 0.x and a string later.
var listenerObject = &object{name: "a listener", keys: []key{
	{name: "name", kind: textKind, doc: "Name in logs and metrics; the address by default."},
	{name: "type", kind: textKind, values: named("ingress", "egress"), unknown: differs, doc: "Direction of the traffic: spans of egress listeners are those of a client, others those of a server."},
	{name: "address", kind: textKind, required: true, doc: "\"ip:port\", or the path of a Unix socket."},
	{name: "bind_port", kind: flagKind, fallback: `false`, doc: "Whether a socket is opened."},
	{name: "network", kind: textKind, fallback: `"tcp"`, values: []value{
		{name: "tcp", doc: "TCP."},
		{name: "unix", doc: "A Unix socket."},
		{name: "udp", status: refused, note: "UDP is not implemented", doc: "UDP."},
	}, doc: "Kind of the address."},
	{name: "use_original_dst", kind: anyKind, doc: "\"redirect\", or true as in MOSN 0.x: connections come by iptables' REDIRECT, and clusters of type ORIGINAL_DST send to where they were headed."},
	{name: "access_logs", kind: objectsKind, object: accessLogObject, doc: "Logs with one line per request: docs/ACCESS_LOG.md."},
	{name: "listener_filters", kind: objectsKind, object: listenerFilterObject, doc: "Filters that run before the first byte is read."},
	{name: "filter_chains", kind: objectsKind, object: filterChainObject, required: true, doc: "Exactly one chain of network filters."},
	{name: "stream_filters", kind: objectsKind, object: streamFilterObject, doc: "Filters of requests, in their order."},
	{name: "inspector", kind: flagKind, doc: "Accept TLS and plain text on one port, told apart by the first byte."},
	{name: "connection_idle_timeout", kind: durationKind, doc: "How long a client connection may be idle; MOSN's default is 90s."},
	{name: "default_read_buffer_size", kind: integerKind, max: math.MaxInt32, status: ignored, doc: "First size of MOSN's read buffer."},
	{name: "reuseport", kind: flagKind, status: ignored, doc: "SO_REUSEPORT, which MOSN sets for UDP only."},
	{name: "log_path", kind: textKind, doc: "Log file of this listener in MOSN 0.x."},
	{name: "log_level", kind: textKind, values: logLevels, unknown: differs, doc: "Log level of this listener in MOSN 0.x."},
	{name: "handoff_restoreddestination", kind: flagKind, status: refused, note: "handing a connection to the listener of its original destination is not implemented", doc: "Hand a connection to the listener of its original destination (MOSN 0.x)."},
	{name: "disable_conn_io", kind: flagKind, status: ignored, doc: "A switch of MOSN 0.x without effect."},
}}

var accessLogObject = &object{name: "an access log", keys: []key{
	{name: "log_path", kind: textKind, fallback: `"stdout"`, doc: "\"stdout\", \"stderr\" or the path of the file that the lines go to."},
	{name: "log_format", kind: textKind, doc: "Format of a line, with %variables%; MOSN's by default."},
	{name: "json_format", kind: anyKind, doc: "In place of log_format, lines are JSON objects with these keys; each value is a text with %variables%, or an object. MOSN has no such key."},
	{name: "filter", kind: objectKind, object: logFilterObject, doc: "Which requests have a line. MOSN has no such key."},
}}

var logFilterObject = &object{name: "an access log filter", keys: []key{
	{name: "only_failed", kind: flagKind, doc: "Only requests that ended for a reason."},
	{name: "slower_than", kind: durationKind, doc: "Only requests that took longer."},
	{name: "status_from", kind: integerKind, max: 599, doc: "Only replies with at least this status, in HTTP's terms."},
	{name: "percent", kind: numberKind, fallback: `100`, doc: "Only so many of the requests that are left, by chance."},
}}

var listenerFilterTypes = []value{
	{name: "original_dst", object: originalDstFilterObject, doc: "The same as use_original_dst."},
}

var originalDstFilterObject = &object{name: "an original_dst filter", keys: []key{
	{name: "type", kind: textKind, fallback: `"redirect"`, values: originalDstTypes, doc: "How connections come."},
	{name: "fallback_to_local", kind: flagKind, status: ignored, doc: "Keep connections that no other listener is for; Sideloop keeps all."},
}}

var originalDstTypes = []value{
	{name: "redirect", doc: "By iptables' REDIRECT."},
	{name: "tproxy", status: refused, note: "TPROXY is not implemented; use iptables' REDIRECT", doc: "By iptables' TPROXY."},
}

var listenerFilterObject = &object{name: "a listener filter", keys: []key{
	{name: "type", kind: textKind, required: true, values: listenerFilterTypes, doc: "Name of the filter."},
	{name: "config", kind: byTypeKind, values: listenerFilterTypes, doc: "Settings of the filter."},
}}

var filterChainObject = &object{name: "a filter chain", keys: []key{
	{name: "match", kind: textKind, status: ignored, doc: "Never used by MOSN."},
	{name: "tls_context", kind: objectKind, object: tlsObject, doc: "TLS toward clients."},
	{name: "tls_context_set", kind: objectsKind, object: tlsObject, doc: "Several certificates, chosen by server name."},
	{name: "filters", kind: objectsKind, object: networkFilterObject, required: true, doc: "The network filters; one of them is the proxy."},
}}

var pluginObject = &object{name: "plugin", keys: []key{
	{name: "log_base", kind: textKind, doc: "Directory of the plugins' logs."},
}}
