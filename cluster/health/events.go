// SPDX-License-Identifier: Apache-2.0

package health

import (
	"encoding/json"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/sideloop/sideloop/config"
)

// checkEvent is Envoy's HealthCheckEvent, with a reason in words.
type checkEvent struct {
	Type      string         `json:"health_checker_type"`
	Host      eventAddress   `json:"host"`
	Cluster   string         `json:"cluster_name"`
	Service   string         `json:"service_name,omitempty"`
	Ejected   *failureEvent  `json:"eject_unhealthy_event,omitempty"`
	Added     *firstEvent    `json:"add_healthy_event,omitempty"`
	Failure   *failureEvent  `json:"health_check_failure_event,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	Timestamp eventTimestamp `json:"timestamp"`
}

type failureEvent struct {
	Type  FailureType `json:"failure_type"`
	First bool        `json:"first_check,omitempty"`
}

type firstEvent struct {
	First bool `json:"first_check"`
}

// eventAddress is one of both.
type eventAddress struct {
	Socket *socketAddress `json:"socket_address,omitempty"`
	Pipe   *pipeAddress   `json:"pipe,omitempty"`
}

type socketAddress struct {
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
	Port     int    `json:"port_value"`
}

type pipeAddress struct {
	Path string `json:"path"`
}

// eventTimestamp is the time of the event, with milliseconds.
type eventTimestamp string

func timestamp() eventTimestamp {
	return eventTimestamp(time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
}

func (h *Host) eventAddress() eventAddress {
	if h.Network == "unix" {
		return eventAddress{Pipe: &pipeAddress{h.Address}}
	}
	host, port, _ := net.SplitHostPort(h.Address)
	n, _ := strconv.Atoi(port)
	return eventAddress{Socket: &socketAddress{"TCP", host, n}}
}

// logTurn logs that the verdict on h has turned.
func (c *cluster) logTurn(h *host, first bool) {
	e := c.checkEvent(h)
	if h.check.down {
		e.Ejected = &failureEvent{Type: h.check.last.Failure}
	} else {
		e.Added = &firstEvent{first}
	}
	writeEvent(c.checkEvents, e)
}

// logFailure logs a failed probe.
func (c *cluster) logFailure(h *host, first bool) {
	e := c.checkEvent(h)
	e.Failure = &failureEvent{h.check.last.Failure, first}
	writeEvent(c.checkEvents, e)
}

func (c *cluster) checkEvent(h *host) *checkEvent {
	return &checkEvent{
		Type: c.check.Protocol.String(), Host: h.eventAddress(), Cluster: c.name, Service: c.check.ServiceName,
		Reason: h.check.last.Reason, Timestamp: timestamp(),
	}
}

// outlierEvent is Envoy's OutlierDetectionEvent; the event of latency is ours.
type outlierEvent struct {
	Type        string             `json:"type"`
	Cluster     string             `json:"cluster_name"`
	Host        string             `json:"upstream_url"`
	Action      string             `json:"action"`
	Ejections   int                `json:"num_ejections"`
	Enforced    bool               `json:"enforced"`
	SinceLast   *int64             `json:"secs_since_last_action,omitempty"`
	SuccessRate *successRateEvent  `json:"eject_success_rate_event,omitempty"`
	Failures    *failureShareEvent `json:"eject_failure_percentage_event,omitempty"`
	Latency     *latencyEvent      `json:"eject_latency_event,omitempty"`
	Timestamp   eventTimestamp     `json:"timestamp"`
}

type successRateEvent struct {
	Host      float64 `json:"host_success_rate"`
	Average   float64 `json:"cluster_average_success_rate"`
	Threshold float64 `json:"cluster_success_rate_ejection_threshold"`
}

type failureShareEvent struct {
	Host float64 `json:"host_success_rate"`
}

type latencyEvent struct {
	Host   float64 `json:"host_latency_ms"`
	Median float64 `json:"cluster_median_latency_ms"`
}

// logEjection logs that h was ejected, or would have been.
func (c *cluster) logEjection(h *host, f finding, enforced bool) {
	e := c.outlierEvent(h, f.kind, "EJECT", enforced)
	switch f.kind {
	case config.OutlierSuccessRate, config.OutlierLocalSuccessRate:
		e.SuccessRate = &successRateEvent{f.host, f.cluster, f.threshold}
	case config.OutlierFailurePercentage, config.OutlierLocalFailurePercentage:
		e.Failures = &failureShareEvent{f.host}
	case config.OutlierLatency:
		e.Latency = &latencyEvent{f.host, f.cluster}
	}
	writeEvent(c.outlierEvents, e)
}

// logReturn logs the end of an ejection.
func (c *cluster) logReturn(h *host) {
	writeEvent(c.outlierEvents, c.outlierEvent(h, h.outlier.kind, "UNEJECT", true))
}

func (c *cluster) outlierEvent(h *host, k config.OutlierKind, action string, enforced bool) *outlierEvent {
	o := h.outlier
	e := &outlierEvent{
		Type: k.String(), Cluster: c.name, Host: h.Address, Action: action,
		Ejections: o.ejections, Enforced: enforced, Timestamp: timestamp(),
	}
	if !o.changed.IsZero() {
		s := int64(time.Since(o.changed) / time.Second)
		e.SinceLast = &s
	}
	return e
}

// writeEvent writes one line to w, if there is one.
func writeEvent(w io.Writer, event any) {
	if w == nil {
		return
	}
	line, err := json.Marshal(event)
	if err != nil {
		return // no member of an event fails to encode
	}
	// A log that cannot be written has nowhere to say so.
	_, _ = w.Write(append(line, '\n'))
}
