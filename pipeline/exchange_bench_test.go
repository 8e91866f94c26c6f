// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/pipeline/router"
	"github.com/sideloop/sideloop/stats"
)

// wire is a sink that keeps what is written until it is carried to the other end.
type wire struct{ bytes []byte }

func (w *wire) Append(b []byte) { w.bytes = append(w.bytes, b...) }
func (w *wire) Extend(n int) []byte {
	start := len(w.bytes)
	if start+n > cap(w.bytes) {
		w.bytes = append(w.bytes, make([]byte, n)...)
	}
	w.bytes = w.bytes[:start+n]
	return w.bytes[start:]
}
func (w *wire) WriteThrough(b []byte) { w.Append(b) }
func (w *wire) Buffered() int         { return len(w.bytes) }
func (w *wire) Blocked() bool         { return false }
func (w *wire) PauseRead()            {}
func (w *wire) ResumeRead()           {}

// carry feeds all that was written to the other end, and tells whether there was
// anything.
func (w *wire) carry(feed func([]byte) int) bool {
	n := len(w.bytes)
	if n > 0 && feed(w.bytes) != n {
		panic("not all was taken")
	}
	w.bytes = w.bytes[:0]
	return n > 0
}

// nobody owns the sessions of the ends.
type nobody struct{}

func (nobody) Shut(r codec.Reason)  { panic("an end was shut: " + r.String()) }
func (nobody) Released()            {}
func (nobody) TickIn(time.Duration) {}
func (nobody) Glitch(string)        {}

// caller is a client's stream.
type caller struct {
	stream codec.Stream
	ended  int
}

func (c *caller) OnHeaders(_ codec.Head, _ []byte, end bool) { c.OnData(nil, end) }
func (c *caller) OnData(b []byte, end bool) {
	if end {
		c.ended++
		return
	}
	c.stream.Consumed(len(b))
}
func (c *caller) OnTrailers(codec.Head) { c.ended++ }
func (c *caller) OnReset(codec.Reason)  { panic("a request failed") }
func (c *caller) OnWritable()           {}

// service answers each request, whose end it waits for.
type service struct {
	reply codec.Head
	body  []byte
	free  []*call
}

type call struct {
	*service
	stream codec.Stream
}

func (s *service) OnRequest(stream codec.Stream) codec.Receiver {
	if len(s.free) == 0 {
		s.free = append(s.free, &call{service: s})
	}
	c := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	c.stream = stream
	return c
}

func (c *call) OnHeaders(_ codec.Head, _ []byte, end bool) { c.OnData(nil, end) }
func (c *call) OnData(b []byte, end bool) {
	if !end {
		c.stream.Consumed(len(b))
		return
	}
	c.stream.SendHeaders(c.reply, c.body, true)
	c.free = append(c.free, c)
}
func (c *call) OnTrailers(codec.Head) {}
func (c *call) OnReset(codec.Reason)  {}
func (c *call) OnWritable()           {}

// rig is a proxy's worker between a client and a service whose bytes stay in
// memory. The connections are real, as a worker wants them, but idle.
type rig struct {
	loop                                 *eventloop.Loop
	client                               codec.ClientSession
	host                                 codec.ServerSession
	upstream                             codec.ClientSession
	handler                              eventloop.Handler
	conn                                 *eventloop.Conn
	fromClient, toClient, fromHost, toUp wire
	callers                              []caller
	request                              codec.Head
	body                                 []byte
	worker                               *pipeline.Worker
	listener, cluster                    *stats.Meter
}

// lane is how the sessions of rigs see their acceptor; tests change it.
var lane = func(a codec.Acceptor) codec.Acceptor { return a }

var (
	boltLimits  = bolt.DefaultLimits()
	http2Limits = http2.DefaultLimits()
)

func newClient(p codec.Protocol, sink codec.Sink, o codec.Owner, m *codec.Memory) codec.ClientSession {
	if p == codec.Bolt {
		return bolt.NewClient(sink, o, m, &boltLimits, 1)
	}
	return http2.NewClient(sink, o, m, &http2Limits)
}

func newServer(p codec.Protocol, sink codec.Sink, o codec.Owner, a codec.Acceptor, m *codec.Memory) codec.ServerSession {
	if p == codec.Bolt {
		return bolt.NewServer(sink, o, a, m, &boltLimits)
	}
	return http2.NewServer(sink, o, a, m, &http2Limits)
}

// heads are a request and a reply with a body of n bytes.
func heads(p codec.Protocol, n int) (request, reply codec.Head) {
	if p == codec.Bolt {
		m := bolt.HeaderMap(bolt.AppendPair(nil, []byte("service"), []byte("com.example.Echo:1.0")))
		request := &bolt.Head{Version: bolt.V1, Type: bolt.TypeRequest, Command: bolt.CommandRequest, Ver2: 1, Codec: 1, TimeoutMS: 3000, Class: []byte("a.B"), Map: m, ContentLength: uint32(n)}
		reply := &bolt.Head{Version: bolt.V1, Type: bolt.TypeResponse, Command: bolt.CommandResponse, Ver2: 1, Codec: 1, Class: []byte("a.C"), ContentLength: uint32(n)}
		return request, reply
	}
	return &http2.Head{MethodName: []byte("POST"), Scheme: []byte("http"), PathName: []byte("/"), AuthorityName: []byte("echo"), ContentLength: int64(n)},
		&http2.Head{Status: 200, ContentLength: int64(n)}
}

func newRig(t testing.TB, down, up codec.Protocol, size int, observing ...pipeline.Observing) *rig {
	t.Helper()
	g := &rig{body: make([]byte, size), callers: make([]caller, inFlight), listener: stats.NewMeter(1), cluster: stats.NewMeter(1)}
	reactor, err := eventloop.Start(eventloop.Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reactor.Stop(context.Background()) })
	idle, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { idle.Close() })

	var mem codec.Memory // of the ends
	s := &service{body: g.body}
	g.request, _ = heads(down, size)
	_, s.reply = heads(up, size)
	g.client = newClient(down, &g.fromClient, nobody{}, &mem)
	g.host = newServer(up, &g.fromHost, nobody{}, s, &mem)

	var sessions cluster.Sessions
	sessions[up] = func(_ *cluster.Cluster, _ codec.Sink, o codec.Owner, m *codec.Memory) codec.ClientSession {
		g.upstream = newClient(up, &g.toUp, o, m)
		return g.upstream
	}
	filters := filtersOf(t, reactor, observing)
	chain := &pipeline.Chain{
		Filters:   filters,
		Observers: pipeline.NewObservers(1, observing...),
		Meter:     g.listener,
		Listener:  "in", Router: "all", Upstream: up, IdleTimeout: time.Hour, Log: slog.New(slog.DiscardHandler),
		Servers: []pipeline.Server{{
			Protocol: down,
			New: func(_ codec.Sink, o codec.Owner, a codec.Acceptor, m *codec.Memory) codec.ServerSession {
				return newServer(down, &g.toClient, o, lane(a), m)
			},
		}},
	}
	match := config.Match{Kind: config.MatchPrefix, Prefix: "/"}
	if down == codec.Bolt {
		match = config.Match{Kind: config.MatchHeaders, Headers: []config.HeaderMatch{{Name: "service", Value: ".*"}}}
	}
	table, err := router.Compile(&config.Router{Name: "all", VirtualHosts: []config.VirtualHost{{
		Name: "all", Domains: []string{"*"}, Routes: []config.Route{{Match: match, Action: config.Action{Cluster: "echo"}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	g.loop = reactor.Loops()[0]
	echo := cluster.New(&config.Cluster{
		Name: "echo", ConnectTimeout: time.Minute, Hosts: []config.Host{{Address: idle.Addr().String()}},
	})
	echo.Meter = g.cluster
	g.worker = pipeline.NewWorker(g.loop, sessions)
	accepted := make(chan struct{})
	ln, err := reactor.Listen(eventloop.ListenConfig{Network: "tcp", Address: "127.0.0.1:0", Accept: func(c *eventloop.Conn) eventloop.Handler {
		g.worker.Adopt(&pipeline.Snapshot{Routers: map[string]*router.Table{"all": table}, Clusters: cluster.Set{"echo": echo}})
		g.conn, g.handler = c, g.worker.Accept(c, chain)
		close(accepted)
		return g.handler
	}})
	if err != nil {
		t.Fatal(err)
	}
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	<-accepted
	g.connect(t)
	return g
}

// on runs fn on the loop.
func (g *rig) on(fn func()) {
	done := make(chan struct{})
	g.loop.Post(func() {
		defer close(done)
		fn()
	})
	<-done
}

// connect sends the requests that wait for the connection to the service.
func (g *rig) connect(t testing.TB) {
	t.Helper()
	g.on(g.send)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		g.on(g.settle)
		if g.answered() == len(g.callers) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d requests were answered", g.answered(), len(g.callers))
		}
	}
}

func (g *rig) answered() (n int) {
	for i := range g.callers {
		n += g.callers[i].ended
	}
	return n
}

// send begins a request of each caller.
func (g *rig) send() {
	for i := range g.callers {
		c := &g.callers[i]
		c.stream = g.client.Open(c)
		c.stream.SendHeaders(g.request, g.body, true)
	}
}

// settle carries bytes until nothing moves.
func (g *rig) settle() {
	now := g.loop.Now()
	for moved := true; moved; {
		moved = g.fromClient.carry(func(b []byte) int { return g.handler.OnData(g.conn, b) })
		moved = g.toUp.carry(func(b []byte) int { return g.host.Feed(b, now) }) || moved
		if g.upstream != nil {
			moved = g.fromHost.carry(func(b []byte) int { return g.upstream.Feed(b, now) }) || moved
		}
		moved = g.toClient.carry(func(b []byte) int { return g.client.Feed(b, now) }) || moved
	}
}

// round is a request and reply of each caller.
func (g *rig) round() {
	g.send()
	g.settle()
}

// inFlight is how many requests a rig has under way at once.
const inFlight = 64

var rigs = []struct {
	name     string
	down, up codec.Protocol
}{
	{"Bolt", codec.Bolt, codec.Bolt},
	{"HTTP2", codec.HTTP2, codec.HTTP2},
	{"BoltToHTTP2", codec.Bolt, codec.HTTP2},
	{"HTTP2ToBolt", codec.HTTP2, codec.Bolt},
}

// BenchmarkExchange is one request and its reply through a worker, with the
// sessions of the client and of the service, and without sockets, with inFlight
// requests on one connection.
func BenchmarkExchange(b *testing.B) {
	for _, r := range rigs {
		b.Run(r.name, func(b *testing.B) {
			g := newRig(b, r.down, r.up, 128)
			b.ReportAllocs()
			g.on(func() {
				for range 100 {
					g.round()
				}
				b.ResetTimer()
				for i := 0; i < b.N; i += len(g.callers) {
					g.round()
				}
				b.StopTimer()
			})
			if n := g.answered(); n%len(g.callers) != 0 {
				b.Fatalf("%d requests were answered", n)
			}
		})
	}
}
