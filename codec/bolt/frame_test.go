// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// The frames below are written by hand from the layout of sofa-bolt. Each has
// the class "C" and the header map {k: v}, and the content "abc".
const (
	pairKV = "00000001 6b 00000001 76"

	requestV1Hex    = "01 01 0001 01 0000002a 0b 00000bb8 0001 000a 00000003 43" + pairKV + "616263"
	oneWayV1Hex     = "01 02 0001 01 0000002b 01 ffffffff 0001 000a 00000003 43" + pairKV + "616263"
	responseV1Hex   = "01 00 0002 01 0000002a 0b 0007 0001 000a 00000003 43" + pairKV + "616263"
	heartbeatV1Hex  = "01 01 0000 01 00000005 01 00000000 0000 0000 00000000"
	requestV2Hex    = "02 01 01 0001 01 0000002a 0b 00 00000bb8 0001 000a 00000003 43" + pairKV + "616263"
	oneWayV2Hex     = "02 01 02 0001 01 0000002b 01 00 00000000 0001 000a 00000003 43" + pairKV + "616263"
	responseV2Hex   = "02 01 00 0002 01 0000002a 0b 00 0007 0001 000a 00000003 43" + pairKV + "616263"
	heartbeatV2Hex  = "02 01 01 0000 01 00000005 01 00 00000000 0000 0000 00000000"
	requestCRCHex   = "02 02 01 0001 01 0000002a 01 01 00000bb8 0001 0000 00000003 43 616263 e7ef685c"
	responseCRCHex  = "02 02 00 0002 01 0000002a 01 01 0000 0000 0000 00000002 6f6b 1e9243bf"
	heartbeatCRCHex = "02 02 01 0000 01 00000005 01 01 00000000 0000 0000 00000000 24b8b726"
)

var frames = []struct {
	name, hex string
	head      int // size of the head
	want      Head
	crc       bool
}{
	{"request v1", requestV1Hex, 33, Head{Version: 1, Type: 1, Command: 1, Ver2: 1, ID: 42, Codec: 11, TimeoutMS: 3000}, false},
	{"one-way v1", oneWayV1Hex, 33, Head{Version: 1, Type: 2, Command: 1, Ver2: 1, ID: 43, Codec: 1, TimeoutMS: -1}, false},
	{"response v1", responseV1Hex, 31, Head{Version: 1, Type: 0, Command: 2, Ver2: 1, ID: 42, Codec: 11, Status: 7}, false},
	{"heartbeat v1", heartbeatV1Hex, 22, Head{Version: 1, Type: 1, Command: 0, Ver2: 1, ID: 5, Codec: 1}, false},
	{"request v2", requestV2Hex, 35, Head{Version: 2, Ver1: 1, Type: 1, Command: 1, Ver2: 1, ID: 42, Codec: 11, TimeoutMS: 3000}, false},
	{"one-way v2", oneWayV2Hex, 35, Head{Version: 2, Ver1: 1, Type: 2, Command: 1, Ver2: 1, ID: 43, Codec: 1}, false},
	{"response v2", responseV2Hex, 33, Head{Version: 2, Ver1: 1, Type: 0, Command: 2, Ver2: 1, ID: 42, Codec: 11, Status: 7}, false},
	{"heartbeat v2", heartbeatV2Hex, 24, Head{Version: 2, Ver1: 1, Type: 1, Command: 0, Ver2: 1, ID: 5, Codec: 1}, false},
	{"request v2 crc", requestCRCHex, 25, Head{Version: 2, Ver1: 2, Type: 1, Command: 1, Ver2: 1, ID: 42, Codec: 1, Switch: 1, TimeoutMS: 3000}, true},
	{"response v2 crc", responseCRCHex, 22, Head{Version: 2, Ver1: 2, Type: 0, Command: 2, Ver2: 1, ID: 42, Codec: 1, Switch: 1}, true},
}

func TestDecodeFrames(t *testing.T) {
	for _, f := range frames {
		t.Run(f.name, func(t *testing.T) {
			b := wireBytes(f.hex)
			for n := 1; n < f.head; n++ {
				e, known, fault := measure(b[:n])
				if fault != faultNone || known && e.total != int64(len(b)) || !known && e.head <= n {
					t.Fatalf("after %d bytes: %+v %v %v", n, e, known, fault)
				}
			}
			e, known, fault := measure(b)
			want(t, "extent", []any{e.head, e.total, known, fault}, []any{f.head, len(b), true, faultNone})
			var h Head
			h.decode(b[:e.head])
			got := h
			got.Class, got.Map, got.Raw, got.ContentLength = nil, nil, nil, 0
			want(t, "fixed part", got, f.want)
			want(t, "crc", h.CRC(), f.crc)
			if f.crc && !intact(b) {
				t.Fatal("the checksum was not recognised")
			}
			rest := len(b) - e.head
			if f.crc {
				rest -= crcSize
			}
			want(t, "content length", h.ContentLength, rest)
			want(t, "raw head", wireText(h.Raw), wireText(b[:e.head]))
		})
	}
}

// TestEncodeFrames writes each frame back, from its fields and from its raw
// head.
func TestEncodeFrames(t *testing.T) {
	for _, f := range frames {
		for _, raw := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s raw=%v", f.name, raw), func(t *testing.T) {
				b := wireBytes(f.hex)
				var h Head
				h.decode(b[:f.head])
				content := b[f.head : f.head+int(h.ContentLength)]
				if !raw {
					h.Raw = nil
				}
				c := newClientEnd(0, nil)
				c.sendWhole(stampOf(&h), &h, content)
				want(t, "frame", wireText(c.sink.out), wireText(b))
			})
		}
	}
}

// TestLengthFields puts the limits of each length field into each kind of
// frame.
func TestLengthFields(t *testing.T) {
	lengths := []struct {
		field  string
		at     int // from the end of the fixed part
		digits int
		value  uint32
		want   fault
	}{
		{"class", 8, 4, 0, faultNone},
		{"class", 8, 4, 1, faultNone},
		{"class", 8, 4, 0x7fff, faultNone},
		{"class", 8, 4, 0x8000, faultLength},
		{"class", 8, 4, 0xffff, faultLength},
		{"map", 6, 4, 0, faultNone},
		{"map", 6, 4, 1, faultNone},
		{"map", 6, 4, 0x7fff, faultNone},
		{"map", 6, 4, 0x8000, faultNone},
		{"map", 6, 4, 0xffff, faultNone},
		{"content", 4, 8, 0, faultNone},
		{"content", 4, 8, 1, faultNone},
		{"content", 4, 8, 0x7fffffff, faultNone},
		{"content", 4, 8, 0x80000000, faultLength},
		{"content", 4, 8, 0x80000001, faultLength},
		{"content", 4, 8, 0xffffffff, faultLength},
	}
	kinds := []struct {
		head  string
		fixed int
		tail  int64
	}{
		{"01 01 0001 01 00000007 01 00000bb8", 22, 0},
		{"01 00 0002 01 00000007 01 0000", 20, 0},
		{"02 01 01 0001 01 00000007 01 01 00000bb8", 24, 0},
		{"02 01 00 0002 01 00000007 01 00 0000", 22, 0},
		{"02 02 01 0001 01 00000007 01 01 00000bb8", 24, 4},
	}
	for _, k := range kinds {
		for _, l := range lengths {
			b := wireBytes(k.head, "0000 0000 00000000")
			field := wireBytes(fmt.Sprintf("%0*x", l.digits, l.value))
			copy(b[len(b)-l.at:], field)
			e, known, f := measure(b)
			if !known || f != l.want {
				t.Fatalf("%s of %#x in %s: fault %v", l.field, l.value, k.head, f.word())
			}
			if f == faultNone && e.total != int64(k.fixed)+int64(l.value)+k.tail {
				t.Fatalf("%s of %#x in %s: total %d", l.field, l.value, k.head, e.total)
			}
		}
	}
}

func TestNotBolt(t *testing.T) {
	for _, b := range [][]byte{{0}, {3}, {0xff}, []byte("GET"), []byte("PRI"), {1, 3}, {1, 0xff}, {2, 0}, {2, 3}, {2, 1, 3}, {2, 2, 0xff}} {
		if _, _, f := measure(b); f != faultProtocol {
			t.Errorf("%x: %q", b, f.word())
		}
		s := newServerEnd(nil)
		s.feed(b)
		want(t, "server shut", s.owner.shuts, []codec.Reason{codec.ProtocolError})
		c := newClientEnd(1, nil)
		c.feed(b)
		want(t, "client shut", c.owner.shuts, []codec.Reason{codec.UpstreamProtocolError})
	}
}

func TestCorruptTailStaysItself(t *testing.T) {
	var a codec.Arena
	if CorruptTail.Copy(&a) != CorruptTail {
		t.Fatal("a copy of the tail is another tail")
	}
}

func TestHeadCopy(t *testing.T) {
	b := wireBytes(requestV1Hex)
	var h Head
	h.decode(b[:33])
	var a codec.Arena
	kept := h.Copy(&a).(*Head)
	clear(b)
	want(t, "class", string(kept.Class), "C")
	v, _ := kept.Get("k")
	want(t, "value", string(v), "v")
	if !bytes.Equal(kept.Raw, wireBytes(requestV1Hex)[:33]) {
		t.Fatal("the raw head was not kept")
	}
}
