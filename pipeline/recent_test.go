// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"strings"
	"testing"
)

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
