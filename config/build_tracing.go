// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/url"
	"slices"
	"strings"
)

// tracing reads where spans go, nil for nowhere, and gives every listener its
// filter.
func (b *builder) tracing(root view, listeners []Listener, server view) *Tracing {
	v := root.child("tracing")
	if !v.flag("enable") {
		b.withoutTracing(listeners, server)
		return nil
	}
	if !v.has("driver") && !v.has("tracer") {
		v.errorf("driver", "tracing needs a driver: \"otel\"")
	}
	c := v.child("config")
	t := &Tracing{
		ServiceName: c.text("service_name"), Resource: c.textMap("config_map"),
		Endpoint: c.collector(), Headers: c.textMap("headers"), MaxPerSecond: c.uint32("max_per_second"),
	}
	t.BatchInterval, _ = c.duration("batch_interval")
	t.Timeout, _ = c.duration("timeout")
	usual := TraceFilter{SampleRate: c.number("sample_rate", 0, 1), OwnDecision: c.flag("own_decision")}
	for _, p := range c.texts("propagators") {
		switch p.text {
		case "w3c", "tracecontext":
		case "b3":
			usual.B3 = true
		case "b3multi":
			usual.B3Multi = true
		default:
			b.errorAt(p.position, p.path, "expected \"w3c\", \"b3\" or \"b3multi\", found %q", p.text)
		}
	}
	for i, l := range server.children("listeners") {
		f := usual
		f.Client = l.text("type") == "egress"
		filters := &listeners[i].StreamFilters
		*filters = slices.DeleteFunc(*filters, func(s StreamFilter) bool {
			if s.Type == traceFilterName {
				f.SampleRate = s.Config.(*TraceSampling).SampleRate
			}
			return s.Type == traceFilterName
		})
		*filters = slices.Insert(*filters, 0, StreamFilter{traceFilterName, &f})
	}
	return t
}

// withoutTracing takes away filters that have nothing to send to.
func (b *builder) withoutTracing(listeners []Listener, server view) {
	for i, l := range server.children("listeners") {
		filters := &listeners[i].StreamFilters
		n := len(*filters)
		*filters = slices.DeleteFunc(*filters, func(s StreamFilter) bool { return s.Type == traceFilterName })
		if len(*filters) < n {
			l.warnf("stream_filters", "the filter tracing has no effect without \"tracing\": {\"enable\": true} of the file")
		}
	}
}

// collector is the URL that spans are posted to.
func (v view) collector() string {
	text := v.text("endpoint")
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		v.errorf("endpoint", "expected host:port, or a URL of http or https, found %q", v.text("endpoint"))
		return ""
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u.String()
}

func (v view) traceSampling() *TraceSampling { return &TraceSampling{v.number("sample_rate", 0, 1)} }
