// SPDX-License-Identifier: Apache-2.0

package test

import (
	"net/http"
	"testing"

	"github.com/sideloop/sideloop/stats"
)

// Each try that fails is counted once, by how it failed.
func TestTryOutcomes(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	h2 := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("x-do") {
		case "fail":
			w.WriteHeader(503)
		case "hang":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "break":
			panic(http.ErrAbortHandler)
		}
	})
	p := startProxy(t, configOf(
		hop{name: "up", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest, route: `, "timeout": "100ms"`},
		hop{name: "down", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{freeAddress(t)}, match: anyRequest},
	))
	c := newH2Client(t)
	for _, tt := range []struct {
		listener, do string
		status       int
		counter      stats.Counter
		want         uint64
	}{
		{"up", "fail", 503, stats.UpstreamServerErrors, 1},
		{"up", "hang", 504, stats.UpstreamTriesTimedOut, 1},
		{"up", "break", 502, stats.UpstreamTriesBroken, 1},
		{"up", "", 200, stats.UpstreamServerErrors, 1},
	} {
		if r := postH2(t, c, p.address(tt.listener), nil, true, http.Header{"X-Do": {tt.do}}); r.status != tt.status {
			t.Errorf("%q: status %d, want %d", tt.do, r.status, tt.status)
		}
		if n := p.stats().Get(tt.counter); n != tt.want {
			t.Errorf("%q: %v is %d, want %d", tt.do, tt.counter, n, tt.want)
		}
	}
	if r := postH2(t, c, p.address("down"), nil, true, nil); r.status != 502 {
		t.Errorf("status %d without a host", r.status)
	}
	if n := p.stats().Get(stats.UpstreamTriesUnconnected); n < 1 || n > 4 {
		t.Errorf("%d tries without a connection", n)
	}
}
