// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"time"

	"github.com/sideloop/sideloop/stats"
)

// Outcome is how one try of a request ended, as its host is judged by it.
type Outcome uint8

const (
	// Unjudged tries say nothing of the host: the client left, the proxy had no
	// room, or the host said goodbye before it looked at the request.
	Unjudged Outcome = iota
	// Succeeded is a complete reply, whatever it says to the client.
	Succeeded
	// ServerError is a reply of the 5xx kind, in the terms of its protocol.
	ServerError
	// GatewayError is one that says that the fault lies behind the host or in
	// its load: 502, 503 or 504.
	GatewayError
	// ConnectFailure is a connection that could not be made.
	ConnectFailure
	// TimedOut is a reply that did not come in time.
	TimedOut
	// Broken is a try that the host reset, refused or hung up on.
	Broken
)

// try is one way of a request to one host: from the choice of the host to the
// end of the reply or to what came instead.
type try struct {
	members  *Members   // nil between two tries
	state    *hostState // of the host
	outcome  Outcome    // by the reply so far
	refused  bool       // the reply is of the 4xx kind
	counted  bool       // in the cluster's requests in flight
	began    int64      // loop time
	answered int64      // loop time of the reply's head, 0 before it
}

// Answered notes that the reply's head has come, and what it says of the host
// unless the reply breaks off.
func (r *Request) Answered(o Outcome) {
	if s := r.try.members; s != nil {
		r.try.outcome = o
		if r.try.answered == 0 {
			r.try.answered = s.manager.loop.Now()
		}
	}
}

// Refused notes that the reply's head says that the request is at fault (4xx).
func (r *Request) Refused() { r.try.refused = true }

// Trying tells that a host was asked, or is waited for.
func (r *Request) Trying() bool { return r.try.members != nil }

// Tried ends the try, but not the permit of a request that is retried. Every
// Acquire that did not return a reason is followed by one call that does
// something: this one, or End, which takes the outcome that the reply's head gave.
func (r *Request) Tried(o Outcome) {
	// In place: a copy of words that have just been written waits until they have
	// left the store buffer.
	t := &r.try
	s, state, refused, until := t.members, t.state, t.refused, t.answered
	if s == nil {
		return
	}
	if until == 0 {
		until = s.manager.loop.Now()
	}
	took := until - t.began
	s.end(t)
	*t = try{}
	state.active--
	if s.cluster.Balancing.Measures() {
		state.judge(o, refused, took, until)
	}
	s.tried(r.host, state, o, time.Duration(took))
}

// tryOutcomes is the counter of each outcome that is a failure.
var tryOutcomes = [...]stats.Counter{
	ServerError:    stats.UpstreamServerErrors,
	GatewayError:   stats.UpstreamServerErrors,
	ConnectFailure: stats.UpstreamTriesUnconnected,
	TimedOut:       stats.UpstreamTriesTimedOut,
	Broken:         stats.UpstreamTriesBroken,
}

// tried is the one place at which a try of host h ends, on its loop. latency is
// until the reply's head, or without one until the try's end.
func (s *Members) tried(h *Host, state *hostState, o Outcome, latency time.Duration) {
	state.tried++
	state.spent += uint64(latency)
	if o > Succeeded {
		state.failed++
		s.manager.stats.Add(tryOutcomes[o])
	}
	if state.tally != nil {
		s.tally(h, state.tally, o, latency)
	}
	s.Meter().Observe(int64(latency))
}
