// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"bytes"
	"testing"
)

func TestHeaderMap(t *testing.T) {
	cases := []struct {
		name, hex string
		valid     bool
		pairs     int
		get       string // of "k"; "-" for absent
	}{
		{"empty", "", true, 0, "-"},
		{"one", pairKV, true, 1, "v"},
		{"first of two wins", pairKV + "00000001 6b 00000001 77", true, 2, "v"},
		{"case counts", "00000001 4b 00000001 76", true, 1, "-"},
		{"empty value", "00000001 6b 00000000", true, 1, ""},
		{"null value is absent", "00000001 6b ffffffff", true, 1, "-"},
		{"null value before a real one", "00000001 6b ffffffff" + pairKV, true, 2, "v"},
		{"null key", "ffffffff 00000001 76", true, 1, "-"},
		{"empty key", "00000000 00000001 76", true, 1, "-"},
		{"key overruns", "00000002 6b", false, 0, "-"},
		{"value overruns", "00000001 6b 00000002 76", false, 0, "-"},
		{"value overruns by 2^31", "00000001 6b 80000000 76", false, 0, "-"},
		{"largest length that is not null", "fffffffe 6b", false, 0, "-"},
		{"no value", "00000001 6b", false, 0, "-"},
		{"length cut off", "00000001 6b 000000", false, 0, "-"},
		{"one trailing byte", pairKV + "00", false, 1, "v"},
		{"three trailing bytes", pairKV + "000000", false, 1, "v"},
		{"good then lying", pairKV + "00000009 6b", false, 1, "v"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := HeaderMap(wireBytes(c.hex))
			want(t, "valid", m.Valid(), c.valid)
			pairs := 0
			for rest := m; ; pairs++ {
				_, next, ok := rest.Next()
				if !ok {
					break
				}
				rest = next
			}
			want(t, "pairs", pairs, c.pairs)
			v, ok := m.Get("k")
			got := "-"
			if ok {
				got = string(v)
			}
			want(t, "value", got, c.get)
		})
	}
}

func TestAppendPair(t *testing.T) {
	b := AppendPair(nil, []byte("k"), []byte("v"))
	b = AppendPair(b, nil, []byte{})
	b = AppendPair(b, []byte{}, nil)
	want(t, "map", wireText(b), wireText(wireBytes(pairKV, "ffffffff 00000000", "00000000 ffffffff")))
}

func FuzzHeaderMap(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		m := HeaderMap(b)
		var again []byte
		rest := m
		for {
			p, next, ok := rest.Next()
			if !ok {
				break
			}
			again = AppendPair(again, p.Key, p.Value)
			rest = next
		}
		if m.Valid() != (len(rest) == 0) {
			t.Fatalf("valid is %v with %d bytes that are no pair", m.Valid(), len(rest))
		}
		if !bytes.Equal(again, b[:len(b)-len(rest)]) {
			t.Fatalf("pairs encode to %x", again)
		}
	})
}
