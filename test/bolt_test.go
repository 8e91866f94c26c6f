// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The Bolt peers of these tests are written from the protocol's offset table
// and share no code with the proxy's codec.

// pair is one entry of a header map; nil is null.
type pair struct{ key, value []byte }

// boltFrame is a whole frame.
type boltFrame struct {
	version, ver1, kind byte
	command             uint16
	id                  uint32
	codec, switches     byte
	timeout             int32  // requests
	status              uint16 // responses
	class               string
	pairs               []pair
	content             []byte
}

const (
	kindResponse byte = 0
	kindRequest  byte = 1
	kindOneWay   byte = 2
)

func newBoltRequest(service string, content []byte) boltFrame {
	return boltFrame{
		version: 1, kind: kindRequest, command: 1, codec: 1, timeout: 30_000,
		class:   "com.alipay.sofa.rpc.core.request.SofaRequest",
		pairs:   []pair{{[]byte("service"), []byte(service)}},
		content: content,
	}
}

// reply is an answer to f with the same pairs and content.
func (f boltFrame) reply() boltFrame {
	r := f
	r.kind, r.command, r.status = kindResponse, 2, 0
	r.class = "com.alipay.sofa.rpc.core.response.SofaResponse"
	return r
}

func (f *boltFrame) crc() bool { return f.version == 2 && f.ver1 == 2 && f.switches&1 != 0 }

func (f *boltFrame) header() []byte {
	var b []byte
	for _, p := range f.pairs {
		b = appendText(appendText(b, p.key), p.value)
	}
	return b
}

func appendText(b, s []byte) []byte {
	if s == nil {
		return binary.BigEndian.AppendUint32(b, 0xFFFFFFFF)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// encode is the frame's bytes, checksum included.
func (f *boltFrame) encode() []byte {
	b := []byte{f.version}
	if f.version == 2 {
		b = append(b, f.ver1)
	}
	b = append(b, f.kind)
	b = binary.BigEndian.AppendUint16(b, f.command)
	b = append(b, 1)
	b = binary.BigEndian.AppendUint32(b, f.id)
	b = append(b, f.codec)
	if f.version == 2 {
		b = append(b, f.switches)
	}
	if f.kind == kindResponse {
		b = binary.BigEndian.AppendUint16(b, f.status)
	} else {
		b = binary.BigEndian.AppendUint32(b, uint32(f.timeout))
	}
	header := f.header()
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.class)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(header)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.content)))
	b = append(append(append(b, f.class...), header...), f.content...)
	if f.crc() {
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	}
	return b
}

func newReader(c net.Conn) *bufio.Reader { return bufio.NewReaderSize(c, 64<<10) }

// readBolt reads one frame.
func readBolt(r *bufio.Reader) (f boltFrame, err error) {
	start, err := r.Peek(3)
	if err != nil {
		return f, err
	}
	f.version = start[0]
	fixed, at := 20, 1 // v1 response, offset of the type
	if f.version == 2 {
		fixed, at, f.ver1 = 22, 2, start[1]
	} else if f.version != 1 {
		return f, fmt.Errorf("protocol byte %d", f.version)
	}
	f.kind = start[at]
	if f.kind != kindResponse {
		fixed += 2
	}
	b := make([]byte, fixed)
	if _, err = io.ReadFull(r, b); err != nil {
		return f, err
	}
	f.command, f.id, f.codec = binary.BigEndian.Uint16(b[at+1:]), binary.BigEndian.Uint32(b[at+4:]), b[at+8]
	rest := b[at+9:]
	if f.version == 2 {
		f.switches, rest = rest[0], rest[1:]
	}
	if f.kind == kindResponse {
		f.status, rest = binary.BigEndian.Uint16(rest), rest[2:]
	} else {
		f.timeout, rest = int32(binary.BigEndian.Uint32(rest)), rest[4:]
	}
	classLen, headerLen := int(binary.BigEndian.Uint16(rest)), int(binary.BigEndian.Uint16(rest[2:]))
	body := make([]byte, classLen+headerLen+int(binary.BigEndian.Uint32(rest[4:])))
	if _, err = io.ReadFull(r, body); err != nil {
		return f, err
	}
	f.class = string(body[:classLen])
	if f.pairs, err = readPairs(body[classLen : classLen+headerLen]); err != nil {
		return f, err
	}
	f.content = body[classLen+headerLen:]
	if f.crc() {
		var sum [4]byte
		if _, err = io.ReadFull(r, sum[:]); err != nil {
			return f, err
		}
		if want := crc32.ChecksumIEEE(append(b, body...)); binary.BigEndian.Uint32(sum[:]) != want {
			return f, errors.New("the checksum is wrong")
		}
	}
	return f, nil
}

func readPairs(b []byte) (pairs []pair, err error) {
	text := func() (s []byte) {
		if len(b) < 4 {
			err = errors.New("the header map ends within a length")
			return nil
		}
		n := binary.BigEndian.Uint32(b)
		b = b[4:]
		if n == 0xFFFFFFFF {
			return nil
		}
		if int(n) > len(b) {
			err = errors.New("a string of the header map overruns it")
			return nil
		}
		s, b = b[:n:n], b[n:]
		return s
	}
	for len(b) > 0 && err == nil {
		p := pair{key: text()}
		if err == nil {
			p.value = text()
			pairs = append(pairs, p)
		}
	}
	return pairs, err
}

func (f *boltFrame) get(key string) string {
	for _, p := range f.pairs {
		if string(p.key) == key {
			return string(p.value)
		}
	}
	return ""
}

// boltService is a Bolt server with a goroutine per request.
type boltService struct {
	listener net.Listener
	handle   func(boltFrame) []boltFrame
	mu       sync.Mutex
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
	accepted atomic.Int64
}

// echoBolt answers every two-way request with itself.
func echoBolt(f boltFrame) []boltFrame {
	if f.kind == kindOneWay {
		return nil
	}
	return []boltFrame{f.reply()}
}

func startBoltService(t testing.TB, address string, handle func(boltFrame) []boltFrame) *boltService {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return startBoltServiceOn(t, l, handle)
}

func startBoltServiceOn(t testing.TB, l net.Listener, handle func(boltFrame) []boltFrame) *boltService {
	s := &boltService{listener: l, handle: handle, conns: make(map[net.Conn]bool)}
	s.wg.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

func (s *boltService) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.accepted.Add(1)
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.wg.Go(func() { s.serve(c) })
	}
}

func (s *boltService) serve(c net.Conn) {
	var writing sync.Mutex
	var handlers sync.WaitGroup
	defer func() {
		handlers.Wait()
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	r := newReader(c)
	for {
		f, err := readBolt(r)
		if err != nil {
			return
		}
		if f.command == 0 {
			f.kind, f.command = kindResponse, 0
			writing.Lock()
			c.Write(f.encode())
			writing.Unlock()
			continue
		}
		handlers.Go(func() {
			for _, answer := range s.handle(f) {
				writing.Lock()
				c.Write(answer.encode())
				writing.Unlock()
			}
		})
	}
}

func (s *boltService) address() string { return s.listener.Addr().String() }

// closeConns tears down every connection as a crash would.
func (s *boltService) closeConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if e, ok := c.(*tls.Conn); ok {
			c = e.NetConn()
		}
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func (s *boltService) stop() {
	s.listener.Close()
	s.closeConns()
	s.wg.Wait()
}

// boltClient is a connection with many calls in flight.
type boltClient struct {
	conn    net.Conn
	writing sync.Mutex
	mu      sync.Mutex
	nextID  uint32
	waiting map[uint32]chan boltFrame
	err     error
	strays  int // frames that no call waits for
	done    chan struct{}
}

func dialBolt(t testing.TB, address string) *boltClient {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return newBoltClient(t, c)
}

// newBoltClient makes calls on a connection.
func newBoltClient(t testing.TB, c net.Conn) *boltClient {
	t.Helper()
	b := &boltClient{conn: c, waiting: make(map[uint32]chan boltFrame), done: make(chan struct{})}
	go b.read()
	t.Cleanup(b.close)
	return b
}

func (c *boltClient) close() {
	c.conn.Close()
	<-c.done
}

func (c *boltClient) read() {
	defer close(c.done)
	defer c.conn.Close() // as clients do at the end of what they read
	r := newReader(c.conn)
	for {
		f, err := readBolt(r)
		c.mu.Lock()
		if err != nil {
			c.err = err
			for id, w := range c.waiting {
				delete(c.waiting, id)
				close(w)
			}
			c.mu.Unlock()
			return
		}
		w := c.waiting[f.id]
		delete(c.waiting, f.id)
		if w == nil {
			c.strays++
		}
		c.mu.Unlock()
		if w != nil {
			w <- f
		}
	}
}

var errConnectionEnded = errors.New("the connection ended before the reply")

// callTimeout bounds every call of a test.
const callTimeout = 30 * time.Second

// call sends f under an id of its own and waits for the reply.
func (c *boltClient) call(f boltFrame) (boltFrame, error) {
	w := make(chan boltFrame, 1)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return f, errConnectionEnded
	}
	c.nextID++
	f.id = c.nextID
	c.waiting[f.id] = w
	c.mu.Unlock()
	if err := c.send(f); err != nil {
		return f, errConnectionEnded
	}
	select {
	case r, ok := <-w:
		if !ok {
			return r, errConnectionEnded
		}
		return r, nil
	case <-time.After(callTimeout):
		return f, fmt.Errorf("no reply to request %d within %v", f.id, callTimeout)
	}
}

func (c *boltClient) send(f boltFrame) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.conn.Write(f.encode())
	return err
}

func (c *boltClient) mustCall(t testing.TB, f boltFrame) boltFrame {
	t.Helper()
	r, err := c.call(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantBoltEcho(t testing.TB, f, r boltFrame) {
	t.Helper()
	if r.status != 0 || !bytes.Equal(r.content, f.content) {
		t.Fatalf("status %d, reason %q, %d bytes of content; want 0 and %d bytes back",
			r.status, r.get("x-sideloop-reason"), len(r.content), len(f.content))
	}
}
