// SPDX-License-Identifier: Apache-2.0

package config

import "math"

// Headers that are added to or removed from requests are refused, those of
// replies are not: a later hop may route or authorize by the former.
const (
	requestHeadersNote  = "headers of requests are not changed; a later hop may decide by them"
	responseHeadersNote = "headers of replies are not changed"
)

// headerChanges are the keys that a router, a virtual host and a route share.
var headerChanges = []key{
	{name: "request_headers_to_add", kind: objectsKind, object: headerToAddObject, status: refused, note: requestHeadersNote, doc: "Headers added to requests."},
	{name: "request_headers_to_remove", kind: textsKind, status: refused, note: requestHeadersNote, doc: "Headers removed from requests."},
	{name: "response_headers_to_add", kind: objectsKind, object: headerToAddObject, status: differs, note: responseHeadersNote, doc: "Headers added to replies."},
	{name: "response_headers_to_remove", kind: textsKind, status: differs, note: responseHeadersNote, doc: "Headers removed from replies."},
}

var headerToAddObject = &object{name: "a header to add", keys: []key{
	{name: "header", kind: objectKind, object: headerPairObject, doc: "The header."},
	{name: "append", kind: flagKind, fallback: `true`, doc: "Whether a value that is there is kept before the new one."},
}}

var headerPairObject = &object{name: "a header", keys: []key{
	{name: "key", kind: textKind, doc: "Name of the header."},
	{name: "value", kind: textKind, doc: "Value, with %variables%."},
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

// routeObject: a redirect, a direct response and a rewrite each decide where a
// request goes.
var routeObject = &object{name: "a route", keys: []key{
	{name: "match", kind: objectKind, object: matchObject, doc: "Condition of the route; without one it takes every request."},
	{name: "route", kind: objectKind, object: actionObject, doc: "Where the request goes."},
	{name: "redirect", kind: objectKind, object: redirectObject, status: refused, note: "redirects are not implemented", doc: "Answer with a redirect."},
	{name: "direct_response", kind: objectKind, object: directResponseObject, status: refused, note: "direct responses are not implemented", doc: "Answer without asking a host."},
	{name: "metadata", kind: objectKind, object: metadataObject, status: ignored, doc: "Labels of the route."},
	{name: "per_filter_config", kind: objectKind, object: filterConfigObject, doc: "Settings of the listener's stream filters for this route, before those of the virtual host."},
	{name: "request_mirror_policies", kind: objectKind, object: mirrorPolicyObject, status: differs, note: "requests are not mirrored", doc: "Cluster that copies of requests go to."},
}}

// matchObject has two conditions that would widen the route if they were left
// out.
var matchObject = &object{name: "a match", keys: []key{
	{name: "prefix", kind: textKind, doc: "The path begins with it."},
	{name: "path", kind: textKind, doc: "The path is equal to it, whatever the case."},
	{name: "regex", kind: textKind, doc: "Some part of the path matches the RE2 expression."},
	{name: "headers", kind: objectsKind, object: headerMatchObject, doc: "Every header matches."},
	{name: "variables", kind: objectsKind, object: variableMatchObject, status: refused, note: "matching by variables is not implemented", doc: "MOSN's variables match."},
	{name: "dsl_expressions", kind: objectsKind, object: expressionObject, status: refused, note: "matching by expressions is not implemented", doc: "CEL expressions match."},
}}

var headerMatchObject = &object{name: "a header match", keys: []key{
	{name: "name", kind: textKind, required: true, doc: "Name of the header; \"method\" is the method of an HTTP request."},
	{name: "value", kind: textKind, doc: "Value of the header, case-sensitive; \".*\" for \"service\" alone is any."},
	{name: "regex", kind: flagKind, doc: "The value is an RE2 expression that some part must match."},
}}

var variableMatchObject = &object{name: "a variable match", keys: []key{
	{name: "name", kind: textKind, doc: "Name of the variable."},
	{name: "value", kind: textKind, doc: "Value of the variable."},
	{name: "regex", kind: textKind, doc: "Expression that the value matches."},
	{name: "model", kind: textKind, values: named("and", "or"), doc: "How it combines with the next."},
}}

var expressionObject = &object{name: "an expression", keys: []key{
	{name: "expression", kind: textKind, doc: "The CEL expression."},
}}

var actionObject = &object{name: "a route action", keys: append([]key{
	{name: "cluster_name", kind: textKind, doc: "Cluster that requests go to."},
	{name: "cluster_variable", kind: textKind, status: refused, note: "choosing the cluster by a variable is not implemented", doc: "Variable that holds the cluster's name."},
	{name: "cluster_header", kind: textKind, status: ignored, doc: "Parsed and not used by MOSN."},
	{name: "upstream_protocol", kind: protocolKind, values: protocolValues, doc: "What the hosts speak, before what the proxy filter says."},
	{name: "weighted_clusters", kind: objectsKind, object: weightedClusterObject, status: refused, note: "weighted clusters are not implemented", doc: "Clusters chosen by weight."},
	{name: "hash_policy", kind: objectsKind, object: hashPolicyObject, status: differs, note: "only LB_MAGLEV uses it, which is not implemented", doc: "What LB_MAGLEV chooses a host by."},
	{name: "metadata_match", kind: objectKind, object: metadataObject, status: refused, note: "choosing hosts by metadata is not implemented; requests would go to any host of the cluster", doc: "Labels that a host must have."},
	{name: "timeout", kind: durationKind, fallback: `"60s"`, nanoseconds: true, doc: "Bound on the whole exchange; 0 is the default."},
	{name: "retry_policy", kind: objectKind, object: retryPolicyObject, doc: "When a request is tried again. Without it only those are that no host can have processed. Nothing is once the client has the first byte of its reply; no more than circuit_breakers.retry_budget allows are."},
	{name: "hedge_policy", kind: objectKind, object: hedgePolicyObject, doc: "When a request is sent to a second host while the first is still at it, as in Envoy."},
	{name: "prefix_rewrite", kind: textKind, status: refused, note: "paths are not rewritten", doc: "Replaces the matched prefix of the path."},
	{name: "regex_rewrite", kind: objectKind, object: regexRewriteObject, status: refused, note: "paths are not rewritten", doc: "Replaces the matches of an expression in the path."},
	{name: "host_rewrite", kind: textKind, status: refused, note: "hosts are not rewritten", doc: "Host that the request is sent with."},
	{name: "auto_host_rewrite", kind: flagKind, status: refused, note: "hosts are not rewritten", doc: "Send the host's name as the request's host."},
	{name: "auto_host_rewrite_header", kind: textKind, status: refused, note: "hosts are not rewritten", doc: "Header that holds the host to send."},
}, headerChanges...)}

var weightedClusterObject = &object{name: "a weighted cluster", keys: []key{
	{name: "cluster", kind: objectKind, object: clusterWeightObject, doc: "The cluster and its weight."},
}}

var clusterWeightObject = &object{name: "a cluster weight", keys: []key{
	{name: "name", kind: textKind, doc: "Name of the cluster."},
	{name: "weight", kind: integerKind, max: math.MaxUint32, doc: "Its share of the sum of weights."},
	{name: "metadata_match", kind: objectKind, object: metadataObject, doc: "Labels that a host must have."},
}}

var hashPolicyObject = &object{name: "a hash policy", keys: []key{
	{name: "header", kind: objectKind, object: hashHeaderObject, doc: "By a header."},
	{name: "cookie", kind: objectKind, object: hashCookieObject, doc: "By a cookie."},
	{name: "source_ip", kind: anyKind, doc: "By the client's address."},
}}

var hashHeaderObject = &object{name: "a hash header", keys: []key{
	{name: "key", kind: textKind, doc: "Name of the header."},
}}

var hashCookieObject = &object{name: "a hash cookie", keys: []key{
	{name: "name", kind: textKind, doc: "Name of the cookie."},
	{name: "path", kind: textKind, doc: "Path of a new cookie."},
	{name: "ttl", kind: durationKind, doc: "Lifetime of a new cookie."},
}}

var regexRewriteObject = &object{name: "a rewrite", keys: []key{
	{name: "pattern", kind: objectKind, object: rewritePatternObject, doc: "What is replaced."},
	{name: "substitution", kind: textKind, doc: "What it is replaced by."},
}}

var rewritePatternObject = &object{name: "a rewrite pattern", keys: []key{
	{name: "google_re2", kind: anyKind, doc: "Envoy's settings of RE2."},
	{name: "regex", kind: textKind, doc: "The expression."},
}}

var redirectObject = &object{name: "a redirect", keys: []key{
	{name: "response_code", kind: integerKind, max: 308, doc: "301, 302, 303, 307 or 308."},
	{name: "path_redirect", kind: textKind, doc: "Path of the new address."},
	{name: "host_redirect", kind: textKind, doc: "Host of the new address."},
	{name: "scheme_redirect", kind: textKind, doc: "Scheme of the new address."},
}}

var directResponseObject = &object{name: "a direct response", keys: []key{
	{name: "status", kind: integerKind, max: 999, doc: "Status of the reply."},
	{name: "body", kind: textKind, doc: "Body of the reply."},
}}

var mirrorPolicyObject = &object{name: "a mirror policy", keys: []key{
	{name: "cluster", kind: textKind, doc: "Cluster that copies go to."},
	{name: "percent", kind: integerKind, max: 100, doc: "Share of requests that are copied."},
	{name: "trace_sampled", kind: flagKind, status: ignored, doc: "Parsed and not used by MOSN."},
}}

var metadataObject = &object{name: "metadata", keys: []key{
	{name: "filter_metadata", kind: objectKind, object: filterMetadataObject, doc: "Labels by user."},
}}

var filterMetadataObject = &object{name: "filter_metadata", keys: []key{
	{name: "mosn.lb", kind: textMapKind, doc: "Labels that hosts are chosen by."},
}}
