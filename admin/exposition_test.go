// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bufio"
	"bytes"
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sideloop/sideloop/stats"
)

// What is written is read by Prometheus' own parser, whatever stands in labels.
func TestExposition(t *testing.T) {
	names := []string{"plain", "", `quo"te`, `back\slash`, "new\nline", "\xff no UTF-8", "\xff\"", "ünï"}
	want := []string{"plain", "", `quo"te`, `back\slash`, "new\nline", "\uFFFD no UTF-8", "\uFFFD\"", "ünï"}
	var h stats.Histogram
	for _, d := range []time.Duration{time.Microsecond, time.Millisecond, time.Second, time.Hour} {
		h.Observe(int64(d))
	}
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	e := exposition{lines: make(map[*family][]byte)}
	for _, name := range names {
		e.add(listenerRequests, 1e21, nil, name)
		e.add(listenerDuration, 0, &h, name)
		e.add(listenerFailed, 7, nil, name, "why")
	}
	e.add(panics, 0, nil)
	e.flush(out)
	w := streamed{out: out}
	for _, f := range []*family{hostConns, hostActive} {
		for _, name := range names {
			w.add(f, 3, nil, "c", name)
		}
	}
	out.Flush()
	p := expfmt.NewTextParser(model.UTF8Validation)
	got, err := p.TextToMetricFamilies(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*family{listenerRequests, listenerDuration, listenerFailed, hostConns, hostActive} {
		mf := got[f.name]
		if mf.GetHelp() != f.help || len(mf.GetMetric()) != len(names) {
			t.Errorf("%s: help %q, %d series", f.name, mf.GetHelp(), len(mf.GetMetric()))
			continue
		}
		for i, m := range mf.Metric {
			if !slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetValue() == want[i] }) {
				t.Errorf("%s: labels %v, want %q", f.name, m.Label, want[i])
			}
		}
	}
	if v := got[listenerRequests.name].Metric[0].Counter.GetValue(); v != 1e21 {
		t.Errorf("a large counter is %v", v)
	}
	wantHistogram(t, got[listenerDuration.name].Metric[0].Histogram)
}

func wantHistogram(t *testing.T, h *dto.Histogram) {
	t.Helper()
	if h.GetSampleCount() != 4 || h.GetSampleSum() < 3601 || len(h.Bucket) != longest-shortest+2 {
		t.Errorf("count %d, sum %v, %d buckets", h.GetSampleCount(), h.GetSampleSum(), len(h.Bucket))
	}
	for _, b := range h.Bucket {
		want := uint64(1)
		for i, bound := range []float64{0.001, 1, 3600} {
			if b.GetUpperBound() > bound {
				want = uint64(i + 2)
			}
		}
		if b.GetCumulativeCount() != want {
			t.Errorf("%d at most %v, want %d", b.GetCumulativeCount(), b.GetUpperBound(), want)
		}
	}
}
