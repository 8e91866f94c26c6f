// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"golang.org/x/net/http2"
)

// rotation is one proxy after the other in front of the same upstreams, as in a
// rolling restart: new connections go to the newest, and the one before drains.
type rotation struct {
	mu      sync.RWMutex // held for reading while a connection is made
	current *proxy
}

// dial connects to the proxy that takes connections now.
func (r *rotation) dial(ctx context.Context, listener string) (net.Conn, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return new(net.Dialer).DialContext(ctx, "tcp", r.current.address(listener))
}

// next puts p in the place of the proxy before, and drains that one.
func (r *rotation) next(t *testing.T, p *proxy) {
	r.mu.Lock()
	old := r.current
	r.current = p
	r.mu.Unlock()
	if old == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	old.Drain(ctx)
	if ctx.Err() != nil {
		t.Error("the drain did not end")
	}
	old.wantNothingHeld()
	old.Stop(t.Context())
}

// Clients of two makes keep asking while proxies drain away under them: GOAWAY in
// two steps, with requests on their way to it, loses none.
func TestDrainsUnderLoad(t *testing.T) {
	const callers = 8
	drains := scale(100)
	h2, rpc := startH2Service(t, "127.0.0.1:0", echoH2), startGRPC(t, "127.0.0.1:0", &scriptedGRPC{unary: func(context.Context) error { return nil }})
	g := grpcHop(rpc.address)
	config := configOf(hop{name: "h2", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest}, g)
	r := new(rotation)
	r.next(t, startProxy(t, config))

	tr := &http.Transport{Protocols: onlyH2(), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return r.dial(ctx, "h2") }}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: callTimeout}
	channel := testgrpc.NewTestServiceClient(dialGRPC(t, "proxy", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return r.dial(ctx, "grpc") })))

	var calls atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	var seen outcomes
	for k := range callers {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				seen.add(handoverCall(t.Context(), client, channel, k, i))
				calls.Add(1)
			}
		})
	}
	for range drains {
		// The next drain meets connections in full use.
		n := calls.Load() + 10*callers
		reaches(t, "the load moves on", &calls, n)
		r.next(t, startProxy(t, config))
	}
	stop.Store(true)
	wg.Wait()
	if seen.counts["ok"] != int(calls.Load()) {
		t.Errorf("%v", seen.counts)
	}
	t.Logf("%d calls over %d drains", calls.Load(), drains)
}

// handoverCall makes a call, by every second caller over gRPC, and tells how it
// ended.
func handoverCall(ctx context.Context, client *http.Client, channel testgrpc.TestServiceClient, caller, i int) string {
	if caller%2 == 0 {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		if _, err := channel.UnaryCall(ctx, &testgrpc.SimpleRequest{Payload: &testgrpc.Payload{Body: body(1000)}}, grpc.WaitForReady(true)); err != nil {
			return "gRPC: " + err.Error()
		}
		return "ok"
	}
	b := fmt.Appendf(nil, "call %d of %d", i, caller)
	r, err := tryH2(client, "proxy", b, true, nil)
	switch {
	case err != nil:
		return "HTTP/2: " + err.Error()
	case r.status != 200 || !bytes.Equal(r.body, b):
		return fmt.Sprintf("HTTP/2: status %d, %d bytes", r.status, len(r.body))
	}
	return "ok"
}

// Connections that the kernel has taken when a drain begins are served: their
// clients know of no reason why they should not be.
func TestDrainServesTheBacklog(t *testing.T) {
	up := startH2Service(t, "127.0.0.1:0", echoH2)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest}))
	const clients = 100
	var peers [clients]*framePeer
	for i := range peers {
		peers[i] = dialFrames(t, p.address("in"))
		peers[i].ask(1, true)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		p.Drain(ctx)
	}()
	for _, c := range peers {
		served := false
		for !served {
			switch f := c.next().(type) {
			case *http2.MetaHeadersFrame:
				served = field(f, ":status") == "200"
			case *http2.GoAwayFrame:
			default:
				t.Fatalf("got %v; want a reply", f)
			}
		}
	}
	for _, c := range peers {
		c.conn.Close()
	}
	<-drained
	p.wantOK(clients)
}
