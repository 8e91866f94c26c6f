// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// The soak sends seeded random calls over many connections: all versions mixed,
// ids that collide, replies out of order, late, large or not at all, one-way
// calls, clients that leave and upstream connections that are reset. Every
// content begins with a token, which says whether a reply has reached the
// request that it belongs to.

const (
	soakSeed    = 20180802
	soakConns   = 64
	soakWindow  = 32 // calls that a client has in flight
	soakIDs     = 16 // ids that it uses for them
	soakTimeout = 50 // ms, of calls that are meant to time out
)

// soakCalls is the number of calls of all clients together.
func soakCalls() int64 {
	if os.Getenv("SIDELOOP_SOAK") != "" {
		return 10_000_000
	}
	return 50_000
}

// What a call asks of the service, as the byte behind the token.
const (
	soakEcho byte = iota
	soakDelayed
	soakLate // a reply past the timeout
	soakNever
	soakOneWay
)

const soakHead = 9 // token and action

// soakContent is a content that its token determines but for its length.
func soakContent(token uint64, action byte, size int) []byte {
	b := make([]byte, soakHead+size)
	binary.BigEndian.PutUint64(b, token)
	b[8] = action
	for i := range b[soakHead:] {
		b[soakHead+i] = byte(token) + byte(i)
	}
	return b
}

func checkSoakContent(b []byte) (token uint64, ok bool) {
	if len(b) < soakHead {
		return 0, false
	}
	token = binary.BigEndian.Uint64(b)
	for i, c := range b[soakHead:] {
		if c != byte(token)+byte(i) {
			return token, false
		}
	}
	return token, true
}

// soakService answers as the calls ask.
type soakService struct {
	t        *testing.T
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    []*net.TCPConn
	oneWays  map[uint64]bool
	wraps    atomic.Int64 // connections whose ids wrapped
	bad      atomic.Int64
	kills    atomic.Int64
}

func startSoakService(t *testing.T) *soakService {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &soakService{t: t, listener: l, oneWays: make(map[uint64]bool)}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c.(*net.TCPConn))
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

// kill resets the connection that has been there for longest.
func (s *soakService) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		return
	}
	s.kills.Add(1)
	s.conns[0].SetLinger(0)
	s.conns[0].Close()
}

func (s *soakService) serve(c net.Conn) {
	var late sync.WaitGroup
	defer func() {
		late.Wait()
		c.Close()
		s.mu.Lock()
		for i := range s.conns {
			if s.conns[i] == c {
				s.conns = append(s.conns[:i], s.conns[i+1:]...)
				break
			}
		}
		s.mu.Unlock()
	}()
	random := rand.New(rand.NewSource(soakSeed))
	r := newReader(c)
	w := bufio.NewWriterSize(c, 64<<10)
	var writing sync.Mutex
	send := func(f boltFrame, flush bool) {
		writing.Lock()
		defer writing.Unlock()
		w.Write(f.encode())
		if flush {
			w.Flush()
		}
	}
	var last uint32
	for {
		f, err := readBolt(r)
		if err != nil {
			return
		}
		if last > 0xFFFF0000 && f.id < 0xFFFF {
			s.wraps.Add(1)
		}
		last = f.id
		token, ok := checkSoakContent(f.content)
		if f.command == 0 {
			f.kind = kindResponse
			send(f, true)
			continue
		}
		if !ok {
			s.bad.Add(1)
			s.t.Errorf("the service got %d bytes that nobody sent", len(f.content))
			return
		}
		var wait time.Duration
		switch f.content[8] {
		case soakEcho:
			send(f.reply(), false)
		case soakDelayed:
			wait = time.Duration(random.Intn(20)+1) * time.Millisecond
		case soakLate:
			wait = time.Duration(random.Intn(100)+soakTimeout-10) * time.Millisecond
		case soakOneWay:
			s.mu.Lock()
			if s.oneWays[token] || f.kind != kindOneWay {
				s.t.Errorf("one-way call %x came twice, or as type %d", token, f.kind)
			}
			s.oneWays[token] = true
			s.mu.Unlock()
			if random.Intn(2) == 0 {
				send(f.reply(), false) // as some servers do; nobody waits for it
			}
		}
		if wait > 0 {
			late.Add(1)
			time.AfterFunc(wait, func() {
				defer late.Done()
				send(f.reply(), true)
			})
		}
		if r.Buffered() == 0 {
			writing.Lock()
			w.Flush()
			writing.Unlock()
		}
	}
}

// soakSum is what all clients together saw.
type soakSum struct {
	sent, answered, oneWays, cancelled, connections, collisions atomic.Int64
	// cuts are connections that ended within a large reply, whose upstream
	// connection was reset: its length was already said, so nothing else could
	// follow. cut are the calls that were in flight on them.
	cuts, cut atomic.Int64
	mu        sync.Mutex
	failed    map[string]int64
}

// soakClient makes calls over one connection at a time.
type soakClient struct {
	t       *testing.T
	sum     *soakSum
	address string
	random  *rand.Rand
	token   uint64

	conn    net.Conn
	w       *bufio.Writer
	mu      sync.Mutex
	calls   map[uint64]uint32 // ids by token, of calls without their reply
	waiting map[uint32]int    // two-way calls by id without any reply
	doubt   map[uint32]int    // those of them that may time out
	total   int
	room    chan struct{}
	ended   chan struct{}
	leaving bool // the connection is being reset
	cut     bool // it has ended within a reply
}

func (c *soakClient) connect() error {
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	c.conn, c.w = conn, bufio.NewWriterSize(conn, 64<<10)
	c.calls, c.waiting, c.doubt = make(map[uint64]uint32), make(map[uint32]int), make(map[uint32]int)
	c.total, c.leaving, c.cut = 0, false, false
	c.room, c.ended = make(chan struct{}, soakWindow), make(chan struct{})
	c.sum.connections.Add(1)
	go c.read(c.ended)
	return nil
}

func (c *soakClient) read(ended chan struct{}) {
	defer close(ended)
	r := newReader(c.conn)
	for {
		f, err := readBolt(r)
		if err != nil {
			c.mu.Lock()
			c.cut = !c.leaving && errors.Is(err, io.ErrUnexpectedEOF)
			left, over := c.total, c.leaving || c.cut
			c.mu.Unlock()
			if !over && (left > 0 || !errors.Is(err, io.EOF)) {
				c.t.Errorf("the connection ended with %d calls in flight: %v", left, err)
			}
			return
		}
		c.took(f)
		<-c.room
	}
}

// took accounts a reply.
func (c *soakClient) took(f boltFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[f.id] == 0 {
		c.t.Errorf("a reply with id %x, status %d, for which no call waits", f.id, f.status)
		return
	}
	c.waiting[f.id]--
	if !c.leaving { // else it counts as cancelled
		c.total--
	}
	if f.status != 0 {
		reason := f.get(codec.ReasonHeader)
		if !c.leaving {
			c.sum.mu.Lock()
			c.sum.failed[reason]++
			c.sum.mu.Unlock()
		}
		if reason == codec.UpstreamTimeout.String() {
			if c.doubt[f.id] == 0 {
				c.t.Errorf("a call with id %x timed out though none of that id may", f.id)
			}
			c.doubt[f.id]--
		}
		return
	}
	token, ok := checkSoakContent(f.content)
	id, known := c.calls[token]
	switch {
	case !ok:
		c.t.Errorf("%d bytes that the service did not send", len(f.content))
	case !known || id != f.id:
		c.t.Errorf("the reply to call %x came under id %x; that call is known: %v, its id %x", token, f.id, known, id)
	}
	if a := f.content[8]; (a == soakLate || a == soakNever) && c.doubt[f.id] > 0 {
		c.doubt[f.id]--
	}
	delete(c.calls, token)
	if !c.leaving {
		c.sum.answered.Add(1)
	}
}

// call sends one random call.
func (c *soakClient) call() error {
	c.token++
	token := c.token
	id := uint32(0xFFFFFFFF-soakIDs/2) + uint32(c.random.Intn(soakIDs))
	action, size := soakEcho, c.random.Intn(300)
	switch n := c.random.Intn(1000); {
	case n < 40:
		action = soakDelayed
	case n < 45:
		action = soakLate
	case n < 47:
		action = soakNever
	case n < 67:
		action = soakOneWay
	case n < 69:
		size = 60_000 + c.random.Intn(100_000)
	}
	f := newBoltRequest(service, soakContent(token, action, size))
	f.id = id
	if v := c.random.Intn(3); v > 0 {
		f.version, f.ver1, f.switches = 2, byte(v), byte(v-1)
	}
	if action == soakLate || action == soakNever {
		f.timeout = soakTimeout
	}
	c.sum.sent.Add(1)
	if action == soakOneWay {
		f.kind = kindOneWay
		c.sum.oneWays.Add(1)
	} else {
		select {
		case c.room <- struct{}{}:
		default:
			c.w.Flush()
			select {
			case c.room <- struct{}{}:
			case <-c.ended:
				c.sum.sent.Add(-1)
				return errConnectionEnded
			}
		}
		c.mu.Lock()
		c.calls[token] = id
		if c.waiting[id] > 0 {
			c.sum.collisions.Add(1)
		}
		c.waiting[id]++
		c.total++
		if f.timeout == soakTimeout {
			c.doubt[id]++
		}
		c.mu.Unlock()
	}
	_, err := c.w.Write(f.encode())
	return err
}

// leave ends the connection: in order, so that every call in flight must still
// be answered, or by a reset, which cancels them.
func (c *soakClient) leave(cancel bool) {
	tcp := c.conn.(*net.TCPConn)
	if cancel {
		c.mu.Lock()
		if !c.cut {
			c.leaving = true
			c.sum.cancelled.Add(int64(c.total))
		}
		c.mu.Unlock()
		tcp.SetLinger(0)
		tcp.Close()
	} else {
		c.w.Flush()
		tcp.CloseWrite()
	}
	select {
	case <-c.ended:
	case <-time.After(callTimeout):
		c.t.Errorf("%d calls are still without a reply", c.total)
	}
	tcp.Close()
	<-c.ended
	if c.cut {
		c.sum.cuts.Add(1)
		c.sum.cut.Add(int64(c.total))
	}
}

// run makes n calls over connections that last for some thousand each.
func (c *soakClient) run(n int64) {
	for n > 0 && !c.t.Failed() {
		if err := c.connect(); err != nil {
			c.t.Error(err)
			return
		}
		part := min(n, int64(c.random.Intn(5000)+200))
		n -= part
		for ; part > 0; part-- {
			if err := c.call(); err != nil {
				if <-c.ended; !c.cut {
					c.t.Errorf("sending: %v", err)
				}
				break
			}
		}
		// What a cut connection had in flight is counted as that.
		c.leave(part == 0 && n > 0 && c.random.Intn(2) == 0)
	}
}

func TestBoltSoak(t *testing.T) {
	s := startSoakService(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{s.listener.Addr().String()}, clusterKV: `, "max_request_per_conn": 4000000`}))
	sum := &soakSum{failed: make(map[string]int64)}
	calls := soakCalls()
	done := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		const every = 20_000
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for next := int64(every); ; {
			select {
			case <-done:
				return
			case <-tick.C:
				if sum.sent.Load() > next {
					next += every
					s.kill()
				}
			}
		}
	})
	began := time.Now()
	var wg sync.WaitGroup
	for i := range soakConns {
		wg.Go(func() {
			c := &soakClient{t: t, sum: sum, address: p.address("in"),
				random: rand.New(rand.NewSource(soakSeed + int64(i))), token: uint64(i) << 40}
			c.run(calls / soakConns)
		})
	}
	wg.Wait()
	close(done)
	killer.Wait()
	took := time.Since(began)
	p.wantNothingHeld()
	t.Logf("%d calls in %v over %d connections: %d answered, failed %v, %d one-way of which %d arrived, %d cancelled, %d cut on %d connections by %d kills, "+
		"%d times an id that was in flight, %d upstream connections' ids wrapped, %d late replies dropped",
		sum.sent.Load(), took.Round(time.Millisecond), sum.connections.Load(), sum.answered.Load(), sum.failed,
		sum.oneWays.Load(), len(s.oneWays), sum.cancelled.Load(), sum.cut.Load(), sum.cuts.Load(), s.kills.Load(), sum.collisions.Load(), s.wraps.Load(),
		p.stats().Glitches("unknown_request_id"))
	s.check(t, p, sum)
}

// check compares what was sent with how it ended.
func (s *soakService) check(t *testing.T, p *proxy, sum *soakSum) {
	t.Helper()
	failed := int64(0)
	for reason, n := range sum.failed {
		failed += n
		switch reason {
		case "upstream_timeout", "upstream_closed", "connect_failed":
		case "overflow":
			// With the service gone for long, more wait than the queue takes.
		default:
			t.Errorf("%d calls failed with %q", n, reason)
		}
	}
	if got := sum.answered.Load() + failed + sum.cancelled.Load() + sum.cut.Load() + sum.oneWays.Load(); got != sum.sent.Load() {
		t.Errorf("%d of %d calls are accounted for", got, sum.sent.Load())
	}
	if sum.cuts.Load() > s.kills.Load() {
		t.Errorf("%d connections were cut by %d kills", sum.cuts.Load(), s.kills.Load())
	}
	if s.wraps.Load() == 0 || sum.collisions.Load() == 0 || sum.failed["upstream_timeout"] == 0 {
		t.Error("no id wrapped, none collided or nothing timed out")
	}
	st := p.stats()
	if st.Glitches("unknown_request_id") == 0 {
		t.Error("no late reply was dropped")
	}
	eventually(t, fmt.Sprintf("every request has ended; %d began", st.Get(stats.DownstreamRequests)), func() bool {
		st, ended := p.stats(), uint64(0)
		for r := range codec.ReasonCount {
			ended += st.EndedFor(uint8(r))
		}
		return ended == st.Get(stats.DownstreamRequests)
	})
}
