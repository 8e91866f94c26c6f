// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// Metrics is what is shown of what the proxy counts, and where besides the admin
// server.
type Metrics struct {
	// Sinks take effect with a start, the other fields at once.
	Sinks []PrometheusSink
	// RejectAll shows nothing.
	RejectAll bool
	// ExclusionKeys are names of metrics that are not shown, ExclusionLabels are
	// labels with which none is.
	ExclusionKeys, ExclusionLabels []string
}

// PrometheusSink is an address that is scraped.
type PrometheusSink struct {
	Address, Endpoint string
	// NoProcess and NoGo leave out process_* and go_*.
	NoProcess, NoGo bool
}

// metricLabels are the labels of docs/METRICS.md.
var metricLabels = []string{"listener", "cluster", "host", "loop", "path", "reason", "class", "kind", "purpose", "result", "version", "go"}

func (b *builder) metrics(v view) Metrics {
	var m Metrics
	for _, s := range v.children("sinks") {
		if s.text("type") == "prometheus" {
			if !s.has("config") {
				s.errorf("config", "a Prometheus sink needs a port")
				continue
			}
			sink := prometheusSink(s.settings(prometheusSinkObject))
			if slices.ContainsFunc(m.Sinks, func(o PrometheusSink) bool { return o.Address == sink.Address }) {
				s.errorf("config", "another sink has the address %s", sink.Address)
			}
			m.Sinks = append(m.Sinks, sink)
		}
	}
	matcher := v.child("stats_matcher")
	m.RejectAll = matcher.flag("reject_all")
	for _, key := range matcher.texts("exclusion_keys") {
		if !strings.HasPrefix(key.text, "sideloop_") && !strings.HasPrefix(key.text, "go_") && !strings.HasPrefix(key.text, "process_") {
			b.warnAt(key.position, key.path, "no metric has the name %q; docs/METRICS.md has Sideloop's names beside MOSN's", key.text)
		}
		m.ExclusionKeys = append(m.ExclusionKeys, key.text)
	}
	for _, label := range matcher.texts("exclusion_labels") {
		if !slices.Contains(metricLabels, label.text) {
			b.report(Warning, label.position, label.path, label.text, metricLabels, "no metric has the label %q", label.text)
		}
		m.ExclusionLabels = append(m.ExclusionLabels, label.text)
	}
	return m
}

func prometheusSink(v view) PrometheusSink {
	s := PrometheusSink{
		Address:  net.JoinHostPort(v.text("address"), strconv.Itoa(v.integer("port"))),
		Endpoint: v.text("endpoint"), NoProcess: v.flag("disable_collect_process"), NoGo: v.flag("disable_collect_go"),
	}
	if problem := listenAddressProblem("tcp", s.Address); problem != "" {
		v.errorf("address", "%s", problem)
	}
	if !strings.HasPrefix(s.Endpoint, "/") {
		v.errorf("endpoint", "expected a path that begins with /, found %q", s.Endpoint)
	}
	return s
}
