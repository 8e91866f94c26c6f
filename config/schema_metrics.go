// SPDX-License-Identifier: Apache-2.0

package config

import "math"

var metricsObject = &object{name: "metrics", keys: []key{
	{name: "sinks", kind: objectsKind, object: metricsSinkObject, doc: "Where metrics are shown besides the admin server."},
	{name: "stats_matcher", kind: objectKind, object: statsMatcherObject, doc: "Metrics that are left out, here and at the admin server."},
	{name: "shm_zone", kind: textKind, status: differs, note: "counters are not kept in shared memory; after an upgrade they begin at zero, as after a restart", doc: "Shared memory that keeps metrics over an upgrade."},
	{name: "shm_size", kind: anyKind, status: ignored, doc: "Size of the shared memory, as in \"10MB\"."},
	{name: "flush_mosn", kind: flagKind, status: ignored, doc: "Include the metrics of the process itself; they always are."},
	{name: "lazy_flush", kind: flagKind, status: ignored, doc: "Compute metrics only when they are read; Sideloop does nothing else."},
	{name: "sample", kind: objectKind, object: metricsSampleObject, status: ignored, doc: "How histograms sample; Sideloop's count every value."},
	{name: "ewma", kind: objectKind, object: metricsAverageObject, status: differs, note: "no metric is a moving average; LB_PEAK_EWMA has a decay of its own", doc: "How moving averages decay."},
}}

// metricsSinkTypes: the admin server and sinks are what is scraped; nothing is
// pushed.
var metricsSinkTypes = []value{
	{name: "prometheus", object: prometheusSinkObject, doc: "A port that Prometheus scrapes."},
	{name: "console", status: differs, note: "metrics are not printed; /stats of the admin server has them as text", doc: "Print metrics."},
}

var metricsSinkObject = &object{name: "a metrics sink", keys: []key{
	{name: "type", kind: textKind, values: metricsSinkTypes, required: true, doc: "Kind of the sink."},
	{name: "config", kind: byTypeKind, values: metricsSinkTypes, doc: "Settings of the sink."},
}}

// prometheusSinkObject: address is Sideloop's own. MOSN takes all addresses.
var prometheusSinkObject = &object{name: "a Prometheus sink", keys: []key{
	{name: "port", kind: integerKind, required: true, min: 1, max: math.MaxUint16, doc: "The port, which answers nothing but scrapes."},
	{name: "address", kind: textKind, fallback: `"0.0.0.0"`, doc: "The IP address. MOSN has no such key and takes all."},
	{name: "endpoint", kind: textKind, fallback: `"/metrics"`, doc: "The path."},
	{name: "export_url", kind: textKind, status: differs, note: "metrics are not pushed; the port is scraped", doc: "Where metrics are pushed to."},
	{name: "disable_collect_process", kind: flagKind, fallback: `false`, doc: "Leave out process_*."},
	{name: "disable_collect_go", kind: flagKind, fallback: `false`, doc: "Leave out go_*."},
	{name: "percentiles", kind: integersKind, max: 100, status: differs, note: "histograms have buckets in place of percentiles; ask for histogram_quantile", doc: "Percentiles of histograms."},
}}

var statsMatcherObject = &object{name: "a stats matcher", keys: []key{
	{name: "reject_all", kind: flagKind, fallback: `false`, doc: "Show no metrics."},
	{name: "exclusion_labels", kind: textsKind, doc: "Labels with which a metric is left out, as in \"host\"."},
	{name: "exclusion_keys", kind: textsKind, doc: "Names of metrics that are left out, as docs/METRICS.md has them."},
}}

var metricsSampleObject = &object{name: "a metrics sample", keys: []key{
	{name: "type", kind: textKind, values: named("UNIFORM", "EXP_DECAY"), doc: "Kind of the sample."},
	{name: "size", kind: integerKind, max: math.MaxInt32, doc: "Values kept."},
	{name: "exp_decay_alpha", kind: numberKind, doc: "Weight of recent values."},
}}

var metricsAverageObject = &object{name: "a moving average", keys: []key{
	{name: "alpha", kind: numberKind, doc: "Weight of the newest value."},
	{name: "target", kind: numberKind, doc: "What an old value decays to within duration."},
	{name: "duration", kind: durationKind, doc: "Time of the decay to target."},
}}
