// SPDX-License-Identifier: Apache-2.0

package bolt

import "testing"

// TestServerPortable moves a conversation to another session after every byte at
// which it may: together they say what one alone would have.
func TestServerPortable(t *testing.T) {
	in := wireBytes(requestV1Hex, heartbeatV1Hex, requestCRCHex, oneWayV2Hex)
	alone := newServerEnd(nil)
	alone.accept.setup = echo
	alone.feed(in)
	said := wireText(alone.sink.take())
	for split := 0; split <= len(in); split++ {
		a, b := newServerEnd(nil), newServerEnd(nil)
		a.accept.setup, b.accept.setup = echo, echo
		a.feed(in[:split])
		part, ok := a.Partial()
		if !ok {
			t.Fatalf("split at %d: the session is not quiet", split)
		}
		b.feed(part)
		b.feed(in[split:])
		want(t, "sent", wireText(append(a.sink.take(), b.sink.take()...)), said)
		want(t, "log", append(a.log(), b.log()...), alone.log())
		a.Close(0)
		wantIdle(t, a, &a.mem)
	}
}

// TestServerNotPortable lists what keeps a session where it is.
func TestServerNotPortable(t *testing.T) {
	large := requestV1(1, string(make([]byte, 500)))
	for _, c := range []struct {
		name          string
		interruptible bool
		prepare       func(s *serverEnd)
	}{
		{"a request in progress", true, func(s *serverEnd) { s.feed(requestV1(1, "")) }},
		{"a large request under way", false, func(s *serverEnd) { s.feed(large[:100]) }},
		{"a large reply under way", true, func(s *serverEnd) {
			s.feed(requestV1(1, ""))
			h := response()
			h.ContentLength = 500
			s.accept.requests[0].stream.SendHeaders(h, make([]byte, 10), false)
		}},
		{"a drain", false, func(s *serverEnd) { s.feed(requestV1(1, "")); s.Drain() }},
		{"a shut", false, func(s *serverEnd) { s.feed([]byte("GET")) }},
		{"a client that has left", false, func(s *serverEnd) { s.feed(requestV1(1, "")); s.PeerClosed() }},
		{"replies that are not read", true, func(s *serverEnd) {
			s.sink.blocked = true
			s.feed(requestV1(1, ""))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServerEnd(func(l *Limits) { l.WholeFrame = 64 })
			if _, ok := s.Partial(); !ok || !s.Interruptible() {
				t.Fatal("a new session is not portable")
			}
			c.prepare(s)
			if _, ok := s.Partial(); ok {
				t.Error("it is portable")
			}
			want(t, "interruptible", s.Interruptible(), c.interruptible)
		})
	}
}
