// SPDX-License-Identifier: Apache-2.0

package load

import (
	"crypto/tls"
	"sync/atomic"
	"testing"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/test/authority"
)

// Every protocol is spoken over TLS as it is in plain text.
func TestOverTLS(t *testing.T) {
	ca := authority.New(t, "authority")
	own := ca.Issue(t, "127.0.0.1").TLS(t)
	address, _ := serve(t, bench.Service{Speaks: bench.SpeaksAll, TLS: &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"h2"}}})
	trusting := &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"}
	for _, p := range protocols {
		r := measure(t, Options{Target: address, Protocol: p, Connections: 2, InFlight: 4, Body: 40_000, Count: 200, TLS: trusting})
		if r.Requests != 200 || len(r.Errors) > 0 {
			t.Errorf("%v: %d requests, errors %v", p, r.Requests, r.Errors)
		}
	}
	strange := &tls.Config{RootCAs: authority.New(t, "another").Pool(), ServerName: "127.0.0.1"}
	if _, err := Run(t.Context(), Options{Target: address, Count: 1, TLS: strange}, nil); err == nil {
		t.Error("a certificate of another authority is taken")
	}
}

// A connection is for as many requests as it is said to be, and the one that takes
// its place resumes the session.
func TestRequestsPerConnection(t *testing.T) {
	ca := authority.New(t, "authority")
	var full, resumed atomic.Int64
	config := &tls.Config{
		Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}, NextProtos: []string{"h2"},
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.DidResume {
				resumed.Add(1)
			} else {
				full.Add(1)
			}
			return nil
		},
	}
	address, _ := serve(t, bench.Service{Speaks: bench.SpeaksAll, TLS: config})
	const requests, each = 60, 3
	for _, p := range protocols {
		full.Store(0)
		resumed.Store(0)
		client := &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(4)}
		r := measure(t, Options{Target: address, Protocol: p, Connections: 2, InFlight: 2, PerConnection: each, Count: requests, TLS: client})
		if r.Requests != requests || len(r.Errors) > 0 {
			t.Errorf("%v: %d requests, errors %v", p, r.Requests, r.Errors)
		}
		// The last connections are not used up, and may be followed by others.
		if n := full.Load() + resumed.Load(); n < requests/each || n > requests/each+2*2 {
			t.Errorf("%v: %d connections", p, n)
		}
		if resumed.Load() < requests/each-4 {
			t.Errorf("%v: %d sessions were resumed and %d were not", p, resumed.Load(), full.Load())
		}
	}
}
