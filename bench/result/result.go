// SPDX-License-Identifier: Apache-2.0

// Package result is what a benchmark run found: the JSON that loopbench writes,
// its latency histograms, thresholds on it and comparisons of several. The
// schema is documented in docs/BENCHMARKS.md; Version grows when a field
// changes its meaning.
package result

import "time"

// Version is the schema's version.
//
// Since version 2 a run is valid whose generator was late now and then, and
// Schedule says which part of its latency is not the target's.
const Version = 2

// Result is one run. Durations are in nanoseconds and CPU times in seconds
// unless the name says otherwise.
type Result struct {
	Version     int         `json:"version"`
	Name        string      `json:"name"` // of the series in charts and comparisons
	Started     time.Time   `json:"started"`
	Environment Environment `json:"environment"`
	Command     Command     `json:"command"`

	// Partial is why the run ended before its time; empty when it did not.
	Partial string `json:"partial,omitempty"`
	// Invalid is why the figures measure the generator rather than the target;
	// empty when they are to be trusted.
	Invalid string `json:"invalid,omitempty"`

	// Elapsed is the measured time, without warm-up, in seconds.
	Elapsed   float64           `json:"elapsed_seconds"`
	Requests  uint64            `json:"requests"` // replies that were right
	Errors    map[string]uint64 `json:"errors,omitempty"`
	BytesSent uint64            `json:"bytes_sent"` // bodies only
	BytesRead uint64            `json:"bytes_read"`

	// Latency counts from the intended send time in an open loop, from the
	// real one in a closed loop. Service always counts from the real one, and
	// Delay is the difference: how long requests waited to be sent, for the
	// generator or for one in flight to end.
	Latency *Histogram `json:"latency"`
	Service *Histogram `json:"service,omitempty"`
	Delay   *Histogram `json:"delay,omitempty"`
	// Schedule is of an open loop.
	Schedule *Schedule `json:"schedule,omitempty"`
	// Steal is the share of the machine's CPU time, 0 to 1, that the host gave
	// to others during the measurement.
	Steal float64 `json:"steal"`

	Seconds   []Second  `json:"seconds"`
	Generator Usage     `json:"generator"`
	Targets   []Process `json:"targets,omitempty"` // processes watched by --pid
}

// Environment is the machine of a run.
type Environment struct {
	OS        string `json:"os"`
	Arch      string `json:"arch"`
	Kernel    string `json:"kernel"`
	CPU       string `json:"cpu"`
	CPUs      int    `json:"cpus"`
	Memory    uint64 `json:"memory_bytes"`
	Go        string `json:"go"`
	Loopbench string `json:"loopbench"`
}

// Command is what was asked for.
type Command struct {
	Target      string   `json:"target"`
	Protocol    string   `json:"protocol"` // bolt, boltv2, http2 or grpc
	Connections int      `json:"connections"`
	InFlight    int      `json:"in_flight"` // per connection
	BodyBytes   int      `json:"body_bytes"`
	Headers     []string `json:"headers,omitempty"` // name: value
	Rate        float64  `json:"rate,omitempty"`    // requests per second; 0 is a closed loop
	Seconds     float64  `json:"seconds,omitempty"`
	Count       uint64   `json:"count,omitempty"`
	WarmUp      float64  `json:"warm_up_seconds"`
}

// Second is one second of the run.
type Second struct {
	At       int    `json:"at"` // seconds since the measurement began
	Requests uint64 `json:"requests"`
	Errors   uint64 `json:"errors"`
	P50      int64  `json:"p50"`
	P99      int64  `json:"p99"`
	Max      int64  `json:"max"`
}

// Usage is what a process used during the measurement.
type Usage struct {
	User   float64 `json:"user_seconds"`
	System float64 `json:"system_seconds"`
	// Busy is CPU time over elapsed time and usable CPUs, 0 to 1.
	Busy float64 `json:"busy"`
	// PeakRSS is the largest resident set seen, in bytes.
	PeakRSS uint64 `json:"peak_rss_bytes"`
}

// Process is a watched process.
type Process struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
	Usage
	// MicrosPerRequest is CPU time per request that was right.
	MicrosPerRequest float64 `json:"cpu_us_per_request"`
}
