// SPDX-License-Identifier: Apache-2.0

package config

import "math"

// tracingObject: a driver that sends nothing would be found out too late, so the
// others are refused.
var tracingObject = &object{name: "tracing", switchedBy: "enable", keys: []key{
	{name: "enable", kind: flagKind, doc: "Whether spans are sent; see docs/TRACING.md."},
	{name: "driver", kind: textKind, values: tracingDrivers, unknown: refused, doc: "What spans are sent to."},
	{name: "tracer", kind: textKind, values: tracingDrivers, unknown: refused, doc: "Older name of driver."},
	{name: "config", kind: objectKind, object: tracingConfigObject, doc: "Settings of the driver."},
}}

var tracingDrivers = []value{
	{name: "otel", doc: "A collector that takes OTLP."},
	{name: "SOFATracer", status: refused, note: "SOFATracer's log is not written; use the driver otel. SOFATracer's ids are passed on in any case", doc: "SOFATracer's log files."},
	{name: "SkyWalking", status: refused, note: "SkyWalking's protocol is not implemented; its OAP server takes OTLP: use the driver otel", doc: "SkyWalking."},
	{name: "jaeger", status: refused, note: "Jaeger's agent protocol is not implemented; Jaeger takes OTLP at port 4318: use the driver otel", doc: "Jaeger's agent."},
	{name: "zipkin", status: refused, note: "Zipkin's protocol is not implemented; use the driver otel and a collector before Zipkin. B3 headers are understood in any case", doc: "Zipkin."},
}

// tracingConfigObject has MOSN's keys of the driver otel and ours; those of other
// drivers are known so that a file is not blamed twice.
var tracingConfigObject = &object{name: "tracing.config", keys: []key{
	{name: "service_name", kind: textKind, fallback: `"default_sidecar"`, doc: "The resource's service.name."},
	{name: "report_method", kind: textKind, fallback: `"http"`, values: []value{
		{name: "http", doc: "OTLP over HTTP, in protobuf."},
		{name: "grpc", status: refused, note: "OTLP over gRPC is not implemented; collectors take OTLP over HTTP at port 4318: \"http\"", doc: "OTLP over gRPC."},
		{name: "console", status: refused, note: "spans are not printed; \"http\" sends them to a collector", doc: "Printed; MOSN's default."},
	}, unknown: refused, doc: "How spans are sent."},
	{name: "endpoint", kind: textKind, fallback: `"127.0.0.1:4318"`, doc: "The collector: host:port, or a URL; its path is /v1/traces by default."},
	{name: "config_map", kind: textMapKind, doc: "Further attributes of the resource."},
	{name: "headers", kind: textMapKind, doc: "Headers of each post, as for a collector that wants a key. MOSN has no such key, nor those that follow."},
	{name: "sample_rate", kind: numberKind, fallback: `1`, doc: "Share of the traces beginning here that are sampled, from 0 to 1. A request that comes with a decision keeps it."},
	{name: "max_per_second", kind: integerKind, max: math.MaxInt32, doc: "Most traces beginning here that are sampled in a second, each loop its part; 0 is no limit."},
	{name: "own_decision", kind: flagKind, doc: "Decide here also where the client has decided, for clients that are not trusted with it."},
	{name: "propagators", kind: textsKind, doc: "What every request is given besides traceparent: \"b3\", \"b3multi\". What it came with is kept up in any case."},
	{name: "batch_interval", kind: durationKind, min: 1e6, max: 60e9, fallback: `"1s"`, doc: "How long a span waits for others."},
	{name: "timeout", kind: durationKind, min: 1e6, max: 60e9, fallback: `"10s"`, doc: "How long the collector may take for a batch."},

	{name: "log_path", kind: anyKind, status: ignored, doc: "Of SOFATracer."},
	{name: "reporter", kind: anyKind, status: ignored, doc: "Of SkyWalking and zipkin."},
	{name: "backend_service", kind: anyKind, status: ignored, doc: "Of SkyWalking."},
	{name: "max_send_queue_size", kind: anyKind, status: ignored, doc: "Of SkyWalking."},
	{name: "authentication", kind: anyKind, status: ignored, doc: "Of SkyWalking."},
	{name: "tls", kind: anyKind, status: ignored, doc: "Of SkyWalking."},
	{name: "addresses", kind: anyKind, status: ignored, doc: "Of zipkin."},
	{name: "http", kind: anyKind, status: ignored, doc: "Of zipkin."},
	{name: "kafka", kind: anyKind, status: ignored, doc: "Of zipkin."},
	{name: "agent_host", kind: anyKind, status: ignored, doc: "Of jaeger."},
}}

var traceSamplingObject = &object{name: "a tracing filter", keys: []key{
	{name: "sample_rate", kind: numberKind, required: true, doc: "In place of that of tracing.config."},
}}
