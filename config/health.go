// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// HealthProtocol is how a host is probed.
type HealthProtocol uint8

const (
	// HealthTCP is a connection that is made and closed again.
	HealthTCP HealthProtocol = iota
	// HealthHTTP1 and HealthHTTP2 are a request whose status is looked at.
	HealthHTTP1
	HealthHTTP2
	// HealthHTTP2Connect is a connection on which the host states its SETTINGS.
	HealthHTTP2Connect
	// HealthGRPC is a call of grpc.health.v1.Health/Check.
	HealthGRPC
	// HealthBolt and HealthBoltV2 are a heartbeat in that version of Bolt.
	HealthBolt
	HealthBoltV2
	healthProtocolCount
)

var healthProtocolNames = [healthProtocolCount]string{"TCP", "HTTP", "HTTP2", "HTTP2_CONNECT", "GRPC", "BOLT", "BOLT_V2"}

// String is the name that the event log has.
func (p HealthProtocol) String() string { return healthProtocolNames[p] }

// HealthCheck is how the hosts of a cluster are probed.
type HealthCheck struct {
	Protocol HealthProtocol
	// ServiceName is MOSN's label of the cluster's health metrics.
	ServiceName string
	Timeout     time.Duration
	// Interval is the time between two probes of a healthy host, and Unhealthy
	// that of an unhealthy one; each with a random part of up to Jitter more.
	// HealthyEdge and UnhealthyEdge stand for them right after a change.
	Interval, Unhealthy        time.Duration
	HealthyEdge, UnhealthyEdge time.Duration
	Jitter                     time.Duration
	InitialDelay               time.Duration
	// HealthyThreshold and UnhealthyThreshold are how many probes in a row turn
	// the verdict.
	HealthyThreshold, UnhealthyThreshold uint32
	// InitiallyUnhealthy hosts get no request before their first good probe.
	InitiallyUnhealthy bool
	// Reuse asks again on the connection of the last probe.
	Reuse bool
	// Request is what HTTP probes ask for and gRPC probes ask with.
	Request HealthRequest
	// EventLog is the path of the log of changes, empty for none; LogFailures
	// adds each failed probe to it.
	EventLog    string
	LogFailures bool
}

// HealthRequest is what a probe asks for.
type HealthRequest struct {
	// Port is 0 for the host's own.
	Port uint16
	// Authority is empty for the host's address.
	Authority    string
	Method, Path string
	// Codes are the statuses of healthy hosts.
	Codes []CodeRange
	// Service is that of a gRPC probe, empty for the server as a whole.
	Service string
}

// CodeRange is HTTP statuses from First to Last.
type CodeRange struct{ First, Last int }

// OutlierDetection is how hosts are judged by their requests. Each member is
// described by its key in outlierKeys.
type OutlierDetection struct {
	Consecutive5xx, ConsecutiveGateway, ConsecutiveLocal int
	// SplitLocal judges failures to reach a host apart from what it replies.
	SplitLocal bool

	Interval                            time.Duration
	BaseEjection, MaxEjection, MaxExtra time.Duration
	MaxEjectionPercent                  int
	AlwaysEjectOne                      bool
	UnejectByCheck                      bool

	SuccessRateHosts, SuccessRateVolume, SuccessRateStdev int
	FailureThreshold, FailureHosts, FailureVolume         int

	// LatencyFactor is in thousandths, 0 for no ejection by latency.
	LatencyFactor, LatencyPercentile int
	LatencyFloor                     time.Duration
	LatencyHosts, LatencyVolume      int

	// Enforce is the chance of each kind's ejections in percent.
	Enforce [OutlierKindCount]int

	// EventLog is the path of the log of ejections, empty for none.
	EventLog string
}

// OutlierKind is why a host is ejected.
type OutlierKind uint8

const (
	Outlier5xx OutlierKind = iota
	OutlierGateway
	OutlierLocal
	OutlierSuccessRate
	OutlierLocalSuccessRate
	OutlierFailurePercentage
	OutlierLocalFailurePercentage
	OutlierLatency
	OutlierKindCount
)

var outlierKindNames = [OutlierKindCount]string{
	"CONSECUTIVE_5XX", "CONSECUTIVE_GATEWAY_FAILURE", "CONSECUTIVE_LOCAL_ORIGIN_FAILURE",
	"SUCCESS_RATE", "SUCCESS_RATE_LOCAL_ORIGIN", "FAILURE_PERCENTAGE", "FAILURE_PERCENTAGE_LOCAL_ORIGIN", "LATENCY",
}

// String is Envoy's name of the kind; LATENCY is ours.
func (k OutlierKind) String() string { return outlierKindNames[k] }
