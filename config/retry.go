// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// Retry is when and how often a route's requests are tried again: its
// retry_policy, and what is tried at the same time: its hedge_policy.
type Retry struct {
	// Set is false, and the rest zero, where the route has no policy. Then, as
	// with no condition at all, only requests are retried that no host can have
	// processed.
	Set bool
	// On is what of a reply, or of its absence, is retried.
	On RetryOn
	// StatusCodes are HTTP statuses that are retried besides; a Bolt status
	// stands for one.
	StatusCodes []uint32
	// GRPCStatuses and BoltStatuses are retried besides.
	GRPCStatuses, BoltStatuses []uint32
	// Count is how often a request is retried at most.
	Count int
	// PerTryTimeout is 0 when a try may take as long as the request.
	PerTryTimeout time.Duration
	// BackOff is the base of the exponential wait before a retry, MaxBackOff
	// its bound.
	BackOff, MaxBackOff time.Duration
	// Hedge sends a request to a second host when PerTryTimeout has passed, and
	// takes the reply that comes first.
	Hedge bool
}

// RetryOn is a set of conditions.
type RetryOn uint8

const (
	// Retry5xx is a status from 500 on, or no reply for whatever reason.
	Retry5xx RetryOn = 1 << iota
	// RetryGatewayError is 502, 503 and 504, or no reply for whatever reason.
	RetryGatewayError
	// RetryReset is no reply: no connection, a lost one, a reset, or a try that
	// took too long.
	RetryReset
	RetryConnectFailure
	RetryRefusedStream
	// Retry4xx is the status 409, as in Envoy.
	Retry4xx
	// RetryTimeout is a try that took too long.
	RetryTimeout
)
