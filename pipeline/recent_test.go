// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"strings"
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2"
)

// A request whose head was let go of, since its reply had begun, is remembered by
// its own path, also where the exchange has a copy of an earlier request's.
func TestFailureNamesItsOwnRequest(t *testing.T) {
	w := &Worker{mem: new(codec.Memory)}
	e := &exchange{worker: w}
	loose := &http2.Head{MethodName: []byte("GET"), PathName: []byte("/earlier")}
	frozen := (&http2.Head{MethodName: []byte("GET"), PathName: []byte("/frozen")}).Freeze()
	for _, h := range []*http2.Head{loose, frozen, loose} {
		e.from, e.to = codec.HTTP2, codec.HTTP2
		e.keepSent(nil, h)
		e.letGo()
		if _, path := e.called(); string(path) != string(h.PathName) {
			t.Errorf("%s is remembered as %s", h.PathName, path)
		}
		e.state = state{}
	}
}

// A flood costs no more than what is kept of it, and what came last is there.
func TestFailureRing(t *testing.T) {
	var r failureRing
	for turn := int64(1); turn <= 3; turn++ {
		for i := range 1000 {
			if f := r.slot(turn); f != nil {
				f.Tries = i
			} else if i < failuresKept {
				t.Fatalf("turn %d has no room for number %d", turn, i)
			}
		}
	}
	if r.taken != 3*failuresKept {
		t.Errorf("%d were written", r.taken)
	}
	r.slot(9).Tries = 4711
	found := false
	for i := range r.kept {
		found = found || r.kept[i].Tries == 4711
	}
	if !found {
		t.Error("the latest is not kept")
	}
}

func TestFailureKeepsABoundedRequest(t *testing.T) {
	for _, tt := range []struct{ first, second, want string }{
		{"", "", ""}, {"GET", "/", "GET /"}, {"", "/x", "/x"}, {"service", "", "service"},
		{"GET", "/" + strings.Repeat("x", 300), "GET /" + strings.Repeat("x", requestKept-5)},
		{strings.Repeat("s", 300), "m", strings.Repeat("s", requestKept)},
		{strings.Repeat("s", requestKept-1), "m", strings.Repeat("s", requestKept-1) + " "},
	} {
		var f Failure
		f.put([]byte(tt.first), []byte(tt.second))
		if f.Request() != tt.want {
			t.Errorf("%q %q is kept as %q", tt.first, tt.second, f.Request())
		}
	}
}
