// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestLimitsAreDocumented holds the table of docs/HTTP2_LIMITS.md to the schema:
// each key with its default and range, and whether only clients have it.
func TestLimitsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/HTTP2_LIMITS.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if name, rest, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); ok && strings.HasPrefix(line, "| `") {
			rows[name] = rest
		}
	}
	for i := range http2Limits {
		k := &http2Limits[i]
		least, most := fmt.Sprint(k.min), fmt.Sprint(k.max)
		if k.duration != nil {
			least, most = shortDuration(k.min), shortDuration(k.max)
		}
		mark := ""
		if k.listener {
			mark = " C"
		}
		want := fmt.Sprintf("%s | %s | %s to %s |", mark, strings.Trim(k.fallback, `"`), least, most)
		if row, ok := rows[k.name]; !ok || !strings.HasPrefix(row, want) {
			t.Errorf("%s: the row is %q, want it to begin with %q", k.name, row, want)
		}
		delete(rows, k.name)
	}
	for name := range rows {
		t.Errorf("%s is documented and not a key", name)
	}
}

func shortDuration(n int64) string {
	s := time.Duration(n).String()
	return strings.TrimSuffix(strings.TrimSuffix(s, "0s"), "0m")
}
