// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/bench/result"
	"github.com/sideloop/sideloop/eventloop"
)

func TestMain(m *testing.M) {
	// The loops enrol connections with a pool of goroutines that lives as long
	// as the process and keeps idle workers for a while.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

// patience bounds what should happen soon.
const patience = 20 * time.Second

// serve starts a service for the length of a test and returns its address and
// what stops it earlier.
func serve(t *testing.T, s bench.Service) (address string, stop func()) {
	t.Helper()
	reactor, err := eventloop.Start(eventloop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := reactor.Stop(ctx); err != nil {
			t.Error("stop:", err)
		}
	}
	t.Cleanup(stop)
	e, err := bench.Serve(reactor, "127.0.0.1:0", s)
	if err != nil {
		t.Fatal(err)
	}
	return e.Addr().String(), stop
}

// measure is a run that starts.
func measure(t *testing.T, o Options) *result.Result {
	t.Helper()
	r, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Latency.Count() != r.Requests {
		t.Errorf("%d latencies of %d requests", r.Latency.Count(), r.Requests)
	}
	inSeconds := uint64(0)
	for i, s := range r.Seconds {
		inSeconds += s.Requests
		if s.At != i {
			t.Errorf("second %d is at %d", i, s.At)
		}
	}
	if inSeconds != r.Requests {
		t.Errorf("%d requests in the series of %d", inSeconds, r.Requests)
	}
	return r
}

// onlyErrors wants so many errors under one word and no others.
func onlyErrors(t *testing.T, r *result.Result, word string, n uint64) {
	t.Helper()
	if len(r.Errors) != 1 || r.Errors[word] != n {
		t.Errorf("errors %v, want %d %s", r.Errors, n, word)
	}
}

// script serves each connection with serve until the test ends.
func script(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	open := make(chan struct{}, 1000)
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open <- struct{}{}
			go func() {
				serve(conn)
				_ = conn.Close()
				<-open
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
		for range cap(open) { // every connection has ended
			open <- struct{}{}
		}
	})
	return l.Addr().String()
}
