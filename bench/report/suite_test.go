// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench/result"
)

func suite() Suite {
	return Suite{
		Title: "Sideloop and its peers", Started: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
		Environment: result.Environment{OS: "linux", Kernel: "6.1", Arch: "amd64", CPU: "Some CPU", CPUs: 2},
		Notes:       []string{"HAProxy 2.6, one thread"},
		Verdicts: []Verdict{
			{Goal: "Bolt 1 KB: CPU", Measured: "2.00 µs to 3.00 µs of HAProxy", Limit: "at most 1×", Outcome: Met},
			{Goal: "added p50", Measured: "60.0 µs", Limit: "at most 50 µs", Outcome: Missed, Doubtful: true},
			{Goal: "added p99", Measured: NotTold, Limit: "at most 1×"},
		},
		Scenarios: []Scenario{
			{Name: "Bolt 1 KB", Unit: "µs CPU per request", What: "32 connections.", Bars: []Bar{
				{Name: "Sideloop", Ours: true, Median: 2, Min: 1.9, Max: 2.2, PeakRSS: 12 << 20, Ratio: 1, RatioMin: 1, RatioMax: 1},
				{Name: "relay", Median: 1.5, Min: 1.4, Max: 1.5, Ratio: 0.75, RatioMin: 0.7, RatioMax: 1.1},
				{Name: "HAProxy", Median: 3, Min: 2.8, Max: 3.1, PeakRSS: 20 << 20, Ratio: 1.5, RatioMin: 1.5, RatioMax: 1.5},
				{Name: "MOSN", Missing: "MOSN_BIN names no binary"},
			}},
			{Name: "h2c, 4,000/s", Unit: "µs added p50", Bars: []Bar{
				{Name: "Sideloop", Ours: true, Median: 60, Min: 60, Max: 60, P50: 60, P90: 80, P99: 110, P999: 1200},
				{Name: "HAProxy", Missing: "it is | not installed"},
			}},
		},
	}
}

func TestWriteSuite(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSuite(&b, suite()); err != nil {
		t.Fatal(err)
	}
	d := parse(t, b.Bytes())
	d.has(t, "Sideloop and its peers", "22 November 2026", "32 connections.", "HAProxy 2.6, one thread", "2 × Some CPU",
		"MOSN missing: MOSN_BIN names no binary", "HAProxy 3.00 1.50× (2.80 – 3.10)")
	for head, want := range map[string]string{
		"Bolt 1 KB":    "Bolt 1 KB µs CPU per request 2.00 1.50 0.75× [0.70× – 1.10×] ≈ 3.00 1.50× missing MOSN_BIN names no binary",
		"h2c, 4,000/s": "h2c, 4,000/s µs added p50 60.0 – not part of it missing it is | not installed – not part of it",
	} {
		if row := d.row("glance", head); row != want {
			t.Errorf("%q, want %q", row, want)
		}
	}
	if row := d.row("scenario-1", "HAProxy"); row != "HAProxy 20.0 MiB" {
		t.Error(row)
	}
	if row := d.row("scenario-1", "relay"); row != "relay –" {
		t.Error(row)
	}
	if row := d.row("scenario-2", "Sideloop"); row != "Sideloop 60.0 µs 80.0 µs 110 µs 1.20 ms" {
		t.Error(row)
	}
	for head, want := range map[string]string{
		"Bolt 1 KB: CPU": "Bolt 1 KB: CPU 2.00 µs to 3.00 µs of HAProxy at most 1× met",
		"added p50":      "added p50 60.0 µs at most 50 µs missed ≈",
		"added p99":      "added p99 not told at most 1× unknown",
	} {
		if row := d.row("goals", head); row != want {
			t.Errorf("%q, want %q", row, want)
		}
	}
	if n := d.count("scenario-1", "rect", ""); n != 3 {
		t.Error("bars:", n)
	}
}

// What the generator was too late to tell is said and not drawn.
func TestSuiteThatIsNotTold(t *testing.T) {
	s := suite()
	s.Scenarios[1].Bars[0].P99 = math.NaN()
	s.Scenarios[1].Bars[0].P999 = math.NaN()
	s.Scenarios[0].Bars[2].Missing = NotTold
	var page, markdown bytes.Buffer
	if err := errors.Join(WriteSuite(&page, s), Markdown(&markdown, s)); err != nil {
		t.Fatal(err)
	}
	d := parse(t, page.Bytes())
	if row := d.row("scenario-2", "Sideloop"); row != "Sideloop 60.0 µs 80.0 µs not told not told" {
		t.Error(row)
	}
	if !strings.Contains(markdown.String(), "| 60.0 µs / 80.0 µs / not told / not told |") || strings.Contains(markdown.String()+page.String(), "NaN") {
		t.Error(markdown.String())
	}
	if row := d.row("glance", "Bolt 1 KB"); !strings.HasSuffix(row, " not told missing MOSN_BIN names no binary") {
		t.Error(row)
	}
	if strings.Contains(markdown.String(), "HAProxy is missing: not told") || !strings.Contains(markdown.String(), " | not told | missing |") {
		t.Error(markdown.String())
	}
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	if err := Markdown(&b, suite()); err != nil {
		t.Fatal(err)
	}
	const want = `**Sideloop and its peers** (22 November 2026, 09:30:00 UTC; linux 6.1, 2 × Some CPU)

| scenario | Sideloop | relay | HAProxy | MOSN |
|---|---|---|---|---|
| Bolt 1 KB, µs CPU per request | 2.00 (1.90 – 2.20) | 1.50 (1.40 – 1.50) 0.75× [0.70× – 1.10×] ≈ | 3.00 (2.80 – 3.10) 1.50× | missing |
| h2c, 4,000/s, µs added p50 | 60.0 (60.0) |  | missing |  |

| peak RSS | Sideloop | relay | HAProxy | MOSN |
|---|---|---|---|---|
| Bolt 1 KB | 12.0 MiB | – | 20.0 MiB | missing |

| added p50 / p90 / p99 / p99.9 | Sideloop | relay | HAProxy | MOSN |
|---|---|---|---|---|
| h2c, 4,000/s | 60.0 µs / 80.0 µs / 110 µs / 1.20 ms |  | missing |  |

- HAProxy is missing: it is \| not installed
- MOSN is missing: MOSN\_BIN names no binary
- HAProxy 2.6, one thread

| goal | measured | limit | verdict |
|---|---|---|---|
| Bolt 1 KB: CPU | 2.00 µs to 3.00 µs of HAProxy | at most 1× | met |
| added p50 | 60.0 µs | at most 50 µs | missed ≈ |
| added p99 | not told | at most 1× | unknown |
`
	if b.String() != want {
		t.Errorf("got:\n%s", b.String())
	}
}

// Text cannot leave its cell or become markup.
func TestMarkdownEscapes(t *testing.T) {
	s := suite()
	s.Scenarios[0].Bars[0].Name = "a|b\n# <b>*x*</b> [l](u) `c` & \\"
	var b strings.Builder
	if err := Markdown(&b, s); err != nil {
		t.Fatal(err)
	}
	if want := "| scenario | a\\|b # &lt;b&gt;\\*x\\*&lt;/b&gt; \\[l\\](u) \\`c\\` &amp; \\\\ |"; !strings.Contains(b.String(), want) {
		t.Errorf("got:\n%s", b.String())
	}
}

// Without a figure of ours there is no ratio; a suite without scenarios, and a
// scenario without bars, are pages too.
func TestSuiteWithLittle(t *testing.T) {
	s := suite()
	s.Scenarios[0].Bars[0].Missing = "it did not start"
	for i := range s.Scenarios[0].Bars {
		b := &s.Scenarios[0].Bars[i]
		b.Ratio, b.RatioMin, b.RatioMax = 0, 0, 0
	}
	var page, markdown bytes.Buffer
	if err := errors.Join(WriteSuite(&page, s), Markdown(&markdown, s)); err != nil {
		t.Fatal(err)
	}
	d := parse(t, page.Bytes())
	if row := d.row("glance", "Bolt 1 KB"); strings.Contains(row, "×") || !strings.Contains(row, "3.00") {
		t.Error(row)
	}
	if strings.Contains(markdown.String(), "0×") || !strings.Contains(markdown.String(), "3.00 (2.80 – 3.10) |") {
		t.Error(markdown.String())
	}
	if !s.Measured() || (&Suite{}).Measured() || (&Suite{Scenarios: []Scenario{{Bars: []Bar{{Missing: NotTold}, {Missing: "x"}}}}}).Measured() {
		t.Error("it is not known whether there is a figure")
	}
	for _, s := range []Suite{{}, {Scenarios: []Scenario{{}}}, {Scenarios: []Scenario{{Bars: []Bar{{}}}}}} {
		page.Reset()
		if err := errors.Join(WriteSuite(&page, s), Markdown(io.Discard, s)); err != nil {
			t.Fatal(err)
		}
		parse(t, page.Bytes())
	}
	for _, err := range []error{WriteSuite(&full{100}, s), Markdown(&full{100}, s)} {
		if err == nil || err.Error() != "full disk" {
			t.Error(err)
		}
	}
}
