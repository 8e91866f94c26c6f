// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"time"
)

// healthProtocols: MOSN has Http1 and connects for whatever else stands there.
var healthProtocols = []value{
	{name: "TCP", doc: "A connection that is made."},
	{name: "Http1", doc: "A request of HTTP/1.1, where check_config.http_check_config or check_path is stated; else a connection, as in MOSN."},
	{name: "Http2", doc: "A request of HTTP/2, where check_config.http_check_config or check_path is stated; else a connection on which the host states its SETTINGS."},
	{name: "gRPC", doc: "A call of grpc.health.v1.Health/Check; SERVING is healthy."},
	{name: "bolt", doc: "A heartbeat of SOFABolt."},
	{name: "SofaRpc", doc: "The same as bolt, in files of 2018 and 2019."},
	{name: "boltv2", doc: "A heartbeat of version 2 of SOFABolt."},
}

var healthCheckObject = &object{name: "a health check", keys: []key{
	{name: "protocol", kind: textKind, fallback: `"TCP"`, values: healthProtocols, unknown: differs, doc: "How a host is probed. Probes are made where this key or service_name is stated; in MOSN only with the latter."},
	{name: "timeout", kind: durationKind, fallback: `"1s"`, doc: "Bound on a probe from the connection to the answer."},
	{name: "interval", kind: durationKind, fallback: `"15s"`, max: dayAtMost, doc: "Time from the end of a probe to the next."},
	{name: "interval_jitter", kind: durationKind, doc: "Largest random time that is added to each interval; a tenth of the interval by default, 5ms in MOSN."},
	{name: "unhealthy_interval", kind: durationKind, doc: "The interval for hosts that are unhealthy; interval by default. Envoy's key."},
	{name: "unhealthy_edge_interval", kind: durationKind, doc: "The interval right after a host has become unhealthy; unhealthy_interval by default. Envoy's key."},
	{name: "healthy_edge_interval", kind: durationKind, doc: "The interval right after a host has become healthy; interval by default. Envoy's key."},
	{name: "initial_delay_seconds", kind: durationKind, fallback: `"1s"`, doc: "Time before the first probe of a host; hosts are spread over its second half."},
	{name: "healthy_threshold", kind: integerKind, max: math.MaxUint32, fallback: `1`, doc: "Good probes in a row that make a host healthy."},
	{name: "unhealthy_threshold", kind: integerKind, max: math.MaxUint32, fallback: `1`, doc: "Bad probes in a row that make a host unhealthy."},
	{name: "initially_unhealthy", kind: flagKind, doc: "Send no request to a host before its first good probe, which is enough then; MOSN has no such key."},
	{name: "reuse_connection", kind: flagKind, fallback: `true`, doc: "Ask again on the connection of the last probe; Envoy's key."},
	{name: "service_name", kind: textKind, doc: "Name in metrics; MOSN probes only where it is set."},
	{name: "check_config", kind: objectKind, object: checkConfigObject, doc: "Settings of the probe."},
	{name: "check_path", kind: textKind, doc: "Path of an HTTP probe in MOSN 0.x."},
	{name: "event_log_path", kind: textKind, doc: "File with the changes of health, a JSON object in each line."},
	{name: "always_log_health_check_failures", kind: flagKind, doc: "Also log failed probes that change nothing; Envoy's key."},
	{name: "common_callbacks", kind: textsKind, status: differs, note: "callbacks are code added to MOSN; the event log has each change of health", doc: "Hooks to run on a change of health."},
}}

var checkConfigObject = &object{name: "a check configuration", keys: []key{
	{name: "http_check_config", kind: objectKind, object: httpCheckObject, doc: "What probes over HTTP ask for."},
	{name: "grpc_check_config", kind: objectKind, object: grpcCheckObject, doc: "What gRPC probes ask for; MOSN has no such key."},
}}

var httpCheckObject = &object{name: "an HTTP check", keys: []key{
	{name: "port", kind: integerKind, max: math.MaxUint16, fallback: `0`, doc: "Port that is probed, 0 for the host's own."},
	{name: "timeout", kind: durationKind, doc: "Bound on the probe, where it is below that of the health check."},
	{name: "path", kind: textKind, fallback: `"/"`, doc: "Path, with its query."},
	{name: "method", kind: textKind, fallback: `"GET"`, doc: "Method."},
	{name: "scheme", kind: textKind, fallback: `"http"`, values: []value{
		{name: "http", doc: "Plain text."},
		{name: "https", status: refused, note: "probes over TLS are not implemented; probe over http, or by protocol TCP", doc: "TLS."},
	}, doc: "Scheme of the URL."},
	{name: "domain", kind: textKind, doc: "Name that is asked for; the host's address by default."},
	{name: "codes", kind: objectsKind, object: codesObject, doc: "Statuses of healthy hosts; 200 by default."},
}}

var codesObject = &object{name: "a range of statuses", keys: []key{
	{name: "start", kind: integerKind, min: 100, max: 599, required: true, doc: "The first of them."},
	{name: "end", kind: integerKind, min: 100, max: 599, required: true, doc: "The last of them."},
}}

var grpcCheckObject = &object{name: "a gRPC check", keys: []key{
	{name: "service_name", kind: textKind, doc: "Service that is asked after; the server as a whole by default."},
	{name: "authority", kind: textKind, doc: "Name that is asked for; the host's address by default."},
}}

// outlierKey is one key of outlier_detection and the member it sets: number,
// duration or flag.
type outlierKey struct {
	key
	number   func(*OutlierDetection) *int
	duration func(*OutlierDetection) *time.Duration
	flag     func(*OutlierDetection) *bool
}

func outlierCount(name, fallback string, least, most int64, at func(*OutlierDetection) *int, doc string) outlierKey {
	return outlierKey{key: key{name: name, kind: integerKind, fallback: fallback, min: least, max: most, doc: doc}, number: at}
}

func outlierTime(name, fallback string, least int64, at func(*OutlierDetection) *time.Duration, doc string) outlierKey {
	return outlierKey{key: key{name: name, kind: durationKind, fallback: `"` + fallback + `"`, min: least, max: dayAtMost, doc: doc}, duration: at}
}

func outlierFlag(name, fallback string, at func(*OutlierDetection) *bool, doc string) outlierKey {
	return outlierKey{key: key{name: name, kind: flagKind, fallback: fallback, doc: doc}, flag: at}
}

func enforcing(name, fallback string, k OutlierKind, doc string) outlierKey {
	return outlierCount(name, fallback, 0, 100, func(d *OutlierDetection) *int { return &d.Enforce[k] }, doc)
}

// outlierKeys are Envoy's, with its defaults, but for those of latency.
var outlierKeys = []outlierKey{
	outlierCount("consecutive_5xx", `5`, 0, countMax, func(d *OutlierDetection) *int { return &d.Consecutive5xx }, "Failures in a row that eject a host: replies of the 5xx kind, Bolt statuses in these terms, and failures to reach it; 0 for never."),
	outlierCount("consecutive_gateway_failure", `5`, 0, countMax, func(d *OutlierDetection) *int { return &d.ConsecutiveGateway }, "The same of 502, 503 and 504 only."),
	outlierFlag("split_external_local_origin_errors", `false`, func(d *OutlierDetection) *bool { return &d.SplitLocal }, "Judge failed connections, timeouts and resets by the keys with local_origin only."),
	outlierCount("consecutive_local_origin_failure", `5`, 0, countMax, func(d *OutlierDetection) *int { return &d.ConsecutiveLocal }, "Failed connections, timeouts and resets in a row that eject a host, where they are split; 0 for never."),
	outlierTime("interval", "10s", int64(10*time.Millisecond), func(d *OutlierDetection) *time.Duration { return &d.Interval }, "Time between two looks at the rates and latencies of the hosts."),
	outlierTime("base_ejection_time", "30s", timeoutMin, func(d *OutlierDetection) *time.Duration { return &d.BaseEjection }, "Time of an ejection, multiplied by how often the host was ejected of late."),
	outlierTime("max_ejection_time", "300s", timeoutMin, func(d *OutlierDetection) *time.Duration { return &d.MaxEjection }, "Longest ejection; at least base_ejection_time."),
	outlierTime("max_ejection_time_jitter", "0s", 0, func(d *OutlierDetection) *time.Duration { return &d.MaxExtra }, "Largest random time that is added to an ejection."),
	outlierCount("max_ejection_percent", `10`, 0, 100, func(d *OutlierDetection) *int { return &d.MaxEjectionPercent }, "Share of a cluster's hosts that may be out of use at once, those that fail their health checks included."),
	outlierFlag("always_eject_one_host", `false`, func(d *OutlierDetection) *bool { return &d.AlwaysEjectOne }, "Let one host be ejected whatever max_ejection_percent says. The last usable host never is."),
	outlierFlag("successful_active_health_check_uneject_host", `true`, func(d *OutlierDetection) *bool { return &d.UnejectByCheck }, "End an ejection at the first good probe."),
	outlierCount("success_rate_minimum_hosts", `5`, 1, countMax, func(d *OutlierDetection) *int { return &d.SuccessRateHosts }, "Hosts with enough requests that it takes to compare success rates."),
	outlierCount("success_rate_request_volume", `100`, 1, countMax, func(d *OutlierDetection) *int { return &d.SuccessRateVolume }, "Requests of one interval that are enough."),
	outlierCount("success_rate_stdev_factor", `1900`, 0, countMax, func(d *OutlierDetection) *int { return &d.SuccessRateStdev }, "Standard deviations below the mean, in thousandths, at which a success rate ejects its host."),
	outlierCount("failure_percentage_threshold", `85`, 0, 100, func(d *OutlierDetection) *int { return &d.FailureThreshold }, "Share of failed requests that ejects a host."),
	outlierCount("failure_percentage_minimum_hosts", `5`, 1, countMax, func(d *OutlierDetection) *int { return &d.FailureHosts }, "Hosts with enough requests that it takes to look at this share."),
	outlierCount("failure_percentage_request_volume", `50`, 1, countMax, func(d *OutlierDetection) *int { return &d.FailureVolume }, "Requests of one interval that are enough."),
	outlierCount("latency_factor", `0`, 0, countMax, func(d *OutlierDetection) *int { return &d.LatencyFactor }, "How many times the cluster's median a host's latency ejects it, in thousandths and above 1000; 0 for never. Envoy has no such key, nor the other latency keys."),
	outlierCount("latency_percentile", `90`, 1, 99, func(d *OutlierDetection) *int { return &d.LatencyPercentile }, "Percentile of a host's latencies that is compared with the median of that of all hosts. A request that timed out took as long as it was waited for."),
	outlierTime("latency_floor", "10ms", timeoutMin, func(d *OutlierDetection) *time.Duration { return &d.LatencyFloor }, "Latency below which no host is ejected for it."),
	outlierCount("latency_minimum_hosts", `3`, 2, countMax, func(d *OutlierDetection) *int { return &d.LatencyHosts }, "Hosts with enough requests that it takes to compare latencies."),
	outlierCount("latency_request_volume", `100`, 1, countMax, func(d *OutlierDetection) *int { return &d.LatencyVolume }, "Requests of one interval that are enough."),
	enforcing("enforcing_consecutive_5xx", `100`, Outlier5xx, "Chance in percent that consecutive_5xx ejects; what is not ejected is logged."),
	enforcing("enforcing_consecutive_gateway_failure", `0`, OutlierGateway, "The same for consecutive_gateway_failure."),
	enforcing("enforcing_consecutive_local_origin_failure", `100`, OutlierLocal, "The same for consecutive_local_origin_failure."),
	enforcing("enforcing_success_rate", `100`, OutlierSuccessRate, "The same for success rates."),
	enforcing("enforcing_local_origin_success_rate", `100`, OutlierLocalSuccessRate, "The same for rates of reached hosts, where they are split."),
	enforcing("enforcing_failure_percentage", `0`, OutlierFailurePercentage, "The same for failure_percentage_threshold."),
	enforcing("enforcing_failure_percentage_local_origin", `0`, OutlierLocalFailurePercentage, "The same for failures to reach the host, where they are split."),
	enforcing("enforcing_latency", `100`, OutlierLatency, "The same for latency_factor."),
}

var outlierObject = &object{name: "an outlier detection", keys: append(plainKeys(outlierKeys),
	key{name: "event_log_path", kind: textKind, doc: "File with the ejections, a JSON object in each line."})}

func plainKeys(list []outlierKey) []key {
	keys := make([]key, 0, len(list)+1)
	for i := range list {
		keys = append(keys, list[i].key)
	}
	return keys
}
