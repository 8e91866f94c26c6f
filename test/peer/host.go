// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"io"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Host is a host that takes requests and does with each what its script says. It
// counts what it has in flight as the frames say.
type Host struct {
	listener net.Listener
	settings []http2.Setting
	script   func(*Exchange)
	conns    sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]bool
	counts Counts
}

// Counts are a host's requests.
type Counts struct {
	Connections int
	Requests    int
	// InFlight are those neither answered nor reset nor lost; Peak is the most
	// of them at once.
	InFlight, Peak int
	// Resets are those that the proxy reset.
	Resets int
}

// Exchange is one request of which the head has come, or also the end.
type Exchange struct {
	*http2.Framer
	Conn net.Conn
	ID   uint32
	// Request is the head; its fields are the host's to keep.
	Request *http2.MetaHeadersFrame
	// Number counts the requests of the connection from 1.
	Number int

	host  *Host
	block func(fields ...string) []byte
}

// Hang is the script of a host that never answers.
func Hang(*Exchange) {}

// StartHost runs a host whose script is called with each request's head. It must
// not block.
func StartHost(tb testing.TB, script func(*Exchange), settings ...http2.Setting) *Host {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	h := &Host{listener: l, settings: settings, script: script, open: map[net.Conn]bool{}}
	h.conns.Go(h.accept)
	tb.Cleanup(h.stop)
	return h
}

func (h *Host) stop() {
	h.listener.Close()
	h.mu.Lock()
	for c := range h.open {
		c.Close()
	}
	h.mu.Unlock()
	h.conns.Wait()
}

// Address is where the host listens.
func (h *Host) Address() string { return h.listener.Addr().String() }

// Counts are the requests so far.
func (h *Host) Counts() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts
}

func (h *Host) count(f func(*Counts)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.counts)
	h.counts.Peak = max(h.counts.Peak, h.counts.InFlight)
}

func (h *Host) accept() {
	for {
		c, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.open[c] = true
		h.counts.Connections++
		h.mu.Unlock()
		h.conns.Go(func() {
			h.serve(c)
			c.Close()
			h.mu.Lock()
			delete(h.open, c)
			h.mu.Unlock()
		})
	}
}

func (h *Host) serve(c net.Conn) {
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	fr := http2.NewFramer(c, c)
	fr.AllowIllegalWrites = true
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	fr.WriteSettings(h.settings...)
	var encoder Encoder
	live := make(map[uint32]bool)
	defer func() { h.count(func(n *Counts) { n.InFlight -= len(live) }) }()
	number := 0
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
		case *http2.PingFrame:
			if !f.IsAck() {
				fr.WritePing(true, f.Data)
			}
		case *http2.RSTStreamFrame:
			if live[id] {
				delete(live, id)
				h.count(func(n *Counts) { n.InFlight--; n.Resets++ })
			}
		case *http2.MetaHeadersFrame:
			number++
			live[id] = true
			h.count(func(n *Counts) { n.InFlight++; n.Requests++ })
			x := &Exchange{Framer: fr, Conn: c, ID: id, Number: number, Request: f, host: h, block: encoder.Block}
			h.script(x)
			if x.host == nil {
				delete(live, id)
				h.count(func(n *Counts) { n.InFlight-- })
			}
		}
	}
}

// Done tells that the host has no more to do with the request.
func (x *Exchange) Done() { x.host = nil }

// Head sends the head of the reply.
func (x *Exchange) Head(end bool, fields ...string) {
	x.WriteHeaders(http2.HeadersFrameParam{StreamID: x.ID, BlockFragment: x.block(fields...), EndHeaders: true, EndStream: end})
	if end {
		x.Done()
	}
}

// Answer sends a whole reply of a few bytes.
func (x *Exchange) Answer(body string) {
	x.Head(false, ":status", "200")
	x.WriteData(x.ID, true, []byte(body))
	x.Done()
}
