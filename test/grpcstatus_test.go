// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
)

// scriptedGRPC is a gRPC service whose calls the test answers.
type scriptedGRPC struct {
	testgrpc.UnimplementedTestServiceServer
	unary  func(ctx context.Context) error
	duplex func(s testgrpc.TestService_FullDuplexCallServer) error
}

func (s *scriptedGRPC) UnaryCall(ctx context.Context, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	return &testgrpc.SimpleResponse{}, s.unary(ctx)
}

func (s *scriptedGRPC) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	return s.duplex(stream)
}

// echoDuplex answers each message with one of the same payload.
func echoDuplex(s testgrpc.TestService_FullDuplexCallServer) error {
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&testgrpc.StreamingOutputCallResponse{Payload: m.Payload}); err != nil {
			return err
		}
	}
}

// hang waits until the client is known to have gone, and says so.
func hang(left chan<- struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		left <- struct{}{}
		return ctx.Err()
	}
}

func unaryCall(t *testing.T, cc *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	_, err := testgrpc.NewTestServiceClient(cc).UnaryCall(ctx, &testgrpc.SimpleRequest{})
	return err
}

// wantGRPC checks the code of a call's error and the reason in its message.
func wantGRPC(t *testing.T, err error, code codes.Code, reason codec.Reason) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != code || !strings.HasPrefix(s.Message(), reason.String()+": ") {
		t.Errorf("status %v, message %q; want %v, %v", s.Code(), s.Message(), code, reason)
	}
}

// wantLeft waits until the upstream knows that its caller has gone.
func wantLeft(t *testing.T, left <-chan struct{}) {
	t.Helper()
	select {
	case <-left:
	case <-time.After(waitLimit):
		t.Fatal("the upstream's call was not cancelled")
	}
}

// A server that never answers: the call ends at the deadline of whoever has one,
// and the server is told.
func TestGRPCDeadlines(t *testing.T) {
	left := make(chan struct{}, 1)
	up := startGRPC(t, "127.0.0.1:0", &scriptedGRPC{unary: hang(left), duplex: echoDuplex})
	own, routes := grpcHop(up.address), grpcHop(up.address)
	routes.name, routes.route = "routes", `, "timeout": "100ms"`
	p := startProxy(t, configOf(own, routes))
	t.Run("the client's timer", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := testgrpc.NewTestServiceClient(dialGRPC(t, p.address("grpc"))).UnaryCall(ctx, &testgrpc.SimpleRequest{})
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%v", err)
		}
		wantLeft(t, left)
	})
	t.Run("the route's timeout", func(t *testing.T) {
		wantGRPC(t, unaryCall(t, dialGRPC(t, p.address("routes"))), codes.DeadlineExceeded, codec.UpstreamTimeout)
		wantLeft(t, left)
	})
	t.Run("the route's timeout within the reply", func(t *testing.T) {
		s, err := testgrpc.NewTestServiceClient(dialGRPC(t, p.address("routes"))).FullDuplexCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pingPong(t, s, 1)
		_, err = s.Recv()
		wantGRPC(t, err, codes.DeadlineExceeded, codec.UpstreamTimeout)
	})
	t.Run("grpc-timeout", func(t *testing.T) {
		c := dialFrames(t, p.address("grpc"))
		c.send(1, false, ":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/grpc.testing.TestService/UnaryCall",
			"content-type", "application/grpc", "te", "trailers", "grpc-timeout", "100m")
		c.data(1, make([]byte, 5), true)
		if h := c.wantHeaders(); field(h, "grpc-status") != fmt.Sprint(uint32(codes.DeadlineExceeded)) || !h.StreamEnded() {
			t.Errorf("the reply is %v", h.Fields)
		}
		wantLeft(t, left)
	})
	p.wantNothingHeld()
}

// What the proxy answers itself has the gRPC status of its reason.
func TestGRPCFailures(t *testing.T) {
	kill := make(chan func(), 1)
	up := startGRPC(t, "127.0.0.1:0", &scriptedGRPC{
		unary: func(ctx context.Context) error {
			go (<-kill)()
			<-ctx.Done()
			return ctx.Err()
		},
		duplex: echoDuplex,
	})
	down, none := grpcHop(freeAddress(t)), grpcHop(up.address)
	down.name = "down"
	none.name, none.match = "none", `{"path": "/none"}`
	p := startProxy(t, configOf(grpcHop(up.address), down, none))

	wantGRPC(t, unaryCall(t, dialGRPC(t, p.address("down"))), codes.Unavailable, codec.ConnectFailed)
	wantGRPC(t, unaryCall(t, dialGRPC(t, p.address("none"))), codes.Unimplemented, codec.NoRoute)

	cc := dialGRPC(t, p.address("grpc"))
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	s, err := testgrpc.NewTestServiceClient(cc).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	pingPong(t, s, 1)
	kill <- up.stop
	wantGRPC(t, unaryCall(t, cc), codes.Unavailable, codec.UpstreamClosed)
	_, err = s.Recv()
	wantGRPC(t, err, codes.Unavailable, codec.UpstreamClosed)
	p.wantNothingHeld()
}

// pingPong sends a message and wants it back.
func pingPong(t *testing.T, s testgrpc.TestService_FullDuplexCallClient, size int) {
	t.Helper()
	want := body(size)
	if err := s.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: want}}); err != nil {
		t.Fatal(err)
	}
	m, err := s.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Payload.GetBody()) != string(want) {
		t.Errorf("%d bytes came back for %d", len(m.Payload.GetBody()), size)
	}
}

// A stream on which nothing moves outlives the idle timeouts of both its
// connections many times over.
func TestGRPCStreamOutlivesIdleTimeouts(t *testing.T) {
	up := startGRPC(t, "127.0.0.1:0", &scriptedGRPC{duplex: echoDuplex})
	h := grpcHop(up.address)
	h.clusterKV = `, "idle_timeout": "30ms"`
	p := startProxy(t, strings.ReplaceAll(configOf(h), `"bind_port"`, `"connection_idle_timeout": "30ms", "bind_port"`))
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	s, err := testgrpc.NewTestServiceClient(dialGRPC(t, p.address("grpc"))).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		pingPong(t, s, 1000)
		// A connection that is idle is closed after a period.
		for range 3 {
			idle := dialFrames(t, p.address("grpc"))
			for _, err := idle.read(); err == nil; _, err = idle.read() {
			}
		}
	}
	s.CloseSend()
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("the stream ends with %v", err)
	}
	if n := p.ended(codec.ReasonNone); n != 1 {
		t.Errorf("%d requests ended well", n)
	}
}

// Keepalive as often as a client may: a PING every few milliseconds, with and
// without a stream, is answered and costs the connection nothing.
func TestKeepalivePings(t *testing.T) {
	up := startGRPC(t, "127.0.0.1:0", &scriptedGRPC{duplex: echoDuplex})
	p := startProxy(t, configOf(grpcHop(up.address)))
	c := dialFrames(t, p.address("grpc"))
	ping := func(n int) {
		for i := range n {
			c.fr.WritePing(false, [8]byte{byte(i), byte(i >> 8)})
			for acked := false; !acked; {
				f, err := c.fr.ReadFrame()
				if err != nil {
					t.Fatal(err)
				}
				switch f := f.(type) {
				case *http2.PingFrame:
					acked = f.IsAck() && f.Data[0] == byte(i) && f.Data[1] == byte(i>>8)
				case *http2.SettingsFrame:
					if !f.IsAck() {
						c.fr.WriteSettingsAck()
					}
				case *http2.WindowUpdateFrame:
				default:
					t.Fatalf("got %v; want the answer to a PING", f)
				}
			}
		}
	}
	ping(1000)
	c.send(1, false, ":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/grpc.testing.TestService/FullDuplexCall",
		"content-type", "application/grpc", "te", "trailers")
	ping(1000)
	c.data(1, nil, true)
	if h := c.wantHeaders(); field(h, ":status") != "200" {
		t.Errorf("the reply is %v", h)
	}
	p.wantOK(1)
}

// A thousand streams of one channel are open at once, and each has its own
// messages come back.
func TestGRPCManyStreams(t *testing.T) {
	const streams, rounds = 1000, 3
	up := startGRPC(t, "127.0.0.1:0", &scriptedGRPC{duplex: echoDuplex})
	p := startProxy(t, configOf(grpcHop(up.address)))
	c := testgrpc.NewTestServiceClient(dialGRPC(t, p.address("grpc")))
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	var wg, open sync.WaitGroup
	open.Add(streams)
	for i := range streams {
		wg.Go(func() {
			if err := chat(ctx, c, &open, i, rounds); err != nil {
				t.Errorf("stream %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	p.wantOK(streams)
}

// chat exchanges messages on a new stream, the first before and the others after
// all streams are open.
func chat(ctx context.Context, c testgrpc.TestServiceClient, open *sync.WaitGroup, i, rounds int) error {
	opened := sync.OnceFunc(open.Done)
	defer opened()
	s, err := c.FullDuplexCall(ctx)
	for round := 0; err == nil && round <= rounds; round++ {
		text := fmt.Sprintf("stream %d round %d", i, round)
		if err = s.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: []byte(text)}}); err != nil {
			break
		}
		var m *testgrpc.StreamingOutputCallResponse
		if m, err = s.Recv(); err == nil && string(m.Payload.GetBody()) != text {
			err = fmt.Errorf("%q came back for %q", m.Payload.GetBody(), text)
		}
		if round == 0 {
			opened()
			open.Wait()
		}
	}
	if err != nil {
		return err
	}
	s.CloseSend()
	if _, err = s.Recv(); err != io.EOF {
		return fmt.Errorf("the end: %w", err)
	}
	return nil
}

// A server whose timer ends the call a moment before ours says so by a reset,
// which is no other failure than ours.
func TestGRPCDeadlineOfTheServer(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(grpcHop(l.Addr().String())))
	c := dialFrames(t, p.address("grpc"))
	// Connected, so that the reset below comes in time.
	c.ask(1, true)
	up := acceptFrames(t, l)
	up.send(up.wantHeaders().StreamID, true, ":status", "200")
	c.wantHeaders()
	c.ask(3, true, "content-type", "application/grpc", "grpc-timeout", "8m")
	up.fr.WriteRSTStream(up.wantHeaders().StreamID, http2.ErrCodeCancel)
	if h := c.wantHeaders(); field(h, "grpc-status") != fmt.Sprint(uint32(codes.DeadlineExceeded)) {
		t.Errorf("the reply is %v", h.Fields)
	}
	p.wantEnded(codec.UpstreamTimeout, 1)
}
