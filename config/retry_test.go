// SPDX-License-Identifier: Apache-2.0

package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseRetryPolicy(t *testing.T) {
	usual := func(r Retry) Retry {
		r.Set = true
		if r.BackOff == 0 {
			r.BackOff, r.MaxBackOff = 25*time.Millisecond, 250*time.Millisecond
		}
		return r
	}
	for action, want := range map[string]Retry{
		`{}`:                   {},
		`{"retry_policy": {}}`: usual(Retry{Count: 3}),
		`{"retry_policy": {"retry_on": false, "num_retries": 0}}`: usual(Retry{}),
		`{"retry_policy": {"retry_on": true}}`:                    usual(Retry{On: Retry5xx | RetryReset, Count: 3}),
		`{"retry_policy": {"retry_on": "true"}}`:                  usual(Retry{On: Retry5xx | RetryReset, Count: 3}),
		`{"retry_policy": {"retry_on": true, "retriable_bolt_statuses": [4, 300], "num_retries": 1}}`: usual(Retry{
			On: RetryReset, BoltStatuses: []uint32{4, 300}, Count: 1}),
		`{"retry_policy": {"retry_on": "5xx, connect-failure,retriable-4xx,unavailable,cancelled"}}`: usual(Retry{
			On: Retry5xx | RetryConnectFailure | Retry4xx, GRPCStatuses: []uint32{14, 1}, Count: 3}),
		`{"retry_policy": {"retry_on": "gateway-error,reset,refused-stream,retriable-status-codes", "status_codes": [429]}}`: usual(Retry{
			On: RetryGatewayError | RetryReset | RetryRefusedStream, StatusCodes: []uint32{429}, Count: 3}),
		`{"retry_policy": {"retry_on": "bolt-busy,bolt-timeout", "retriable_bolt_statuses": [9]}}`: usual(Retry{
			On: RetryTimeout, BoltStatuses: []uint32{9, 4, 7}, Count: 3}),
		`{"retry_policy": {"retry_on": true, "retry_timeout": "1s", "retry_back_off": {"base_interval": "1s"}}, "hedge_policy": {"hedge_on_per_try_timeout": true}}`: {
			Set: true, On: Retry5xx | RetryReset, Count: 3, PerTryTimeout: time.Second, BackOff: time.Second, MaxBackOff: 10 * time.Second, Hedge: true},
	} {
		route, _ := routeWith(t, `{"route": `+action+`}`)
		if diff := cmp.Diff(want, route.Action.Retry); diff != "" {
			t.Errorf("%s (-want +found):\n%s", action, diff)
		}
	}
}

// Every word of the table means something, and every meaning has its word.
func TestRetryWords(t *testing.T) {
	if len(retryConditions) != len(retryWords) {
		t.Errorf("%d words are described, %d known", len(retryConditions), len(retryWords))
	}
	for _, v := range retryConditions {
		if c, ok := retryWords[v.name]; !ok || c == (retryCondition{}) {
			t.Errorf("%q means nothing", v.name)
		}
	}
}

func TestParseBreakers(t *testing.T) {
	for breakers, want := range map[string]Breakers{
		`[]`:   {},
		`[{}]`: {},
		`[{"max_connections": 1, "max_pending_requests": 2, "max_requests": 3, "max_retries": 4}, {"max_requests": 9}]`: {MaxConnections: 1, MaxPending: 2, MaxRequests: 3, MaxRetries: 4},
		`[{"retry_budget": {}}]`: {RetryBudget: &UsualRetryBudget},
		`[{"retry_budget": {"budget_percent": 0, "min_retry_concurrency": 1}}]`: {RetryBudget: &RetryBudget{0, 1}},
	} {
		c, problems := Parse("b.json", []byte(`{"servers": [{"listeners": []}], "cluster_manager": {"clusters": [{"name": "c", "circuit_breakers": `+breakers+`, "hosts": [{"address": "a:1"}]}]}}`))
		if c == nil {
			t.Fatal(problems)
		}
		if diff := cmp.Diff(want, c.Clusters[0].Breakers); diff != "" {
			t.Errorf("%s (-want +found):\n%s", breakers, diff)
		}
	}
}
