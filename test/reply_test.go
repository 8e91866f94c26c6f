// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
)

// A one-way Bolt request is not answered, whatever becomes of it and however
// large it is.
func TestOneWayFailsInSilence(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	only := `{"headers": [{"name": "service", "value": "known"}]}`
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, match: only}))
	c := dial(t, p.address("in"))
	r := newReader(c)
	for i, n := range []int{10, 65_500, 300 << 10} {
		f := newBoltRequest("unknown", body(n))
		f.kind, f.id = kindOneWay, uint32(2*i)
		c.Write(f.encode())
		two := newBoltRequest("known", []byte("two-way"))
		two.id = uint32(2*i + 1)
		c.Write(two.encode())
		if got, err := readBolt(r); err != nil || got.id != two.id {
			t.Fatalf("%d bytes: id %d, reason %q, %v; want the reply to the request behind", n, got.id, got.get(codec.ReasonHeader), err)
		}
	}
	p.wantEnded(codec.NoRoute, 3)
	p.wantEnded(codec.ReasonNone, 3)
	p.wantNothingHeld()
}

// checked is a frame with a checksum, encoded with it wrong.
func checked(f boltFrame) []byte {
	f.version, f.ver1, f.switches = 2, 2, 1
	b := f.encode()
	b[len(b)-1] ^= 1
	return b
}

// answerBolt answers every request with raw bytes, on one connection after the
// other. It ends after the proxy, so it is started before it.
func answerBolt(t testing.TB, l *net.TCPListener, reply func(boltFrame) []byte) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			for r := newReader(c); ; {
				f, err := readBolt(r)
				if err != nil {
					break
				}
				c.Write(reply(f))
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

// A reply whose checksum is wrong never reaches a client with a right one. The
// sizes are a whole frame, one that is just too large for that, though its
// content is not, and one that is streamed.
func TestCorruptReply(t *testing.T) {
	for _, size := range []int{100, 65_500, 200 << 10} {
		for _, down := range []string{"SofaRpc", "Http2"} {
			t.Run(fmt.Sprint(size, " to ", down), func(t *testing.T) {
				l := listenScript(t)
				answerBolt(t, l, func(f boltFrame) []byte {
					r := f.reply()
					r.content = body(size)
					return checked(r)
				})
				p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: "SofaRpc", hosts: []string{l.Addr().String()}}))
				if down == "Http2" {
					corruptToHTTP2(t, p, size)
				} else {
					corruptToBolt(t, p, size)
				}
				p.wantNothingHeld()
			})
		}
	}
}

func corruptToBolt(t *testing.T, p *proxy, size int) {
	c := dial(t, p.address("in"))
	f := newBoltRequest(service, []byte("x"))
	f.version, f.ver1, f.switches = 2, 2, 1
	c.Write(f.encode())
	got, err := readBolt(newReader(c))
	if size > 64<<10 {
		if err == nil || err.Error() != "the checksum is wrong" {
			t.Errorf("status %d, %d bytes, %v; want a wrong checksum", got.status, len(got.content), err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	wantBoltFailure(t, got, 9, codec.UpstreamProtocolError)
	p.wantEnded(codec.UpstreamProtocolError, 1)
}

func corruptToHTTP2(t *testing.T, p *proxy, size int) {
	c := dialFrames(t, p.address("in"))
	c.ask(1, true, "protocol", "2", "ver1", "2", "switchcode", "1")
	c.grant(1, 1<<20)
	if h := c.wantHeaders(); size < 1000 {
		wantStatus(t, h, 502, "upstream_protocol_error")
	} else if r := c.wantReset(); r.ErrCode != http2.ErrCodeInternal {
		t.Errorf("reset with %v", r.ErrCode)
	}
	p.wantEnded(codec.UpstreamProtocolError, 1)
}

// A request whose checksum is wrong is answered if it was held back, and passed
// on with a wrong checksum if it was streamed; HTTP/2 learns it by a reset.
func TestCorruptRequest(t *testing.T) {
	corrupt := func(size int) []byte { return checked(newBoltRequest(service, body(size))) }
	t.Run("just over a frame", func(t *testing.T) {
		up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
			t.Error("the request reached the upstream")
			return echoBolt(f)
		})
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
		c := dial(t, p.address("in"))
		c.Write(corrupt(65_500))
		got, err := readBolt(newReader(c))
		if err != nil {
			t.Fatal(err)
		}
		wantBoltFailure(t, got, 9, codec.ProtocolError)
		p.wantNothingHeld()
	})
	t.Run("streamed to Bolt", func(t *testing.T) {
		l := listenScript(t)
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{l.Addr().String()}}))
		c := dial(t, p.address("in"))
		go c.Write(corrupt(200 << 10))
		up := acceptConn(t, l)
		f, err := readBolt(newReader(up))
		if err == nil || err.Error() != "the checksum is wrong" {
			t.Fatalf("the upstream got %d bytes and %v", len(f.content), err)
		}
		r := f.reply()
		r.content = nil
		up.Write(r.encode())
		if got, err := readBolt(newReader(c)); err != nil || got.status != 0 {
			t.Errorf("status %d, %v", got.status, err)
		}
		p.wantOK(1)
	})
	t.Run("streamed to HTTP/2", func(t *testing.T) {
		l := listenScript(t)
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{l.Addr().String()}}))
		c := dial(t, p.address("in"))
		frame := corrupt(100 << 10)
		c.Write(frame[:90<<10])
		up := acceptFrames(t, l)
		up.grant(up.wantHeaders().StreamID, 1<<20)
		c.Write(frame[90<<10:])
		up.wantReset()
		got, err := readBolt(newReader(c))
		if err != nil {
			t.Fatal(err)
		}
		wantBoltFailure(t, got, 9, codec.ProtocolError)
		p.wantNothingHeld()
	})
}

// The reply to HEAD has no content, whoever makes it (RFC 9110, 9.3.2).
func TestHead(t *testing.T) {
	bolt := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		r := f.reply()
		r.content = body(100)
		if f.get("large") != "" {
			r.content = body(300 << 10)
		}
		return []boltFrame{r}
	})
	l := listenScript(t)
	p := startProxy(t, configOf(
		hop{name: "hb", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{bolt.address()}},
		hop{name: "hh", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest},
	))
	head := []string{":method", "HEAD", ":scheme", "http", ":authority", "a", ":path", "/"}
	b := dialFrames(t, p.address("hb"))
	for i, tt := range []struct {
		fields         []string
		status, length string
	}{
		{nil, "404", ""},
		{[]string{"service", service}, "200", "100"},
		{[]string{"service", service, "large", "1"}, "200", "307200"},
	} {
		id := uint32(2*i + 1)
		b.send(id, true, append(head, tt.fields...)...)
		h := b.wantHeaders()
		if h.StreamID != id || field(h, ":status") != tt.status || !h.StreamEnded() {
			t.Errorf("%v: status %s, ended %v", tt.fields, field(h, ":status"), h.StreamEnded())
		}
		if n := field(h, "content-length"); tt.length != "" && n != tt.length {
			t.Errorf("%v: content-length %s", tt.fields, n)
		}
	}
	c := dialFrames(t, p.address("hh"))
	c.send(1, true, head...)
	up := acceptFrames(t, l)
	up.send(up.wantHeaders().StreamID, true, ":status", "200", "content-length", "1234")
	if h := c.wantHeaders(); field(h, "content-length") != "1234" || !h.StreamEnded() {
		t.Errorf("HTTP/2 to HTTP/2: %v", h)
	}
	p.wantEnded(codec.NoRoute, 1)
	p.wantEnded(codec.ReasonNone, 3)
	p.wantNothingHeld()
}

// Informational replies pass from HTTP/2 to HTTP/2 before the final one, and
// replies without content end with their head.
func TestRepliesWithoutContent(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(
		hop{name: "hh", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest},
	))
	c := dialFrames(t, p.address("hh"))
	c.ask(1, false, "expect", "100-continue")
	up := acceptFrames(t, l)
	id := up.wantHeaders().StreamID
	up.send(id, false, ":status", "100", "x-sideloop-bolt", "service")
	if h := c.wantHeaders(); field(h, ":status") != "100" || h.StreamEnded() || field(h, "x-sideloop-bolt") != "" {
		t.Fatalf("the first reply is %v", h)
	}
	up.send(id, false, ":status", "103", "link", "</a>")
	if h := c.wantHeaders(); field(h, ":status") != "103" || field(h, "link") != "</a>" {
		t.Fatalf("the second reply is %v", h)
	}
	c.data(1, []byte("body"), true)
	if b, _ := up.wantData(-1); string(b) != "body" {
		t.Errorf("the body is %q", b)
	}
	up.send(id, true, ":status", "204")
	if h := c.wantHeaders(); field(h, ":status") != "204" || !h.StreamEnded() {
		t.Errorf("the final reply is %v", h)
	}
	c.ask(3, true)
	up.send(up.wantHeaders().StreamID, true, ":status", "304", "content-length", "77")
	if h := c.wantHeaders(); field(h, ":status") != "304" || field(h, "content-length") != "77" || !h.StreamEnded() {
		t.Errorf("not modified: %v", h)
	}
	p.wantOK(2)
}

// A client that waits to be told to go on is told so, also where the upstream's
// protocol cannot tell (RFC 9110, 10.1.1).
func TestExpectContinueTowardBolt(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}}))
	c := dialFrames(t, p.address("in"))
	for i, length := range []string{"", "5", "100000"} {
		id := uint32(2*i + 1)
		fields := []string{"expect", "100-continue"}
		content := []byte("hello")
		if length != "" {
			fields = append(fields, "content-length", length)
		}
		if length == "100000" {
			content = body(100_000)
		}
		c.ask(id, false, fields...)
		if h := c.wantHeaders(); field(h, ":status") != "100" || h.StreamEnded() {
			t.Fatalf("content-length %q: the first reply is %v", length, h)
		}
		first := min(len(content), 60_000)
		c.data(id, content[:first], first == len(content))
		if first < len(content) {
			c.grant(id, 1<<20)
			c.wantUpdate(id)
			c.data(id, content[first:], true)
		}
		if h := c.wantHeaders(); field(h, ":status") != "200" {
			t.Fatalf("content-length %q: the reply is %v", length, h)
		}
		if b, _ := c.wantData(-1); !bytes.Equal(b, content) {
			t.Errorf("content-length %q: %d bytes back", length, len(b))
		}
	}
	p.wantOK(3)
}

// A reply that breaks the length it announced reaches nobody as complete.
func TestReplyBreaksItsLength(t *testing.T) {
	for _, down := range []string{"SofaRpc", "Http2"} {
		for _, length := range []string{"10", "100000"} {
			t.Run(down+" "+length, func(t *testing.T) {
				l := listenScript(t)
				p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: "Http2", hosts: []string{l.Addr().String()}}))
				var bolt net.Conn
				var h2 *framePeer
				if down == "Http2" {
					h2 = dialFrames(t, p.address("in"))
					h2.ask(1, true)
				} else {
					bolt = dial(t, p.address("in"))
					f := newBoltRequest(service, nil)
					bolt.Write(f.encode())
				}
				up := acceptFrames(t, l)
				id := up.wantHeaders().StreamID
				up.send(id, false, ":status", "200", "content-length", length)
				up.data(id, []byte("short"), true)
				up.wantReset()
				switch {
				case down == "Http2":
					h2.wantHeaders()
					h2.wantReset()
				case length == "10":
					got, err := readBolt(newReader(bolt))
					if err != nil {
						t.Fatal(err)
					}
					wantBoltFailure(t, got, 9, codec.UpstreamProtocolError)
				default:
					if got, err := readBolt(newReader(bolt)); err != io.ErrUnexpectedEOF {
						t.Errorf("%d bytes, %v", len(got.content), err)
					}
				}
				p.wantEnded(codec.UpstreamProtocolError, 1)
				p.wantNothingHeld()
			})
		}
	}
}
