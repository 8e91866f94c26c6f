// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// A client that stops reading: what is held for it stays bounded, others are
// served, and the rest arrives once it reads again.
func TestStuckReader(t *testing.T) {
	const size = 16 << 20
	boltUp := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		r := f.reply()
		if f.get("service") == "large" {
			r.content = body(size)
		}
		return []boltFrame{r}
	})
	h2Up := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Service") != "large" {
			echoH2(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		w.Write(body(size))
	})
	ups := map[string]string{"SofaRpc": boltUp.address(), "Http2": h2Up.address()}
	for _, tt := range []struct{ down, up string }{{"SofaRpc", "SofaRpc"}, {"SofaRpc", "Http2"}, {"Http2", "Http2"}, {"Http2", "SofaRpc"}} {
		t.Run(tt.down+" to "+tt.up, func(t *testing.T) {
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: tt.down, up: tt.up, hosts: []string{ups[tt.up]}}))
			read := stuckCall(t, tt.down, p.address("in"))
			// What the kernel takes is out of our hands; what is left must stop
			// growing within the watermark and one window.
			blocked := func() bool { s := p.turns(); return s.Blocked > 0 || p.held()[codec.Hold] > 0 }
			eventually(t, "the reader's sink is full", blocked)
			for range 50 {
				var seen outcomes
				callMany(t, tt.down, p.address("in"), 32, &seen, new(atomic.Int64))
				if seen.counts["ok"] != 32 {
					t.Fatalf("others beside the stuck reader: %v", seen.counts)
				}
				if h := p.held(); h[codec.Hold] > 1<<20 || h[codec.Gather] > 1<<20 {
					t.Fatalf("%d bytes are held, %d gathered", h[codec.Hold], h[codec.Gather])
				}
			}
			if n := read(); n != size {
				t.Errorf("read %d bytes after all", n)
			}
			p.wantNothingHeld()
		})
	}
}

// stuckCall asks for the large reply without reading it; read reads it and
// returns its length, having compared it.
func stuckCall(t *testing.T, protocol, address string) (read func() int) {
	t.Helper()
	if protocol == "Http2" {
		q, _ := http.NewRequest("GET", "http://"+address+"/", nil)
		q.Header.Set("Service", "large")
		r, err := newH2Client(t).Do(q)
		if err != nil {
			t.Fatal(err)
		}
		return func() int {
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(b, body(len(b))) {
				t.Errorf("the body is wrong: %v", err)
			}
			return len(b)
		}
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	f := newBoltRequest("large", nil)
	c.Write(f.encode())
	return func() int {
		c.SetReadDeadline(time.Now().Add(callTimeout))
		r, err := readBolt(newReader(c))
		if err != nil || !bytes.Equal(r.content, body(len(r.content))) {
			t.Errorf("the reply is wrong: %v", err)
		}
		return len(r.content)
	}
}

// A Bolt client that asks on and on and never reads is cut off; others are not.
func TestBoltClientThatNeverReads(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	c, err := net.Dial("tcp", p.address("in"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f := newBoltRequest(service, body(16<<10))
	frame := f.encode()
	stalled := false
	for !stalled {
		c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		_, err := c.Write(frame)
		stalled = err != nil
		if h := p.held(); h[codec.Hold] > 2<<20 {
			t.Fatalf("%d bytes are held", h[codec.Hold])
		}
	}
	other := dialBolt(t, p.address("in"))
	for range 20 {
		wantBoltEcho(t, f, other.mustCall(t, f))
	}
	c.Close()
	p.wantNothingHeld()
}
