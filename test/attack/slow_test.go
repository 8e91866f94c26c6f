// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"crypto/tls"
	"io"
	"math/rand"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/test/peer"
)

// hasty makes everything that may take seconds take 300 ms.
const hasty = `"setup_timeout": "1s", "settings_ack_timeout": "1s", "header_timeout": "1s"`

// trickle sends one byte after the other until the connection is gone.
func trickle(a *peer.Client, b []byte) {
	gone := func() bool { return peer.Look(a, func(s *peer.Seen) bool { return s.Closed }) }
	for i := range b {
		if gone() || !a.Send(b[i:i+1]) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestR21Slowloris(t *testing.T) {
	block := peer.Plain("GET", "/host", "name", "a value that takes its time to come to its end")
	hello := append([]byte(http2.ClientPreface), peer.Settings()...)
	ready := append(hello, peer.SettingsAck()...)
	for _, x := range []struct {
		name, word  string
		first, slow []byte
		code        int
		protocols   string
		reason      codec.Reason
	}{
		{name: "nothing", word: "setup_timeout", code: protocol},
		{name: "preface", word: "setup_timeout", slow: []byte(http2.ClientPreface), code: protocol},
		{name: "preface, where Bolt is spoken too", word: "unknown_protocol", slow: []byte(http2.ClientPreface), code: noCode, protocols: "Auto"},
		{name: "nothing, where Bolt is spoken too", word: "unknown_protocol", code: noCode, protocols: "Auto"},
		{name: "SETTINGS", word: "setup_timeout", first: hello[:24], slow: peer.Settings(make([]setting, 20)...), code: protocol},
		{name: "HEADERS", word: "header_timeout", first: ready, slow: peer.Headers(1, block, peer.EndStream|peer.EndHeaders), code: protocol},
		{name: "CONTINUATION", word: "header_timeout", first: append(ready, peer.Headers(1, block[:1], peer.EndStream)...), slow: peer.Continuation(1, block[1:], 0), code: protocol},
		{name: "no CONTINUATION", word: "header_timeout", first: append(ready, peer.Headers(1, block, peer.EndStream)...), code: protocol},
		{name: "GOAWAY", word: "header_timeout", first: ready, slow: peer.Frame(http2.FrameGoAway, 0, 0, make([]byte, 100)), code: protocol},
		{name: "acknowledgement", word: "settings_ack_timeout", first: hello, code: int(http2.ErrCodeSettingsTimeout)},
	} {
		t.Run(x.name, func(t *testing.T) {
			waits(t)
			w := newWorld(t, setup{limits: hasty, down: x.protocols})
			for range full(20, 1) {
				a := peer.Dial(t, w.address)
				a.Listen()
				a.Send(x.first)
				trickle(a, x.slow)
				a.WantClosed(x.code)
				a.Close()
			}
			w.wantGlitch(x.word, full(20, 1))
			if n := w.host.Counts().Requests; n > 0 {
				t.Errorf("%d requests reached the host", n)
			}
		})
	}
}

// A body that stops coming is given up; one that comes slowly, but comes, is
// not.
func TestR21SlowBody(t *testing.T) {
	waits(t)
	w := newWorld(t, setup{limits: `"stream_idle_timeout": "1s"`})
	a := w.open()
	a.Send(peer.Headers(1, peer.Plain("POST", "/host"), peer.EndHeaders), peer.Data(1, []byte("x"), 0))
	a.Send(peer.Headers(3, peer.Plain("POST", "/echo"), peer.EndHeaders))
	const pieces = 60
	for range pieces {
		a.Send(peer.Data(3, []byte("x"), 0))
		time.Sleep(50 * time.Millisecond)
	}
	a.Send(peer.Data(3, nil, peer.EndStream))
	a.WantEnd(3)
	if n := peer.Look(a, func(s *peer.Seen) int { return s.Bodies[3] }); n != pieces {
		t.Errorf("%d bytes came back; want %d", n, pieces)
	}
	a.WantStatus(1, "504")
	if n := w.stats().EndedFor(uint8(codec.IdleTimeout)); n != 1 {
		t.Errorf("%d requests ended for being idle", n)
	}
	w.wantReleased()
}

func TestR22OtherProtocols(t *testing.T) {
	noise := make([]byte, 1000)
	rand.New(rand.NewSource(1)).Read(noise)
	for name, b := range map[string][]byte{
		"HTTP/1.1":         []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
		"HTTP/1.1 PRI":     []byte("PRI * HTTP/1.1\r\nHost: a\r\n\r\n"),
		"upgrade to h2c":   []byte("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"),
		"TLS":              clientHello(t),
		"random":           noise,
		"preface, nearly":  []byte(http2.ClientPreface[:23] + "x"),
		"no SETTINGS":      append([]byte(http2.ClientPreface), peer.Ping()...),
		"HTTP/1.1 in half": []byte(http2.ClientPreface + "GET / HTTP/1.1\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{})
			for range full(1000, 3) {
				a := peer.Dial(t, w.address)
				a.Listen()
				start := time.Now()
				a.Send(b)
				a.WantClosed(noCode)
				if time.Since(start) > 9*time.Second {
					t.Error("it took a timeout to close")
				}
				a.Close()
			}
			w.eventually("it was counted", func() bool {
				s := w.stats()
				return s.Glitches("bad_preface")+s.Glitches("settings_not_first")+s.Glitches("frame_too_large") == uint64(full(1000, 3))
			})
		})
	}
}

// clientHello is the first flight of TLS.
func clientHello(t *testing.T) []byte {
	ours, theirs := net.Pipe()
	go func() {
		tls.Client(ours, &tls.Config{ServerName: "a", NextProtos: []string{"h2"}}).Handshake()
		ours.Close()
	}()
	b := make([]byte, 4096)
	n, err := theirs.Read(b)
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	theirs.Close()
	return b[:n]
}
