// SPDX-License-Identifier: Apache-2.0

package result

import (
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
