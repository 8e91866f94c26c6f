// SPDX-License-Identifier: Apache-2.0

package config

// Breakers are the limits of a cluster; 0 leaves a limit to the proxy.
type Breakers struct {
	MaxConnections, MaxPending, MaxRequests, MaxRetries uint32
	// RetryBudget is nil where the file states none: then it is the usual one.
	RetryBudget *RetryBudget
}

// RetryBudget bounds the share of retries among a cluster's requests.
type RetryBudget struct {
	Percent int
	// Floor is how many retries at a time, and a second, are allowed beyond it.
	Floor int
}

// UsualRetryBudget is Envoy's default.
var UsualRetryBudget = RetryBudget{Percent: 20, Floor: 3}

// breakers reads the first entry of circuit_breakers, as MOSN does.
func breakers(cluster view) Breakers {
	list := cluster.children("circuit_breakers")
	if len(list) == 0 {
		return Breakers{}
	}
	if len(list) > 1 {
		cluster.warnf("circuit_breakers", "only the first of %d entries counts", len(list))
	}
	v := list[0]
	b := Breakers{
		MaxConnections: v.uint32("max_connections"),
		MaxPending:     v.uint32("max_pending_requests"),
		MaxRequests:    v.uint32("max_requests"),
		MaxRetries:     v.uint32("max_retries"),
	}
	if v.has("retry_budget") {
		budget := v.child("retry_budget")
		b.RetryBudget = &RetryBudget{budget.integer("budget_percent"), budget.integer("min_retry_concurrency")}
	}
	return b
}
