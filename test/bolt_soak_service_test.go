// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"fmt"
	"math/rand"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

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
