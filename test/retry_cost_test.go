// SPDX-License-Identifier: Apache-2.0

//go:build !race

package test

import "testing"

// A request of a route with a policy, kept in case it has to be sent again,
// allocates nothing either.
func TestRetryPolicyAllocatesNothing(t *testing.T) {
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{startFlatService(t)},
		route:     `, "retry_policy": {"retry_on": true, "retry_timeout": "10s"}, "hedge_policy": {"hedge_on_per_try_timeout": true}`,
		clusterKV: `, "circuit_breakers": [{"max_requests": 100000, "max_pending_requests": 100000, "max_retries": 100000, "max_connections": 100}]`}))
	c := dialFlat(t, p.address("in"))
	for range 20 {
		c.round(t)
	}
	n := testing.AllocsPerRun(20, func() {
		c.round(t)
		c.round(t)
	})
	if perRequest := n / (2 * inFlight); perRequest > 0.01 {
		t.Errorf("%v allocations per request (%v per %d)", perRequest, n, 2*inFlight)
	}
}
