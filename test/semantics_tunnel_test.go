// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
)

// settingConnect is SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441).
const settingConnect http2.SettingID = 0x8

// allowConnect turns a configuration's listeners for tunnels on.
func allowConnect(text string) string {
	return strings.ReplaceAll(text, `"downstream_protocol"`, `"extend_config": {"Http2": {"allow_connect": true}}, "downstream_protocol"`)
}

var (
	plainConnect = []string{":method", "CONNECT", ":authority", "far:22", "service", service}
	chatConnect  = []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/chat", ":authority", "far", "service", service}
)

// tunnels are the two kinds, and what a server must announce for each.
var tunnels = map[string]struct {
	ask      []string
	settings []http2.Setting
	broken   http2.ErrCode
}{
	"plain":    {plainConnect, nil, http2.ErrCodeConnect},
	"extended": {chatConnect, []http2.Setting{{ID: settingConnect, Val: 1}}, http2.ErrCodeCancel},
}

// announces reads the proxy's SETTINGS and tells whether it takes extended
// CONNECT.
func (p *framePeer) announces() bool {
	p.t.Helper()
	f, err := p.fr.ReadFrame()
	s, ok := f.(*http2.SettingsFrame)
	if err != nil || !ok {
		p.t.Fatalf("got %v, %v; want SETTINGS", f, err)
	}
	p.fr.WriteSettingsAck()
	v, _ := s.Value(settingConnect)
	return v == 1
}

// update reads to the next WINDOW_UPDATE of a stream and returns its increment.
func (p *framePeer) update(id uint32) int {
	p.t.Helper()
	p.updates = true
	defer func() { p.updates = false }()
	for {
		u, ok := p.next().(*http2.WindowUpdateFrame)
		if !ok {
			p.t.Fatal("another frame than WINDOW_UPDATE")
		}
		if u.StreamID == id {
			return int(u.Increment)
		}
	}
}

// Unless it is configured, CONNECT is refused and the connection goes on.
func TestConnectIsRefused(t *testing.T) {
	up := startH2Service(t, "127.0.0.1:0", echoH2)
	bolt := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}}))
	c := dialFrames(t, p.address("in"))
	if c.announces() {
		t.Error("the proxy announces extended CONNECT")
	}
	c.send(1, false, plainConnect...)
	wantStatus(t, c.wantHeaders(), 501, "tunnel_refused")
	if b, ended := c.wantData(-1); !ended || !bytes.HasPrefix(b, []byte("tunnel_refused: ")) {
		t.Errorf("the body is %q", b)
	}
	if r := c.wantReset(); r.StreamID != 1 || r.ErrCode != http2.ErrCodeNo {
		t.Errorf("reset of %d with %v", r.StreamID, r.ErrCode)
	}
	c.send(3, false, chatConnect...)
	if r := c.wantReset(); r.StreamID != 3 || r.ErrCode != http2.ErrCodeProtocol {
		t.Errorf("an extended CONNECT that was not announced: reset of %d with %v", r.StreamID, r.ErrCode)
	}
	c.send(5, true, append(plainConnect, "content-type", "application/grpc")...)
	if h := c.wantHeaders(); field(h, "grpc-status") != "12" || !h.StreamEnded() {
		t.Errorf("gRPC is told %v", h.Fields)
	}
	c.ask(7, true)
	if h := c.wantHeaders(); h.StreamID != 7 || field(h, ":status") != "200" {
		t.Errorf("the next request: %v", h)
	}
	p.wantEnded(codec.TunnelRefused, 2)

	// Bolt has no tunnels.
	q := startProxy(t, allowConnect(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{bolt.address()}})))
	for _, ask := range [][]string{plainConnect, chatConnect} {
		c = dialFrames(t, q.address("in"))
		c.send(1, false, ask...)
		wantStatus(t, c.wantHeaders(), 501, "tunnel_refused")
	}
	q.wantNothingHeld()
}

// A tunnel carries bytes both ways, and its directions end apart: whichever
// ends first leaves the other open (RFC 9113, 8.5).
func TestTunnel(t *testing.T) {
	for name, kind := range tunnels {
		for _, first := range []string{"client", "upstream", "upstream with its head"} {
			t.Run(name+", the "+first+" ends first", func(t *testing.T) {
				l := listenScript(t)
				p := startProxy(t, allowConnect(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}})))
				c := dialFrames(t, p.address("in"))
				if !c.announces() {
					t.Error("the proxy does not announce extended CONNECT")
				}
				c.send(1, false, kind.ask...)
				up := acceptFrames(t, l, kind.settings...)
				h := up.wantHeaders()
				id := h.StreamID
				if len(h.PseudoFields())+1 != len(kind.ask)/2 {
					t.Errorf("the upstream got %v", h.Fields)
				}
				for i := 0; i < len(kind.ask); i += 2 {
					if field(h, kind.ask[i]) != kind.ask[i+1] {
						t.Errorf("the upstream got %v", h.Fields)
					}
				}
				closed := first == "upstream with its head"
				up.send(id, closed, ":status", "200")
				if h := c.wantHeaders(); field(h, ":status") != "200" || h.StreamEnded() != closed {
					t.Fatalf("the client got %v", h)
				}
				ping := func() { c.fr.WriteData(1, false, []byte("ping")); up.wantData(4) }
				pong := func() { up.fr.WriteData(id, false, []byte("pong")); c.wantData(4) }
				ping()
				if !closed {
					pong()
				}
				switch first {
				case "client":
					c.fr.WriteData(1, true, []byte("over"))
					if b, ended := up.wantData(-1); string(b) != "over" || !ended {
						t.Errorf("the client's end: %q", b)
					}
					for range 5 {
						pong()
					}
					up.fr.WriteData(id, true, []byte("out"))
					if b, ended := c.wantData(-1); string(b) != "out" || !ended {
						t.Errorf("the upstream's end: %q", b)
					}
				default:
					if !closed {
						up.fr.WriteData(id, true, []byte("over"))
						if b, ended := c.wantData(-1); string(b) != "over" || !ended {
							t.Errorf("the upstream's end: %q", b)
						}
					}
					// More than a window goes the other way.
					const chunk = 30_000
					room := 65_535 - len("ping")
					for range 10 {
						for room < chunk {
							room += c.update(1)
						}
						room -= chunk
						c.data(1, body(chunk), false)
						if b, _ := up.wantData(chunk); !bytes.Equal(b, body(chunk)) {
							t.Error("what the client sent is wrong")
						}
						up.grant(id, chunk)
					}
					c.fr.WriteData(1, true, []byte("out"))
					if b, ended := up.wantData(-1); string(b) != "out" || !ended {
						t.Errorf("the client's end: %q", b)
					}
				}
				// The connections go on.
				c.ask(3, true)
				up.send(up.wantHeaders().StreamID, true, ":status", "204")
				if h := c.wantHeaders(); h.StreamID != 3 || field(h, ":status") != "204" {
					t.Errorf("the next request: %v", h)
				}
				p.wantOK(2)
			})
		}
	}
}

// Either end may break a tunnel, also after one direction has ended.
func TestTunnelBreaks(t *testing.T) {
	for name, kind := range tunnels {
		for _, half := range []string{"open", "client ended", "upstream ended"} {
			for _, how := range []string{"upstream resets", "upstream leaves", "upstream resets with NO_ERROR", "client resets", "client leaves"} {
				t.Run(name+" "+half+" "+how, func(t *testing.T) {
					l := listenScript(t)
					p := startProxy(t, allowConnect(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}})))
					c := dialFrames(t, p.address("in"))
					c.send(1, false, kind.ask...)
					up := acceptFrames(t, l, kind.settings...)
					id := up.wantHeaders().StreamID
					up.send(id, false, ":status", "200")
					c.wantHeaders()
					switch half {
					case "client ended":
						c.fr.WriteData(1, true, nil)
						up.wantData(-1)
					case "upstream ended":
						up.fr.WriteData(id, true, nil)
						c.wantData(-1)
					}
					reason, code := codec.UpstreamReset, kind.broken
					switch how {
					case "upstream resets":
						up.fr.WriteRSTStream(id, http2.ErrCodeCancel)
					case "upstream resets with NO_ERROR":
						up.fr.WriteRSTStream(id, http2.ErrCodeNo)
						if half == "upstream ended" {
							// It has no use for the rest.
							reason, code = codec.ReasonNone, http2.ErrCodeNo
						}
					case "upstream leaves":
						up.conn.Close()
						reason = codec.UpstreamClosed
					case "client resets":
						c.fr.WriteRSTStream(1, http2.ErrCodeCancel)
						reason = codec.DownstreamReset
					case "client leaves":
						// A FIN alone is a client that still reads.
						c.conn.(*net.TCPConn).SetLinger(0)
						c.conn.Close()
						reason = codec.DownstreamClosed
					}
					if strings.HasPrefix(how, "client") {
						if r := up.wantReset(); r.ErrCode != http2.ErrCodeCancel {
							t.Errorf("the upstream was told %v", r.ErrCode)
						}
					} else if r := c.wantReset(); r.ErrCode != code {
						t.Errorf("the client was told %v; want %v", r.ErrCode, code)
					}
					p.wantEnded(reason, 1)
					p.wantNothingHeld()
				})
			}
		}
	}
}

// An extended CONNECT goes to a server that takes them only; on a new connection
// it waits to learn it (RFC 8441, 3).
func TestTunnelUnsupported(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, allowConnect(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}})))
	c := dialFrames(t, p.address("in"))
	for i := range uint32(2) {
		c.send(4*i+1, false, chatConnect...)
		if i == 0 {
			acceptFrames(t, l)
		}
		wantStatus(t, c.wantHeaders(), 502, "tunnel_unsupported")
		c.wantData(-1)
		c.wantReset()
	}
	p.wantEnded(codec.TunnelUnsupported, 2)
	p.wantNothingHeld()
}

// A tunnel that is refused is an ordinary reply, and one that was not processed
// is tried again.
func TestTunnelRefusedUpstream(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, allowConnect(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}})))
	c := dialFrames(t, p.address("in"))
	c.send(1, false, chatConnect...)
	up := acceptFrames(t, l, http2.Setting{ID: settingConnect, Val: 1})
	up.fr.WriteRSTStream(up.wantHeaders().StreamID, http2.ErrCodeRefusedStream)
	id := up.wantHeaders().StreamID
	up.send(id, false, ":status", "403")
	up.fr.WriteData(id, true, []byte("no"))
	if h := c.wantHeaders(); field(h, ":status") != "403" {
		t.Errorf("the reply is %v", h)
	}
	if b, ended := c.wantData(-1); string(b) != "no" || !ended {
		t.Errorf("the body is %q", b)
	}
	if r := c.wantReset(); r.ErrCode != http2.ErrCodeNo {
		t.Errorf("reset with %v", r.ErrCode)
	}
	up.wantReset()
	p.wantOK(1)
}

// The same with peers that are not scripted: net/http on both ends.
func TestTunnelOfNetHTTP(t *testing.T) {
	up := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "far:22" {
			t.Errorf("the server got %s %s", r.Method, r.Host)
		}
		flush := w.(http.Flusher).Flush
		flush()
		b := make([]byte, 32<<10)
		for n, err := r.Body.Read(b); n > 0 || err == nil; n, err = r.Body.Read(b) {
			w.Write(b[:n])
			flush()
			if bytes.HasSuffix(b[:n], []byte("leave")) {
				return
			}
		}
		// The client's end is not ours.
		w.Write([]byte("bye"))
	})
	p := startProxy(t, allowConnect(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}})))
	client := newH2Client(t)
	open := func() (*io.PipeWriter, *http.Response) {
		r, w := io.Pipe()
		q, _ := http.NewRequest(http.MethodConnect, "http://"+p.address("in"), r)
		q.Host = "far:22"
		q.Header.Set("Service", service)
		reply, err := client.Do(q)
		if err != nil || reply.StatusCode != 200 {
			t.Fatalf("%v, %v", reply, err)
		}
		t.Cleanup(func() { reply.Body.Close() })
		return w, reply
	}
	const size = 1 << 20
	w, r := open()
	go func() {
		w.Write(body(size))
		w.Close()
	}()
	if b, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(b, append(bytes.Clone(body(size)), "bye"...)) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	w, r = open()
	go w.Write([]byte("please leave"))
	if b, err := io.ReadAll(r.Body); err != nil || string(b) != "please leave" {
		t.Errorf("%q, %v", b, err)
	}
	w.Close()
	p.wantOK(2)
}

// The route's timeout is for the tunnel's beginning.
func TestTunnelOutlastsTheTimeout(t *testing.T) {
	const timeout = 100 * time.Millisecond
	l := listenScript(t)
	p := startProxy(t, allowConnect(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, route: `, "timeout": "100ms"`})))
	c := dialFrames(t, p.address("in"))
	c.send(1, false, plainConnect...)
	up := acceptFrames(t, l)
	up.wantHeaders()
	wantStatus(t, c.wantHeaders(), 504, "upstream_timeout")
	c.wantData(-1)
	c.wantReset()
	up.wantReset()
	c.send(3, false, plainConnect...)
	id := up.wantHeaders().StreamID
	up.send(id, false, ":status", "200")
	c.wantHeaders()
	for begun := time.Now(); time.Since(begun) < 3*timeout; {
		c.fr.WriteData(3, false, []byte("ping"))
		up.wantData(4)
		up.fr.WriteData(id, false, []byte("pong"))
		c.wantData(4)
	}
	c.fr.WriteData(3, true, nil)
	up.wantData(-1)
	up.fr.WriteData(id, true, nil)
	c.wantData(-1)
	p.wantEnded(codec.UpstreamTimeout, 1)
	p.wantEnded(codec.ReasonNone, 1)
	p.wantNothingHeld()
}
