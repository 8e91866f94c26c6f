// SPDX-License-Identifier: Apache-2.0

package stats

import "testing"

// Every duration lies in its bucket, and buckets follow each other without a gap.
func TestLogLinear(t *testing.T) {
	for _, l := range []LogLinear{durations, {16, 42, 2}, {0, 10, 0}} {
		for v := int64(1); v < 1<<l.Last; v += v/7 + 1 {
			b := l.Bucket(v)
			if l.Lower(b) > uint64(v) || uint64(v) >= l.Lower(b+1) {
				t.Fatalf("%v: %d is in bucket %d, from %d to %d", l, v, b, l.Lower(b), l.Lower(b+1))
			}
		}
		for b := 1; b < l.Buckets(); b++ {
			low := l.Lower(b)
			if l.Bucket(int64(low)) != b || l.Bucket(int64(low)-1) != b-1 {
				t.Errorf("%v: bucket %d does not begin at %d", l, b, low)
			}
			if before := l.Lower(b - 1); b > 2 && (low-before)<<l.SubBits > before {
				t.Errorf("%v: bucket %d is from %d to %d", l, b-1, before, low)
			}
		}
		if l.Bucket(1<<62) != l.Buckets()-1 || l.Bucket(-1) != 0 {
			t.Errorf("%v: what is out of range is not in the outer buckets", l)
		}
	}
}
