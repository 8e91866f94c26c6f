// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// failing runs a service that fails every request in one way, and counts them.
func failing(t *testing.T, protocol, how string, asked *atomic.Int64) string {
	t.Helper()
	switch {
	case how == "refused connection":
		return freeAddress(t)
	case how == "refused":
		return startFramed(t, true, asked).address()
	case protocol == "SofaRpc":
		var s *boltService
		s = startBoltService(t, "127.0.0.1:0", func(q boltFrame) []boltFrame {
			asked.Add(1)
			switch how {
			case "status":
				r := q.reply()
				r.status = 4
				return []boltFrame{r}
			case "reset":
				s.closeConns()
			}
			return nil
		})
		return s.address()
	}
	return startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch how {
		case "status":
			w.WriteHeader(503)
		case "reset":
			panic(http.ErrAbortHandler)
		case "timeout":
			<-r.Context().Done()
		}
	}).address()
}

// framedHost is an HTTP/2 service that answers each small request by one write,
// so that a reply has come whole or not at all; or it refuses them unlooked at.
type framedHost struct {
	listener net.Listener
	refuses  bool
	asked    *atomic.Int64
	mu       sync.Mutex
	conns    []net.Conn
	wg       sync.WaitGroup
}

func startFramed(t testing.TB, refuses bool, asked *atomic.Int64) *framedHost {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &framedHost{listener: l, refuses: refuses, asked: asked}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *framedHost) address() string { return s.listener.Addr().String() }

// stop tears down every connection as a crash would.
func (s *framedHost) stop() {
	s.listener.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *framedHost) serve(c net.Conn) {
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	var out, block bytes.Buffer
	fr, enc := http2.NewFramer(&out, c), hpack.NewEncoder(&block)
	fr.WriteSettings()
	for {
		if _, err := out.WriteTo(c); err != nil {
			return
		}
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				fr.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			s.asked.Add(1)
			if s.refuses {
				fr.WriteRSTStream(f.StreamID, http2.ErrCodeRefusedStream)
			}
		case *http2.DataFrame:
			if s.refuses {
				continue
			}
			block.Reset()
			enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			fr.WriteWindowUpdate(0, uint32(max(len(f.Data()), 1)))
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: f.StreamID, BlockFragment: block.Bytes(), EndHeaders: true})
			fr.WriteData(f.StreamID, true, f.Data())
		}
	}
}

// However requests fail, hosts that fail all of them see little more than were
// asked for: a fifth, and the floor of three a second. A policy that would
// retry each of them ten times changes nothing in that.
func TestRetryStorm(t *testing.T) {
	for _, tt := range []struct{ protocol, how string }{
		{"SofaRpc", "refused connection"}, {"Http2", "refused connection"}, {"SofaRpc", "status"}, {"Http2", "status"},
		{"SofaRpc", "reset"}, {"Http2", "reset"}, {"SofaRpc", "timeout"}, {"Http2", "timeout"}, {"Http2", "refused"},
	} {
		t.Run(tt.protocol+" "+tt.how, func(t *testing.T) {
			var asked atomic.Int64
			address := failing(t, tt.protocol, tt.how, &asked)
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: tt.protocol, up: tt.protocol, hosts: []string{address},
				route: `, "retry_policy": {"retry_on": true, "num_retries": 10, "retry_timeout": "5ms", "retry_back_off": {"base_interval": "1ms"}}`}))
			var seen outcomes
			calls := scale(1500)
			// In soak as many callers as make the load a full one, although each
			// waits for most of the time.
			callers := min(scale(32), 512)
			began := time.Now()
			callBy(t, callers, tt.protocol, p.address("in"), calls, &seen, new(atomic.Int64))
			elapsed := time.Since(began)
			s := p.stats()
			sent, retried := s.Get(stats.UpstreamRequests), s.Get(stats.UpstreamRetries)
			t.Logf("%d calls in %v: the host was asked %d times; %d retries, %d over budget; %v", calls, elapsed.Round(time.Millisecond), asked.Load(), retried, s.Get(stats.UpstreamRetriesOverBudget), seen.counts)
			if n := seen.counts["ok"]; n != 0 {
				t.Errorf("%d calls ended well", n)
			}
			// The floor is three a second, on each of two loops.
			most := int64(calls)*12/10 + 2*3*int64(elapsed/time.Second+2)
			if asked.Load() > most || int64(sent) > most {
				t.Errorf("%d calls became %d requests, of which %d arrived; want at most %d", calls, sent, asked.Load(), most)
			}
			if dials := s.Get(stats.UpstreamConnectFailures); tt.how == "refused connection" && dials > uint64(calls) {
				t.Errorf("%d calls became %d connects", calls, dials)
			}
			if tt.how != "refused connection" && retried < uint64(calls)/10 {
				t.Errorf("%d retries; the budget allows more", retried)
			}
			p.wantNothingHeld()
		})
	}
}

// One of three hosts dies under load and another joins by a reload. With a policy no request
// is lost, without one only those are that were in flight on the host that died.
func TestHostKilledAndHostAdded(t *testing.T) {
	for _, protocol := range protocols {
		for policy, route := range map[string]string{"with": `, "retry_policy": {"retry_on": true}`, "without": ""} {
			t.Run(protocol+" "+policy+" policy", func(t *testing.T) {
				var hosts [4]string
				var stops [4]func()
				var asked [4]atomic.Int64
				for i := range hosts {
					if protocol == "SofaRpc" {
						s := startBoltService(t, "127.0.0.1:0", func(q boltFrame) []boltFrame { asked[i].Add(1); return echoBolt(q) })
						hosts[i], stops[i] = s.address(), s.stop
					} else {
						s := startFramed(t, false, &asked[i])
						hosts[i], stops[i] = s.address(), s.stop
					}
				}
				in := hop{name: "in", listen: "127.0.0.1:0", down: protocol, up: protocol, hosts: hosts[:3], route: route}
				p := startProxy(t, configOf(in))
				var seen outcomes
				calls := scale(6000)
				var done atomic.Int64
				load := make(chan struct{})
				go func() {
					defer close(load)
					callMany(t, protocol, p.address("in"), calls, &seen, &done)
				}()
				reaches(t, "the load moves on", &done, int64(calls)/4)
				stops[0]()
				reaches(t, "the load moves on", &done, int64(calls)/2)
				in.hosts = hosts[:]
				if _, err := p.tryReload(configOf(in)); err != nil {
					t.Error(err)
				}
				<-load
				lost := calls - seen.counts["ok"]
				t.Logf("%v; retries %d", seen.counts, p.stats().Get(stats.UpstreamRetries))
				inFlight := 32 // callers, none of which can lose more than one
				if policy == "with" {
					inFlight = 0
				}
				if lost > inFlight {
					t.Errorf("%d calls were lost, want at most %d: %v", lost, inFlight, seen.counts)
				}
				for what, n := range seen.counts {
					if what != "ok" && what != "upstream_closed" && what != "upstream_reset" {
						t.Errorf("%d calls ended with %q", n, what)
					}
				}
				if asked[3].Load() == 0 {
					t.Error("the host that joined was not asked")
				}
				p.wantNothingHeld()
			})
		}
	}
}

// Requests that wait for a connection to a host that is taken away go to the one
// that takes its place.
func TestHostReplacedWhileRequestsWait(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{startDeaf(t)}}))
	done := later(t, p.address("in"), 20, newBoltRequest(service, []byte("x")))
	eventually(t, "all wait", func() bool { return p.stats().Get(stats.UpstreamPendingQueued) == 20 })
	if err := p.Update("in", func(c *cluster.Cluster) *cluster.Cluster {
		other := *c.Hosts[0]
		other.Address = up.address()
		return c.With([]*cluster.Host{&other})
	}); err != nil {
		t.Fatal(err)
	}
	if seen := <-done; seen.counts["ok"] != 20 {
		t.Errorf("%v", seen.counts)
	}
	p.wantOK(20)
}

// The faster of two hosts answers; the other one's try is ended, and the client
// gets one reply.
func TestHedging(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			slow, cancelled := startHanging(t, protocol, 1<<40)
			fast := startFlaky(t, protocol, 0)
			policy := `, "retry_policy": {"retry_on": true, "retry_timeout": "20ms"}, "hedge_policy": {"hedge_on_per_try_timeout": true}`
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: protocol, up: protocol, hosts: []string{slow.address, fast.address}, route: policy,
				clusterKV: `, "circuit_breakers": [{"retry_budget": {"budget_percent": 100}}]`}))
			var seen outcomes
			calls := scale(100)
			callMany(t, protocol, p.address("in"), calls, &seen, new(atomic.Int64))
			s := p.stats()
			hedges, won := s.Get(stats.UpstreamHedges), s.Get(stats.UpstreamHedgesWon)
			t.Logf("%v, %d hedges, %d won, slow asked %d times", seen.counts, hedges, won, slow.asked.Load())
			if seen.counts["ok"] != calls || won == 0 || won > hedges {
				t.Errorf("%v, %d hedges, %d won", seen.counts, hedges, won)
			}
			if protocol == "Http2" {
				eventually(t, "the slow host's tries were cancelled", func() bool { return cancelled.Load() == slow.asked.Load() })
			}
			p.wantNothingHeld()
		})
	}
}

// A hedge is asked while the first host goes on; whichever answers first wins.
func TestHedgeAndFirst(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second string // what each host answers, in that order; "" for nothing
		order         string // who answers first
		status        int
	}{
		{"the second wins", "200", "200", "21", 200}, {"the first wins", "200", "200", "12", 200},
		{"the second fails", "200", "503", "21", 200}, {"the first fails", "503", "200", "12", 200},
		{"the first is reset", "reset", "200", "12", 200}, {"the second is reset", "200", "reset", "21", 200},
		{"both fail", "503", "503", "12", 503}, {"both are reset", "reset", "reset", "21", 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hosts := []*net.TCPListener{listenScript(t), listenScript(t)}
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", match: anyRequest,
				hosts: []string{hosts[0].Addr().String(), hosts[1].Addr().String()},
				route: `, "timeout": "20s", "retry_policy": {"retry_on": true, "num_retries": 1, "retry_timeout": "60ms"}, "hedge_policy": {"hedge_on_per_try_timeout": true}`}))
			c := dialFrames(t, p.address("in"))
			c.ask(1, false)
			c.data(1, []byte("body"), true)
			first, f := acceptEither(t, hosts)
			second := acceptFrames(t, hosts[1-f])
			peers := map[byte]*framePeer{'1': first, '2': second}
			ids := map[byte]uint32{}
			for who, peer := range peers {
				ids[who] = peer.wantHeaders().StreamID
				if b, ended := peer.wantData(4); string(b) != "body" || !ended {
					t.Errorf("host %c got %q", who, b)
				}
			}
			answers := map[byte]string{'1': tt.first, '2': tt.second}
			for i := range tt.order {
				who := tt.order[i]
				peer, id := peers[who], ids[who]
				if i == 1 && tt.status == 200 && answers[tt.order[0]] == "200" {
					if r := peer.wantReset(); r.StreamID != id {
						t.Errorf("stream %d was reset", r.StreamID)
					}
					break
				}
				switch a := answers[who]; a {
				case "reset":
					peer.fr.WriteRSTStream(id, http2.ErrCodeInternal)
				default:
					peer.send(id, true, ":status", a)
				}
				pingPassed(peer)
			}
			h := c.wantHeaders()
			if got := field(h, ":status"); got != map[int]string{200: "200", 503: "503", 502: "502"}[tt.status] {
				t.Errorf("status %s, reason %q", got, field(h, codec.ReasonHeader))
			}
			p.wantNothingHeld()
			if n := p.stats().Get(stats.UpstreamHedges); n != 1 {
				t.Errorf("%d hedges", n)
			}
		})
	}
}

// acceptEither accepts the connection that is made first.
func acceptEither(t *testing.T, hosts []*net.TCPListener) (*framePeer, int) {
	t.Helper()
	deadline := time.Now().Add(waitLimit)
	for time.Now().Before(deadline) {
		for i, l := range hosts {
			l.SetDeadline(time.Now().Add(5 * time.Millisecond))
			c, err := l.Accept()
			l.SetDeadline(time.Time{})
			if err == nil {
				t.Cleanup(func() { c.Close() })
				return serveFrames(t, c), i
			}
		}
	}
	t.Fatal("no connection")
	return nil, 0
}
