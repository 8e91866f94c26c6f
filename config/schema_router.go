// SPDX-License-Identifier: Apache-2.0

package config

import "math"

// headerChanges are the keys that a router, a virtual host and a route share.
var headerChanges = []key{
	{name: "request_headers_to_add", kind: objectsKind, object: headerToAddObject, doc: "Headers added to requests: those of the route, then of the virtual host, then of the router."},
	{name: "request_headers_to_remove", kind: textsKind, doc: "Headers removed from requests, after each level's additions."},
	{name: "response_headers_to_add", kind: objectsKind, object: headerToAddObject, doc: "Headers added to replies of hosts, to redirects and to direct responses."},
	{name: "response_headers_to_remove", kind: textsKind, doc: "Headers removed from replies, after each level's additions."},
}

var headerToAddObject = &object{name: "a header to add", keys: []key{
	{name: "header", kind: objectKind, object: headerPairObject, doc: "The header."},
	{name: "append", kind: flagKind, fallback: `true`, doc: "Whether a value that is there is kept before the new one, with a comma between; otherwise it is replaced."},
}}

var headerPairObject = &object{name: "a header", keys: []key{
	{name: "key", kind: textKind, required: true, doc: "Name of the header, whatever the case; it is sent in lower case, and to Bolt as the header map has it already."},
	{name: "value", kind: textKind, doc: "Value, with %variables%; \"%%\" is a percent sign. A variable without a value is nothing."},
}}

var routerObject = &object{name: "a router", keys: append([]key{
	{name: "router_config_name", kind: textKind, doc: "Name that proxy filters refer to."},
	{name: "virtual_hosts", kind: objectsKind, object: virtualHostObject, doc: "The virtual hosts."},
	{name: "router_configs", kind: textKind, doc: "Directory with one file per virtual host, relative to this file."},
}, headerChanges...)}

var virtualHostObject = &object{name: "a virtual host", keys: append([]key{
	{name: "name", kind: textKind, doc: "Name in logs."},
	{name: "domains", kind: textsKind, doc: "Hosts that it serves: \"host\", \"host:port\", \"host:*\", \"*suffix\" or \"*\"."},
	{name: "routers", kind: objectsKind, object: routeObject, doc: "Its routes; the first that matches counts."},
	{name: "require_tls", kind: textKind, status: ignored, doc: "Parsed and not used by MOSN."},
	{name: "per_filter_config", kind: objectKind, object: filterConfigObject, doc: "Settings of the listener's stream filters for this virtual host."},
}, headerChanges...)}

var routeObject = &object{name: "a route", keys: []key{
	{name: "match", kind: objectKind, object: matchObject, doc: "Condition of the route; without one it takes every request."},
	{name: "route", kind: objectKind, object: actionObject, doc: "Where the request goes."},
	{name: "redirect", kind: objectKind, object: redirectObject, doc: "Answer with a redirect, before what route says. Bolt has none: its clients get the status UNKNOWN."},
	{name: "direct_response", kind: objectKind, object: directResponseObject, doc: "Answer without asking a host, before what redirect and route say."},
	{name: "metadata", kind: objectKind, object: metadataObject, status: ignored, doc: "Labels of the route."},
	{name: "per_filter_config", kind: objectKind, object: filterConfigObject, doc: "Settings of the listener's stream filters for this route, before those of the virtual host."},
	{name: "request_mirror_policies", kind: objectKind, object: mirrorPolicyObject, doc: "Cluster that copies of requests go to. Their replies are dropped; requests with more than 64 KiB of body are not copied. MOSN copies only with the filter mirror."},
}}

var matchObject = &object{name: "a match", keys: []key{
	{name: "prefix", kind: textKind, doc: "The path begins with it."},
	{name: "path", kind: textKind, doc: "The path is equal to it, whatever the case."},
	{name: "regex", kind: textKind, doc: "Some part of the path matches the RE2 expression."},
	{name: "headers", kind: objectsKind, object: headerMatchObject, doc: "Every header matches."},
	{name: "query_parameters", kind: objectsKind, object: parameterMatchObject, doc: "Every parameter of the query matches, as in Envoy; MOSN has no such key."},
	{name: "variables", kind: objectsKind, object: variableMatchObject, doc: "MOSN's variables match, besides all else; MOSN looks at them only without prefix, path and regex."},
	{name: "dsl_expressions", kind: objectsKind, object: expressionObject, status: refused, note: "matching by CEL expressions is not implemented; use headers, query_parameters or variables", doc: "CEL expressions match."},
}}

// textComparisons are Envoy's keys that a header and a parameter share.
var textComparisons = []key{
	{name: "prefix_match", kind: textKind, doc: "The value begins with it; Envoy's key."},
	{name: "suffix_match", kind: textKind, doc: "The value ends with it; Envoy's key."},
	{name: "present_match", kind: flagKind, doc: "Any value; Envoy's key."},
	{name: "range_match", kind: objectKind, object: rangeMatchObject, doc: "The value is a whole number in the range; Envoy's key."},
	{name: "invert_match", kind: flagKind, doc: "Match what otherwise does not; what is absent matches only with present_match. Envoy's key."},
}

var rangeMatchObject = &object{name: "a range", keys: []key{
	{name: "start", kind: integerKind, min: math.MinInt64, max: math.MaxInt64, fallback: `0`, doc: "The lowest number."},
	{name: "end", kind: integerKind, min: math.MinInt64, max: math.MaxInt64, fallback: `0`, doc: "The number behind the highest."},
}}

var headerMatchObject = &object{name: "a header match", keys: append([]key{
	{name: "name", kind: textKind, required: true, doc: "Name of the header or the key in Bolt's header map; where there is none, \"method\" and \":method\" are the method of an HTTP request and \"classname\" the class of a Bolt one."},
	{name: "value", kind: textKind, doc: "Value of the header, case-sensitive; \".*\" for \"service\" alone is any."},
	{name: "regex", kind: flagKind, doc: "The value is an RE2 expression that some part must match."},
}, textComparisons...)}

var parameterMatchObject = &object{name: "a query parameter match", keys: append([]key{
	{name: "name", kind: textKind, required: true, doc: "Name of the parameter, as it stands in the path."},
	{name: "value", kind: textKind, doc: "Value of the parameter, as it stands in the path; without one, any."},
	{name: "regex", kind: flagKind, doc: "The value is an RE2 expression that some part must match."},
}, textComparisons...)}

var variableMatchObject = &object{name: "a variable match", keys: []key{
	{name: "name", kind: textKind, required: true, doc: "Name of the variable."},
	{name: "value", kind: textKind, doc: "Value of the variable."},
	{name: "regex", kind: textKind, doc: "RE2 expression that some part of the value matches, in place of value."},
	{name: "model", kind: textKind, fallback: `"and"`, values: named("and", "or"), doc: "How it combines with the next, from left to right."},
}}

var expressionObject = &object{name: "an expression", keys: []key{
	{name: "expression", kind: textKind, doc: "The CEL expression."},
}}

var actionObject = &object{name: "a route action", keys: append([]key{
	{name: "cluster_name", kind: textKind, doc: "Cluster that requests go to."},
	{name: "cluster_variable", kind: textKind, doc: "Variable that holds the cluster's name."},
	{name: "cluster_header", kind: textKind, doc: "Header that holds the cluster's name; parsed and not used by MOSN."},
	{name: "upstream_protocol", kind: protocolKind, values: protocolValues, doc: "What the hosts speak, before what the proxy filter says."},
	{name: "weighted_clusters", kind: objectsKind, object: weightedClusterObject, doc: "Clusters chosen by weight, in place of cluster_name."},
	{name: "hash_policy", kind: objectsKind, object: hashPolicyObject, doc: "What a hash that hosts are chosen by is made of; the first that the request has. MOSN looks at the first only."},
	{name: "metadata_match", kind: objectKind, object: metadataObject, doc: "Labels that a host must have."},
	{name: "timeout", kind: durationKind, fallback: `"60s"`, nanoseconds: true, doc: "Bound on the whole exchange; 0 is the default."},
	{name: "retry_policy", kind: objectKind, object: retryPolicyObject, doc: "When a request is tried again. Without it only those are that no host can have processed. Nothing is once the client has the first byte of its reply; no more than circuit_breakers.retry_budget allows are."},
	{name: "hedge_policy", kind: objectKind, object: hedgePolicyObject, doc: "When a request is sent to a second host while the first is still at it, as in Envoy."},
	{name: "prefix_rewrite", kind: textKind, doc: "Replaces what the match's prefix or path matched. Paths are of HTTP/2 only."},
	{name: "regex_rewrite", kind: objectKind, object: regexRewriteObject, doc: "Replaces the matches of an expression in the path, but for its query; not looked at beside prefix_rewrite."},
	{name: "host_rewrite", kind: textKind, doc: "Host that the request is sent with; before the two keys below."},
	{name: "auto_host_rewrite", kind: flagKind, doc: "Send the name of the host that was chosen, or its address where it has none."},
	{name: "auto_host_rewrite_header", kind: textKind, doc: "Header that holds the host to send; before auto_host_rewrite."},
}, headerChanges...)}

var weightedClusterObject = &object{name: "a weighted cluster", keys: []key{
	{name: "cluster", kind: objectKind, object: clusterWeightObject, doc: "The cluster and its weight."},
}}

var clusterWeightObject = &object{name: "a cluster weight", keys: []key{
	{name: "name", kind: textKind, required: true, doc: "Name of the cluster."},
	{name: "weight", kind: integerKind, max: math.MaxUint32, doc: "Its share of the sum of weights."},
	{name: "metadata_match", kind: objectKind, object: metadataObject, doc: "Labels that a host must have, besides those of the route."},
}}

var hashPolicyObject = &object{name: "a hash policy", keys: []key{
	{name: "header", kind: objectKind, object: hashHeaderObject, doc: "By a header."},
	{name: "cookie", kind: objectKind, object: hashCookieObject, doc: "By a cookie."},
	{name: "source_ip", kind: anyKind, doc: "By the client's address."},
}}

var hashHeaderObject = &object{name: "a hash header", keys: []key{
	{name: "key", kind: textKind, required: true, doc: "Name of the header."},
}}

var hashCookieObject = &object{name: "a hash cookie", keys: []key{
	{name: "name", kind: textKind, required: true, doc: "Name of the cookie."},
	{name: "path", kind: textKind, doc: "Path of a new cookie."},
	{name: "ttl", kind: durationKind, doc: "Lifetime of a new cookie, which a client without one is given; 0 is that of its session. Without this key no cookie is made."},
}}

var regexRewriteObject = &object{name: "a rewrite", keys: []key{
	{name: "pattern", kind: objectKind, object: rewritePatternObject, required: true, doc: "What is replaced."},
	{name: "substitution", kind: textKind, doc: "What it is replaced by; \\1 is the first group."},
}}

var rewritePatternObject = &object{name: "a rewrite pattern", keys: []key{
	{name: "google_re2", kind: anyKind, status: ignored, doc: "Envoy's settings of RE2."},
	{name: "regex", kind: textKind, required: true, doc: "The RE2 expression."},
}}

var redirectObject = &object{name: "a redirect", keys: []key{
	{name: "response_code", kind: integerKind, max: 308, fallback: `301`, doc: "301, 302, 303, 307 or 308."},
	{name: "path_redirect", kind: textKind, doc: "Path of the new address; the request's query follows unless it has one of its own."},
	{name: "host_redirect", kind: textKind, doc: "Host of the new address, with its port."},
	{name: "scheme_redirect", kind: textKind, doc: "Scheme of the new address; a port that is the old one's default is left out."},
}}

var directResponseObject = &object{name: "a direct response", keys: []key{
	{name: "status", kind: integerKind, min: 200, max: 599, required: true, doc: "Status of the reply, in HTTP terms; a Bolt client gets the status that it maps to, a gRPC client the gRPC status."},
	{name: "body", kind: textKind, doc: "Body of the reply; not for Bolt clients, which could not deserialise it."},
}}

var mirrorPolicyObject = &object{name: "a mirror policy", keys: []key{
	{name: "cluster", kind: textKind, required: true, doc: "Cluster that copies go to."},
	{name: "percent", kind: integerKind, max: 100, doc: "Share of requests that are copied."},
	{name: "trace_sampled", kind: flagKind, status: ignored, doc: "Parsed and not used by MOSN."},
}}

var metadataObject = &object{name: "metadata", keys: []key{
	{name: "filter_metadata", kind: objectKind, object: filterMetadataObject, doc: "Labels by user."},
}}

var filterMetadataObject = &object{name: "filter_metadata", keys: []key{
	{name: "mosn.lb", kind: textMapKind, doc: "Labels that hosts are chosen by."},
}}
