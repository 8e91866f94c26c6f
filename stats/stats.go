// SPDX-License-Identifier: Apache-2.0

// Package stats is the counters of one loop and their names. A Block belongs to
// its loop: the loop adds to plain words, and a reader asks the loop, by a
// task, to copy them into a block of the reader's own.
package stats

// Counter names one word of a Block.
type Counter uint8

const (
	// DownstreamConnections counts connections accepted by a listener.
	DownstreamConnections Counter = iota
	DownstreamConnectionsClosed
	DownstreamRequests
	// DownstreamRequestsOneWay counts those that want no reply.
	DownstreamRequestsOneWay
	UpstreamConnections
	UpstreamConnectionsClosed
	UpstreamConnectFailures
	// UpstreamUnresponsive counts connections that were given up because their
	// host did not answer heartbeats.
	UpstreamUnresponsive
	UpstreamRequests
	// UpstreamServerErrors and the next three count tries by how they failed: a
	// reply of the 5xx kind, no connection, no reply in time, a reset or a lost
	// connection.
	UpstreamServerErrors
	UpstreamTriesUnconnected
	UpstreamTriesTimedOut
	UpstreamTriesBroken
	UpstreamRetries
	// UpstreamRetriesOverBudget counts retries that the retry budget forbade.
	UpstreamRetriesOverBudget
	// UpstreamHedges counts requests sent to a second host while the first was
	// at it, UpstreamHedgesWon those of them that the second one answered.
	UpstreamHedges
	UpstreamHedgesWon
	// UpstreamOverflowConnections and the next three count what circuit breakers
	// forbade: a connection, a request in flight, one that waits, a retry.
	UpstreamOverflowConnections
	UpstreamOverflowRequests
	UpstreamOverflowPending
	UpstreamOverflowRetries
	// UpstreamPendingQueued counts requests that had to wait for a connection.
	UpstreamPendingQueued
	// UpstreamPendingAtLimit counts those of them that waited because every
	// connection had carried its max_request_per_conn.
	UpstreamPendingAtLimit
	// NotRetryable counts requests that were not kept for a replay, because
	// their body or the loop's budget is too large.
	NotRetryable
	// Mirrored counts copies of requests that were sent, MirrorsFailed those of
	// them without a complete reply, and MirrorsSkipped requests that were not
	// copied: they ended early, or are too large, or too much is held or under way.
	Mirrored
	MirrorsFailed
	MirrorsSkipped
	CounterCount
)

var names = [CounterCount]string{
	"downstream_connections_total",
	"downstream_connections_closed_total",
	"downstream_requests_total",
	"downstream_requests_one_way_total",
	"upstream_connections_total",
	"upstream_connections_closed_total",
	"upstream_connect_failures_total",
	"upstream_unresponsive_total",
	"upstream_requests_total",
	"upstream_server_errors_total",
	"upstream_tries_unconnected_total",
	"upstream_tries_timed_out_total",
	"upstream_tries_broken_total",
	"upstream_retries_total",
	"upstream_retries_over_budget_total",
	"upstream_hedges_total",
	"upstream_hedges_won_total",
	"upstream_overflow_connections_total",
	"upstream_overflow_requests_total",
	"upstream_overflow_pending_total",
	"upstream_overflow_retries_total",
	"upstream_pending_queued_total",
	"upstream_pending_at_limit_total",
	"not_retryable_total",
	"mirrored_requests_total",
	"mirrored_requests_failed_total",
	"mirrored_requests_skipped_total",
}

// String is the counter's metric name.
func (c Counter) String() string { return names[c] }

// ReasonSlots is the room for request outcomes by reason; the closed set of
// reasons is smaller.
const ReasonSlots = 48

// Block is the counters of one loop. The zero value is ready.
type Block struct {
	words    [CounterCount]uint64
	ended    [ReasonSlots]uint64
	glitches map[string]uint64
}

// Add adds one to a counter.
func (b *Block) Add(c Counter) { b.words[c]++ }

// Get is the value of a counter.
func (b *Block) Get(c Counter) uint64 { return b.words[c] }

// Ended counts a request that ended for the reason with this number, 0 being
// success.
func (b *Block) Ended(reason uint8) { b.ended[reason]++ }

// EndedFor is the number of requests that ended for a reason.
func (b *Block) EndedFor(reason uint8) uint64 { return b.ended[reason] }

// Glitch counts an anomaly of a peer. Words are constants of the codecs, so
// the map is bounded.
func (b *Block) Glitch(word string) {
	if b.glitches == nil {
		b.glitches = make(map[string]uint64)
	}
	b.glitches[word]++
}

// Glitches is the number of anomalies under a word.
func (b *Block) Glitches(word string) uint64 { return b.glitches[word] }

// EachGlitch calls f for every word that was counted.
func (b *Block) EachGlitch(f func(word string, n uint64)) {
	for w, n := range b.glitches {
		f(w, n)
	}
}

// AddTo adds the block's values to sum, which belongs to the reader.
func (b *Block) AddTo(sum *Block) {
	for i, v := range b.words {
		sum.words[i] += v
	}
	for i, v := range b.ended {
		sum.ended[i] += v
	}
	for w, v := range b.glitches {
		if sum.glitches == nil {
			sum.glitches = make(map[string]uint64)
		}
		sum.glitches[w] += v
	}
}
