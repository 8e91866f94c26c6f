// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// scriptLimit bounds each connection of a scripted peer.
const scriptLimit = 5 * time.Second

// framePeer is one end of an HTTP/2 connection whose frames the test sends and
// reads one by one. SETTINGS and PING are answered by themselves, and
// WINDOW_UPDATE is left out unless asked for.
type framePeer struct {
	t       testing.TB
	conn    net.Conn
	fr      *http2.Framer
	enc     *hpack.Encoder
	block   bytes.Buffer
	updates bool
}

func newFramePeer(t testing.TB, c net.Conn) *framePeer {
	p := &framePeer{t: t, conn: c, fr: http2.NewFramer(c, c)}
	p.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.enc = hpack.NewEncoder(&p.block)
	c.SetDeadline(time.Now().Add(scriptLimit))
	return p
}

// dialFrames is a client that has sent its preface and settings.
func dialFrames(t testing.TB, address string, settings ...http2.Setting) *framePeer {
	t.Helper()
	p := newFramePeer(t, dial(t, address))
	io.WriteString(p.conn, http2.ClientPreface)
	p.fr.WriteSettings(settings...)
	return p
}

// listenScript is a listener whose connections the test accepts itself.
func listenScript(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func acceptConn(t testing.TB, l *net.TCPListener) net.Conn {
	t.Helper()
	l.SetDeadline(time.Now().Add(scriptLimit))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(scriptLimit))
	return c
}

// acceptFrames accepts one connection as a server that has sent its settings.
func acceptFrames(t testing.TB, l *net.TCPListener, settings ...http2.Setting) *framePeer {
	t.Helper()
	return serveFrames(t, acceptConn(t, l), settings...)
}

// serveFrames is a server on c that has sent its settings.
func serveFrames(t testing.TB, c net.Conn, settings ...http2.Setting) *framePeer {
	t.Helper()
	p := newFramePeer(t, c)
	if _, err := io.ReadFull(p.conn, make([]byte, len(http2.ClientPreface))); err != nil {
		t.Fatal(err)
	}
	p.fr.WriteSettings(settings...)
	return p
}

// read returns the next frame that matters, or the error that ends the
// connection.
func (p *framePeer) read() (http2.Frame, error) {
	for {
		f, err := p.fr.ReadFrame()
		if err != nil {
			return nil, err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				p.fr.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				p.fr.WritePing(true, f.Data)
			}
		case *http2.WindowUpdateFrame:
			if p.updates {
				return f, nil
			}
		default:
			return f, nil
		}
	}
}

func (p *framePeer) next() http2.Frame {
	p.t.Helper()
	f, err := p.read()
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

// wantHeaders reads a header block.
func (p *framePeer) wantHeaders() *http2.MetaHeadersFrame {
	p.t.Helper()
	f := p.next()
	h, ok := f.(*http2.MetaHeadersFrame)
	if !ok {
		p.t.Fatalf("got %v; want HEADERS", f)
	}
	return h
}

// wantData reads DATA until n bytes have come, or to the end with n < 0, and
// returns them.
func (p *framePeer) wantData(n int) (b []byte, ended bool) {
	p.t.Helper()
	for n < 0 || len(b) < n {
		f, ok := p.next().(*http2.DataFrame)
		if !ok {
			p.t.Fatalf("after %d bytes: another frame than DATA", len(b))
		}
		b = append(b, f.Data()...)
		if f.StreamEnded() {
			return b, true
		}
	}
	return b, false
}

// wantUpdate reads WINDOW_UPDATE of a stream.
func (p *framePeer) wantUpdate(id uint32) {
	p.t.Helper()
	p.updates = true
	defer func() { p.updates = false }()
	for {
		f := p.next()
		if u, ok := f.(*http2.WindowUpdateFrame); !ok {
			p.t.Fatalf("got %v; want WINDOW_UPDATE", f)
		} else if u.StreamID == id {
			return
		}
	}
}

// wantReset reads RST_STREAM, whatever DATA comes before it.
func (p *framePeer) wantReset() *http2.RSTStreamFrame {
	p.t.Helper()
	for {
		switch f := p.next().(type) {
		case *http2.RSTStreamFrame:
			return f
		case *http2.DataFrame:
		default:
			p.t.Fatalf("got %v; want RST_STREAM", f)
		}
	}
}

// send writes a header block of alternating names and values.
func (p *framePeer) send(id uint32, end bool, fields ...string) {
	p.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block.Bytes(), EndHeaders: true, EndStream: end})
}

// ask sends the head of a request that names the usual service.
func (p *framePeer) ask(id uint32, end bool, fields ...string) {
	p.send(id, end, append([]string{":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/", "service", service}, fields...)...)
}

// data writes b in frames of at most 16 KiB.
func (p *framePeer) data(id uint32, b []byte, end bool) {
	for len(b) > 16<<10 {
		p.fr.WriteData(id, false, b[:16<<10])
		b = b[16<<10:]
	}
	p.fr.WriteData(id, end, b)
}

// grant gives window for n bytes on a stream and on the connection.
func (p *framePeer) grant(id uint32, n int) {
	p.fr.WriteWindowUpdate(0, uint32(n))
	p.fr.WriteWindowUpdate(id, uint32(n))
}

func field(h *http2.MetaHeadersFrame, name string) string {
	for _, f := range h.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// wantStatus checks status and reason of a reply's head.
func wantStatus(t testing.TB, h *http2.MetaHeadersFrame, status int, reason string) {
	t.Helper()
	if got := field(h, ":status"); got != fmt.Sprint(status) || field(h, "x-sideloop-reason") != reason {
		t.Errorf("status %s, reason %q; want %d, %q", got, field(h, "x-sideloop-reason"), status, reason)
	}
}
