// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
)

const (
	// rssGrowth is what one stalled reply may cost the proxy.
	rssGrowth = 4 << 20
	// rssEach is what every further one may: a stream's window at its largest
	// and as much of its connection's output, twice because of the collector.
	rssEach = 1 << 20
	// giant is a reply that no buffer on the way could hide.
	giant = 1 << 30
)

// source serves replies of the length that the path states, and counts what it
// could write of them.
type source struct {
	*h2Service
	written atomic.Int64
}

func startSource(t testing.TB) *source {
	s := new(source)
	chunk := body(16 << 10) // less than a window, so that the first counts
	s.h2Service = startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		left, _ := strconv.Atoi(r.URL.Path[1:])
		w.Header().Set("Content-Length", fmt.Sprint(left))
		for left > 0 {
			n, err := w.Write(chunk[:min(left, len(chunk))])
			s.written.Add(int64(n))
			if err != nil {
				return
			}
			left -= n
		}
	})
	return s
}

// settled waits until the source can write no more.
func (s *source) settled(t testing.TB) {
	t.Helper()
	last, same := int64(-1), 0
	eventually(t, "the upstream is paused", func() bool {
		if n := s.written.Load(); n != last {
			last, same = n, 0
		} else {
			same++
		}
		return last > 0 && same > 100
	})
}

// stalled is a client that has asked for replies and does not read them.
type stalled struct {
	*framePeer
	streams int
	size    int
	owed    map[uint32]int
}

// stall asks for replies of size bytes on one connection. With window the client
// grants all of it and leaves the bytes in the socket; without, it grants none.
func stall(t testing.TB, address string, streams, size int, window bool) *stalled {
	t.Helper()
	s := http2.Setting{ID: http2.SettingInitialWindowSize, Val: 65535}
	if window {
		s.Val = 1<<31 - 1
	}
	c := dialFrames(t, address, s)
	c.conn.SetDeadline(time.Now().Add(callTimeout))
	if window {
		c.fr.WriteWindowUpdate(0, 1<<31-1-65535)
	}
	for i := range uint32(streams) {
		c.send(1+2*i, true, ":method", "GET", ":scheme", "http", ":authority", "a", ":path", fmt.Sprintf("/%d", size))
	}
	return &stalled{framePeer: c, streams: streams, size: size}
}

// drink reads all replies to their end, granting window as it goes.
func (s *stalled) drink() {
	s.t.Helper()
	s.owed = make(map[uint32]int)
	got, ended := 0, 0
	for ended < s.streams {
		switch f := s.next().(type) {
		case *http2.MetaHeadersFrame:
			if field(f, ":status") != "200" {
				s.t.Fatalf("got %v", f)
			}
		case *http2.DataFrame:
			n := len(f.Data())
			got += n
			s.grantBack(0, n)
			if f.StreamEnded() {
				ended++
			} else {
				s.grantBack(f.StreamID, n)
			}
		default:
			s.t.Fatalf("got %v after %d bytes", f, got)
		}
	}
	if got != s.streams*s.size {
		s.t.Errorf("%d bytes came, want %d", got, s.streams*s.size)
	}
}

// grantBack returns window for n bytes of a stream, or of the connection, once
// half a window is due.
func (s *stalled) grantBack(id uint32, n int) {
	if s.owed[id] += n; s.owed[id] >= 32<<10 {
		s.fr.WriteWindowUpdate(id, uint32(s.owed[id]))
		s.owed[id] = 0
	}
}

// A reader that stops costs the process little, however much there is to read,
// and so do many.
func TestStalledReadersInMemory(t *testing.T) {
	up := startSource(t)
	address := freeAddress(t)
	config := writeConfig(t, configOf(hop{name: "in", listen: address, down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest}))
	cmd, _ := startCommand(t, config, address)
	pid := cmd.Process.Pid
	// What is resident once bytes have passed at full speed is the yardstick.
	stall(t, address, 1, 64<<20, true).drink()
	for _, tt := range []struct {
		name           string
		conns, streams int
		size           int
		window         bool
	}{
		{"no window", 1, 1, giant, false},
		{"no reading", 1, 1, giant, true},
		{"no window, 16 streams", 1, 16, 64 << 20, false},
		{"no reading, 16 streams", 1, 16, 64 << 20, true},
		{"no window, 16 connections", 16, 1, 64 << 20, false},
		{"no reading, 16 connections", 16, 1, 64 << 20, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := rss(t, pid)
			up.written.Store(0)
			var clients []*stalled
			for range tt.conns {
				clients = append(clients, stall(t, address, tt.streams, tt.size, tt.window))
			}
			up.settled(t)
			grown := rss(t, pid) - before
			t.Logf("%d KiB more resident with %d KiB on the way", grown>>10, up.written.Load()>>10)
			if grown > rssGrowth+(tt.conns*tt.streams-1)*rssEach {
				t.Errorf("%d KiB more are resident", grown>>10)
			}
			if tt.size < giant && tt.streams == 1 {
				clients[0].drink()
			}
			for _, c := range clients {
				c.conn.Close()
			}
		})
	}
}

// What is held for stalled readers is bounded, and gone when they have read.
func TestStalledReadersInGauges(t *testing.T) {
	for _, window := range []bool{false, true} {
		up := startSource(t)
		p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest}))
		const streams, size = 16, 16 << 20
		c := stall(t, p.address("in"), streams, size, window)
		up.settled(t)
		h := p.held()
		// A stream may have its upstream's window waiting, which grows only
		// while something is taken.
		if h[codec.Hold] > streams*256<<10 || h[codec.Gather] > 64<<10 {
			t.Errorf("window %v: %d bytes are held, %d gathered", window, h[codec.Hold], h[codec.Gather])
		}
		c.drink()
		p.wantOK(streams)
	}
}

// A giant reply is read to its end after a pause, with little held at any time.
func TestGiantReply(t *testing.T) {
	giant := min(scale(256<<20), giant)
	up := startSource(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest}))
	r, err := newH2Client(t).Get("http://" + p.address("in") + fmt.Sprintf("/%d", giant))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	up.settled(t)
	most := 0
	chunk := make([]byte, 16<<20)
	for got := 0; got < giant; {
		n, err := io.ReadFull(r.Body, chunk)
		if got += n; err != nil {
			t.Fatalf("%v after %d bytes", err, got)
		}
		most = max(most, p.held()[codec.Hold])
	}
	if most > 1<<20 {
		t.Errorf("%d bytes were held", most)
	}
	p.wantOK(1)
}
