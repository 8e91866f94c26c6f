// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/test/peer"
)

// wholeFrame is the most that a frame carries.
const wholeFrame = 16 << 10

func TestR6EmptyNames(t *testing.T) {
	plain := []byte{0, 0, 1, 'v'}
	for name, field := range map[string][]byte{"plain": plain, "indexed": {0x40, 0, 0}, "Huffman": {0, 0x80, 0x80}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{})
			a := w.open()
			block := append(peer.Plain("GET", "/host"), bytes.Repeat(field, 100)...)
			a.Send(peer.Headers(1, block, peer.EndStream|peer.EndHeaders))
			a.WantReset(1, http2.ErrCodeProtocol)
			a.Repeat(full(20_000, 1500), stall, func(i int) []byte { return peer.Headers(odd(i+1), block, peer.EndStream|peer.EndHeaders) })
			a.WantClosed(calm)
			w.wantGlitch("field_name", 700)
			if n := w.host.Counts().Requests; n > 0 {
				t.Errorf("%d requests reached the host", n)
			}
		})
	}
}

func TestR10Continuations(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "empty": 0, "whole": wholeFrame} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{})
			a := w.open()
			a.Send(peer.Headers(1, peer.Plain("GET", "/host"), peer.EndStream))
			field := peer.Literal("a", strings.Repeat("b", max(size-10, 0)))
			fragment := append(field, bytes.Repeat([]byte{0, 1, 'x', 0}, 10)...)[:size]
			a.Repeat(full(100_000, 2000), stall, always(peer.Continuation(1, fragment, 0)))
			a.WantClosed(calm)
			word := "continuation_flood"
			if size == wholeFrame {
				word = "header_block_size"
			}
			w.wantGlitch(word, 1)
		})
	}
}

// references is a block that enters one field in the table and names it again n
// times.
func references(path, name, value string, n int) []byte {
	b := append(peer.Plain("GET", path), peer.Indexed(name, value)...)
	return append(b, bytes.Repeat([]byte{peer.First}, n)...)
}

func TestR12HPACKBomb(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	large := strings.Repeat("v", 4000)
	a.Send(peer.Block(1, references("/host", "large", large, 20), wholeFrame, peer.EndStream))
	a.WantStatus(1, "431")
	w.wantGlitch("header_too_large", 1)
	a.Send(peer.Block(3, references("/host", "large", large, 10_000), wholeFrame, peer.EndStream))
	a.WantClosed(calm)
	w.wantGlitch("header_bomb", 1)
	if n := w.host.Counts().Requests; n > 0 {
		t.Errorf("%d requests reached the host", n)
	}
}

// bombs are the fields of the HTTP/2 Bomb: next to nothing on the wire.
var bombs = map[string][2]string{"plain": {"a", ""}, "cookie": {"cookie", ""}}

func TestR13Bomb(t *testing.T) {
	for name, field := range bombs {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{})
			block := references("/host", field[0], field[1], 60_000)
			for range full(20, 3) {
				a := w.open(noWindow()...)
				// The first ends the connection already.
				a.Repeat(100, stall, func(i int) []byte { return peer.Block(odd(i), block, wholeFrame, peer.EndStream) })
				a.WantClosed(calm)
				a.Close()
			}
			w.wantGlitch("header_bomb", full(20, 3))
			if n := w.host.Counts().Requests; n > 0 {
				t.Errorf("%d requests reached the host", n)
			}
		})
	}
}

// Bombs too small to end the connection are answered, and nothing of them is
// kept, though the client takes no body.
func TestR13SmallBombs(t *testing.T) {
	for name, field := range bombs {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{})
			a := w.open(noWindow()...)
			block := references("/host", field[0], field[1], 1000)
			a.Repeat(100, stall, func(i int) []byte { return peer.Block(odd(i), block, wholeFrame, peer.EndStream) })
			a.WantStatus(odd(99), "431")
			w.wantGlitch("header_too_large", 100)
			held, err := w.proxy.Held()
			kept := held[codec.Hold] + held[codec.Replay] + held[codec.Gather]
			// The citizen's own request may be there.
			if err != nil || kept > 100<<10 {
				t.Errorf("%d bytes are kept of 100 streams, %v", kept, err)
			}
			w.citizen.still(t, 5)
			if n := w.host.Counts().Requests; n > 0 {
				t.Errorf("%d requests reached the host", n)
			}
		})
	}
}

// Requests of as many fields as are allowed wait for a host that never answers:
// what they take is accounted, field by field.
func TestR13FieldsAreAccounted(t *testing.T) {
	w := newWorld(t, setup{})
	w.allowed[codec.Replay] = 3 << 20
	a := w.open()
	block := references("/host", "a", "", 240)
	a.Repeat(100, stall, func(i int) []byte { return peer.Block(odd(i), block, wholeFrame, peer.EndStream) })
	w.eventually("all requests are with the host", func() bool { return w.host.Counts().InFlight == 100 })
	held, err := w.proxy.Held()
	if least := 100 * 240 * 48; err != nil || held[codec.Replay] < least {
		t.Errorf("%d bytes are accounted for 100 requests of 240 fields, %v", held[codec.Replay], err)
	}
	a.Close()
	w.wantReleased()
}

// A browser with many cookies, as they come split into crumbs, is served.
func TestR13ManyCrumbsPass(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	fields := []string{"x-first", "1"}
	for i := range 14 {
		fields = append(fields, fmt.Sprintf("header-%d", i), strings.Repeat("v", 40))
	}
	for i := range 90 {
		fields = append(fields, "cookie", fmt.Sprintf("crumb%d=%040d", i, i))
	}
	for i := range 50 {
		a.Send(peer.Block(odd(i), a.Encoder().Request("GET", "/10", fields...), wholeFrame, peer.EndStream))
		a.WantStatus(odd(i), "200")
	}
	w.wantNoGlitch("header_too_large", "header_bomb")
}

// A list of ten times the limit is not decoded to its end.
func TestR14ListFarOverTheLimit(t *testing.T) {
	for name, block := range map[string][]byte{
		"literals":   append(peer.Plain("GET", "/host"), bytes.Repeat(peer.Literal("name", strings.Repeat("v", 1000)), 650)...),
		"references": references("/host", "name", strings.Repeat("v", 1000), 650),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{limits: `"max_continuation_frames": 1000`})
			a := w.open()
			a.Send(peer.Block(1, block, wholeFrame, peer.EndStream))
			a.WantClosed(calm)
			w.eventually("it was counted", func() bool { return w.stats().Glitches("header_block_size")+w.stats().Glitches("header_bomb") == 1 })
		})
	}
}

// Header blocks in frames of one byte: by default few are taken; where many are,
// the cost is linear.
func TestR15OneBytePerFrame(t *testing.T) {
	block := append(peer.Plain("GET", "/10"), bytes.Repeat(peer.Literal("a", "b"), 200)...)
	t.Run("default", func(t *testing.T) {
		w := newWorld(t, setup{})
		a := w.open()
		a.Send(peer.Block(1, block, 1, peer.EndStream))
		a.WantClosed(calm)
		w.wantGlitch("continuation_flood", 1)
	})
	t.Run("many allowed", func(t *testing.T) {
		w := newWorld(t, setup{limits: `"max_continuation_frames": 100000, "max_header_fields": 100000`})
		a := w.open()
		for i, fields := range []int{1000, 2000, full(16_000, 4000)} {
			value := strings.Repeat("v", 2)
			b := append(peer.Plain("GET", "/10"), bytes.Repeat(peer.Literal("", ""), 0)...)
			b = append(b, bytes.Repeat(peer.Literal("a", value), fields)...)
			status := "200"
			if fields*(1+len(value)+32) > 64<<10 {
				status = "431"
			}
			if fields*(1+len(value)+32) > 128<<10 {
				break // ends the connection
			}
			start := time.Now()
			a.Send(peer.Block(odd(i), b, 1, peer.EndStream))
			a.WantStatus(odd(i), status)
			t.Logf("%d bytes in as many frames: %v", len(b), time.Since(start))
		}
	})
}

// A peer that announces a giant table does not make the proxy fill it. The
// client's decoder takes 4 KiB and would fail on more.
func TestR16EncoderTable(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open(setting{ID: http2.SettingHeaderTableSize, Val: 1<<32 - 1})
	n := full(10_000, 1000)
	for i := range n {
		a.Send(peer.Headers(odd(i), peer.Plain("GET", "/1", fmt.Sprintf("x-name-%d", i), fmt.Sprintf("value-%d", i)), peer.EndStream|peer.EndHeaders))
		a.WantEnd(odd(i))
	}
	a.WantPong()
}
