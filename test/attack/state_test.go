// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"slices"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/test/peer"
)

// What breaks the rules of pseudo-header fields, names and values never reaches
// the host.
func TestR24MalformedRequests(t *testing.T) {
	get := []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/host"}
	with := func(more ...string) []string { return append(slices.Clone(get), more...) }
	for name, fields := range map[string][]string{
		"no fields":                     {},
		"no :method":                    get[2:],
		"no :path":                      get[:6],
		"no :scheme":                    {":method", "GET", ":authority", "a", ":path", "/host"},
		"empty :path":                   {":method", "GET", ":scheme", "http", ":authority", "a", ":path", ""},
		"relative :path":                {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "host"},
		":path with a space":            {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/host HTTP/1.1"},
		":path with a fragment":         {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/host#x"},
		"two :path":                     with(":path", "/host"),
		"two :method":                   with(":method", "GET"),
		"unknown pseudo-header":         with(":unknown", "x"),
		":status in a request":          with(":status", "200"),
		"pseudo-header behind a field":  {":method", "GET", ":scheme", "http", "a", "b", ":path", "/host"},
		":method with a space":          {":method", "GET /", ":scheme", "http", ":path", "/host"},
		"user information":              {":method", "GET", ":scheme", "http", ":authority", "u@a", ":path", "/host"},
		":authority with a path":        {":method", "GET", ":scheme", "http", ":authority", "a/b", ":path", "/host"},
		"upper case":                    with("Name", "x"),
		"name with a colon":             with("na:me", "x"),
		"name with a space":             with("na me", "x"),
		"name with CR LF":               with("name\r\nx", "x"),
		"value with CR LF":              with("name", "x\r\ny: z"),
		"value with LF":                 with("name", "x\ny"),
		"value with NUL":                with("name", "x\x00y"),
		"value with a blank at its end": with("name", "x "),
		"host other than :authority":    with("host", "other"),
		"two hosts":                     with("host", "a", "host", "a"),
		"connection":                    with("connection", "close"),
		"transfer-encoding":             with("transfer-encoding", "chunked"),
		"upgrade":                       with("upgrade", "h2c"),
		"keep-alive":                    with("keep-alive", "1"),
		"proxy-connection":              with("proxy-connection", "close"),
		"te other than trailers":        with("te", "gzip"),
		"content-length of nothing":     with("content-length", ""),
		"content-length with a sign":    with("content-length", "+1"),
		"two content-lengths":           with("content-length", "1", "content-length", "2"),
		"content-length without a body": with("content-length", "5"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{})
			a := w.open()
			var block []byte
			for i := 0; i < len(fields); i += 2 {
				block = append(block, peer.Literal(fields[i], fields[i+1])...)
			}
			a.Send(peer.Headers(1, block, peer.EndStream|peer.EndHeaders))
			a.WantReset(1, http2.ErrCodeProtocol)
			a.WantPong()
			if n := w.host.Counts().Requests; n > 0 {
				t.Errorf("%d requests reached the host", n)
			}
		})
	}
}

// One host field that says the same as :authority passes.
func TestR24HostAgrees(t *testing.T) {
	seen := make(chan [2]string, 1)
	w := newWorld(t, setup{script: func(x *peer.Exchange) {
		host := ""
		for _, f := range x.Request.RegularFields() {
			if f.Name == "host" {
				host += f.Value
			}
		}
		seen <- [2]string{x.Request.PseudoValue("authority"), host}
		x.Answer("")
	}})
	a := w.open()
	a.Send(peer.Headers(1, peer.Plain("GET", "/host", "host", "a"), peer.EndStream|peer.EndHeaders))
	a.WantEnd(1)
	if got := <-seen; got != [2]string{"a", "a"} {
		t.Errorf("the host saw :authority %q and host %q", got[0], got[1])
	}
}

func TestR24ConnectionErrors(t *testing.T) {
	head := peer.Headers(1, peer.Plain("POST", "/host"), peer.EndHeaders)
	join := func(frames ...[]byte) []byte { return slices.Concat(frames...) }
	for name, x := range map[string]struct {
		frames []byte
		code   int
	}{
		"DATA on an idle stream":           {peer.Data(1, []byte("x"), 0), protocol},
		"DATA on stream 0":                 {peer.Data(0, []byte("x"), 0), protocol},
		"HEADERS on stream 0":              {peer.Headers(0, peer.Plain("GET", "/"), peer.EndHeaders), protocol},
		"HEADERS of an even id":            {peer.Headers(2, peer.Plain("GET", "/"), peer.EndHeaders), protocol},
		"ids that decrease":                {join(peer.Headers(5, peer.Plain("POST", "/host"), peer.EndHeaders), peer.Headers(3, peer.Plain("POST", "/host"), peer.EndHeaders)), protocol},
		"RST_STREAM of an idle stream":     {peer.Reset(1, http2.ErrCodeCancel), protocol},
		"RST_STREAM on stream 0":           {peer.Reset(0, http2.ErrCodeCancel), protocol},
		"RST_STREAM of 3 bytes":            {join(head, peer.Frame(http2.FrameRSTStream, 0, 1, make([]byte, 3))), frameSize},
		"WINDOW_UPDATE of an idle stream":  {peer.WindowUpdate(1, 1), protocol},
		"WINDOW_UPDATE of 0":               {peer.WindowUpdate(0, 0), protocol},
		"WINDOW_UPDATE of 3 bytes":         {peer.Frame(http2.FrameWindowUpdate, 0, 0, make([]byte, 3)), frameSize},
		"SETTINGS of 5 bytes":              {peer.Frame(http2.FrameSettings, 0, 0, make([]byte, 5)), frameSize},
		"SETTINGS on a stream":             {peer.Frame(http2.FrameSettings, 0, 1, nil), protocol},
		"SETTINGS ack with a payload":      {peer.Frame(http2.FrameSettings, http2.FlagSettingsAck, 0, make([]byte, 6)), frameSize},
		"SETTINGS with a window too large": {peer.Settings(setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31}), flowControl},
		"SETTINGS with a frame too large":  {peer.Settings(setting{ID: http2.SettingMaxFrameSize, Val: 1 << 24}), protocol},
		"SETTINGS with push 2":             {peer.Settings(setting{ID: http2.SettingEnablePush, Val: 2}), protocol},
		"PING of 7 bytes":                  {peer.Frame(http2.FramePing, 0, 0, make([]byte, 7)), frameSize},
		"PING on a stream":                 {peer.Frame(http2.FramePing, 0, 1, make([]byte, 8)), protocol},
		"GOAWAY on a stream":               {peer.Frame(http2.FrameGoAway, 0, 1, make([]byte, 8)), protocol},
		"PUSH_PROMISE":                     {peer.Frame(http2.FramePushPromise, peer.EndHeaders, 1, make([]byte, 8)), protocol},
		"CONTINUATION alone":               {peer.Continuation(1, nil, peer.EndHeaders), protocol},
		"PING within a header block":       {join(peer.Headers(1, peer.Plain("GET", "/"), 0), peer.Ping()), protocol},
		"CONTINUATION of another stream":   {join(peer.Headers(1, peer.Plain("GET", "/"), 0), peer.Continuation(3, nil, peer.EndHeaders)), protocol},
		"a frame over 16 KiB":              {peer.Frame(http2.FrameData, 0, 1, make([]byte, wholeFrame+1)), frameSize},
		"a block that does not decode":     {peer.Headers(1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, peer.EndHeaders), int(http2.ErrCodeCompression)},
		"a table size over the announced":  {peer.Headers(1, []byte{0x3f, 0xff, 0xff, 0x03}, peer.EndHeaders), int(http2.ErrCodeCompression)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{})
			a := w.open()
			a.Send(x.frames)
			a.WantClosed(x.code)
			w.wantReleased()
		})
	}
}

// What a host must not say fails the request with its reason, and costs no more
// than the host's connection.
func TestR24HostsThatBreakTheRules(t *testing.T) {
	raw := func(b []byte) func(*peer.Exchange) {
		return func(x *peer.Exchange) {
			x.Conn.Write(b)
			x.Done()
		}
	}
	head := func(fields ...string) func(*peer.Exchange) {
		return func(x *peer.Exchange) { x.Head(true, fields...) }
	}
	for name, script := range map[string]func(*peer.Exchange){
		"no :status":                head("a", "b"),
		":status of two digits":     head(":status", "20"),
		":status of letters":        head(":status", "abc"),
		"two :status":               head(":status", "200", ":status", "200"),
		":path in a reply":          head(":status", "200", ":path", "/"),
		"upper case":                head(":status", "200", "Name", "x"),
		"value with CR LF":          head(":status", "200", "name", "x\r\ny: z"),
		"connection":                head(":status", "200", "connection", "close"),
		"transfer-encoding":         head(":status", "200", "transfer-encoding", "chunked"),
		"two content-lengths":       head(":status", "200", "content-length", "1", "content-length", "2"),
		"status 101":                head(":status", "101"),
		"1xx that ends":             head(":status", "103"),
		"DATA before HEADERS":       func(x *peer.Exchange) { x.WriteData(x.ID, true, []byte("x")); x.Done() },
		"PUSH_PROMISE":              raw(peer.Frame(http2.FramePushPromise, peer.EndHeaders, 1, make([]byte, 8))),
		"DATA of an idle stream":    raw(peer.Data(101, []byte("x"), 0)),
		"WINDOW_UPDATE of 0":        raw(peer.WindowUpdate(0, 0)),
		"SETTINGS of 5 bytes":       raw(peer.Frame(http2.FrameSettings, 0, 0, make([]byte, 5))),
		"a frame over 16 KiB":       raw(peer.Frame(http2.FrameData, 0, 1, make([]byte, wholeFrame+1))),
		"a block that is garbage":   raw(peer.Headers(1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, peer.EndHeaders)),
		"HEADERS of an idle stream": raw(peer.Headers(101, []byte{0x88}, peer.EndHeaders)),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{script: script})
			a := w.open()
			a.Send(peer.Headers(1, peer.Plain("POST", "/host"), peer.EndStream|peer.EndHeaders))
			a.WantStatus(1, "502")
			w.eventually("the reason was counted", func() bool { return w.stats().EndedFor(uint8(codec.UpstreamProtocolError)) == 1 })
			a.WantPong()
		})
	}
}

// Streams over the limit are refused, so that they can be sent again, whether
// the client can know the limit or not; the connection and the others go on.
func TestR26TooManyStreams(t *testing.T) {
	for name, acknowledged := range map[string]bool{"before the acknowledgement": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			var answers []*peer.Exchange
			release := make(chan []*peer.Exchange, 1)
			w := newWorld(t, setup{limits: `"max_concurrent_streams": 10`, script: func(x *peer.Exchange) {
				if answers = append(answers, x); len(answers) == 10 {
					release <- answers
				}
				x.Done()
			}})
			a := peer.Dial(t, w.address)
			request := peer.Plain("GET", "/host")
			ask := func(from, n int) {
				a.Repeat(n, stall, func(i int) []byte { return peer.Headers(odd(from+i), request, peer.EndStream|peer.EndHeaders) })
			}
			a.Send([]byte(http2.ClientPreface), peer.Settings())
			if acknowledged {
				a.Listen()
				a.Until("SETTINGS", func(s *peer.Seen) bool { return s.Frames[http2.FrameSettings] > 0 })
				a.Send(peer.SettingsAck())
				a.WantPong()
				ask(0, 20)
			} else {
				ask(0, 20)
				a.Listen()
			}
			for i := 10; i < 20; i++ {
				a.WantReset(odd(i), http2.ErrCodeRefusedStream)
			}
			if acknowledged {
				w.wantGlitch("too_many_streams", 10)
			} else {
				w.wantNoGlitch("too_many_streams")
			}
			for _, x := range <-release {
				x.Answer("fine")
			}
			for i := range 10 {
				a.WantEnd(odd(i))
			}
			a.WantPong()
		})
	}
}
