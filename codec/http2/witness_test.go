// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// witness is an owner that is shown malformed frames.
type witness struct {
	fakeOwner
	shown []string
}

func (w *witness) Malformed(word string, message []byte, at, clear int) {
	w.shown = append(w.shown, fmt.Sprintf("%s at %d, clear %d: %s", word, at, clear, hex.EncodeToString(message)))
}

// A malformed frame is shown with its head, and with its payload where that was
// read, however it arrives: also where only its stream ends by it.
func TestMalformedFramesAreShown(t *testing.T) {
	const settings = "000000 04 00 00000000"
	for _, tt := range []struct {
		name, in, want string
		whole          bool // what follows a bad head is at hand when it comes along
	}{
		{"HTTP/1.1", "~GET / HTTP/1.1\r\n", "bad_preface at 0, clear 24: 47", true},
		{"almost the preface", "~PRI * HTTP/1.1\r\n", "bad_preface at 11, clear 24: " + hex.EncodeToString([]byte("PRI * HTTP/1")), true},
		{"no SETTINGS", "000008 06 00 00000000 0102030405060708", "settings_not_first at 0, clear 9: 000008060000000000", true},
		{"a frame of 64 KiB", settings + "010000 00 00 00000001", "frame_too_large at 0, clear 9: 010000000000000001", true},
		{"SETTINGS of five bytes", settings + "000005 04 00 00000000 0001020304", "settings_size at 9, clear 14: 0000050400000000000001020304", false},
		{"WINDOW_UPDATE of nothing", settings + "000004 08 00 00000000 00000000", "window_update_zero at 9, clear 13: 00000408000000000000000000", false},
		{"a header block that is none", settings + "000002 01 05 00000001 ffff", "compression at 9, clear 9: 000002010500000001ffff", false},
		{"a request without a path", settings + "000001 01 05 00000001 82", "scheme at 9, clear 9: 00000101050000000182", false},
		{"DATA of an idle stream", settings + "000003 00 00 00000007 616263", "data_of_idle at 0, clear 9: 000003000000000007", true},
	} {
		var in []byte
		if text, ok := strings.CutPrefix(tt.in, "~"); ok {
			in = []byte(text)
		} else {
			b, err := hex.DecodeString(strings.ReplaceAll(tt.in, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			in = append([]byte(Preface), b...)
		}
		for split := range in {
			var mem codec.Memory
			limits := DefaultLimits()
			w := &witness{fakeOwner: *newOwner(new(log))}
			s := NewServer(newSink(), w, new(okay), &mem, &limits)
			s.Feed(in[:split], 1)
			if !w.shut {
				s.Feed(in[split:], 1)
			}
			if len(w.shown) != 1 || !strings.HasPrefix(w.shown[0], tt.want) {
				t.Fatalf("%s, split at %d: %q\nwant %s", tt.name, split, w.shown, tt.want)
			}
			if !tt.whole && w.shown[0] != tt.want {
				t.Errorf("%s, split at %d: %q\nwant %s", tt.name, split, w.shown, tt.want)
			}
			s.Close(codec.ReasonNone)
			if n := mem.Used(codec.Gather); n != 0 {
				t.Fatalf("%s, split at %d: %d bytes are held", tt.name, split, n)
			}
		}
	}
}

// The frames behind one that only its stream ends by are not taken for it.
func TestOnlyTheMalformedFrameIsShown(t *testing.T) {
	var mem codec.Memory
	limits := DefaultLimits()
	w := &witness{fakeOwner: *newOwner(new(log))}
	s := NewServer(newSink(), w, new(okay), &mem, &limits)
	in := []byte(Preface)
	for _, f := range []string{"000000040000000000", "00000101050000000182", "0000080600000000000102030405060708", "00000408000000000000000001"} {
		b, _ := hex.DecodeString(f)
		in = append(in, b...)
	}
	s.Feed(in, 1)
	if len(w.shown) != 1 || !bytes.Contains([]byte(w.shown[0]), []byte("00000101050000000182")) || w.shut {
		t.Errorf("%q", w.shown)
	}
	s.Close(codec.ReasonNone)
}
