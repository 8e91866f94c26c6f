// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"math"
	"testing"
	"time"

	"github.com/sideloop/sideloop/tracing/propagation"
)

func TestThreshold(t *testing.T) {
	for rate, want := range map[float64]uint64{0: 0, 0.25: 1 << 61, 0.5: 1 << 62, 1: math.MaxUint64} {
		if got := threshold(rate); got != want {
			t.Errorf("%v: %x, want %x", rate, got, want)
		}
	}
}

// The same trace is decided alike everywhere, as by OpenTelemetry's sampler; ids of
// SOFATracer, which are no random numbers, are spread.
func TestDecideByRatio(t *testing.T) {
	e := new(Exporter)
	e.Aim(nil)
	r := &recorder{exporter: e, limiter: limiter{}}
	e.recorders = []*recorder{r}
	half := threshold(0.5)
	for id, want := range map[string]bool{
		"ffffffffffffffff7fffffffffffffff": true,
		"00000000000000008000000000000000": false,
		"00000000000000000000000000000001": true,
	} {
		c := propagation.Context{Format: propagation.W3C}
		copy(c.TraceID[:], id)
		if r.decide(&c, half, 1) != want || r.decide(&c, 0, 1) || !r.decide(&c, math.MaxUint64, 1) {
			t.Errorf("%s is decided otherwise", id)
		}
	}
	sampled := 0
	for pid := range 1000 {
		c := propagation.Context{Format: propagation.SOFA}
		copy(c.TraceID[:], "000a0fe8ac1716000000001100100000")
		for i, n := 31, pid; n > 0; i, n = i-1, n/10 {
			c.TraceID[i] = byte('0' + n%10)
		}
		if r.decide(&c, half, 1) {
			sampled++
		}
	}
	if sampled < 400 || sampled > 600 {
		t.Errorf("%d of 1000 processes' traces are sampled at a rate of a half", sampled)
	}
}

func TestLimiter(t *testing.T) {
	second := int64(time.Second)
	for _, tt := range []struct {
		perSecond uint32
		loops     int
		now       []int64
		want      int
	}{
		{0, 1, []int64{1, 1, 1}, 3},
		{2, 1, []int64{second, second, second, second + 1}, 2},
		{2, 1, []int64{9 * second, 9 * second, 9*second + second/2, 9*second + second/2}, 3},
		{2, 2, []int64{5 * second, 5 * second, 6 * second, 6 * second}, 2},
		{1, 2, []int64{5 * second, 6 * second, 7 * second, 8 * second, 9 * second}, 3},
	} {
		l, passed := limit(tt.perSecond, tt.loops), 0
		for _, now := range tt.now {
			if l.pass(now) {
				passed++
			}
		}
		if passed != tt.want {
			t.Errorf("%d a second on %d loops: %d of %v pass, want %d", tt.perSecond, tt.loops, passed, tt.now, tt.want)
		}
	}
}

// What a collector answers is not believed.
func TestRejectedOf(t *testing.T) {
	for answer, want := range map[string]int{
		"": 0, "\x0a\x02\x08\x07": 7, "\x12\x01x\x0a\x02\x08\x07": 7, "\x0a\x04\x12\x00\x08\x07": 7,
		"\x0a\x02\x08": 0, "\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01": 0, "\xff": 0, "\x08\x07": 0, "text": 0,
	} {
		if got := rejectedOf([]byte(answer)); got != want {
			t.Errorf("%q: %d rejected, want %d", answer, got, want)
		}
	}
}
