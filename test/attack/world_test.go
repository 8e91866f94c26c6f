// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
	"github.com/sideloop/sideloop/stats"
	"github.com/sideloop/sideloop/test/peer"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		play(role)
		return
	}
	goleak.VerifyTestMain(m,
		// gnet's pool of enrolling goroutines belongs to the process.
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"),
	)
}

var soak = os.Getenv("SIDELOOP_SOAK") != ""

// full is the count of an attack in soak, and what suffices to see its end.
func full(n, enough int) int {
	if soak {
		return n
	}
	return enough
}

// waits lets tests that wait for most of the time do so beside each other, but in
// a soak, which measures them.
func waits(t *testing.T) {
	if !soak {
		t.Parallel()
	}
}

// world is a proxy of one loop, so that all share it; behind it a service that
// works, under any path, and a host that does what the test says, under /host;
// and before it a client that behaves, from the world's beginning to its end.
type world struct {
	t       *testing.T
	proxy   *server.Server
	host    *peer.Host
	address string
	serving atomic.Int64 // requests in the service
	attacks atomic.Int64 // requests of attackers in the service so far
	sent    atomic.Int64 // bytes that the service has sent

	citizen *citizen
	watch   sync.WaitGroup
	stop    chan struct{}
	mu      sync.Mutex
	peak    [codec.PurposeCount]int
	// allowed is the most that loops may hold meanwhile.
	allowed [codec.PurposeCount]int
	rss     int
	calm    time.Duration // the citizen's 99th percentile before the attack
}

// setup is what a test wants of its world beside the defaults.
type setup struct {
	// limits are members of extend_config.Http2, for clients and for hosts.
	limits, hostLimits string
	script             func(*peer.Exchange)
	hostSettings       func() []setting
	route              string
	down               string
	held               int
}

func newWorld(t *testing.T, s setup) *world {
	t.Helper()
	w := &world{t: t, stop: make(chan struct{})}
	w.allowed = [codec.PurposeCount]int{codec.Gather: 512 << 10, codec.Hold: max(s.held, 256<<10), codec.Replay: 1 << 20}
	if s.script == nil {
		s.script = peer.Hang
	}
	var settings []setting
	if s.hostSettings != nil {
		settings = s.hostSettings()
	}
	service := w.startService()
	w.host = peer.StartHost(t, s.script, settings...)
	w.startProxy(s.configuration(service, w.host.Address()))
	// Ends before the proxy and its hosts do.
	t.Cleanup(w.finish)
	w.citizen = startCitizen(t, w.address)
	if soak {
		time.Sleep(2 * time.Second)
		w.calm = w.citizen.percentile()
		w.rss = residentMemory(t, "self")
	}
	w.watch.Go(w.sample)
	return w
}

// configuration is the proxy's, with the addresses of the two behind it.
func (s setup) configuration(service, host string) string {
	if s.down == "" {
		s.down = "Http2"
	}
	return fmt.Sprintf(`{"servers": [{"default_log_path": "stderr", "default_log_level": "ERROR", "listeners": [{"name": "in", "address": "127.0.0.1:0", "bind_port": true,
 "filter_chains": [{"filters": [{"type": "proxy", "config": {"downstream_protocol": %q, "upstream_protocol": "Http2", "router_config_name": "r", "extend_config": {"Http2": {%s}}}},
  {"type": "connection_manager", "config": {"router_config_name": "r", "virtual_hosts": [{"name": "all", "domains": ["*"], "routers": [
   {"match": {"prefix": "/host"}, "route": {"cluster_name": "host"%s}}, {"match": {"prefix": "/"}, "route": {"cluster_name": "service"}}]}]}}]}]}]}],
 "cluster_manager": {"clusters": [
  {"name": "service", "max_request_per_conn": 1000000000, "hosts": [{"address": %q}]},
  {"name": "host", "max_request_per_conn": 1000000000, "extend_config": {"Http2": {%s}}, "hosts": [{"address": %q}]}]}}`,
		s.down, s.limits, s.route, service, s.hostLimits, host)
}

// startProxy runs a proxy of one loop.
func startProxy(text string) (*server.Server, error) {
	c, problems := config.Parse("test.json", []byte(text))
	if len(problems) > 0 {
		return nil, fmt.Errorf("the test's configuration is wrong: %v", problems)
	}
	return server.Start(c, server.Options{Concurrency: 1})
}

func (w *world) startProxy(text string) {
	p, err := startProxy(text)
	if err != nil {
		w.t.Fatal(err)
	}
	w.proxy = p
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), peer.Patience)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			w.t.Errorf("stop: %v", err)
		}
	})
	w.address = p.Addr("in").String()
}

// startService echoes bodies, and sends as many bytes as a path /N says.
func (w *world) startService() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	handler := func(rw http.ResponseWriter, r *http.Request) {
		w.serving.Add(1)
		defer w.serving.Add(-1)
		if r.Header.Get("X-Attack") != "" {
			w.attacks.Add(1)
		}
		for name, values := range r.Header {
			if strings.HasPrefix(name, "X-") {
				rw.Header()[name] = values
			}
		}
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			io.Copy(flusher{rw, http.NewResponseController(rw)}, r.Body)
			return
		}
		for chunk := make([]byte, 4<<10); n > 0; n -= len(chunk) {
			wrote, err := rw.Write(chunk[:min(n, len(chunk))])
			w.sent.Add(int64(wrote))
			if err != nil {
				return
			}
		}
	}
	s := &http.Server{Handler: http.HandlerFunc(handler), Protocols: onlyH2()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l)
	}()
	w.t.Cleanup(func() {
		s.Close()
		<-done
	})
	return l.Addr().String()
}

// flusher sends each piece of a body as it comes.
type flusher struct {
	io.Writer
	controller *http.ResponseController
}

func (f flusher) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	if err == nil {
		err = f.controller.Flush()
	}
	return n, err
}

func onlyH2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// sample keeps the most that the loop holds.
func (w *world) sample() {
	for {
		held, err := w.proxy.Held()
		if err == nil {
			w.mu.Lock()
			for p := range held {
				w.peak[p] = max(w.peak[p], held[p])
			}
			w.mu.Unlock()
		}
		select {
		case <-w.stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// open is an attacker that reads; deaf is one that does not.
func (w *world) open(settings ...setting) *peer.Client {
	w.t.Helper()
	return peer.Open(w.t, w.address, settings...)
}

func (w *world) deaf(settings ...setting) *peer.Client {
	w.t.Helper()
	return peer.OpenDeaf(w.t, w.address, settings...)
}

func (w *world) stats() *stats.Block {
	w.t.Helper()
	// The peers share the machine with the loop, which may have to wait.
	for deadline := time.Now().Add(peer.Patience); ; {
		b, err := w.proxy.Stats()
		if err == nil {
			return b
		}
		if time.Now().After(deadline) {
			w.t.Fatal(err)
		}
	}
}

// wantGlitch waits until the anomaly has been counted at least n times.
func (w *world) wantGlitch(name string, n int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d times %s", n, name), func() bool { return w.stats().Glitches(name) >= uint64(n) })
}

// wantNoGlitch checks that anomalies were not counted.
func (w *world) wantNoGlitch(names ...string) {
	w.t.Helper()
	for _, name := range names {
		if n := w.stats().Glitches(name); n > 0 {
			w.t.Errorf("%d times %s", n, name)
		}
	}
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(peer.Patience)
	for !ok() {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within %v: %s", peer.Patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// wantReleased waits until nothing is left of the requests to the hosts but the
// citizen's own.
func (w *world) wantReleased() {
	w.t.Helper()
	w.eventually("the host's requests are released", func() bool { return w.host.Counts().InFlight == 0 })
	w.eventually("the service's requests are released", func() bool { return w.serving.Load() <= 1 })
}

// finish ends the world: the citizen noticed nothing, the loop held no more than
// was allowed, and holds nothing now.
func (w *world) finish() {
	during := w.citizen.percentile()
	if soak && !w.t.Failed() {
		w.wantMemoryBack()
	}
	w.citizen.end()
	close(w.stop)
	w.watch.Wait()
	w.t.Logf("most held: gather %d, hold %d, replay %d", w.peak[codec.Gather], w.peak[codec.Hold], w.peak[codec.Replay])
	for p, n := range w.peak {
		if n > w.allowed[p] {
			w.t.Errorf("%d bytes of purpose %d were held; want at most %d", n, p, w.allowed[p])
		}
	}
	if soak {
		w.t.Logf("citizen: p99 %v before, %v during, %d calls", w.calm, during, w.citizen.calls.Load())
	}
	w.eventually("no bytes are held", func() bool {
		held, err := w.proxy.Held()
		return err == nil && held == [codec.PurposeCount]int{}
	})
	w.eventually("no client is connected", func() bool {
		s := w.stats()
		return s.Get(stats.DownstreamConnections) == s.Get(stats.DownstreamConnectionsClosed)
	})
	w.eventually("no request is in the hosts", func() bool { return w.serving.Load() == 0 && w.host.Counts().InFlight == 0 })
}

// wantMemoryBack waits until the process is about as small as before the attack.
func (w *world) wantMemoryBack() {
	w.t.Helper()
	limit := w.rss + max(w.rss/10, 8<<20)
	deadline := time.Now().Add(10 * time.Second)
	rss := 0
	for {
		debug.FreeOSMemory()
		if rss = residentMemory(w.t, "self"); rss <= limit {
			break
		}
		if time.Now().After(deadline) {
			w.t.Errorf("%d KiB resident after the attack, %d before", rss>>10, w.rss>>10)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Logf("resident memory: %d KiB before, %d after", w.rss>>10, rss>>10)
}

// residentMemory is a process's own memory: of this one, peers included.
func residentMemory(t *testing.T, pid string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n << 10
		}
	}
	t.Fatal("no RssAnon")
	return 0
}
