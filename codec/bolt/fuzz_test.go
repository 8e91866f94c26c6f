// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"slices"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// tight makes every limit easy to reach.
func tight(l *Limits) {
	l.WholeFrame, l.StreamWindow, l.MaxFrame = 64, 100, 1<<16
	l.HeartbeatBurst = 3
}

// wellFormed checks that what a session sent is whole frames whose maps and
// checksums are right.
func wellFormed(t *testing.T, b []byte) {
	t.Helper()
	for len(b) > 0 {
		e, known, f := measure(b)
		if f != faultNone || !known || e.total > int64(len(b)) {
			t.Fatalf("sent what is no frame: %x", b)
		}
		var h Head
		h.decode(b[:e.head])
		if !h.Map.Valid() || h.CRC() && !intact(b[:e.total]) {
			t.Fatalf("sent a bad frame: %x", b[:e.total])
		}
		b = b[e.total:]
	}
}

// FuzzServer feeds the bytes in one piece and in two, to a server whose
// application echoes: no panic, the same conversation, nothing held.
func FuzzServer(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, split uint16) {
		at := int(split) % (len(b) + 1)
		talk := func(parts ...[]byte) (log []string, out string, o owner) {
			s := newServerEnd(tight)
			s.accept.setup = echo
			for _, p := range parts {
				if n := s.feed(p); n < len(p) && len(s.owner.shuts) == 0 {
					t.Fatalf("%d of %d bytes were taken", n, len(p))
				}
			}
			wellFormed(t, s.sink.out)
			s.Close(codec.DownstreamClosed)
			wantIdle(t, s, &s.mem)
			for _, r := range s.accept.requests {
				if r.ended && r.resets > 0 || r.resets > 1 {
					t.Fatalf("more than one end: %v", r.log)
				}
			}
			return s.log(), wireText(s.sink.out), s.owner
		}
		log, out, o := talk(b)
		log2, out2, o2 := talk(b[:at], b[at:])
		if !slices.Equal(log, log2) || out != out2 || !slices.Equal(o.shuts, o2.shuts) || !slices.Equal(o.glitches, o2.glitches) {
			t.Fatalf("split at %d matters\n%v %v %s\n%v %v %s", at, log, o, out, log2, o2, out2)
		}
	})
}

// FuzzClient does the same to a client with requests 1 to 3 in flight.
func FuzzClient(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, split uint16) {
		at := int(split) % (len(b) + 1)
		talk := func(parts ...[]byte) (log []string, o owner) {
			c := newClientEnd(1, tight)
			calls := []*receiver{c.call(), c.call(), c.call()}
			c.Probe()
			c.sink.take()
			for _, p := range parts {
				if n := c.feed(p); n < len(p) && len(c.owner.shuts) == 0 {
					t.Fatalf("%d of %d bytes were taken", n, len(p))
				}
			}
			wellFormed(t, c.sink.out)
			c.Close(codec.UpstreamClosed)
			wantIdle(t, c, &c.mem)
			for _, r := range calls {
				if r.ended == (r.resets > 0) || r.resets > 1 {
					t.Fatalf("not one end: %v", r.log)
				}
				log = append(log, r.log...)
			}
			return log, c.owner
		}
		log, o := talk(b)
		log2, o2 := talk(b[:at], b[at:])
		if !slices.Equal(log, log2) || !slices.Equal(o.shuts, o2.shuts) || !slices.Equal(o.glitches, o2.glitches) {
			t.Fatalf("split at %d matters\n%v %v\n%v %v", at, log, o, log2, o2)
		}
	})
}
