// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"slices"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
)

// between is a client and a server, both scripted, with the proxy in between.
func between(t *testing.T, settings ...http2.Setting) (*proxy, *framePeer, func() *framePeer) {
	t.Helper()
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}}))
	return p, dialFrames(t, p.address("in")), func() *framePeer { return acceptFrames(t, l, settings...) }
}

// values is the values of a field, in order.
func values(h *http2.MetaHeadersFrame, name string) (list []string) {
	for _, f := range h.Fields {
		if f.Name == name {
			list = append(list, f.Value)
		}
	}
	return list
}

// Both directions go on at once, and each may end first, with trailers.
func TestBothDirectionsAtOnce(t *testing.T) {
	p, c, accept := between(t)
	c.ask(1, false, "te", "trailers", "trailer", "sum")
	up := accept()
	h := up.wantHeaders()
	if field(h, "te") != "trailers" || field(h, "trailer") != "sum" {
		t.Errorf("the upstream got %v", h.Fields)
	}
	id := h.StreamID
	up.send(id, false, ":status", "200")
	c.wantHeaders()
	for range 10 {
		c.fr.WriteData(1, false, []byte("ping"))
		up.wantData(4)
		up.fr.WriteData(id, false, []byte("pong"))
		c.wantData(4)
	}
	c.send(1, true, "sum", "40")
	if h := up.wantHeaders(); field(h, "sum") != "40" || !h.StreamEnded() {
		t.Errorf("the request's trailers are %v", h.Fields)
	}
	up.fr.WriteData(id, false, []byte("pong"))
	c.wantData(4)
	up.send(id, true, "sum", "44", "grpc-status", "0")
	if h := c.wantHeaders(); field(h, "sum") != "44" || field(h, "grpc-status") != "0" || !h.StreamEnded() {
		t.Errorf("the reply's trailers are %v", h.Fields)
	}
	p.wantOK(1)
}

// A reply may end before its request, which is then of no use: the client is
// told so, what it has sent meanwhile is dropped at no other stream's cost, and
// the server gets no more of it (RFC 9113, 8.1).
func TestReplyEndsWithinTheRequest(t *testing.T) {
	for name, reset := range map[string]bool{"the server resets the rest": true, "the server waits": false} {
		t.Run(name, func(t *testing.T) {
			p, c, accept := between(t)
			c.ask(1, false)
			c.fr.WriteData(1, false, []byte("some"))
			up := accept()
			id := up.wantHeaders().StreamID
			up.wantData(4)
			up.send(id, false, ":status", "413")
			c.wantHeaders()
			up.fr.WriteData(id, false, []byte("too "))
			c.wantData(4)
			c.fr.WriteData(1, false, []byte("more"))
			up.wantData(4)
			up.fr.WriteData(id, true, []byte("large"))
			if reset {
				up.fr.WriteRSTStream(id, http2.ErrCodeNo)
			}
			if b, ended := c.wantData(-1); string(b) != "large" || !ended {
				t.Errorf("the reply ends with %q", b)
			}
			if r := c.wantReset(); r.ErrCode != http2.ErrCodeNo {
				t.Errorf("the client was told %v", r.ErrCode)
			}
			// More than the window of the connection comes late.
			for range 4 {
				c.data(1, body(16<<10), false)
			}
			c.ask(3, true)
			for {
				// The proxy's own reset of the first stream.
				f := up.next()
				if h, ok := f.(*http2.MetaHeadersFrame); ok {
					up.send(h.StreamID, true, ":status", "204")
					break
				}
				if _, ok := f.(*http2.RSTStreamFrame); !ok {
					t.Fatalf("the server got %v", f)
				}
			}
			if h := c.wantHeaders(); h.StreamID != 3 || field(h, ":status") != "204" {
				t.Errorf("the next reply is %v", h)
			}
			p.wantOK(2)
		})
	}
}

// A server that expects nothing answers at once instead of 100 (RFC 9110,
// 10.1.1).
func TestExpectContinueIsRefused(t *testing.T) {
	p, c, accept := between(t)
	c.ask(1, false, "expect", "100-continue", "content-length", "1000")
	up := accept()
	h := up.wantHeaders()
	if field(h, "expect") != "100-continue" || field(h, "content-length") != "1000" || h.StreamEnded() {
		t.Errorf("the upstream got %v", h)
	}
	up.send(h.StreamID, true, ":status", "417")
	if h := c.wantHeaders(); field(h, ":status") != "417" || !h.StreamEnded() {
		t.Errorf("the client got %v", h)
	}
	if r := c.wantReset(); r.ErrCode != http2.ErrCodeNo {
		t.Errorf("the client was told %v", r.ErrCode)
	}
	up.wantReset()
	p.wantOK(1)
}

// Fields cross as they are, the crumbs of a cookie apart and in order.
func TestFieldsCross(t *testing.T) {
	p, c, accept := between(t)
	c.ask(1, true, "cookie", "a=1", "x", "", "cookie", "b=2", "cookie", "c=3", "accept", "*/*", "y", "\xff\x80", "x", "again")
	up := accept()
	h := up.wantHeaders()
	if got := values(h, "cookie"); !slices.Equal(got, []string{"a=1", "b=2", "c=3"}) {
		t.Errorf("crumbs %q", got)
	}
	if got := values(h, "x"); !slices.Equal(got, []string{"", "again"}) || field(h, "y") != "\xff\x80" {
		t.Errorf("fields %q", h.Fields)
	}
	up.send(h.StreamID, true, ":status", "200", "set-cookie", "a", "set-cookie", "b")
	if got := values(c.wantHeaders(), "set-cookie"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("set-cookie %q", got)
	}
	p.wantOK(1)
}

// A route sees the crumbs of a cookie as one (RFC 9113, 8.2.3).
func TestCookieIsMatchedWhole(t *testing.T) {
	up := startH2Service(t, "127.0.0.1:0", echoH2)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()},
		match: `{"headers": [{"name": "cookie", "value": "a=1; b=2"}]}`}))
	c := dialFrames(t, p.address("in"))
	c.ask(1, true, "cookie", "a=1", "cookie", "b=2")
	if h := c.wantHeaders(); field(h, ":status") != "200" {
		t.Errorf("two crumbs: %v", h.Fields)
	}
	c.ask(3, true, "cookie", "a=1; b=2")
	if h := c.wantHeaders(); field(h, ":status") != "200" {
		t.Errorf("one cookie: %v", h.Fields)
	}
	c.ask(5, true, "cookie", "a=1")
	wantStatus(t, c.wantHeaders(), 404, "no_route")
}

// The upstream gets one authority (RFC 9113, 8.3.1).
func TestAuthority(t *testing.T) {
	p, c, accept := between(t)
	line := []string{":method", "GET", ":scheme", "http", ":path", "/"}
	var up *framePeer
	id := uint32(1)
	for _, tt := range []struct {
		fields          []string
		authority, host string
	}{
		{[]string{":authority", "a:8080", "service", service}, "a:8080", ""},
		{[]string{"service", service, "host", "a"}, "a", ""},
		{[]string{":authority", "a", "host", "A", "service", service}, "a", "A"},
		// The same, but not in so many words: :authority is enough.
		{[]string{":authority", "a", "host", "a:80", "service", service}, "a", ""},
		{[]string{"service", service}, "", ""},
	} {
		c.send(id, true, append(line, tt.fields...)...)
		if up == nil {
			up = accept()
		}
		h := up.wantHeaders()
		if field(h, ":authority") != tt.authority || field(h, "host") != tt.host {
			t.Errorf("%q: the upstream got %v", tt.fields, h.Fields)
		}
		up.send(h.StreamID, true, ":status", "204")
		c.wantHeaders()
		id += 2
	}
	p.wantOK(5)
}

// What is malformed costs its stream and reaches nobody; the connection goes on.
func TestIllegalRequests(t *testing.T) {
	p, c, accept := between(t)
	line := []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"}
	id := uint32(1)
	list := [][]string{
		{"host", "b"}, {"te", "gzip"}, {"te", "trailers, deflate"}, {"connection", "close"}, {"keep-alive", "1"},
		{"proxy-connection", "close"}, {"transfer-encoding", "chunked"}, {"upgrade", "websocket"},
		{"Upper", "x"}, {"a", "x\r\ny: z"}, {"a", "x\x00"}, {"a", " x"}, {"a b", "x"}, {"", "x"},
		{":path", "/"}, {":status", "200"}, {"content-length", "1"}, {"content-length", "-0"},
	}
	for _, fields := range list {
		c.send(id, true, append(append(line, "service", service), fields...)...)
		if r := c.wantReset(); r.StreamID != id || r.ErrCode != http2.ErrCodeProtocol {
			t.Errorf("%q: reset of %d with %v", fields, r.StreamID, r.ErrCode)
		}
		id += 2
	}
	c.ask(id, true)
	up := accept()
	up.send(up.wantHeaders().StreamID, true, ":status", "204")
	c.wantHeaders()
	p.wantOK(1)
}

// A request that breaks its length is given up on both sides. The upstream is
// not told that it made a mistake.
func TestRequestBreaksItsLength(t *testing.T) {
	for name, end := range map[string]func(*framePeer){
		"short":    func(c *framePeer) { c.fr.WriteData(1, true, []byte("abc")) },
		"long":     func(c *framePeer) { c.fr.WriteData(1, false, []byte("abcdefgh")) },
		"trailers": func(c *framePeer) { c.send(1, true, "a", "b") },
	} {
		t.Run(name, func(t *testing.T) {
			p, c, accept := between(t)
			c.ask(1, false, "content-length", "10")
			c.fr.WriteData(1, false, []byte("abcd"))
			up := accept()
			up.wantHeaders()
			up.wantData(4)
			end(c)
			if r := c.wantReset(); r.ErrCode != http2.ErrCodeProtocol {
				t.Errorf("the client was told %v", r.ErrCode)
			}
			if r := up.wantReset(); r.ErrCode != http2.ErrCodeCancel {
				t.Errorf("the upstream was told %v", r.ErrCode)
			}
			p.wantEnded(codec.ProtocolError, 1)
			p.wantNothingHeld()
		})
	}
}

// The peer's settings may change with requests in flight.
func TestSettingsWithinRequests(t *testing.T) {
	p, c, accept := between(t)
	for id := uint32(1); id < 7; id += 2 {
		c.ask(id, true)
	}
	up := accept()
	ids := []uint32{up.wantHeaders().StreamID, up.wantHeaders().StreamID, up.wantHeaders().StreamID}
	// Fewer streams than are open: those go on, another goes elsewhere.
	up.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
	up.fr.WritePing(false, [8]byte{1})
	for {
		f, err := up.fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := f.(*http2.PingFrame); ok && f.IsAck() {
			break
		}
	}
	c.ask(7, true)
	other := accept()
	other.send(other.wantHeaders().StreamID, true, ":status", "204", "via", "other")
	if h := c.wantHeaders(); h.StreamID != 7 || field(h, "via") != "other" {
		t.Errorf("the request over the limit: %v", h)
	}
	for i, id := range ids {
		up.send(id, false, ":status", "200")
		up.fr.WriteData(id, true, body(1000))
		if h := c.wantHeaders(); h.StreamID != uint32(2*i+1) {
			t.Errorf("reply to %d", h.StreamID)
		}
		if b, _ := c.wantData(-1); !bytes.Equal(b, body(1000)) {
			t.Error("a body is wrong")
		}
	}
	// The client takes its windows back while a reply is under way.
	c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
	c.ask(9, true)
	h := up.wantHeaders()
	up.send(h.StreamID, false, ":status", "200")
	up.data(h.StreamID, body(1000), true)
	c.wantHeaders()
	got, _ := c.wantData(100)
	c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	c.fr.WriteWindowUpdate(9, 150)
	rest, _ := c.wantData(50)
	got = append(got, rest...)
	c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	rest, ended := c.wantData(-1)
	if got = append(got, rest...); !ended || !bytes.Equal(got, body(1000)) {
		t.Errorf("%d bytes", len(got))
	}
	p.wantOK(5)
}

// A PING is answered while replies wait for window.
func TestPingWhileBlocked(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}}))
	c := dialFrames(t, p.address("in"), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	c.ask(1, true)
	up := acceptFrames(t, l)
	id := up.wantHeaders().StreamID
	up.send(id, false, ":status", "200")
	up.data(id, body(60_000), false)
	c.wantHeaders()
	eventually(t, "the reply waits", func() bool { return p.held()[codec.Hold] == 60_000 })
	for side, peer := range map[string]*framePeer{"client": c, "upstream": up} {
		for i := range byte(3) {
			peer.fr.WritePing(false, [8]byte{'p', i})
			for {
				f, err := peer.fr.ReadFrame()
				if err != nil {
					t.Fatalf("%s: %v", side, err)
				}
				if f, ok := f.(*http2.PingFrame); ok && f.IsAck() {
					if f.Data != [8]byte{'p', i} {
						t.Errorf("%s: the answer is %v", side, f.Data)
					}
					break
				}
			}
		}
	}
	up.fr.WriteData(id, true, nil)
	c.grant(1, 1<<20)
	if b, _ := c.wantData(-1); !bytes.Equal(b, body(60_000)) {
		t.Errorf("%d bytes", len(b))
	}
	p.wantOK(1)
}

// A client that resets ends the work upstream at once, whatever the code.
func TestResetCancelsUpstream(t *testing.T) {
	p, c, accept := between(t)
	codes := []http2.ErrCode{http2.ErrCodeCancel, http2.ErrCodeNo, http2.ErrCodeInternal, http2.ErrCodeRefusedStream, 0xdeadbeef}
	var up *framePeer
	for i, code := range codes {
		id := uint32(2*i + 1)
		c.ask(id, true)
		if up == nil {
			up = accept()
		}
		theirs := up.wantHeaders().StreamID
		if i%2 == 1 {
			up.send(theirs, false, ":status", "200")
			c.wantHeaders()
		}
		c.fr.WriteRSTStream(id, code)
		if r := up.wantReset(); r.StreamID != theirs || r.ErrCode != http2.ErrCodeCancel {
			t.Errorf("%v: the upstream was told %d, %v", code, r.StreamID, r.ErrCode)
		}
		// What the server had sent by then is no mistake of its.
		up.data(theirs, []byte("late"), true)
	}
	p.wantEnded(codec.DownstreamReset, len(codes))
	p.wantNothingHeld()
	if n := p.stats().Glitches("stream_reset"); n != uint64(len(codes)) {
		t.Errorf("%d resets were counted", n)
	}
}

// Resets that the client provokes are mistakes of its: at three quarters of what
// a connection may make of them it is told to go.
func TestProvokedResetsCount(t *testing.T) {
	p, c, _ := between(t)
	const told = 750 // of 1,000
	resets := 0
	for calm := false; !calm; {
		c.send(uint32(2*resets+1), true, ":method", "GET", ":scheme", "http", ":path", "", "service", service)
		switch f := c.next().(type) {
		case *http2.RSTStreamFrame:
			resets++
		case *http2.GoAwayFrame:
			if calm = true; f.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("GOAWAY with %v", f.ErrCode)
			}
		default:
			t.Fatalf("got %v", f)
		}
	}
	// A few more are allowed for the time that passes.
	if resets < told {
		t.Errorf("after %d resets", resets)
	}
	p.wantNothingHeld()
	if n := p.stats().Glitches("glitch_drain"); n != 1 {
		t.Errorf("%d connections were told to go", n)
	}
}
