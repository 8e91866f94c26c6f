// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"errors"
	"io"
	"math/rand"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

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
