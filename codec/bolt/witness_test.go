// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"fmt"
	"testing"
)

// witness is an owner that is shown malformed frames.
type witness struct {
	owner
	shown []string
}

func (w *witness) Malformed(word string, message []byte, at, clear int) {
	w.shown = append(w.shown, fmt.Sprintf("%s at %d, clear %d: %s", word, at, clear, wireText(message)))
}

// A malformed frame is shown from its first byte, with the offset of what is
// wrong, however it arrives. No more of a frame than shows the fault needs to be
// at hand.
func TestMalformedFramesAreShown(t *testing.T) {
	longMap := "01 01 0001 01 0000002a 0b 00000bb8 0001 000a 00000003 43" + "00000001 6b 00000009 76" + "616263"
	for _, tt := range []struct {
		name, frame string
		want        string // of the frame's bytes as many as the number at its end
		size        int
	}{
		{"another protocol", "47 45 54 20 2f", "not_bolt at 0, clear 20", 1},
		{"an unknown ver1", "02 09 01 0001", "not_bolt at 1, clear 20", 2},
		{"an unknown type of v1", "01 07 0001", "not_bolt at 1, clear 20", 2},
		{"an unknown type of v2", "02 01 07 0001", "not_bolt at 2, clear 20", 3},
		{"a content of 2 GiB", "01 01 0001 01 0000002a 0b 00000bb8 0001 000a 80000000 43", "bad_length at 18, clear 22", 22},
		{"a pair beyond the header map", longMap, "bad_header_map at 23, clear 22", 36},
		{"a wrong checksum", requestCRCHex[:len(requestCRCHex)-2] + "5d", "crc_mismatch at 28, clear 24", 32},
	} {
		frame := wireBytes(tt.frame)
		for split := range frame {
			e := newServerEnd(nil)
			w := new(witness)
			e.Server = NewServer(&e.sink, w, &e.accept, &e.mem, &e.limits)
			good := wireBytes(requestV1Hex)
			e.feed(good)
			if n := e.feed(frame[:split]); n == split && len(w.shuts) == 0 {
				e.feed(frame[split:])
			}
			if len(w.shown) != 1 {
				t.Fatalf("%s, split at %d: %q", tt.name, split, w.shown)
			}
			// What is at hand may be more than what shows the fault.
			want := tt.want + ": " + wireText(frame[:tt.size])
			if !bytes.HasPrefix([]byte(w.shown[0]), []byte(want)) {
				t.Errorf("%s, split at %d:\n%s\n%s...", tt.name, split, w.shown[0], want)
			}
		}
	}
}

// Frames that are right are shown to nobody.
func TestGoodFramesAreNotShown(t *testing.T) {
	for _, f := range []string{requestV1Hex, requestV2Hex, requestCRCHex, heartbeatV1Hex, oneWayV2Hex} {
		e := newServerEnd(nil)
		w := new(witness)
		e.Server = NewServer(&e.sink, w, &e.accept, &e.mem, &e.limits)
		if e.feed(wireBytes(f)); len(w.shown) > 0 {
			t.Errorf("%s: %q", f, w.shown)
		}
	}
}
