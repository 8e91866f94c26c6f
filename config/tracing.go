// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// Tracing is where spans go.
type Tracing struct {
	// ServiceName and Resource say whose they are.
	ServiceName string
	Resource    map[string]string
	// Endpoint is the URL that OTLP is posted to, with these headers.
	Endpoint string
	Headers  map[string]string
	// BatchInterval is how long a span waits for others, Timeout how long the
	// collector may take for them.
	BatchInterval, Timeout time.Duration
	// MaxPerSecond bounds the traces that begin here and are sampled; 0 does not.
	MaxPerSecond uint32
}

// TraceFilter is the filter "tracing" of a listener. Where tracing is on, it is
// each listener's first.
type TraceFilter struct {
	// SampleRate is the share of the traces that begin here and are sampled.
	SampleRate float64
	// OwnDecision is made whatever the client has decided.
	OwnDecision bool
	// B3 and B3Multi are written beside W3C's headers, also where a request came
	// without.
	B3, B3Multi bool
	// Client tells that the listener's clients are on this side: their requests
	// leave.
	Client bool
}

// TraceSampling is what a virtual host or a route says to the filter.
type TraceSampling struct {
	SampleRate float64
}

// traceFilterName is the filter's, which is there without being listed.
const traceFilterName = "tracing"
