// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Patience bounds every wait for the other side.
const Patience = 20 * time.Second

// Client is a client of HTTP/2 that sends whatever it is told. What comes back
// is read all the time, unless it is Deaf, and kept as counts.
type Client struct {
	tb      testing.TB
	conn    net.Conn
	encoder Encoder
	reading chan struct{} // closed when the reader has ended
	hear    chan struct{} // closed when the client is to read

	mu     sync.Mutex
	seen   Seen
	change *sync.Cond
}

// Seen is what a client has been sent.
type Seen struct {
	GoAways  []*http2.GoAwayFrame
	Resets   map[uint32]http2.ErrCode
	Statuses map[uint32]string
	Ended    map[uint32]bool
	Bodies   map[uint32]int // bytes by stream
	Frames   map[http2.FrameType]int
	// Closed tells that the connection has ended, Err how.
	Closed bool
	Err    error
}

// Dial connects. Whatever comes, such a client says only what it is told.
func Dial(tb testing.TB, address string) *Client {
	tb.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	c := &Client{tb: tb, conn: conn, reading: make(chan struct{}), hear: make(chan struct{})}
	c.change = sync.NewCond(&c.mu)
	c.seen = Seen{Resets: map[uint32]http2.ErrCode{}, Statuses: map[uint32]string{}, Ended: map[uint32]bool{}, Bodies: map[uint32]int{}, Frames: map[http2.FrameType]int{}}
	tb.Cleanup(c.Close)
	return c
}

// Open connects, greets and reads from now on.
func Open(tb testing.TB, address string, settings ...http2.Setting) *Client {
	tb.Helper()
	c := Dial(tb, address)
	c.Listen()
	c.greet(settings)
	return c
}

// greet acknowledges the proxy's SETTINGS as well, which are surely on their way.
func (c *Client) greet(settings []http2.Setting) {
	c.Send([]byte(http2.ClientPreface), Settings(settings...), SettingsAck())
}

// deafBuffer is what the kernel takes for a client that does not read: no less
// than a few segments of the loopback, or reading on would be slow.
const deafBuffer = 256 << 10

// OpenDeaf connects and greets, and reads nothing before Listen.
func OpenDeaf(tb testing.TB, address string, settings ...http2.Setting) *Client {
	tb.Helper()
	c := Dial(tb, address)
	c.conn.(*net.TCPConn).SetReadBuffer(deafBuffer)
	c.greet(settings)
	return c
}

// Listen begins to read.
func (c *Client) Listen() {
	close(c.hear)
	go c.read()
}

func (c *Client) read() {
	defer close(c.reading)
	fr := http2.NewFramer(c.conn, c.conn)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	fr.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(4096)
	for {
		f, err := fr.ReadFrame()
		c.mu.Lock()
		if err != nil {
			c.seen.Closed, c.seen.Err = true, err
		} else {
			c.note(f)
		}
		c.change.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *Client) note(f http2.Frame) {
	s, id := &c.seen, f.Header().StreamID
	s.Frames[f.Header().Type]++
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		if status := f.PseudoValue("status"); status != "" {
			s.Statuses[id] = status
		}
		s.Ended[id] = s.Ended[id] || f.StreamEnded()
	case *http2.DataFrame:
		s.Bodies[id] += len(f.Data())
		s.Ended[id] = s.Ended[id] || f.StreamEnded()
	case *http2.RSTStreamFrame:
		s.Resets[id] = f.ErrCode
	case *http2.GoAwayFrame:
		copied := *f
		s.GoAways = append(s.GoAways, &copied)
	}
}

// Encoder makes the header blocks of this client's requests.
func (c *Client) Encoder() *Encoder { return &c.encoder }

// Send writes frames. It is false when the connection is gone or takes no more.
func (c *Client) Send(frames ...[]byte) bool {
	c.conn.SetWriteDeadline(time.Now().Add(Patience))
	buffers := net.Buffers(frames)
	_, err := buffers.WriteTo(c.conn)
	return err == nil
}

// Repeat writes n times what one makes, in large pieces, until the connection is
// gone or takes no more for as long as the limit. It returns how many times.
func (c *Client) Repeat(n int, limit time.Duration, one func(i int) []byte) int {
	const piece = 32 << 10
	var b []byte
	for i := range n {
		b = append(b, one(i)...)
		if len(b) < piece && i < n-1 {
			continue
		}
		c.conn.SetWriteDeadline(time.Now().Add(limit))
		if _, err := c.conn.Write(b); err != nil {
			return i
		}
		b = b[:0]
	}
	return n
}

// Until waits until ok is true of what was seen.
func (c *Client) Until(what string, ok func(*Seen) bool) {
	c.tb.Helper()
	stop := time.AfterFunc(Patience, c.change.Broadcast)
	defer stop.Stop()
	deadline := time.Now().Add(Patience)
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok(&c.seen) {
		if time.Now().After(deadline) || c.seen.Closed {
			c.tb.Fatalf("%s: not seen; closed %v, %v; GOAWAY %v, %d resets, %d statuses, frames %v",
				what, c.seen.Closed, c.seen.Err, c.seen.GoAways, len(c.seen.Resets), len(c.seen.Statuses), c.seen.Frames)
		}
		c.change.Wait()
	}
}

// Look returns what f makes of what was seen so far.
func Look[T any](c *Client, f func(*Seen) T) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return f(&c.seen)
}

// WantClosed waits for the end of the connection. A code tells the last GOAWAY
// before it; with code < 0 there may be none.
func (c *Client) WantClosed(code int) {
	c.tb.Helper()
	select {
	case <-c.hear:
	default:
		c.Listen()
	}
	select {
	case <-c.reading:
	case <-time.After(Patience):
		c.tb.Fatalf("the connection was not closed; frames %v", Look(c, func(s *Seen) map[http2.FrameType]int { return s.Frames }))
	}
	s := c.seen
	if errors.Is(s.Err, os.ErrDeadlineExceeded) || (!errors.Is(s.Err, io.EOF) && len(s.GoAways) == 0 && code >= 0) {
		c.tb.Errorf("the connection ended with %v", s.Err)
	}
	switch {
	case code < 0:
	case len(s.GoAways) == 0:
		c.tb.Errorf("closed without GOAWAY; want %v", http2.ErrCode(code))
	case s.GoAways[len(s.GoAways)-1].ErrCode != http2.ErrCode(code):
		c.tb.Errorf("closed with GOAWAY %v; want %v", s.GoAways[len(s.GoAways)-1].ErrCode, http2.ErrCode(code))
	}
}

// WantReset waits for RST_STREAM.
func (c *Client) WantReset(id uint32, code http2.ErrCode) {
	c.tb.Helper()
	c.Until("RST_STREAM", func(s *Seen) bool { _, ok := s.Resets[id]; return ok })
	if got := Look(c, func(s *Seen) http2.ErrCode { return s.Resets[id] }); got != code {
		c.tb.Errorf("stream %d was reset with %v; want %v", id, got, code)
	}
}

// WantStatus waits for the head of a reply.
func (c *Client) WantStatus(id uint32, status string) {
	c.tb.Helper()
	c.Until("status of the reply", func(s *Seen) bool { return s.Statuses[id] != "" })
	if got := Look(c, func(s *Seen) string { return s.Statuses[id] }); got != status {
		c.tb.Errorf("status %s on stream %d; want %s", got, id, status)
	}
}

// WantEnd waits for the end of a reply.
func (c *Client) WantEnd(id uint32) {
	c.tb.Helper()
	c.Until("end of the reply", func(s *Seen) bool { return s.Ended[id] })
}

// WantPong sends PING and waits for its answer: the connection lives, and all
// that was sent before has been taken.
func (c *Client) WantPong() {
	c.tb.Helper()
	before := Look(c, func(s *Seen) int { return s.Frames[http2.FramePing] })
	c.Send(Ping())
	c.Until("answer to PING", func(s *Seen) bool { return s.Frames[http2.FramePing] > before })
}

// CloseWrite sends the FIN.
func (c *Client) CloseWrite() { c.conn.(*net.TCPConn).CloseWrite() }

// Close ends the connection with a reset, after which no reply is expected, and
// waits for the reader.
func (c *Client) Close() {
	c.conn.(*net.TCPConn).SetLinger(0)
	c.conn.Close()
	select {
	case <-c.hear:
		<-c.reading
	default:
	}
}
