// SPDX-License-Identifier: Apache-2.0

// Package tally is what loops count of a host's requests and outlier detection
// reads: plain values, without an owner of their own.
package tally

import "github.com/sideloop/sideloop/config"

// Counts is how requests to a host ended.
type Counts struct {
	// Replies is replies that say nothing against the host, ServerErrors the
	// others. Unreached is requests that ended without a reply for a reason
	// that is the host's or the network's.
	Replies, ServerErrors, Unreached uint64
	// Latency is nil where nobody compares latencies.
	Latency *Latency
}

// MoveTo adds the counts to sum and starts them anew.
func (c *Counts) MoveTo(sum *Counts) {
	sum.Replies += c.Replies
	sum.ServerErrors += c.ServerErrors
	sum.Unreached += c.Unreached
	if c.Latency != nil {
		if sum.Latency == nil {
			sum.Latency = new(Latency)
		}
		for i, n := range c.Latency {
			sum.Latency[i] += n
		}
		clear(c.Latency[:])
	}
	*c = Counts{Latency: c.Latency}
}

// RunKinds is how many kinds of failures are counted in a row: those of
// config.Outlier5xx, OutlierGateway and OutlierLocal.
const RunKinds = int(config.OutlierLocal) + 1

// Runs is failures in a row by their kind, as one loop has seen them.
type Runs [RunKinds]Run

// Run is failures in a row.
type Run struct {
	Length int
	// Since is the loop time of the first of them, Ended that of the latest
	// request that ended a run, or would have.
	Since, Ended int64
}

// Note counts a request that ended at loop time now.
func (r *Run) Note(failed bool, now int64) {
	if !failed {
		r.Length, r.Ended = 0, now
		return
	}
	if r.Length == 0 {
		r.Since = now
	}
	r.Length++
}

// Forget ends those runs that began before the time of their kind.
func (r *Runs) Forget(ended [RunKinds]int64) {
	for k := range r {
		if run := &r[k]; run.Since <= ended[k] {
			run.Length = 0
		}
	}
}

// Alarm says that a host's failures in a row, of one loop or of several, may
// have reached a threshold.
type Alarm struct{ Cluster, Address string }
