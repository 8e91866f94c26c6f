// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"time"
)

// StreamFilter is one filter of requests. Config is a pointer to the type of
// this file that belongs to Type.
type StreamFilter struct {
	Type   string
	Config any
}

// Fault is the filter "fault". The zero value does nothing.
type Fault struct {
	// DelayPercent of the requests are delayed by Delay.
	DelayPercent uint32
	Delay        time.Duration
	// AbortPercent of them are answered with AbortStatus.
	AbortPercent uint32
	AbortStatus  int
	// Cluster and Headers narrow it to requests that go to the cluster, unless
	// it is empty, and match all of the headers.
	Cluster string
	Headers []HeaderMatch
}

// PayloadLimit is the filter "payload_limit". MaxBytes 0 is no limit.
type PayloadLimit struct {
	MaxBytes int64
	Status   int
}

// Access is the filter "ip_access": the first rule that is for a client counts.
type Access struct {
	DefaultDeny bool
	// Header holds the address; "" is for that of the connection.
	Header string
	Rules  []AccessRule
}

// AccessRule allows or denies clients of some networks, whose certificates have one
// of some names. One that says neither is for nobody.
type AccessRule struct {
	Deny     bool
	Networks []netip.Prefix
	Names    []NameMatch
}

// HeaderToMetadata is the filter "header_to_metadata".
type HeaderToMetadata struct {
	Rules []MetadataRule
}

// MetadataRule takes one label from one header.
type MetadataRule struct {
	Header string
	// Present and Missing are the labels for requests with the header and
	// without it; a Key of "" is for none. A Present without a value has that of
	// the header.
	Present, Missing MetadataPair
}

// MetadataPair is one label.
type MetadataPair struct {
	Key, Value string
}

// TokenBucket lets Max requests through at once and Fill more in each Interval.
type TokenBucket struct {
	Max, Fill uint32
	Interval  time.Duration
}

// LocalRateLimit is the filter "local_rate_limit".
type LocalRateLimit struct {
	// Bucket is for every request; a Max of 0 is for none.
	Bucket TokenBucket
	// Descriptors are further buckets.
	Descriptors []RateDescriptor
	// MaxDynamic is how many values of headers have a bucket of their own at a
	// time.
	MaxDynamic uint32
	Status     int
	// ResourceExhausted tells gRPC clients RESOURCE_EXHAUSTED in place of
	// UNAVAILABLE.
	ResourceExhausted bool
}

// RateDescriptor is a bucket for requests with all of the headers.
type RateDescriptor struct {
	Entries []RateEntry
	Bucket  TokenBucket
}

// RateEntry is a header; with a Value of "" each value counts apart.
type RateEntry struct {
	Header, Value string
}

// FlowKey is what the rules of FlowControl name.
type FlowKey uint8

const (
	// FlowPath is the path without its query, for Bolt the service.
	FlowPath FlowKey = iota
	// FlowArg is the query.
	FlowArg
	// FlowURI is the path with its query.
	FlowURI
)

// FlowControl is the filter "flowControlFilter".
type FlowControl struct {
	// Monitor counts and refuses nothing.
	Monitor bool
	Key     FlowKey
	Status  int
	Body    string
	Rules   []FlowRule
}

// FlowRule bounds the requests of one resource.
type FlowRule struct {
	Resource string
	// Threshold requests pass in each Interval.
	Threshold float64
	Interval  time.Duration
	// Throttle spaces requests evenly, which then wait for up to MaxQueueing.
	Throttle    bool
	MaxQueueing time.Duration
}

// AdaptiveConcurrency is the filter "adaptive_concurrency".
type AdaptiveConcurrency struct {
	// Percentile of the latencies, from 0 to 100, is compared.
	Percentile float64
	// MaxConcurrency and MinConcurrency bound the limit, UpdateInterval is
	// between two changes of it.
	MaxConcurrency, MinConcurrency uint32
	UpdateInterval                 time.Duration
	// MinRTTInterval is between two measurements of the latency without load,
	// plus up to JitterPercent; each takes MinRTTRequests.
	MinRTTInterval time.Duration
	MinRTTRequests uint32
	JitterPercent  float64
	// BufferPercent of the latency without load are no sign of load.
	BufferPercent float64
	// FixedMinRTT replaces the measurements.
	FixedMinRTT time.Duration
	Status      int
}

// Overload is the server's overload_manager; docs/FILTERS.md has the meaning.
type Overload struct {
	MaxHeap                                       uint64
	ShrinkHeap, RefuseRequests, RefuseConnections float64
	// MaxLoopDelay is 0 where loops do not judge themselves.
	MaxLoopDelay time.Duration
}
