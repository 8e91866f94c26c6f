// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
)

// announced is the length of the large messages of these tests, of which only
// the first begun bytes are sent before something happens: within the credit of
// either protocol, since a connection that is not read cannot be seen to end.
const (
	announced = 100_000
	begun     = 60_000
)

// caller is a client in the middle of one request, in either protocol.
type caller struct {
	conn net.Conn
	h2   *framePeer    // nil for Bolt
	r    *bufio.Reader // Bolt's
}

func newCaller(t testing.TB, protocol, address string) *caller {
	if protocol == "Http2" {
		p := dialFrames(t, address)
		return &caller{conn: p.conn, h2: p}
	}
	c := dial(t, address)
	return &caller{conn: c, r: newReader(c)}
}

// begin sends the head and the beginning of a large request.
func (c *caller) begin() {
	if c.h2 != nil {
		c.h2.ask(1, false, "content-length", fmt.Sprint(announced))
		c.h2.data(1, body(announced)[:begun], false)
		return
	}
	f := newBoltRequest(service, body(announced))
	f.id = 1
	c.conn.Write(f.encode()[:begun])
}

// beginOpen sends the beginning of a request of unknown length.
func (c *caller) beginOpen() {
	c.h2.ask(1, false)
	c.h2.data(1, body(1000), false)
}

// ask sends a whole small request.
func (c *caller) ask() {
	if c.h2 != nil {
		c.h2.ask(1, true)
		return
	}
	f := newBoltRequest(service, nil)
	f.id = 1
	c.conn.Write(f.encode())
}

// wantReplyBegun reads the first byte of the reply.
func (c *caller) wantReplyBegun(t testing.TB) {
	t.Helper()
	if c.h2 != nil {
		c.h2.wantHeaders()
		c.h2.wantData(1)
	} else if _, err := c.r.Peek(1); err != nil {
		t.Fatal(err)
	}
}

// wantFailure reads the proxy's own reply.
func (c *caller) wantFailure(t testing.TB, r codec.Reason) {
	t.Helper()
	if c.h2 != nil {
		wantStatus(t, c.h2.wantHeaders(), r.HTTPStatus(), r.String())
		return
	}
	f, err := readBolt(c.r)
	if err != nil {
		t.Fatal(err)
	}
	wantBoltFailure(t, f, r.BoltStatus(), r)
}

// wantCutOff reads to where a reply that has begun is given up: by a reset, and
// for Bolt, which has none, by the end of the connection.
func (c *caller) wantCutOff(t testing.TB) {
	t.Helper()
	if c.h2 != nil {
		c.h2.wantReset()
	} else if f, err := readBolt(c.r); err != io.ErrUnexpectedEOF {
		t.Errorf("%d bytes, %v; want the end within the reply", len(f.content), err)
	}
}

// origin is an upstream host in the middle of one request.
type origin struct {
	conn net.Conn
	h2   *framePeer
	r    *bufio.Reader
	id   uint32
}

// acceptOrigin takes the connection and the head of the request.
func acceptOrigin(t testing.TB, protocol string, l *net.TCPListener) *origin {
	t.Helper()
	if protocol == "Http2" {
		p := acceptFrames(t, l)
		return &origin{conn: p.conn, h2: p, id: p.wantHeaders().StreamID}
	}
	c := acceptConn(t, l)
	o := &origin{conn: c, r: newReader(c)}
	b, err := o.r.Peek(22)
	if err != nil {
		t.Fatal(err)
	}
	o.id = binary.BigEndian.Uint32(b[5:])
	return o
}

// begin sends the head and the beginning of a reply whose length is size.
func (o *origin) begin(size, part int) {
	if o.h2 != nil {
		o.h2.send(o.id, false, ":status", "200", "content-length", fmt.Sprint(size))
		o.h2.data(o.id, body(size)[:part], false)
		return
	}
	f := newBoltRequest(service, body(size)).reply()
	f.id = o.id
	b := f.encode()
	o.conn.Write(b[:len(b)-size+part])
}

// wantGivenUp reads to where the request is given up: a reset, or for Bolt in
// the middle of a frame the end of the connection.
func (o *origin) wantGivenUp(t testing.TB) {
	t.Helper()
	if o.h2 != nil {
		o.h2.wantReset()
	} else if f, err := readBolt(o.r); err != io.ErrUnexpectedEOF {
		t.Errorf("%d bytes, %v; want the end within the request", len(f.content), err)
	}
}

var protocols = []string{"SofaRpc", "Http2"}

// eachPair runs a test for each pair of protocols.
func eachPair(t *testing.T, run func(t *testing.T, down, up string)) {
	for _, down := range protocols {
		for _, up := range protocols {
			t.Run(down+" to "+up, func(t *testing.T) { run(t, down, up) })
		}
	}
}

// A client may leave at any time. Its request ends once, the upstream is told as
// far as its protocol can, and nothing is held.
func TestClientLeaves(t *testing.T) {
	deaf := startDeaf(t)
	eachPair(t, func(t *testing.T, down, up string) {
		l := listenScript(t)
		p := startProxy(t, configOf(
			hop{name: "in", listen: "127.0.0.1:0", down: down, up: up, hosts: []string{l.Addr().String()}},
			hop{name: "deaf", listen: "127.0.0.1:0", down: down, up: up, hosts: []string{deaf}},
		))
		leave := map[string]func(*caller){
			"close": func(c *caller) { c.conn.Close() },
			"abort": func(c *caller) { c.conn.(*net.TCPConn).SetLinger(0); c.conn.Close() },
			"FIN":   func(c *caller) { c.conn.(*net.TCPConn).CloseWrite() },
		}
		if down == "Http2" {
			leave["reset"] = func(c *caller) { c.h2.fr.WriteRSTStream(1, http2.ErrCodeCancel) }
		}
		ends := uint64(0)
		wantEnd := func(what string) {
			ends++
			eventually(t, what+" ended", func() bool {
				return p.ended(codec.DownstreamClosed)+p.ended(codec.DownstreamReset) == ends
			})
			p.wantNothingHeld()
		}
		for how, leave := range leave {
			c := newCaller(t, down, p.address("deaf"))
			c.begin()
			eventually(t, "the request waits", func() bool { return p.held()[codec.Replay] > 50_000 })
			leave(c)
			wantEnd(how + ": waiting for a connection")

			if down == "Http2" && up == "SofaRpc" {
				c = newCaller(t, down, p.address("in"))
				c.beginOpen()
				eventually(t, "the request is gathered", func() bool { return p.held()[codec.Hold] > 0 })
				leave(c)
				wantEnd(how + ": gathering")
			}
			c = newCaller(t, down, p.address("in"))
			c.begin()
			o := acceptOrigin(t, up, l)
			leave(c)
			wantEnd(how + ": within the request")
			o.wantGivenUp(t)
			o.conn.Close()
		}
	})
}

// The same once the request was sent: before the reply and within it.
func TestClientLeavesTheReply(t *testing.T) {
	eachPair(t, func(t *testing.T, down, up string) {
		for _, part := range []int{0, begun} {
			l := listenScript(t)
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: up, hosts: []string{l.Addr().String()}}))
			c := newCaller(t, down, p.address("in"))
			c.ask()
			o := acceptOrigin(t, up, l)
			if part > 0 {
				o.begin(announced, part)
				c.wantReplyBegun(t)
			}
			// A FIN alone is a client that still reads.
			c.conn.(*net.TCPConn).SetLinger(0)
			c.conn.Close()
			eventually(t, "the request ended", func() bool { return p.ended(codec.DownstreamClosed)+p.ended(codec.DownstreamReset) == 1 })
			if up == "Http2" {
				o.h2.wantReset()
			}
			p.wantNothingHeld()
		}
	})
}

// An upstream may leave at any time. The client is answered as long as no reply
// has begun, and learns otherwise that it is not complete.
func TestUpstreamLeaves(t *testing.T) {
	eachPair(t, func(t *testing.T, down, up string) {
		for _, tt := range []struct {
			name       string
			size, part int
		}{{"before the reply", 0, 0}, {"within a small reply", 1000, 500}, {"within a large reply", announced, begun}} {
			for how, leave := range map[string]func(*origin){
				"FIN":   func(o *origin) { o.conn.(*net.TCPConn).CloseWrite() },
				"close": func(o *origin) { o.conn.Close() },
			} {
				t.Run(tt.name+" "+how, func(t *testing.T) {
					l := listenScript(t)
					p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: up, hosts: []string{l.Addr().String()}}))
					c := newCaller(t, down, p.address("in"))
					c.ask()
					o := acceptOrigin(t, up, l)
					if tt.size > 0 {
						o.begin(tt.size, tt.part)
					}
					// A small frame of Bolt is passed on whole, and so is a small
					// reply toward Bolt.
					begins := tt.size == announced || tt.size > 0 && up == "Http2" && down == "Http2"
					if begins {
						c.wantReplyBegun(t)
					}
					leave(o)
					if begins {
						c.wantCutOff(t)
					} else {
						c.wantFailure(t, codec.UpstreamClosed)
					}
					p.wantEnded(codec.UpstreamClosed, 1)
					p.wantNothingHeld()
				})
			}
		}
	})
}

// An upstream that leaves within the request answers it, too: the rest of the
// request is dropped, and the client's connection goes on.
func TestUpstreamLeavesWithinTheRequest(t *testing.T) {
	eachPair(t, func(t *testing.T, down, up string) {
		l := listenScript(t)
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: up, hosts: []string{l.Addr().String()}}))
		c := newCaller(t, down, p.address("in"))
		c.begin()
		acceptOrigin(t, up, l).conn.Close()
		c.wantFailure(t, codec.UpstreamClosed)
		again(t, c, up, l)
		p.wantEnded(codec.UpstreamClosed, 1)
		p.wantEnded(codec.ReasonNone, 1)
		p.wantNothingHeld()
	})
}

// again ends the request that begin began, and makes another one.
func again(t *testing.T, c *caller, up string, l *net.TCPListener) {
	t.Helper()
	if c.h2 != nil {
		c.h2.wantReset()
		c.h2.ask(3, true)
	} else {
		f := newBoltRequest(service, body(announced))
		c.conn.Write(f.encode()[begun:])
		f = newBoltRequest(service, nil)
		f.id = 2
		c.conn.Write(f.encode())
	}
	o := acceptOrigin(t, up, l)
	o.begin(0, 0)
	if o.h2 != nil {
		o.h2.data(o.id, nil, true)
	}
	if c.h2 != nil {
		if h := c.h2.wantHeaders(); h.StreamID != 3 || field(h, ":status") != "200" {
			t.Errorf("the next reply is %v", h)
		}
	} else if f, err := readBolt(c.r); err != nil || f.id != 2 || f.status != 0 {
		t.Errorf("the next reply: id %d, status %d, %v", f.id, f.status, err)
	}
}

// A reply that is complete before the request ends both: the client gets it
// whole and is told to send no more, the upstream gets no more.
func TestEarlyReply(t *testing.T) {
	eachPair(t, func(t *testing.T, down, up string) {
		l := listenScript(t)
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: up, hosts: []string{l.Addr().String()}}))
		c := newCaller(t, down, p.address("in"))
		c.begin()
		o := acceptOrigin(t, up, l)
		o.begin(5, 5)
		if o.h2 != nil {
			o.h2.data(o.id, nil, true)
		}
		if c.h2 != nil {
			if h := c.h2.wantHeaders(); field(h, ":status") != "200" {
				t.Errorf("the reply is %v", h)
			}
			if b, ended := c.h2.wantData(-1); len(b) != 5 || !ended {
				t.Errorf("%d bytes", len(b))
			}
			if r := c.h2.wantReset(); r.ErrCode != http2.ErrCodeNo {
				t.Errorf("reset with %v", r.ErrCode)
			}
		} else if f, err := readBolt(c.r); err != nil || f.id != 1 || f.status != 0 || len(f.content) != 5 {
			t.Errorf("the reply: id %d, status %d, %d bytes, %v", f.id, f.status, len(f.content), err)
		}
		o.wantGivenUp(t)
		p.wantOK(1)
	})
}
