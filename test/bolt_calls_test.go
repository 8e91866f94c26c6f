// SPDX-License-Identifier: Apache-2.0

package test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// A client may use an id again while it is in flight, as a client that wraps or
// a careless one does: each request is its own, and each is answered when its
// reply comes, under that id.
func TestDuplicateIDs(t *testing.T) {
	release := make(chan struct{})
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		if string(f.content) == "slow" {
			<-release
		}
		return echoBolt(f)
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	c := dial(t, p.address("in"))
	r := newReader(c)
	ask := func(content string) {
		f := newBoltRequest(service, []byte(content))
		f.id = 0xFFFFFFFF
		c.Write(f.encode())
	}
	want := func(content string) {
		t.Helper()
		if f, err := readBolt(r); err != nil || f.id != 0xFFFFFFFF || string(f.content) != content {
			t.Errorf("got %q under id %x, %v; want %q", f.content, f.id, err, content)
		}
	}
	ask("slow")
	ask("first")
	want("first")
	ask("second")
	want("second")
	close(release)
	want("slow")
	p.wantOK(3)
}

// The timeout of a large request counts from its head: it is answered in time
// though the rest is still to come, and the connection goes on behind it.
func TestTimeoutWithinALargeRequest(t *testing.T) {
	for _, up := range protocols {
		t.Run(up, func(t *testing.T) {
			host := startBoltService(t, "127.0.0.1:0", echoBolt).address()
			if up == "Http2" {
				host = startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
					b, err := io.ReadAll(r.Body)
					if err == nil {
						w.Write(b)
					}
				}).address()
			}
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: up, hosts: []string{host}}))
			c := dial(t, p.address("in"))
			r := newReader(c)
			f := newBoltRequest(service, body(announced))
			f.id, f.timeout = 5, 100
			frame := f.encode()
			c.Write(frame[:begun])
			got, err := readBolt(r)
			if err != nil || got.id != 5 {
				t.Fatalf("id %d, %v", got.id, err)
			}
			wantBoltFailure(t, got, 7, codec.UpstreamTimeout)
			c.Write(frame[begun:])
			f.id, f.timeout = 6, 30_000
			c.Write(f.encode())
			got, err = readBolt(r)
			if err != nil || got.id != 6 {
				t.Fatalf("id %d, %v", got.id, err)
			}
			wantBoltEcho(t, f, got)
			p.wantEnded(codec.UpstreamTimeout, 1)
			p.wantEnded(codec.ReasonNone, 1)
			p.wantNothingHeld()
		})
	}
}

// The time that a request waits for a connection is its own.
func TestTimeoutCountsFromArrival(t *testing.T) {
	n := listenNarrow(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{n.address}, clusterKV: `, "max_request_per_conn": 1`}))
	c := dialBolt(t, p.address("in"))
	first := make(chan string, 1)
	go func() {
		f := newBoltRequest(service, nil)
		f.timeout = 300
		r, err := c.call(f)
		if err != nil {
			first <- err.Error()
			return
		}
		first <- r.get(codec.ReasonHeader)
	}()
	up := n.accept()
	defer up.Close()
	n.deafen() // nothing else is accepted
	f := newBoltRequest(service, nil)
	f.timeout = 300
	began := time.Now()
	wantBoltFailure(t, c.mustCall(t, f), 7, codec.UpstreamTimeout)
	if got := <-first; got != codec.UpstreamTimeout.String() {
		t.Errorf("the one that had a connection ended with %q", got)
	}
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
	p.wantNothingHeld()
}

// At the configured number of requests in flight a connection is not read, and
// the rest is served in its turn.
func TestMaxRequestsInFlight(t *testing.T) {
	release := make(chan struct{})
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		<-release
		return echoBolt(f)
	})
	text := strings.Replace(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}),
		`"downstream_protocol"`, `"extend_config": {"bolt": {"max_requests_in_flight": 8}}, "downstream_protocol"`, 1)
	p := startProxy(t, text)
	c := dialBolt(t, p.address("in"))
	answers := make(chan uint16, 20)
	for range 20 {
		go func() {
			r, _ := c.call(newBoltRequest(service, []byte("x")))
			answers <- r.status
		}()
	}
	eventually(t, "eight are in flight", func() bool { return p.stats().Get(stats.DownstreamRequests) == 8 })
	for range 20 {
		p.turns() // a turn each, in which more could be read
	}
	if n := p.stats().Get(stats.DownstreamRequests); n != 8 {
		t.Errorf("%d requests were taken", n)
	}
	close(release)
	for range 20 {
		if status := <-answers; status != 0 {
			t.Errorf("status %d", status)
		}
	}
	p.wantOK(20)
}
