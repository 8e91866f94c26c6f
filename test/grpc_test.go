// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/orca"
)

// interopLog is grpc-go's log: silent, and with a fatal message the end of the
// test under way instead of that of the process, which is how the cases of
// package interop fail.
type interopLog struct {
	grpclog.LoggerV2
	test atomic.Pointer[testing.T]
}

func (l *interopLog) Fatalln(args ...any) { l.test.Load().Fatal(args...) }

var grpcLog = &interopLog{LoggerV2: grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)}

func init() { grpclog.SetLoggerV2(grpcLog) }

// grpcService is a gRPC server that can be torn down.
type grpcService struct {
	server  *grpc.Server
	address string
	done    chan struct{}
}

// startGRPC serves s, by default the server of package interop.
func startGRPC(t testing.TB, address string, s testgrpc.TestServiceServer, options ...grpc.ServerOption) *grpcService {
	t.Helper()
	if s == nil {
		s = interop.NewTestServer()
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	g := &grpcService{grpc.NewServer(append(options, orca.CallMetricsServerOption(nil))...), l.Addr().String(), make(chan struct{})}
	testgrpc.RegisterTestServiceServer(g.server, s)
	go func() {
		defer close(g.done)
		g.server.Serve(l)
	}()
	t.Cleanup(g.stop)
	return g
}

// stop tears down every connection as a crash would.
func (g *grpcService) stop() {
	g.server.Stop()
	<-g.done
}

// dialGRPC returns a channel over one connection.
func dialGRPC(t testing.TB, address string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	cc, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

func grpcHop(hosts ...string) hop {
	return hop{name: "grpc", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: hosts, match: anyRequest}
}

// interopCases are the cases of package interop that need neither TLS nor
// credentials, by the names of gRPC's specification of them.
var interopCases = []struct {
	name string
	run  func(ctx context.Context, cc *grpc.ClientConn, c testgrpc.TestServiceClient)
}{
	{"empty_unary", onClient(interop.DoEmptyUnaryCall)},
	{"large_unary", onClient(interop.DoLargeUnaryCall)},
	{"client_streaming", onClient(interop.DoClientStreaming)},
	{"server_streaming", onClient(interop.DoServerStreaming)},
	{"ping_pong", onClient(interop.DoPingPong)},
	{"empty_stream", onClient(interop.DoEmptyStream)},
	{"timeout_on_sleeping_server", onClient(interop.DoTimeoutOnSleepingServer)},
	{"cancel_after_begin", onClient(interop.DoCancelAfterBegin)},
	{"cancel_after_first_response", onClient(interop.DoCancelAfterFirstResponse)},
	{"status_code_and_message", onClient(interop.DoStatusCodeAndMessage)},
	{"special_status_message", onClient(interop.DoSpecialStatusMessage)},
	{"custom_metadata", onClient(interop.DoCustomMetadata)},
	{"unimplemented_method", func(ctx context.Context, cc *grpc.ClientConn, _ testgrpc.TestServiceClient) {
		interop.DoUnimplementedMethod(ctx, cc)
	}},
	{"unimplemented_service", func(ctx context.Context, cc *grpc.ClientConn, _ testgrpc.TestServiceClient) {
		interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(cc))
	}},
	{"orca_per_rpc", func(ctx context.Context, _ *grpc.ClientConn, c testgrpc.TestServiceClient) {
		interop.DoORCAPerRPCTest(ctx, c)
	}},
	{"channel_soak", func(ctx context.Context, cc *grpc.ClientConn, _ testgrpc.TestServiceClient) {
		interop.DoSoakTest(ctx, soak(func() (*grpc.ClientConn, func()) {
			fresh, err := grpc.NewClient(cc.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				panic(err) // only a target that does not parse
			}
			return fresh, func() { fresh.Close() }
		}))
	}},
	{"rpc_soak", func(ctx context.Context, cc *grpc.ClientConn, _ testgrpc.TestServiceClient) {
		interop.DoSoakTest(ctx, soak(func() (*grpc.ClientConn, func()) { return cc, func() {} }))
	}},
}

func onClient(do func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption)) func(context.Context, *grpc.ClientConn, testgrpc.TestServiceClient) {
	return func(ctx context.Context, _ *grpc.ClientConn, c testgrpc.TestServiceClient) { do(ctx, c) }
}

// soak is gRPC's soak test with the sizes of its specification.
func soak(channel func() (*grpc.ClientConn, func())) interop.SoakTestConfig {
	return interop.SoakTestConfig{
		RequestSize: 271828, ResponseSize: 314159, NumWorkers: 4, Iterations: scale(40),
		PerIterationMaxAcceptableLatency: waitLimit, OverallTimeout: time.Duration(scale(1)) * waitLimit, ChannelForTest: channel,
	}
}

// silenced runs f with what it writes to the standard error left out: the soak
// test writes a line for each call.
func silenced(t *testing.T, f func()) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = null
	defer func() {
		os.Stderr = stderr
		null.Close()
	}()
	f()
}

// gRPC's own client and server understand each other through the proxy, while
// Bolt calls run beside them in the same process.
func TestGRPCInterop(t *testing.T) {
	up, bolt := startGRPC(t, "127.0.0.1:0", nil), startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(grpcHop(up.address),
		hop{name: "bolt", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address()}}))
	stop := make(chan struct{})
	var beside sync.WaitGroup
	var seen outcomes
	beside.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				callMany(t, "SofaRpc", p.address("bolt"), 64, &seen, new(atomic.Int64))
			}
		}
	})
	for _, tt := range interopCases {
		t.Run(tt.name, func(t *testing.T) {
			grpcLog.test.Store(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(scale(1))*waitLimit)
			defer cancel()
			cc := dialGRPC(t, p.address("grpc"), grpc.WithDefaultServiceConfig(reportingBalancer))
			silenced(t, func() { tt.run(ctx, cc, testgrpc.NewTestServiceClient(cc)) })
		})
	}
	close(stop)
	beside.Wait()
	if len(seen.counts) != 1 || seen.counts["ok"] == 0 {
		t.Errorf("Bolt calls beside gRPC: %v", seen.counts)
	}
	p.wantNothingHeld()
}

// reportingBalancer has a channel note the load reports in its replies' trailers.
const reportingBalancer = `{"loadBalancingConfig": [{"test_backend_metrics_load_balancer": {}}]}`
