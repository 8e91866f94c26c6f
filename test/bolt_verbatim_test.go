// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// oddFrames are legal frames that no one of today sends: whatever the proxy does
// not have to understand is passed on as it is.
func oddFrames() map[string]boltFrame {
	frames := make(map[string]boltFrame)
	add := func(name string, change func(*boltFrame)) {
		for version, f := range boltVersions([]byte("content")) {
			change(&f)
			frames[version+" "+name] = f
		}
	}
	add("plain", func(*boltFrame) {})
	add("unknown codec", func(f *boltFrame) { f.codec = 200 })
	add("no class", func(f *boltFrame) { f.class = "" })
	add("empty content", func(f *boltFrame) { f.content = nil })
	add("nulls", func(f *boltFrame) {
		f.pairs = append(f.pairs, pair{nil, nil}, pair{nil, []byte("v")}, pair{[]byte("k"), nil}, pair{[]byte{}, []byte{}})
	})
	add("repeated and mixed case", func(f *boltFrame) {
		f.pairs = append(f.pairs, pair{[]byte("a"), []byte("1")}, pair{[]byte("A"), []byte("2")}, pair{[]byte("a"), []byte("3")},
			pair{[]byte("service"), []byte("another")})
	})
	add("binary", func(f *boltFrame) {
		f.pairs = append(f.pairs, pair{[]byte{0, 0xFF, '\n'}, []byte{0x80, 0, '\r'}})
		f.class = "\x00\xff\n"
	})
	add("largest map", func(f *boltFrame) {
		f.pairs = append(f.pairs, pair{[]byte("k"), bytes.Repeat([]byte("v"), 65535-len(f.header())-9)})
	})
	add("largest class", func(f *boltFrame) { f.class = string(bytes.Repeat([]byte("c"), 32767)) })
	add("negative timeout", func(f *boltFrame) { f.timeout = -7 })
	return frames
}

// idAt is where a frame's id stands.
func idAt(frame []byte) int { return 4 + int(frame[0]) }

// From Bolt to Bolt a frame passes byte for byte, but for its id, and for the
// checksum that follows from that.
func TestFramesPassVerbatim(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{l.Addr().String()}}))
	c := dial(t, p.address("in"))
	first := newBoltRequest(service, nil)
	first.kind = kindOneWay
	c.Write(first.encode())
	up := acceptConn(t, l)
	if _, err := io.ReadFull(up, make([]byte, len(first.encode()))); err != nil {
		t.Fatal(err)
	}
	for name, f := range oddFrames() {
		// pass writes a frame on one side and wants it on the other under id.
		pass := func(f boltFrame, from io.Writer, to io.Reader, id uint32) uint32 {
			t.Helper()
			from.Write(f.encode())
			got := make([]byte, len(f.encode()))
			if _, err := io.ReadFull(to, got); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			seen := binary.BigEndian.Uint32(got[idAt(got):])
			if id == 0 {
				id = seen
			}
			f.id = id
			if want := f.encode(); !bytes.Equal(got, want) {
				t.Errorf("%s: got\n%x, want\n%x", name, got, want)
			}
			return seen
		}
		id := pass(f, c, up, 0)
		r := f.reply()
		r.id, r.status = id, 777 // a status that is nobody's
		pass(r, up, c, f.id)
	}
	p.wantOK(1 + len(oddFrames()))
}

// Over a chain with HTTP/2 between, what a frame says arrives the same.
func TestFramesPassTheChain(t *testing.T) {
	seen := make(chan boltFrame, 1)
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		seen <- f
		r := f.reply()
		r.class, r.status = f.class, 5
		return []boltFrame{r}
	})
	between := freeAddress(t)
	p := startProxy(t, configOf(
		hop{name: "near", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{between}},
		hop{name: "far", listen: between, down: "Http2", up: "SofaRpc", hosts: []string{up.address()}},
	))
	c := dialBolt(t, p.address("near"))
	for name, f := range oddFrames() {
		r := c.mustCall(t, f)
		if strings.HasSuffix(name, "largest map") {
			// HTTP/2 counts more per field than the largest map leaves.
			if r.status == 0 || r.get(codec.ReasonHeader) == "" {
				t.Errorf("%s: status %d, %q", name, r.status, r.get(codec.ReasonHeader))
			}
			continue
		}
		got := <-seen
		got.id = f.id
		if !bytes.Equal(got.encode(), f.encode()) {
			t.Errorf("%s: the service got\n%+v, want\n%+v", name, got, f)
		}
		want := f.reply()
		want.id, want.class, want.status = r.id, f.class, 5
		if !bytes.Equal(r.encode(), want.encode()) {
			t.Errorf("%s: the client got\n%+v, want\n%+v", name, r, want)
		}
	}
	p.wantNothingHeld()
}
