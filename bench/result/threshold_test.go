// SPDX-License-Identifier: Apache-2.0

package result

import (
	"strings"
	"testing"
)

// The sample has 1,990 right replies of 100 µs to 2.089 ms and 10 errors in two
// seconds, and its first target used 3 µs per request and 12 MiB.
func TestThresholds(t *testing.T) {
	r := sample()
	r.Schedule.LateShare = 0
	for _, c := range []struct {
		text  string
		fails bool
	}{
		{"p99>2ms", true}, {"p99 > 2.1ms", false}, {"p99>2000us", true}, {"p99>2000µs", true}, {"p99>2000μs", true},
		{"p99>0.002s", true}, {"p99>2000000ns", true}, {"p99>0", true},
		{"p50<1ms", false}, {"p50<2ms", true}, {"p90>=1.8ms", true}, {"p99.9<=3ms", true}, {"p99.99>2.08ms", true},
		{"p1<130us", true}, {"p99.999<=1ms", false},
		{"max>2.08ms", true}, {"max>2.1ms", false}, {"mean>1ms", true}, {"mean>1.2ms", false},
		{"rate<1000", true}, {"rate<995/s", false}, {"rate==995", true}, {"rate<=995", true},
		{"errors>0", true}, {"errors>=10", true}, {"errors>10", false}, {"errors==10", true}, {"errors<10", false},
		{"error_rate>0.4%", true}, {"error_rate>0.5%", false}, {"error_rate>0.004", true}, {"error_rate>=0.005", true},
		{"requests<2000", true}, {"requests==1990", true},
		{"cpu>2.9us", true}, {"cpu>3", false}, {"cpu>=3", true}, {"cpu<0.003ms", false}, {"cpu<3001ns", true},
		{"late>0", false}, {"late<1%", true}, {"steal>6%", true}, {"steal>0.07", false},
		{"rss>11MiB", true}, {"rss>12MiB", false}, {"rss>0.01GiB", true},
	} {
		threshold, err := ParseThreshold(c.text)
		if err != nil {
			t.Error(err)
			continue
		}
		ok, text := threshold.Check(r)
		if ok == c.fails {
			t.Errorf("%s: ok is %v", c.text, ok)
		}
		want := "does not hold"
		if c.fails {
			want = "holds"
		}
		if !strings.HasPrefix(text, c.text+" "+want+": ") {
			t.Error("the text is", text)
		}
	}
}

func TestThresholdText(t *testing.T) {
	threshold, err := ParseThreshold("p99>2ms")
	if err != nil {
		t.Fatal(err)
	}
	if _, text := threshold.Check(sample()); text != "p99>2ms holds: p99 is 2.07 ms" {
		t.Error(text)
	}
}

func TestThresholdsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "want METRIC OP VALUE",
		"p99":                                    "want METRIC OP VALUE",
		"p99>":                                   "want METRIC OP VALUE",
		">2ms":                                   "want METRIC OP VALUE",
		"p99=2ms":                                "want METRIC OP VALUE",
		"p99!=2ms":                               "want METRIC OP VALUE",
		"p99>-2ms":                               "want METRIC OP VALUE",
		"p99>NaN":                                "want METRIC OP VALUE",
		"p99>1e3ms":                              "want METRIC OP VALUE",
		"p99>2ms or more":                        "want METRIC OP VALUE",
		"p99>2":                                  "p99 needs one of the units ns, us, ms and s",
		"p99>2m":                                 "p99 needs one of the units",
		"p0>2ms":                                 "no metric \"p0\"",
		"p100>2ms":                               "no metric \"p100\"",
		"p999>2ms":                               "no metric \"p999\"",
		"latency>2ms":                            "no metric \"latency\"; there are p50",
		"rate>2ms":                               "rate takes no unit but /s",
		"errors>1%":                              "errors takes no unit",
		"error_rate>1ms":                         "error_rate takes no unit but %",
		"cpu>1%":                                 "cpu takes one of the units",
		"rss>20":                                 "rss needs one of the units",
		"rss>20MB":                               "rss needs one of the units",
		"max>" + strings.Repeat("9", 400) + "ms": "is no number",
	} {
		_, err := ParseThreshold(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A run that lacks the figure fails: nobody wants a green light from a dead
// target.
func TestThresholdWithoutFigure(t *testing.T) {
	nothing := &Result{Latency: NewHistogram()}
	for _, text := range []string{"p99>2ms", "p99<2ms", "max>1s", "mean>1s", "rate<1", "error_rate>1%", "cpu>1us", "rss>1GiB", "late>0", "steal>0"} {
		threshold, err := ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		if ok, why := threshold.Check(nothing); ok || !strings.Contains(why, "no figure") {
			t.Errorf("%s: %v, %s", text, ok, why)
		}
	}
}

func FuzzParseThreshold(f *testing.F) {
	for _, text := range []string{"p99>2ms", "error_rate>=0.5%", "cpu<3", "p99.999 == 1 µs", "rss>1.5GiB"} {
		f.Add(text)
	}
	r := sample()
	f.Fuzz(func(t *testing.T, text string) {
		threshold, err := ParseThreshold(text)
		if err != nil {
			return
		}
		if !(threshold.limit >= 0) {
			t.Errorf("%q has the limit %v", text, threshold.limit)
		}
		if _, why := threshold.Check(r); !strings.HasPrefix(why, text) {
			t.Errorf("%q: %s", text, why)
		}
	})
}
