// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	h2specHTTP2 "github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// h2specTimeout is how long a case of h2spec waits for a frame. Cases that pass
// hardly ever wait it out.
const h2specTimeout = 2 * time.Second

// h2specHeaderLen is the length above which h2spec splits a header value.
const h2specHeaderLen = 4000

// The cases of h2spec 2.2.1, those of its strict mode among them, against what
// the proxy answers itself and against a route to a server of another make.
func TestH2spec(t *testing.T) {
	up := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		// Go's server takes trailers that cross its reply for an error.
		io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, "a body of more than a few bytes")
	})
	p := startProxy(t, configOf(
		hop{name: "own reply", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: `{"path": "/none"}`},
		hop{name: "proxied", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest},
		hop{name: "over TLS", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest, tls: newMesh(t).toClients("")},
	))
	for _, listener := range []string{"own reply", "proxied", "over TLS"} {
		t.Run(listener, func(t *testing.T) {
			address := p.Addr(listener).(*net.TCPAddr)
			c := &config.Config{Host: address.IP.String(), Port: address.Port, Path: "/", Timeout: h2specTimeout, MaxHeaderLen: h2specHeaderLen, TLS: listener == "over TLS", Insecure: true}
			run := 0
			for _, g := range []*spec.TestGroup{generic.Spec(), h2specHTTP2.Spec(), hpack.Spec()} {
				run += runH2spec(t, c, g)
			}
			if run != h2specCases {
				t.Errorf("%d cases were run; want %d", run, h2specCases)
			}
		})
	}
	p.wantNothingHeld()
}

// h2specCases is how many cases 2.2.1 has, the strict one among them.
const h2specCases = 146

// runH2spec runs the cases of a group and of those in it, and returns how many
// there are. h2spec's own runner prints a report and may end the process.
func runH2spec(t *testing.T, c *config.Config, g *spec.TestGroup) int {
	cases := append(g.Tests, g.StrictTests...)
	for i, tc := range cases {
		t.Run(fmt.Sprintf("%s/%d", g.ID(), i+1), func(t *testing.T) {
			conn, err := spec.Dial(c)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := tc.Run(c, conn); err != nil {
				t.Errorf("%s (%s)\n%s: %v", tc.Desc, g.Title(), tc.Requirement, err)
			}
		})
	}
	n := len(cases)
	for _, sub := range g.Groups {
		n += runH2spec(t, c, sub)
	}
	return n
}
