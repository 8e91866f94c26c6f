// SPDX-License-Identifier: Apache-2.0

package router

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

// Retry is a compiled retry policy. It never changes.
type Retry struct {
	// Count is how often a request is sent again because of the policy.
	Count int
	// PerTry bounds a try, 0 for no bound of its own.
	PerTry time.Duration
	// BackOff is the base of the wait before a retry, MaxBackOff its bound.
	BackOff, MaxBackOff time.Duration
	// Hedge asks a second host when PerTry has passed.
	Hedge bool

	repeats  bool
	reasons  uint64 // by codec.Reason: what is retried without a reply
	statuses [16]uint64
	grpc     uint64
	bolt     map[int]bool
}

// unanswered are the reasons for which a request gets no reply.
const unanswered = unconnected | 1<<codec.UpstreamRefused | 1<<codec.UpstreamReset | 1<<codec.UpstreamClosed |
	1<<codec.UpstreamUnresponsive | 1<<codec.UpstreamProtocolError | 1<<codec.UpstreamTimeout

const unconnected = 1<<codec.ConnectFailed | 1<<codec.ConnectTimeout | 1<<codec.UpstreamTLSFailed

// compileRetry returns nil where the route has no policy.
func compileRetry(c *config.Retry) *Retry {
	if !c.Set {
		return nil
	}
	r := &Retry{Count: c.Count, PerTry: c.PerTryTimeout, BackOff: c.BackOff, MaxBackOff: c.MaxBackOff, Hedge: c.Hedge}
	for _, on := range []struct {
		condition config.RetryOn
		reasons   uint64
		from, to  uint32 // statuses
	}{
		{config.Retry5xx, unanswered, 500, 599},
		{config.RetryGatewayError, unanswered, 502, 504},
		{config.RetryReset, unanswered, 1, 0},
		{config.RetryConnectFailure, unconnected, 1, 0},
		{config.RetryRefusedStream, 1 << codec.UpstreamRefused, 1, 0},
		{config.Retry4xx, 0, 409, 409},
		{config.RetryTimeout, 1 << codec.UpstreamTimeout, 1, 0},
	} {
		if c.On&on.condition == 0 {
			continue
		}
		r.reasons |= on.reasons
		for s := on.from; s <= on.to; s++ {
			r.addStatus(s)
		}
	}
	for _, s := range c.StatusCodes {
		r.addStatus(s)
	}
	for _, s := range c.GRPCStatuses {
		r.grpc |= 1 << s
	}
	for _, s := range c.BoltStatuses {
		if r.bolt == nil {
			r.bolt = make(map[int]bool)
		}
		r.bolt[int(s)] = true
	}
	r.repeats = r.Count > 0 && (r.Hedge || r.reasons&^unconnected != 0 || r.statuses != [16]uint64{} || r.grpc != 0 || r.bolt != nil)
	return r
}

func (r *Retry) addStatus(s uint32) { r.statuses[s/64] |= 1 << (s % 64) }

// Repeats tells whether anything is sent again that a host may have processed.
func (r *Retry) Repeats() bool { return r.repeats }

// OnReason tells whether a request that got no reply for reason c is retried.
func (r *Retry) OnReason(c codec.Reason) bool { return r.reasons&(1<<c) != 0 }

// OnStatus tells whether a reply is retried: by its status in HTTP terms, or by
// its gRPC or Bolt status, negative where it has none.
func (r *Retry) OnStatus(http, grpc, bolt int) bool {
	return http >= 0 && http < 64*len(r.statuses) && r.statuses[http/64]&(1<<(http%64)) != 0 ||
		grpc >= 0 && grpc < 64 && r.grpc&(1<<grpc) != 0 || r.bolt[bolt]
}
