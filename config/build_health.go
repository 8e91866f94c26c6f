// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"strings"
	"time"
)

// jitterShare is the part of an interval that is random where the file does not
// say: enough to keep proxies that were started together out of step.
const jitterShare = 10

// healthCheck returns nil where hosts are not probed.
func (b *builder) healthCheck(v view) *HealthCheck {
	if v.text("service_name") == "" && !v.has("protocol") {
		v.warnf("protocol", "without protocol or service_name hosts are not probed")
		return nil
	}
	h := &HealthCheck{
		ServiceName:        v.text("service_name"),
		HealthyThreshold:   v.uint32("healthy_threshold"),
		UnhealthyThreshold: v.uint32("unhealthy_threshold"),
		InitiallyUnhealthy: v.flag("initially_unhealthy"),
		Reuse:              v.flag("reuse_connection"),
		EventLog:           v.text("event_log_path"),
		LogFailures:        v.flag("always_log_health_check_failures"),
	}
	h.Timeout, _ = v.duration("timeout")
	h.InitialDelay, _ = v.duration("initial_delay_seconds")
	v.intervals(h)
	v.healthProtocol(h)
	return h
}

// intervals reads the times between probes, which stand in for each other.
func (v view) intervals(h *HealthCheck) {
	h.Interval, _ = v.duration("interval")
	jitter, set := v.duration("interval_jitter")
	if !set {
		jitter = h.Interval / jitterShare
	}
	h.Jitter = jitter
	unhealthy, _ := v.duration("unhealthy_interval")
	h.Unhealthy = cmp.Or(unhealthy, h.Interval)
	edge, _ := v.duration("unhealthy_edge_interval")
	h.UnhealthyEdge = cmp.Or(edge, h.Unhealthy)
	edge, _ = v.duration("healthy_edge_interval")
	h.HealthyEdge = cmp.Or(edge, h.Interval)
	for _, name := range []string{"interval", "unhealthy_interval", "unhealthy_edge_interval", "healthy_edge_interval"} {
		if d, set := v.duration(name); set && d < probeIntervalMin {
			v.errorf(name, "expected a duration from %v, found %v", probeIntervalMin, d)
		}
	}
}

// probeIntervalMin keeps probes from being a load of their own.
const probeIntervalMin = 10 * time.Millisecond

// healthProtocol reads what is asked, and so how.
func (v view) healthProtocol(h *HealthCheck) {
	config := v.child("check_config")
	asks := config.has("http_check_config") || v.text("check_path") != ""
	switch v.text("protocol") {
	case "Http1":
		if !asks {
			v.warnf("protocol", "without check_config.http_check_config a probe only connects, as in MOSN")
			return
		}
		h.Protocol = HealthHTTP1
		v.httpCheck(h, config.child("http_check_config"))
	case "Http2":
		if h.Protocol = HealthHTTP2Connect; asks {
			h.Protocol = HealthHTTP2
			v.httpCheck(h, config.child("http_check_config"))
		}
	case "gRPC":
		h.Protocol = HealthGRPC
		g := config.child("grpc_check_config")
		h.Request = HealthRequest{Service: g.text("service_name"), Authority: g.text("authority")}
		if !visible(h.Request.Authority) {
			g.errorf("authority", "expected a name without spaces and control characters")
		}
	case "bolt", "SofaRpc":
		h.Protocol = HealthBolt
	case "boltv2":
		h.Protocol = HealthBoltV2
	}
}

func (v view) httpCheck(h *HealthCheck, c view) {
	r := HealthRequest{
		Port:      uint16(c.uint32("port")),
		Authority: c.text("domain"),
		Method:    c.text("method"),
		Path:      c.text("path"),
	}
	if !c.has("path") && v.text("check_path") != "" {
		r.Path = v.text("check_path")
	}
	if !strings.HasPrefix(r.Path, "/") || !visible(r.Path) {
		c.errorf("path", "expected a path that begins with / and has no spaces, found %q", r.Path)
	}
	if strings.Trim(r.Method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" || r.Method == "CONNECT" {
		c.errorf("method", "expected a method such as GET or HEAD, found %q", r.Method)
	}
	if !visible(r.Authority) {
		c.errorf("domain", "expected a name without spaces and control characters")
	}
	if d, set := c.duration("timeout"); set {
		h.Timeout = min(h.Timeout, d)
	}
	for _, code := range c.children("codes") {
		r.Codes = append(r.Codes, code.codeRange())
	}
	if r.Codes == nil {
		r.Codes = []CodeRange{{200, 200}}
	}
	h.Request = r
}

func (v view) codeRange() CodeRange {
	r := CodeRange{v.integer("start"), v.integer("end")}
	if v.has("end") && r.Last < r.First {
		v.errorf("end", "a range ends where it starts or after that, found %d to %d", r.First, r.Last)
	}
	return r
}

// visible tells that a text can stand in a line of HTTP.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func (b *builder) outlier(v view, hosts int) *OutlierDetection {
	d := &OutlierDetection{EventLog: v.text("event_log_path")}
	for i := range outlierKeys {
		switch k := &outlierKeys[i]; {
		case k.number != nil:
			*k.number(d) = v.integer(k.name)
		case k.duration != nil:
			*k.duration(d), _ = v.duration(k.name)
		default:
			*k.flag(d) = v.flag(k.name)
		}
	}
	d.MaxEjection = max(d.MaxEjection, d.BaseEjection)
	if d.LatencyFactor > 0 && d.LatencyFactor <= latencyFactorMin {
		v.errorf("latency_factor", "a host is as slow as the median at %d, in thousandths; expected more, or 0 for no ejection by latency", latencyFactorMin)
	}
	if hosts > 0 && !d.AlwaysEjectOne && hosts*d.MaxEjectionPercent < 100 {
		v.warnf("max_ejection_percent", "%d percent of the cluster's hosts, %d now, are less than one, so that none is ejected; raise it, or set always_eject_one_host", d.MaxEjectionPercent, hosts)
	}
	return d
}

// latencyFactorMin is the median itself, in thousandths.
const latencyFactorMin = 1000
