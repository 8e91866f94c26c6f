// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sideloop/sideloop/codec"
)

// A server that breaks RFC 9113. Two requests are on one connection; the rule is
// broken on the first, or on the connection.

// illegal is what such a server does to the request id.
type illegal struct {
	name string
	do   func(up *framePeer, id uint32)
	// code is that of the error, which is the connection's if fatal.
	code  http2.ErrCode
	fatal bool
	// begun: the reply's head has reached an HTTP/2 client before.
	begun bool
}

// raw writes frames in hexadecimal; ID stands for the stream.
func raw(text string) func(*framePeer, uint32) {
	return func(up *framePeer, id uint32) {
		text := strings.ReplaceAll(strings.ReplaceAll(text, "ID", fmt.Sprintf("%08x", id)), " ", "")
		b, err := hex.DecodeString(text)
		if err != nil {
			up.t.Fatal(err)
		}
		up.conn.Write(b)
	}
}

// head answers with a header block.
func head(end bool, fields ...string) func(*framePeer, uint32) {
	return func(up *framePeer, id uint32) { up.send(id, end, fields...) }
}

// then does one after the other.
func then(steps ...func(*framePeer, uint32)) func(*framePeer, uint32) {
	return func(up *framePeer, id uint32) {
		for _, do := range steps {
			do(up, id)
		}
	}
}

// content sends DATA.
func content(text string, end bool) func(*framePeer, uint32) {
	return func(up *framePeer, id uint32) { up.fr.WriteData(id, end, []byte(text)) }
}

const (
	errProtocol = http2.ErrCodeProtocol
	errSize     = http2.ErrCodeFrameSize
	errFlow     = http2.ErrCodeFlowControl
	errClosed   = http2.ErrCodeStreamClosed
	errCoding   = http2.ErrCodeCompression
)

// illegalServers go through RFC 9113 section by section. The codec's tests have
// every variant; here is each kind, across the proxy.
func illegalServers() []illegal {
	ok := head(false, ":status", "200")
	sized := head(false, ":status", "200", "content-length", "5")
	setting := func(id http2.SettingID, v uint32) func(*framePeer, uint32) {
		return func(up *framePeer, _ uint32) { up.fr.WriteSettings(http2.Setting{ID: id, Val: v}) }
	}
	list := []illegal{
		{name: "4.2 frame too large", do: raw("004001 00 00 ID"), code: errSize, fatal: true},
		{name: "4.2 unknown frame too large", do: raw("004001 f0 00 00000000"), code: errSize, fatal: true},
		{name: "4.3 HPACK garbage", do: raw("000003 01 05 ID ff ff ff"), code: errCoding, fatal: true},
		{name: "4.3 HPACK table over the limit", do: raw("000004 01 05 ID 3fe21f88"), code: errCoding, fatal: true},
		{name: "5.1 DATA of an idle stream", do: raw("000001 00 00 00000fff 00"), code: errProtocol, fatal: true},
		{name: "5.1 reply to no request", do: raw("000001 01 05 00000fff 88"), code: errProtocol, fatal: true},
		{name: "5.1 RST_STREAM of an idle stream", do: raw("000004 03 00 00000fff 00000008"), code: errProtocol, fatal: true},
		{name: "5.1 WINDOW_UPDATE of an idle stream", do: raw("000004 08 00 00000fff 00000001"), code: errProtocol, fatal: true},
		{name: "5.1.1 reply on an even stream", do: raw("000001 01 05 00000002 88"), code: errProtocol, fatal: true},
		{name: "5.5 unknown frame within a header block", do: raw("000001 01 00 ID 88 000000 f0 00 ID"), code: errProtocol, fatal: true},
		{name: "6.1 DATA of the connection", do: raw("000001 00 00 00000000 00"), code: errProtocol, fatal: true},
		{name: "6.1 padding over the payload", do: then(ok, raw("000002 00 08 ID 0500")), code: errProtocol, fatal: true, begun: true},
		{name: "6.2 HEADERS of the connection", do: raw("000001 01 05 00000000 88"), code: errProtocol, fatal: true},
		{name: "6.2 padding over the block", do: raw("000002 01 0d ID 0588"), code: errProtocol, fatal: true},
		{name: "6.3 PRIORITY of four bytes", do: raw("000004 02 00 ID 00000000"), code: errSize},
		{name: "6.4 RST_STREAM of the connection", do: raw("000004 03 00 00000000 00000000"), code: errProtocol, fatal: true},
		{name: "6.4 RST_STREAM of five bytes", do: raw("000005 03 00 ID 0000000000"), code: errSize, fatal: true},
		{name: "6.5 SETTINGS of a stream", do: raw("000000 04 00 ID"), code: errProtocol, fatal: true},
		{name: "6.5 SETTINGS of seven bytes", do: raw("000007 04 00 00000000 00000000000000"), code: errSize, fatal: true},
		{name: "6.5 acknowledgement with payload", do: raw("000006 04 01 00000000 000300000001"), code: errSize, fatal: true},
		{name: "6.5.2 ENABLE_PUSH", do: setting(http2.SettingEnablePush, 1), code: errProtocol, fatal: true},
		{name: "6.5.2 INITIAL_WINDOW_SIZE", do: setting(http2.SettingInitialWindowSize, 1<<31), code: errFlow, fatal: true},
		{name: "6.5.2 MAX_FRAME_SIZE", do: setting(http2.SettingMaxFrameSize, 1), code: errProtocol, fatal: true},
		{name: "6.6 PUSH_PROMISE", do: raw("000005 05 04 ID 0000000282"), code: errProtocol, fatal: true},
		{name: "6.7 PING of a stream", do: raw("000008 06 00 ID 0000000000000000"), code: errProtocol, fatal: true},
		{name: "6.7 PING of six bytes", do: raw("000006 06 00 00000000 000000000000"), code: errSize, fatal: true},
		{name: "6.8 GOAWAY of a stream", do: raw("000008 07 00 ID 0000000000000000"), code: errProtocol, fatal: true},
		{name: "6.8 GOAWAY whose last id grows", do: raw("000008 07 00 00000000 00000fff00000000 000008 07 00 00000000 0000100100000000"), code: errProtocol, fatal: true},
		{name: "6.9 WINDOW_UPDATE 0 of the connection", do: raw("000004 08 00 00000000 00000000"), code: errProtocol, fatal: true},
		{name: "6.9 WINDOW_UPDATE 0 of the stream", do: raw("000004 08 00 ID 00000000"), code: errProtocol},
		{name: "6.9 WINDOW_UPDATE of two bytes", do: raw("000002 08 00 00000000 0001"), code: errSize, fatal: true},
		{name: "6.9.1 window of the connection", do: raw("000004 08 00 00000000 7fffffff"), code: errFlow, fatal: true},
		{name: "6.9.1 window of the stream", do: raw("000004 08 00 ID 7fffffff"), code: errFlow},
		{name: "6.10 CONTINUATION without HEADERS", do: raw("000001 09 04 ID 88"), code: errProtocol, fatal: true},
		{name: "6.10 PING within a header block", do: raw("000001 01 00 ID 88 000008 06 00 00000000 0000000000000000"), code: errProtocol, fatal: true},
		{name: "8.1 DATA before HEADERS", do: content("x", true), code: errProtocol},
		{name: "8.1 1xx ends the stream", do: head(true, ":status", "103"), code: errProtocol},
		{name: "8.1 1xx behind the reply", do: then(ok, head(false, ":status", "103")), code: errProtocol, begun: true},
		{name: "8.1 trailers without END_STREAM", do: then(ok, head(false, "a", "b")), code: errProtocol, begun: true},
		{name: "8.1 trailers with :status", do: then(ok, head(true, ":status", "200")), code: errProtocol, begun: true},
		{name: "8.1 endless 1xx", do: func(up *framePeer, id uint32) {
			for range 20 {
				up.send(id, false, ":status", "102")
			}
		}, code: errProtocol},
		{name: "8.1.1 too much DATA", do: then(sized, content("abcdef", false)), code: errProtocol, begun: true},
		{name: "8.1.1 too little DATA", do: then(sized, content("abcd", true)), code: errProtocol, begun: true},
		{name: "8.1.1 trailers instead of DATA", do: then(sized, head(true, "a", "b")), code: errProtocol, begun: true},
		{name: "8.1.1 END_STREAM instead of DATA", do: head(true, ":status", "200", "content-length", "5"), code: errProtocol},
		{name: "8.1.1 two lengths", do: head(false, ":status", "200", "content-length", "5", "content-length", "6"), code: errProtocol},
		{name: "8.3.2 no :status", do: head(true, "a", "b"), code: errProtocol},
		{name: "8.3 two :status", do: head(true, ":status", "200", ":status", "200"), code: errProtocol},
		{name: "8.3 :status behind a field", do: head(true, "a", "b", ":status", "200"), code: errProtocol},
		{name: "8.3 :path in a reply", do: head(true, ":status", "200", ":path", "/"), code: errProtocol},
		{name: "header list over the limit", do: func(up *framePeer, id uint32) {
			up.enc.SetMaxDynamicTableSize(0)
			var fields []string
			for i := range 300 {
				fields = append(fields, fmt.Sprintf("n%d", i), "v")
			}
			up.send(id, true, append([]string{":status", "200"}, fields...)...)
		}, code: http2.ErrCodeEnhanceYourCalm},
	}
	for _, status := range []string{"", "99", "099", "1000", "101", "2x0", "200 OK"} {
		list = append(list, illegal{name: fmt.Sprintf("8.3.2 :status %q", status), do: head(true, ":status", status), code: errProtocol})
	}
	for _, f := range [][2]string{
		{"Upper", "x"}, {"", "x"}, {"a b", "x"}, {"a", "x\r\ny: z"}, {"a", "x\ny"}, {"a", "x\x00"}, {"a", " x"},
		{"connection", "close"}, {"keep-alive", "x"}, {"proxy-connection", "x"}, {"transfer-encoding", "chunked"}, {"upgrade", "h2c"}, {"te", "gzip"},
	} {
		list = append(list, illegal{name: fmt.Sprintf("8.2 field %q: %q", f[0], f[1]), do: head(true, ":status", "200", f[0], f[1]), code: errProtocol})
	}
	return list
}

// asker is a client with requests on one connection.
type asker struct {
	conn net.Conn
	h2   *framePeer
	r    *bufio.Reader
}

func newAsker(t testing.TB, protocol, address string) *asker {
	c := newCaller(t, protocol, address)
	return &asker{c.conn, c.h2, c.r}
}

// ask sends the n-th request, from 0.
func (a *asker) ask(n int) {
	if a.h2 != nil {
		a.h2.ask(uint32(2*n+1), true)
		return
	}
	f := newBoltRequest(service, nil)
	f.id = uint32(n)
	a.conn.Write(f.encode())
}

// ending is how a request ended for its client.
type ending struct {
	status int
	reason string
	reset  bool
}

// endings reads how the next requests ended, by number.
func (a *asker) endings(t testing.TB, count int) map[int]ending {
	t.Helper()
	got := make(map[int]ending)
	if a.h2 == nil {
		for range count {
			f, err := readBolt(a.r)
			if err != nil {
				t.Fatalf("after %v: %v", got, err)
			}
			got[int(f.id)] = ending{status: int(f.status), reason: f.get(codec.ReasonHeader)}
		}
		return got
	}
	open := make(map[int]ending)
	for len(got) < count {
		f := a.h2.next()
		n := int(f.Header().StreamID-1) / 2
		e := open[n]
		ended := f.Header().Flags.Has(http2.FlagDataEndStream)
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if s := field(f, ":status"); s[0] != '1' {
				fmt.Sscan(s, &e.status)
				e.reason = field(f, codec.ReasonHeader)
			}
		case *http2.RSTStreamFrame:
			e.reset, ended = true, true
		case *http2.DataFrame:
		default:
			t.Fatalf("got %v", f)
		}
		if open[n] = e; ended {
			got[n] = e
		}
	}
	return got
}

// failed is how a request ends for a reason before its reply has begun.
func failed(protocol string, r codec.Reason) ending {
	if protocol == "Http2" {
		return ending{status: r.HTTPStatus(), reason: r.String()}
	}
	return ending{status: int(r.BoltStatus()), reason: r.String()}
}

// fine is a reply of the service.
func fine(protocol string) ending {
	if protocol == "Http2" {
		return ending{status: 200}
	}
	return ending{}
}

func TestIllegalServer(t *testing.T) {
	for _, down := range protocols {
		for _, rule := range illegalServers() {
			t.Run(down+" "+rule.name, func(t *testing.T) { breakRule(t, down, rule) })
		}
	}
}

// breakRule checks that a broken rule costs its request, or those on the
// connection, and nothing else.
func breakRule(t *testing.T, down string, rule illegal) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: "Http2", hosts: []string{l.Addr().String()}}))
	c := newAsker(t, down, p.address("in"))
	c.ask(0)
	c.ask(1)
	up := acceptFrames(t, l)
	up.fr.AllowIllegalWrites = true
	victim, neighbour := up.wantHeaders().StreamID, up.wantHeaders().StreamID
	rule.do(up, victim)

	broken := failed(down, codec.UpstreamProtocolError)
	want := ending{status: 200, reset: true}
	if !rule.begun || down != "Http2" {
		want = broken
	}
	if rule.fatal {
		f := up.lastFrame(t)
		if g, ok := f.(*http2.GoAwayFrame); !ok || g.ErrCode != rule.code {
			t.Errorf("the server was told %v; want GOAWAY with %v", f, rule.code)
		}
		got := c.endings(t, 2)
		if got[0] != want || got[1] != broken {
			t.Errorf("the requests ended as %+v; want %+v and %+v", got, want, broken)
		}
		// The connection is replaced.
		c.ask(2)
		up = acceptFrames(t, l)
		up.send(up.wantHeaders().StreamID, true, ":status", "200")
	} else {
		if r := up.wantReset(); r.StreamID != victim || r.ErrCode != rule.code {
			t.Errorf("the server was told %v; want a reset of %d with %v", r, victim, rule.code)
		}
		if got := c.endings(t, 1); got[0] != want {
			t.Errorf("the request ended as %+v; want %+v", got[0], want)
		}
		// The connection goes on.
		up.enc = hpack.NewEncoder(&up.block)
		up.send(neighbour, true, ":status", "200")
		if got := c.endings(t, 1); got[1] != fine(down) {
			t.Errorf("the neighbour ended as %+v", got[1])
		}
		c.ask(2)
		up.send(up.wantHeaders().StreamID, true, ":status", "200")
	}
	if got := c.endings(t, 1); got[2] != fine(down) {
		t.Errorf("the next request ended as %+v", got[2])
	}
	lost := 1
	if rule.fatal {
		lost = 2
	}
	p.wantEnded(codec.UpstreamProtocolError, lost)
	p.wantEnded(codec.ReasonNone, 3-lost)
	p.wantNothingHeld()
}

// lastFrame reads to the end of the connection.
func (p *framePeer) lastFrame(t testing.TB) (last http2.Frame) {
	t.Helper()
	for {
		f, err := p.read()
		if err == io.EOF {
			return last
		}
		if err != nil {
			// What we sent and it did not read makes an end a reset.
			if last == nil {
				t.Fatal(err)
			}
			return last
		}
		last = f
	}
}

// What a server says first must be its SETTINGS (RFC 9113, 3.4).
func TestIllegalServerPreface(t *testing.T) {
	for name, do := range map[string]func(*framePeer, uint32){
		"PING":               raw("000008 06 00 00000000 0000000000000000"),
		"an acknowledgement": raw("000000 04 01 00000000"),
		"a reply":            raw("000001 01 05 ID 88"),
		"GOAWAY":             raw("000008 07 00 00000000 0000000000000000"),
		"SETTINGS that are illegal": func(up *framePeer, _ uint32) {
			up.fr.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 1})
		},
		"HTTP/1.1":             func(up *framePeer, _ uint32) { io.WriteString(up.conn, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"the client's preface": func(up *framePeer, _ uint32) { io.WriteString(up.conn, http2.ClientPreface) },
	} {
		for _, down := range protocols {
			t.Run(down+" "+name, func(t *testing.T) {
				l := listenScript(t)
				p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: "Http2", hosts: []string{l.Addr().String()}}))
				c := newAsker(t, down, p.address("in"))
				c.ask(0)
				up := newFramePeer(t, acceptConn(t, l))
				io.ReadFull(up.conn, make([]byte, len(http2.ClientPreface)))
				up.fr.AllowIllegalWrites = true
				do(up, up.wantHeaders().StreamID)
				if _, ok := up.lastFrame(t).(*http2.GoAwayFrame); !ok {
					t.Error("the server was not told why")
				}
				if got := c.endings(t, 1); got[0] != failed(down, codec.UpstreamProtocolError) {
					t.Errorf("the request ended as %+v", got[0])
				}
				c.ask(1)
				up = acceptFrames(t, l)
				up.send(up.wantHeaders().StreamID, true, ":status", "200")
				if got := c.endings(t, 1); got[1] != fine(down) {
					t.Errorf("the next request ended as %+v", got[1])
				}
				p.wantNothingHeld()
			})
		}
	}
}

// A server that refuses a stream which it has begun to answer has processed it:
// the request is neither sent again, nor is the client told that it may.
func TestServerRefusesWhatItAnswered(t *testing.T) {
	for name, refuse := range map[string]func(up *framePeer, id uint32){
		"RST_STREAM": func(up *framePeer, id uint32) { up.fr.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
		"GOAWAY":     func(up *framePeer, _ uint32) { up.fr.WriteGoAway(0, http2.ErrCodeNo, nil) },
	} {
		for _, down := range protocols {
			t.Run(down+" "+name, func(t *testing.T) {
				l := listenScript(t)
				p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: down, up: "Http2", hosts: []string{l.Addr().String()}}))
				c := newAsker(t, down, p.address("in"))
				c.ask(0)
				up := acceptFrames(t, l)
				id := up.wantHeaders().StreamID
				up.send(id, false, ":status", "200")
				want := failed(down, codec.UpstreamReset)
				if down == "Http2" {
					c.h2.wantHeaders()
					want = ending{reset: true}
				}
				refuse(up, id)
				if down == "Http2" {
					if r := c.h2.wantReset(); r.ErrCode != http2.ErrCodeInternal {
						t.Errorf("the client was told %v", r.ErrCode)
					}
				} else if got := c.endings(t, 1); got[0] != want {
					t.Errorf("the request ended as %+v; want %+v", got[0], want)
				}
				p.wantEnded(codec.UpstreamReset, 1)
				p.wantNothingHeld()
			})
		}
	}
}
