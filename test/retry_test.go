// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// flaky is a service of either protocol whose first replies fail.
type flaky struct {
	address string
	asked   atomic.Int64
}

// startFlaky runs a service that answers its first n requests with 503, Bolt
// status 4, and echoes the others.
func startFlaky(t testing.TB, protocol string, n int64) *flaky {
	t.Helper()
	f := new(flaky)
	fails := func() bool { return f.asked.Add(1) <= n }
	if protocol == "SofaRpc" {
		f.address = startBoltService(t, "127.0.0.1:0", func(q boltFrame) []boltFrame {
			r := q.reply()
			if fails() {
				r.status, r.content = 4, []byte("busy")
			}
			return []boltFrame{r}
		}).address()
		return f
	}
	f.address = startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if fails() {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		w.Write(b)
	}).address()
	return f
}

// call asks a listener of either protocol and returns what a client sees.
func call(t testing.TB, p *proxy, listener, down string, content []byte) (status int, reply []byte, reason string) {
	t.Helper()
	if down == "SofaRpc" {
		r := dialBolt(t, p.address(listener)).mustCall(t, newBoltRequest(service, content))
		return int(r.status), r.content, r.get(codec.ReasonHeader)
	}
	r := postH2(t, newH2Client(t), p.address(listener), content, true, http.Header{"Service": {service}})
	return r.status, r.body, r.header.Get(codec.ReasonHeader)
}

// A failed reply is not passed on while the policy allows another try; the
// request that is sent again is whole, and the client gets one reply.
func TestRetryOnStatus(t *testing.T) {
	for _, down := range protocols {
		for _, up := range protocols {
			t.Run(down+" to "+up, func(t *testing.T) {
				f := startFlaky(t, up, 2)
				p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: up, hosts: []string{f.address},
					route: `, "retry_policy": {"retry_on": true, "num_retries": 2}`}))
				content := body(20_000)
				status, reply, reason := call(t, p, "in", down, content)
				if status != 0 && status != 200 || !bytes.Equal(reply, content) {
					t.Errorf("status %d, reason %q, %d bytes", status, reason, len(reply))
				}
				if n := f.asked.Load(); n != 3 {
					t.Errorf("the host was asked %d times", n)
				}
				s := p.stats()
				if s.Get(stats.UpstreamRetries) != 2 || s.Get(stats.UpstreamServerErrors) != 2 {
					t.Errorf("%d retries, %d server errors", s.Get(stats.UpstreamRetries), s.Get(stats.UpstreamServerErrors))
				}
				p.wantOK(1)
			})
		}
	}
}

// When the tries are used up the client gets what the host said last.
func TestRetriesUsedUp(t *testing.T) {
	for _, tt := range []struct {
		policy string
		asked  int64
	}{
		{`"retry_on": true, "num_retries": 1`, 2}, {`"retry_on": true, "num_retries": 0`, 1},
		{`"retry_on": true`, 4}, {`"retry_on": false, "num_retries": 3`, 1}, {`"retry_on": true, "status_codes": [502]`, 1},
		{`"retry_on": "connect-failure,reset"`, 1}, {`"retry_on": "gateway-error", "num_retries": 2`, 3},
	} {
		for _, protocol := range protocols {
			t.Run(protocol+" "+tt.policy, func(t *testing.T) {
				f := startFlaky(t, protocol, 100)
				p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: protocol, up: protocol, hosts: []string{f.address},
					route: `, "retry_policy": {` + tt.policy + `}`}))
				status, reply, reason := call(t, p, "in", protocol, []byte("x"))
				if status != 4 && status != 503 || !bytes.HasPrefix(reply, []byte("busy")) || reason != "" {
					t.Errorf("status %d, reason %q, %q", status, reason, reply)
				}
				if n := f.asked.Load(); n != tt.asked {
					t.Errorf("the host was asked %d times, want %d", n, tt.asked)
				}
				p.wantOK(1)
			})
		}
	}
}

func TestRetryOnBoltStatuses(t *testing.T) {
	for _, tt := range []struct {
		policy  string
		retried map[uint16]bool
	}{
		{`"retry_on": "bolt-busy,bolt-timeout"`, map[uint16]bool{4: true, 7: true}},
		{`"retry_on": true, "retriable_bolt_statuses": [9, 300]`, map[uint16]bool{9: true, 300: true}},
		{`"retry_on": true, "status_codes": [504]`, map[uint16]bool{7: true}},
	} {
		t.Run(tt.policy, func(t *testing.T) {
			var asked atomic.Int64
			up := startBoltService(t, "127.0.0.1:0", func(q boltFrame) []boltFrame {
				r := q.reply()
				if n, _ := strconv.Atoi(string(q.content)); asked.Add(1) == 1 {
					r.status = uint16(n)
				}
				return []boltFrame{r}
			})
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()},
				route: `, "retry_policy": {` + tt.policy + `}`}))
			c := dialBolt(t, p.address("in"))
			for _, status := range []uint16{1, 4, 6, 7, 9, 16, 300} {
				asked.Store(0)
				r := c.mustCall(t, newBoltRequest(service, strconv.AppendUint(nil, uint64(status), 10)))
				if again := asked.Load() == 2; again != tt.retried[status] || (r.status == 0) != again {
					t.Errorf("status %d: asked %d times, the client got %d", status, asked.Load(), r.status)
				}
			}
		})
	}
}

// gRPC statuses are looked at where no message came before them.
func TestRetryOnGRPCStatus(t *testing.T) {
	for _, tt := range []struct {
		status, pushback string
		asked            int64
	}{{"14", "", 2}, {"13", "", 1}, {"14", "30", 2}, {"14", "-1", 1}, {"14", "60000", 1}, {"0", "", 1}} {
		t.Run(tt.status+" "+tt.pushback, func(t *testing.T) {
			var asked atomic.Int64
			up := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
				h := w.Header()
				h.Set("Content-Type", "application/grpc")
				if asked.Add(1) > 1 {
					h.Set("Grpc-Status", "0")
					return
				}
				h.Set("Grpc-Status", tt.status)
				if tt.pushback != "" {
					h.Set("Grpc-Retry-Pushback-Ms", tt.pushback)
				}
			})
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest,
				route: `, "retry_policy": {"retry_on": "unavailable,cancelled"}`}))
			r := postH2(t, newH2Client(t), p.address("in"), []byte("x"), true, http.Header{"Content-Type": {"application/grpc"}})
			want := tt.status
			if tt.asked == 2 {
				want = "0"
			}
			if got := r.header.Get("Grpc-Status"); got != want || asked.Load() != tt.asked {
				t.Errorf("grpc-status %s after %d tries", got, asked.Load())
			}
		})
	}
}

// A host that asks to be left alone for a while is, and where that is longer than
// requests wait the client is told so.
func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		after string
		asked int64
		least time.Duration
	}{{"1", 2, time.Second}, {"0", 2, 0}, {"3600", 1, 0}, {"Sun, 06 Nov 1994 08:49:37 GMT", 1, 0}} {
		t.Run(tt.after, func(t *testing.T) {
			var asked atomic.Int64
			up := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					w.Header().Set("Retry-After", tt.after)
					w.WriteHeader(503)
				}
			})
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest,
				route: `, "retry_policy": {"retry_on": "5xx"}`}))
			began := time.Now()
			r := postH2(t, newH2Client(t), p.address("in"), []byte("x"), true, nil)
			if took := time.Since(began); took < tt.least {
				t.Errorf("asked again after %v", took)
			}
			if again := asked.Load() == 2; asked.Load() != tt.asked || (r.status == 200) != again || again != (r.header.Get("Retry-After") == "") {
				t.Errorf("asked %d times, status %d, header %v", asked.Load(), r.status, r.header)
			}
		})
	}
}

// Once the client has the first byte nothing is tried again.
func TestNoRetryAfterTheFirstByte(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest,
		route: `, "retry_policy": {"retry_on": true}`}))
	c := dialFrames(t, p.address("in"))
	c.ask(1, true)
	up := acceptFrames(t, l)
	id := up.wantHeaders().StreamID
	up.send(id, false, ":status", "200")
	wantStatus(t, c.wantHeaders(), 200, "")
	up.fr.WriteRSTStream(id, http2.ErrCodeInternal)
	c.wantReset()
	if n := p.stats().Get(stats.UpstreamRetries); n != 0 {
		t.Errorf("%d retries", n)
	}
	p.wantEnded(codec.UpstreamReset, 1)
	p.wantNothingHeld()
}

// A request that is still being sent when its reply asks for a retry goes on
// where it was, on the new stream.
func TestRetryWithinTheRequest(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest,
		route: `, "retry_policy": {"retry_on": "5xx"}`}))
	c := dialFrames(t, p.address("in"))
	c.ask(1, false)
	c.data(1, []byte("one "), false)
	up := acceptFrames(t, l)
	id := up.wantHeaders().StreamID
	up.wantData(4)
	up.send(id, false, ":status", "503")
	if r := up.wantReset(); r.StreamID != id {
		t.Errorf("stream %d was reset", r.StreamID)
	}
	again := up.wantHeaders().StreamID
	up.wantData(4)
	c.data(1, []byte("two"), true)
	if b, ended := up.wantData(3); string(b) != "two" || !ended {
		t.Errorf("the body goes on with %q", b)
	}
	up.send(again, true, ":status", "200")
	wantStatus(t, c.wantHeaders(), 200, "")
	p.wantOK(1)
	p.wantNothingHeld()
}

// startHanging runs a service of either protocol that does not answer its first n
// requests until the test ends.
func startHanging(t testing.TB, protocol string, n int64) (f *flaky, cancelled *atomic.Int64) {
	t.Helper()
	f, cancelled = new(flaky), new(atomic.Int64)
	release := make(chan struct{})
	if protocol == "SofaRpc" {
		f.address = startBoltService(t, "127.0.0.1:0", func(q boltFrame) []boltFrame {
			if f.asked.Add(1) <= n {
				<-release
			}
			return []boltFrame{q.reply()}
		}).address()
	} else {
		f.address = startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if f.asked.Add(1) <= n {
				select {
				case <-release:
				case <-r.Context().Done():
					cancelled.Add(1)
				}
			}
			w.Write(b)
		}).address()
	}
	t.Cleanup(func() { close(release) })
	return f, cancelled
}

// A try that takes too long is given up for another one; together they are held
// to the request's own timeout.
func TestPerTryTimeout(t *testing.T) {
	t.Parallel() // it waits for most of the time
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			slow, cancelled := startHanging(t, protocol, 1)
			dead, _ := startHanging(t, protocol, 1<<40)
			policy := func(each string) string {
				return `, "retry_policy": {"retry_on": true, "retry_timeout": "` + each + `", "num_retries": 1000, "retry_back_off": {"base_interval": "1ms", "max_interval": "1ms"}}`
			}
			p := startProxy(t, configOf(
				// Its second try has the time that a busy machine takes.
				hop{name: "slow", listen: "127.0.0.1:0", down: protocol, up: protocol, hosts: []string{slow.address}, route: policy("500ms")},
				hop{name: "dead", listen: "127.0.0.1:0", down: protocol, up: protocol, hosts: []string{dead.address}, route: `, "timeout": "1s"` + policy("50ms"),
					clusterKV: `, "circuit_breakers": [{"retry_budget": {"min_retry_concurrency": 1000}}]`},
				hop{name: "once", listen: "127.0.0.1:0", down: protocol, up: protocol, hosts: []string{dead.address}, route: `, "retry_policy": {"retry_timeout": "50ms"}`},
			))
			if status, reply, reason := call(t, p, "slow", protocol, []byte("x")); status != 0 && status != 200 || string(reply) != "x" {
				t.Errorf("status %d, reason %q", status, reason)
			}
			if slow.asked.Load() != 2 {
				t.Errorf("asked %d times", slow.asked.Load())
			}
			if protocol == "Http2" {
				eventually(t, "the first try was cancelled", func() bool { return cancelled.Load() == 1 })
			}
			began := time.Now()
			if status, _, reason := call(t, p, "dead", protocol, []byte("x")); status != 7 && status != 504 || reason != "upstream_timeout" {
				t.Errorf("status %d, reason %q", status, reason)
			}
			if took := time.Since(began); took < 900*time.Millisecond {
				t.Errorf("given up after %v", took)
			}
			if n := dead.asked.Load(); n < 2 || n > 21 {
				t.Errorf("asked %d times within twenty tries' time", n)
			}
			before := dead.asked.Load()
			if status, _, reason := call(t, p, "once", protocol, []byte("x")); status != 7 && status != 504 || reason != "upstream_timeout" {
				t.Errorf("status %d, reason %q", status, reason)
			}
			if n := dead.asked.Load() - before; n != 1 {
				t.Errorf("without a condition asked %d times", n)
			}
			p.wantNothingHeld()
		})
	}
}

// MOSN's headers bound a request and its tries.
func TestTimeoutHeaders(t *testing.T) {
	dead, _ := startHanging(t, "Http2", 1<<40)
	slow, _ := startHanging(t, "Http2", 1)
	p := startProxy(t, configOf(
		hop{name: "dead", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{dead.address}, match: anyRequest},
		hop{name: "slow", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{slow.address}, match: anyRequest,
			route: `, "retry_policy": {"retry_on": true, "retry_timeout": "1h"}`},
	))
	c := newH2Client(t)
	for _, name := range []string{"X-Mosn-Global-Timeout", "X-Mosn-Try-Timeout"} {
		if r := postH2(t, c, p.address("dead"), nil, true, http.Header{name: {"80"}}); r.status != 504 || r.header.Get(codec.ReasonHeader) != "upstream_timeout" {
			t.Errorf("%s: status %d, %v", name, r.status, r.header)
		}
	}
	if n := dead.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
	if r := postH2(t, c, p.address("slow"), []byte("x"), true, http.Header{"X-Mosn-Try-Timeout": {"80"}}); r.status != 200 || slow.asked.Load() != 2 {
		t.Errorf("status %d after %d tries", r.status, slow.asked.Load())
	}
}

// A Bolt request whose connection is lost is sent again where a policy says so,
// from what was kept of it; one-way requests are not, and what is too large is
// not kept.
func TestRetryOfBoltFrames(t *testing.T) {
	var asked atomic.Int64
	var up *boltService
	up = startBoltService(t, "127.0.0.1:0", func(q boltFrame) []boltFrame {
		if asked.Add(1) == 1 {
			go up.closeConns()
			return nil
		}
		return echoBolt(q)
	})
	p := startProxy(t, configOf(
		hop{name: "retry", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, route: `, "retry_policy": {"retry_on": true}`},
		hop{name: "not", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}},
	))
	for _, tt := range []struct {
		listener string
		size     int
		again    bool
	}{{"retry", 0, true}, {"retry", 60_000, true}, {"retry", 300_000, false}, {"not", 10, false}} {
		t.Run(fmt.Sprint(tt.listener, tt.size), func(t *testing.T) {
			asked.Store(0)
			f := newBoltRequest(service, body(tt.size))
			r := dialBolt(t, p.address(tt.listener)).mustCall(t, f)
			if !tt.again {
				wantBoltFailure(t, r, 3, codec.UpstreamClosed)
			} else if wantBoltEcho(t, f, r); asked.Load() != 2 {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
	asked.Store(0)
	one := newBoltRequest(service, nil)
	one.kind = kindOneWay
	c := dialBolt(t, p.address("retry"))
	if err := c.send(one); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the one-way request arrives", func() bool { return asked.Load() > 0 })
	wantBoltEcho(t, boltFrame{}, c.mustCall(t, newBoltRequest(service, nil)))
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times for a one-way request and another", n)
	}
	p.wantNothingHeld()
}
