// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench"
)

var protocols = []Protocol{Bolt, BoltV2, HTTP2, GRPC}

// framing is what a protocol adds to a body of which bytes are counted.
func framing(p Protocol) int {
	if p == GRPC {
		return grpcPrefix
	}
	return 0
}

func TestClosedLoop(t *testing.T) {
	address, _ := serve(t, bench.Service{Speaks: bench.SpeaksAll})
	for _, p := range protocols {
		for _, body := range []int{0, 1, 1000, 64 << 10, 1 << 20} {
			count := uint64(2000)
			if body > 1000 {
				count = 20
			}
			r := measure(t, Options{
				Target: address, Protocol: p, Connections: 3, InFlight: 4, Body: body, Count: count,
				Service: "a.b.C:1.0", Headers: []string{"x-test: yes"},
			})
			if r.Requests != count || len(r.Errors) != 0 || r.Partial != "" {
				t.Errorf("%v, %d bytes: %d of %d requests, errors %v, partial %q", p, body, r.Requests, count, r.Errors, r.Partial)
			}
			if want := count * uint64(body+framing(p)); r.BytesSent != want || r.BytesRead != want {
				t.Errorf("%v, %d bytes: %d sent and %d read, want %d", p, body, r.BytesSent, r.BytesRead, want)
			}
			if r.Service != nil || r.Delay != nil || r.Elapsed <= 0 || r.Latency.Min() <= 0 {
				t.Errorf("%v, %d bytes: service %v, delay %v, elapsed %v, min %v", p, body, r.Service, r.Delay, r.Elapsed, r.Latency.Min())
			}
		}
	}
}

// Replies of their own size are compared with the beginning of Content.
func TestReplySize(t *testing.T) {
	address, _ := serve(t, bench.Service{Speaks: bench.SpeaksAll, Body: 300_000})
	for _, p := range protocols {
		o := Options{Target: address, Protocol: p, Connections: 2, InFlight: 2, Body: 100, Reply: 300_000, Count: 20}
		r := measure(t, o)
		if want := uint64(20 * (300_000 + framing(p))); r.Requests != 20 || r.BytesRead != want {
			t.Errorf("%v: %d requests, %d bytes read, want %d, errors %v", p, r.Requests, r.BytesRead, want, r.Errors)
		}
		o.Reply = AnyReply
		if r := measure(t, o); r.Requests != 20 {
			t.Errorf("%v, any: %d requests, errors %v", p, r.Requests, r.Errors)
		}
		o.Reply = 300_001
		onlyErrors(t, measure(t, o), "wrong_length", 20)
		o.Reply = 0
		onlyErrors(t, measure(t, o), "wrong_length", 20)
	}
}

func TestDurationAndWarmUp(t *testing.T) {
	address, _ := serve(t, bench.Service{})
	var phases []bool
	r, err := Run(t.Context(), Options{
		Target: address, Connections: 2, InFlight: 2, Body: 10, WarmUp: 500 * time.Millisecond, Duration: 1200 * time.Millisecond,
		PIDs: []int{os.Getpid()}, Name: "name", Loops: 2,
	}, func(p Progress) {
		if p.Elapsed > p.Total || p.Done != p.Requests+p.Errors || p.Warming && p.Requests > 0 {
			t.Errorf("progress %+v", p)
		}
		phases = append(phases, p.Warming)
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Elapsed < 1.2 || len(r.Errors) != 0 || r.Requests == 0 || r.Name != "name" {
		t.Errorf("elapsed %v, errors %v, %d requests, name %q", r.Elapsed, r.Errors, r.Requests, r.Name)
	}
	if len(r.Seconds) < 2 || r.Seconds[0].Requests == 0 || r.Seconds[1].Requests == 0 {
		t.Errorf("series %+v", r.Seconds)
	}
	if len(phases) < 2 || !phases[0] || phases[len(phases)-1] {
		t.Errorf("warming: %v", phases)
	}
	if len(r.Targets) != 1 || r.Targets[0].PID != os.Getpid() || r.Targets[0].Name == "" || r.Targets[0].PeakRSS == 0 {
		t.Errorf("targets %+v", r.Targets)
	}
	if r.Generator.User+r.Generator.System <= 0 || r.Generator.Busy <= 0 || r.Generator.PeakRSS == 0 {
		t.Errorf("generator %+v", r.Generator)
	}
	if c := r.Command; c.Target != address || c.Protocol != "bolt" || c.Seconds != 1.2 || c.WarmUp != 0.5 {
		t.Errorf("command %+v", c)
	}
}

func TestUnixTarget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err == nil {
			echoBolt(conn, nil)
			_ = conn.Close()
		}
	}()
	r := measure(t, Options{Target: "unix:" + path, Body: 5, Count: 10})
	_ = l.Close()
	<-ended
	if r.Requests != 10 || len(r.Errors) != 0 {
		t.Errorf("%d requests, errors %v", r.Requests, r.Errors)
	}
}

// A run that is interrupted ends at once and keeps what it has.
func TestInterrupted(t *testing.T) {
	address, _ := serve(t, bench.Service{})
	for _, rate := range []float64{0, 2000} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := Run(ctx, Options{Target: address, Duration: time.Hour, Rate: rate}, func(p Progress) {
			if p.Requests > 0 {
				cancel()
			}
		})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if r.Partial != "interrupted" || r.Requests == 0 || r.Requests != r.Latency.Count() || r.Elapsed > patience.Seconds() {
			t.Errorf("partial %q, %d requests, %v s", r.Partial, r.Requests, r.Elapsed)
		}
	}
}

func TestBadOptions(t *testing.T) {
	ok := Options{Target: "127.0.0.1:1", Count: 1}
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no port", func(o *Options) { o.Target = "nowhere" }, "missing port"},
		{"no path", func(o *Options) { o.Target = "unix:" }, "no path"},
		{"protocol", func(o *Options) { o.Protocol = 9 }, "protocol is unknown"},
		{"connections", func(o *Options) { o.Connections = -1 }, "negative"},
		{"requests", func(o *Options) { o.Connections, o.InFlight = 1<<11, 1<<10 }, "requests in flight in all"},
		{"body", func(o *Options) { o.Body = -1 }, "the body"},
		{"reply", func(o *Options) { o.Reply = -2 }, "the reply"},
		{"rate", func(o *Options) { o.Rate = 1e9 }, "the rate is not between"},
		{"nothing due", func(o *Options) { o.Rate, o.Duration = 0.1, time.Second }, "none is due"},
		{"no end", func(o *Options) { o.Count = 0 }, "says when the run ends"},
		{"times", func(o *Options) { o.WarmUp = -1 }, "negative"},
		{"timeout", func(o *Options) { o.RequestTimeout = 1 }, "a millisecond at least"},
		{"process", func(o *Options) { o.PIDs = []int{1 << 30} }, "process 1073741824"},
		{"header", func(o *Options) { o.Headers = []string{"x"} }, "not name: value"},
		{"long headers", func(o *Options) { o.Headers = []string{"x:" + strings.Repeat("y", 70000)} }, "Bolt can send"},
		{"pseudo-header", func(o *Options) { o.Protocol, o.Headers = HTTP2, []string{":path: /"} }, "pseudo-header"},
		{"connection header", func(o *Options) { o.Protocol, o.Headers = HTTP2, []string{"Upgrade: x"} }, "does not exist in HTTP/2"},
		{"content-length", func(o *Options) { o.Protocol, o.Headers = GRPC, []string{"content-length: 5"} }, "follows from the body"},
		{"header name", func(o *Options) { o.Protocol, o.Headers = HTTP2, []string{"a b: c"} }, "does not allow"},
		{"header value", func(o *Options) { o.Protocol, o.Headers = HTTP2, []string{"a: b\nc"} }, "does not allow"},
		{"method", func(o *Options) { o.Protocol, o.Method = HTTP2, "A B" }, "not a word"},
		{"path", func(o *Options) { o.Protocol, o.Path = HTTP2, "x" }, "does not begin with a slash"},
	} {
		o := ok
		c.change(&o)
		if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestProtocolNames(t *testing.T) {
	for _, p := range protocols {
		var back Protocol
		if err := back.UnmarshalText([]byte(p.String())); err != nil || back != p {
			t.Errorf("%v became %v: %v", p, back, err)
		}
	}
	if err := new(Protocol).UnmarshalText([]byte("http3")); err == nil {
		t.Error("http3 is a protocol")
	}
}
