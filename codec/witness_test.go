// SPDX-License-Identifier: Apache-2.0

package codec

import "testing"

// What is kept of a long message has what is wrong with it, and what is before
// and behind.
func TestSpecimenKeepsWhatIsWrong(t *testing.T) {
	long := make([]byte, 3000)
	for i := range long {
		long[i] = byte(i)
	}
	for _, tt := range []struct{ size, at, from, kept int }{
		{0, 0, 0, 0}, {9, 9, 0, 9}, {512, 511, 0, 512}, {513, 0, 0, 512}, {513, 512, 1, 512},
		{3000, 0, 0, 512}, {3000, 384, 0, 512}, {3000, 1000, 616, 512}, {3000, 2999, 2488, 512},
	} {
		var all Specimens
		s := all.Of(Bolt)
		s.Take(1, "word", long[:tt.size], tt.at, 20)
		if s.From != tt.from || len(s.Bytes()) != tt.kept || s.Clear != min(20, tt.size) {
			t.Errorf("%+v: from %d, %d bytes, clear %d", tt, s.From, len(s.Bytes()), s.Clear)
		}
		if tt.kept > 0 && s.Bytes()[0] != byte(tt.from) {
			t.Errorf("%+v begins with %d", tt, s.Bytes()[0])
		}
	}
	var all Specimens
	n := testing.AllocsPerRun(100, func() { all.Of(HTTP2).Take(1, "word", long, 9, 9) })
	seen := 0
	all.Each(func(s *Specimen) { seen++ })
	if n != 0 || seen != 1 || all.Total() < 100 {
		t.Errorf("%v allocations, %d kinds, %d in all", n, seen, all.Total())
	}
}
