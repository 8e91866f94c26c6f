// SPDX-License-Identifier: Apache-2.0

package result

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math/rand"
	"slices"
	"testing"
)

// The histogram agrees with sorting the values, within its precision.
func TestHistogramAgreesWithSorting(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	h := NewHistogram()
	values := make([]int64, 100_000)
	for i := range values {
		values[i] = int64(r.ExpFloat64() * 250_000)
		h.Record(values[i])
	}
	slices.Sort(values)
	for _, p := range []float64{50, 90, 99, 99.9, 99.99} {
		want := values[int(float64(len(values))*p/100)-1]
		if got := h.At(p); float64(got) < float64(want)*0.999-200 || float64(got) > float64(want)*1.002+200 {
			t.Errorf("p%v is %d, sorting says %d", p, got, want)
		}
	}
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	back := NewHistogram()
	if err := json.Unmarshal(b, back); err != nil {
		t.Fatal(err)
	}
	for _, p := range []float64{0, 50, 99.9, 100} {
		if back.At(p) != h.At(p) {
			t.Errorf("p%v is %d after JSON, %d before", p, back.At(p), h.At(p))
		}
	}
}

// encodedHDR is a histogram of our range with any payload of counts.
func encodedHDR(payload []byte) string {
	header := binary.BigEndian.AppendUint32(nil, 0x1c849303) // V2
	header = binary.BigEndian.AppendUint32(header, uint32(len(payload)))
	header = binary.BigEndian.AppendUint32(header, 0)
	header = binary.BigEndian.AppendUint32(header, digits)
	header = binary.BigEndian.AppendUint64(header, uint64(lowest))
	header = binary.BigEndian.AppendUint64(header, uint64(highest))
	header = binary.BigEndian.AppendUint64(header, 0x3ff0000000000000) // 1.0
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = w.Write(append(header, payload...))
	_ = w.Close()
	outer := binary.BigEndian.AppendUint32(nil, 0x1c849304) // V2, compressed
	outer = binary.BigEndian.AppendUint32(outer, uint32(z.Len()))
	return base64.StdEncoding.EncodeToString(append(outer, z.Bytes()...))
}

// Counts as a file may have them are decoded into a histogram that answers, or
// refused.
func FuzzHistogram(f *testing.F) {
	f.Add([]byte{2})
	f.Add([]byte{0xc7, 0x01, 2, 4, 6})
	f.Add([]byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, payload []byte) {
		hdr, err := decodeHDR(encodedHDR(payload))
		if err != nil {
			return
		}
		h := &Histogram{hdr}
		c := h.Clone()
		for _, p := range []float64{0, 50, 99.9, 100} {
			if h.At(p) != c.At(p) || h.At(p) < 0 {
				t.Errorf("p%v is %d, of the clone %d", p, h.At(p), c.At(p))
			}
		}
		if b, err := json.Marshal(h); err != nil || !json.Valid(b) {
			t.Error(err)
		}
	})
}

func TestHistogramOfOneCount(t *testing.T) {
	hdr, err := decodeHDR(encodedHDR([]byte{2}))
	if err != nil {
		t.Fatal(err)
	}
	if h := (&Histogram{hdr}); h.Count() != 1 {
		t.Error(h.Count())
	}
}

func TestHistogramCloneSharesNothing(t *testing.T) {
	h := NewHistogram()
	h.Record(1e6)
	c := h.Clone()
	c.Record(5e6)
	if h.Count() != 1 || c.Count() != 2 || h.Max() >= 2e6 || c.Max() < 4e6 {
		t.Error(h.Count(), c.Count(), h.Max(), c.Max())
	}
}
