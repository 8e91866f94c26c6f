// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"time"
)

var retryPolicyObject = &object{name: "a retry policy", keys: []key{
	{name: "retry_on", kind: conditionsKind, values: retryConditions, doc: "What is retried. true as in MOSN: a request without a reply (no connection, reset, lost, over retry_timeout), and replies from status 500 on or, where there are any, those of status_codes and retriable_bolt_statuses. Or Envoy's words, joined by commas. false: as without a policy."},
	{name: "retry_timeout", kind: durationKind, nanoseconds: true, doc: "Bound on one try, connecting included, from when the request was received to its end; 0 or more than the whole timeout is none."},
	{name: "num_retries", kind: integerKind, max: math.MaxInt32, fallback: `3`, doc: "How often a request is retried. MOSN makes it at least 3, so that 3 is the default; a number that is stated holds here, 0 too. A request that no host can have processed is retried up to 3 times in any case."},
	{name: "status_codes", kind: integersKind, max: 999, doc: "HTTP statuses that are retried; a Bolt status stands for 503 if busy, 504 if timeout, 502 if closed or without a processor, else 500."},
	{name: "retriable_bolt_statuses", kind: integersKind, max: math.MaxUint16, doc: "Bolt statuses that are retried, besides the words of retry_on."},
	{name: "retry_back_off", kind: objectKind, object: retryBackOffObject, doc: "Waits before retries. The n-th is random, up to the base times 2^n-1; longer where the host asks for it (retry-after, grpc-retry-pushback-ms), up to 5s. What is to wait for longer is not retried."},
	{name: "retry_host_predicate", kind: objectsKind, object: hostPredicateObject, doc: "Envoy's choice of hosts for retries; a retry always goes to another host if there is one."},
}}

// retryConditions are the words of retryWords.
var retryConditions = []value{
	{name: "5xx", doc: "A status from 500 on, or no reply."},
	{name: "gateway-error", doc: "502, 503 or 504, or no reply."},
	{name: "reset", doc: "No reply: no connection, a lost one, a reset, or over retry_timeout."},
	{name: "connect-failure", doc: "No connection."},
	{name: "refused-stream", doc: "REFUSED_STREAM."},
	{name: "retriable-4xx", doc: "409."},
	{name: "retriable-status-codes", doc: "Those of status_codes."},
	{name: "cancelled", doc: "grpc-status 1 without a message before it."},
	{name: "deadline-exceeded", doc: "grpc-status 4, likewise."},
	{name: "resource-exhausted", doc: "grpc-status 8, likewise."},
	{name: "unavailable", doc: "grpc-status 14, likewise."},
	{name: "internal", doc: "grpc-status 13, likewise."},
	{name: "bolt-error", doc: "Bolt status 1."},
	{name: "bolt-server-exception", doc: "Bolt status 2."},
	{name: "bolt-unknown", doc: "Bolt status 3."},
	{name: "bolt-busy", doc: "Bolt status 4."},
	{name: "bolt-no-processor", doc: "Bolt status 6."},
	{name: "bolt-timeout", doc: "Bolt status 7, or over retry_timeout."},
	{name: "bolt-closed", doc: "Bolt status 16."},
}

// backOffLimit bounds what a wait may be set to: longer than clients wait.
const backOffLimit = int64(time.Hour)

var retryBackOffObject = &object{name: "a retry back-off", keys: []key{
	{name: "base_interval", kind: durationKind, min: int64(time.Millisecond), max: backOffLimit, fallback: `"25ms"`, doc: "Base of the waits; Envoy's default, where MOSN always waits 10 ms."},
	{name: "max_interval", kind: durationKind, min: int64(time.Millisecond), max: backOffLimit, doc: "Bound on the waits; ten times the base by default."},
}}

var hostPredicateObject = &object{name: "a host predicate", keys: []key{
	{name: "name", kind: textKind, values: hostPredicates, unknown: differs, doc: "The predicate."},
}}

var hostPredicates = []value{
	{name: "envoy.retry_host_predicates.previous_hosts", doc: "Not the hosts that were tried before."},
	{name: "envoy.retry_host_predicates.omit_canary_hosts", status: differs, note: "hosts have no canary mark", doc: "Not canary hosts."},
}

var hedgePolicyObject = &object{name: "a hedge policy", keys: []key{
	{name: "hedge_on_per_try_timeout", kind: flagKind, doc: "When retry_timeout has passed, ask another host without giving up the first; the reply that comes first and is not to be retried wins. At most two are asked at once. It takes of num_retries and of the retry budget."},
}}

var circuitBreakerObject = &object{name: "a circuit breaker", keys: []key{
	{name: "max_connections", kind: integerKind, max: math.MaxUint32, doc: "Connections to one host, over all loops; each loop may always have one. 0 for 128 per loop."},
	{name: "max_pending_requests", kind: integerKind, max: math.MaxUint32, doc: "Requests that wait for a connection; 0 for 1024 per host and loop."},
	{name: "max_requests", kind: integerKind, max: math.MaxUint32, doc: "Requests in flight, those that wait for a connection included; 0 for any number."},
	{name: "max_retries", kind: integerKind, max: math.MaxUint32, doc: "Retries in flight, those that wait for their time included; 0 for as many as retry_budget allows."},
	{name: "retry_budget", kind: objectKind, object: retryBudgetObject, doc: "Bound on the share of retries, so that hosts that fail are not asked for much more than was asked of them."},
	{name: "priority", kind: textKind, status: ignored, doc: "A name that MOSN 0.x read."},
}}

var retryBudgetObject = &object{name: "a retry budget", keys: []key{
	{name: "budget_percent", kind: integerKind, max: 100, fallback: `20`, doc: "Retries and hedges in percent of the requests; a second's worth can be saved up for when many fail at once. Failed connects and goodbyes do not count: no host has worked for them."},
	{name: "min_retry_concurrency", kind: integerKind, max: math.MaxInt32, fallback: `3`, doc: "Retries that are allowed beyond that, for clusters with few requests: so many in flight at a time, and so many a second on each loop."},
}}
