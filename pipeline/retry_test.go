// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
	"github.com/sideloop/sideloop/pipeline/router"
)

func TestBackOffDoublesWithinItsBound(t *testing.T) {
	a := new(attempts)
	a.policy = &router.Retry{BackOff: 25 * time.Millisecond, MaxBackOff: 250 * time.Millisecond}
	for tries, bound := range map[int]time.Duration{0: 25, 1: 75, 2: 175, 3: 250, 4: 250, 1 << 30: 250} {
		bound *= time.Millisecond
		longest := time.Duration(0)
		for range 1000 {
			d := a.backOff(tries)
			if d < 0 || d > bound {
				t.Fatalf("after %d tries: %v, want at most %v", tries, d, bound)
			}
			longest = max(longest, d)
		}
		if longest < bound*9/10 {
			t.Errorf("after %d tries the longest of 1,000 waits is %v, want nearly %v", tries, longest, bound)
		}
	}
}

func TestBackOffWithoutAPolicyIsNone(t *testing.T) {
	a := new(attempts)
	a.policy = noRetry
	if d := a.backOff(5); d != 0 {
		t.Error(d)
	}
}

func TestPushback(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		wait        time.Duration
		ok          bool
	}{
		{"x", "1", 0, true},
		{"retry-after", "0", 0, true}, {"retry-after", "5", 5 * time.Second, true}, {"retry-after", "6", 0, false},
		{"retry-after", "Fri, 31 Dec 1999 23:59:59 GMT", 0, false}, {"retry-after", "999999999999999999", 0, false},
		{"grpc-retry-pushback-ms", "250", 250 * time.Millisecond, true}, {"grpc-retry-pushback-ms", "-1", 0, false},
		{"grpc-retry-pushback-ms", "", 0, false}, {"grpc-retry-pushback-ms", "5001", 0, false},
	} {
		h := &http2.Head{Status: 503, Fields: []hpack.Field{{Name: []byte(tt.name), Value: []byte(tt.value)}}}
		if wait, ok := pushback(h); wait != tt.wait || ok != tt.ok {
			t.Errorf("%s: %q: %v, %v", tt.name, tt.value, wait, ok)
		}
	}
}
