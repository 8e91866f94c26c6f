// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sideloop/sideloop/codec"
)

// beside runs an attack while a well-behaved client uses the same listener, and
// checks afterwards that nothing is left of it.
func beside(t *testing.T, p *proxy, listener string, attack func(t *testing.T, address string)) {
	t.Helper()
	good := dialBolt(t, p.address(listener))
	f := newBoltRequest(service, []byte("good"))
	wantBoltEcho(t, f, good.mustCall(t, f))
	attack(t, p.address(listener))
	wantBoltEcho(t, f, good.mustCall(t, f))
	p.wantNothingHeld()
}

func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(callTimeout))
	return c
}

// wantClosed reads until the connection ends, which it must.
func wantClosed(t testing.TB, c net.Conn) []byte {
	t.Helper()
	defer c.Close()
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection was not closed; read %q", b)
	}
	return b
}

func TestGarbage(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(
		hop{name: "bolt", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}},
		hop{name: "http", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}},
		hop{name: "auto", listen: "127.0.0.1:0", down: "Auto", up: "SofaRpc", hosts: []string{up.address()}},
	))
	request := newBoltRequest(service, []byte("x"))
	frame := request.encode()
	beside(t, p, "bolt", func(t *testing.T, _ string) {
		for name, b := range map[string][]byte{
			"http/1":          []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
			"tls":             {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3},
			"zeros":           make([]byte, 100),
			"type 3":          append([]byte{1, 3}, frame[2:]...),
			"http/2 preface":  []byte(http2.ClientPreface),
			"almost preface":  []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"),
			"negative length": patched(frame, 18, 0xFFFFFFFF),
		} {
			for _, listener := range []string{"bolt", "http", "auto"} {
				if listener != "bolt" && name == "http/2 preface" {
					continue
				}
				c := dial(t, p.address(listener))
				c.Write(b)
				if got := wantClosed(t, c); listener == "bolt" && len(got) > 200 {
					t.Errorf("%s on %s: %d bytes back", name, listener, len(got))
				}
			}
		}
	})
}

// patched is frame with four bytes at an offset replaced.
func patched(frame []byte, at int, v uint32) []byte {
	b := bytes.Clone(frame)
	binary.BigEndian.PutUint32(b[at:], v)
	return b
}

// A header map that lies is answered; its connection goes on where the frame's
// own lengths can be trusted.
func TestLyingHeaderMap(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	beside(t, p, "in", func(t *testing.T, address string) {
		c := dial(t, address)
		r := newReader(c)
		f := newBoltRequest(service, []byte("x"))
		mapAt := 22 + len(f.class)
		for _, n := range []uint32{8, 0xFFFFFFFE, 0x7FFFFFFF, 1 << 16} {
			c.Write(patched(f.encode(), mapAt, n))
			got, err := readBolt(r)
			if err != nil {
				t.Fatalf("length %d: %v", n, err)
			}
			wantBoltFailure(t, got, 9, codec.ProtocolError)
		}
		c.Write(f.encode())
		if got, err := readBolt(r); err != nil || got.status != 0 {
			t.Errorf("the connection did not go on: %v", err)
		}
	})
}

func TestWrongChecksum(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		t.Error("the frame reached the upstream")
		return echoBolt(f)
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	c := dial(t, p.address("in"))
	f := newBoltRequest(service, []byte("x"))
	f.version, f.ver1, f.switches = 2, 2, 1
	b := f.encode()
	b[len(b)-1] ^= 1
	c.Write(b)
	got, err := readBolt(newReader(c))
	if err != nil {
		t.Fatal(err)
	}
	wantBoltFailure(t, got, 9, codec.ProtocolError)
}

// Frames cut off anywhere, and slow ones, cost nothing and answer nothing.
func TestTruncatedFrames(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	beside(t, p, "in", func(t *testing.T, address string) {
		for _, n := range []int{0, 100, 200 << 10} {
			f := newBoltRequest(service, body(n))
			b := f.encode()
			for _, cut := range []int{1, 10, 21, 22, 40, 70, len(b) - 1} {
				c := dial(t, address)
				c.Write(b[:cut])
				c.(*net.TCPConn).CloseWrite()
				wantClosed(t, c)
			}
		}
	})
}

// Random bytes in random pieces: the proxy survives and holds nothing.
func TestRandomBytes(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(
		hop{name: "bolt", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}},
		hop{name: "http", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}},
	))
	rnd := rand.New(rand.NewSource(1))
	f := newBoltRequest(service, body(500))
	seeds := map[string][]byte{"bolt": f.encode(), "http": append([]byte(http2.ClientPreface), make([]byte, 500)...)}
	beside(t, p, "bolt", func(t *testing.T, _ string) {
		for range scale(200) {
			for listener, seed := range seeds {
				b := bytes.Repeat(seed, 3)
				for range 1 + rnd.Intn(20) {
					b[24+rnd.Intn(len(b)-24)] = byte(rnd.Intn(256))
				}
				c := dial(t, p.address(listener))
				for len(b) > 0 {
					n := 1 + rnd.Intn(len(b))
					if _, err := c.Write(b[:n]); err != nil {
						break
					}
					b = b[n:]
				}
				c.Close()
			}
		}
	})
}

// An upstream that talks nonsense costs its own connection; the requests on it
// fail with their reason and the next ones go elsewhere.
func TestUpstreamTalksNonsense(t *testing.T) {
	nonsense := map[string][]byte{
		"text":     []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"zeros":    make([]byte, 64),
		"too long": patched((&boltFrame{version: 1, command: 2}).encode(), 16, 0xFFFFFFFF),
	}
	for name, b := range nonsense {
		for _, protocol := range []string{"SofaRpc", "Http2"} {
			t.Run(name+" as "+protocol, func(t *testing.T) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				go func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						io.ReadAtLeast(c, make([]byte, 1024), 24)
						c.Write(b)
						io.Copy(io.Discard, c)
						c.Close()
					}
				}()
				p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: protocol, hosts: []string{l.Addr().String()}}))
				c := dialBolt(t, p.address("in"))
				for range 3 {
					r := c.mustCall(t, newBoltRequest(service, []byte("x")))
					wantBoltFailure(t, r, 9, codec.UpstreamProtocolError)
				}
				p.wantEnded(codec.UpstreamProtocolError, 3)
				p.wantNothingHeld()
			})
		}
	}
}

// A header that only Sideloop writes, forged by a client, never reaches a Bolt
// service, nor an HTTP/2 one.
func TestForgedBoltHeader(t *testing.T) {
	seen := make(chan http.Header, 10)
	h2 := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { seen <- r.Header })
	frames := make(chan boltFrame, 10)
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		frames <- f
		return echoBolt(f)
	})
	admin := `{"headers": [{"name": "service", "value": "public"}]}`
	p := startProxy(t, configOf(
		hop{name: "hh", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest},
		hop{name: "hb", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}, match: admin},
	))
	c := newH2Client(t)
	forged := http.Header{"Service": {"public"}, "X-Sideloop-Bolt": {"service=secret"}}
	for _, listener := range []string{"hh", "hb"} {
		r := postH2(t, c, p.address(listener), []byte("x"), true, forged)
		if r.status != 400 || r.header.Get(codec.ReasonHeader) != "protocol_error" {
			t.Errorf("%s: status %d, reason %q", listener, r.status, r.header.Get(codec.ReasonHeader))
		}
	}
	// One that is true is used and not passed on.
	honest := http.Header{"Service": {"public"}, "X-Sideloop-Bolt": {"service"}}
	for _, listener := range []string{"hh", "hb"} {
		if r := postH2(t, c, p.address(listener), []byte("x"), true, honest); r.status != 200 {
			t.Errorf("%s: status %d", listener, r.status)
		}
	}
	if h := <-seen; h.Get("X-Sideloop-Bolt") != "" || len(seen) > 0 {
		t.Errorf("an HTTP/2 service saw %v", h)
	}
	if f := <-frames; f.get("x-sideloop-bolt") != "" || f.get("service") != "public" || len(frames) > 0 {
		t.Errorf("a Bolt service saw %q", f.pairs)
	}
}

// An upstream that refuses a stream, or says goodbye below it, has surely not
// processed the request: it is sent again, unseen by the client.
func TestRefusedRequestsAreRetried(t *testing.T) {
	for _, how := range []string{"REFUSED_STREAM", "GOAWAY"} {
		t.Run(how, func(t *testing.T) {
			address := startRefusing(t, how)
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{address}, match: anyRequest}))
			for _, b := range [][]byte{nil, body(1000), body(40_000)} {
				r := postH2(t, newH2Client(t), p.address("in"), b, true, nil)
				if r.status != 200 || string(r.body) != "fine" {
					t.Errorf("%d bytes: status %d, reason %q", len(b), r.status, r.header.Get(codec.ReasonHeader))
				}
			}
			p.wantOK(3)
		})
	}
}

// startRefusing serves HTTP/2 that turns away every other request.
func startRefusing(t *testing.T, how string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	turns := make(chan bool, 1)
	turns <- false
	serve := func(c net.Conn) {
		defer c.Close()
		io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
		fr := http2.NewFramer(c, c)
		fr.WriteSettings()
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			id := f.Header().StreamID
			switch f := f.(type) {
			case *http2.SettingsFrame:
				if !f.IsAck() {
					fr.WriteSettingsAck()
				}
			case *http2.HeadersFrame:
				answer := <-turns
				turns <- !answer
				switch {
				case answer:
					var b bytes.Buffer
					hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
					fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true})
					fr.WriteData(id, true, []byte("fine"))
				case how == "GOAWAY":
					fr.WriteGoAway(id-1, http2.ErrCodeNo, nil)
				default:
					fr.WriteRSTStream(id, http2.ErrCodeRefusedStream)
				}
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go serve(c)
		}
	}()
	return l.Addr().String()
}

// Auto tells Bolt from HTTP/2 by the first bytes, even one at a time.
func TestAutoDetection(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Auto", up: "SofaRpc", hosts: []string{up.address()}}))
	f := newBoltRequest(service, []byte("x"))
	wantBoltEcho(t, f, dialBolt(t, p.address("in")).mustCall(t, f))
	if r := postH2(t, newH2Client(t), p.address("in"), []byte("x"), true, http.Header{"Service": {service}}); r.status != 200 {
		t.Errorf("HTTP/2: status %d", r.status)
	}
	c := dial(t, p.address("in"))
	for i := range http2.ClientPreface {
		c.Write([]byte{http2.ClientPreface[i]})
	}
	fr := http2.NewFramer(c, c)
	fr.WriteSettings()
	if frame, err := fr.ReadFrame(); err != nil || frame.Header().Type != http2.FrameSettings {
		t.Errorf("byte by byte: %v, %v", frame, err)
	}
}
