// SPDX-License-Identifier: Apache-2.0

package test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// docs/BOLT.md says of each reason that a Bolt client can see which status it
// has.
func TestDocumentedStatuses(t *testing.T) {
	doc, err := os.ReadFile("../docs/BOLT.md")
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]int)
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+) \\| (\\d+) [A-Z_]+ \\|$").FindAllSubmatch(doc, -1) {
		status, _ := strconv.Atoi(string(row[2]))
		for _, word := range regexp.MustCompile("`([a-z_]+)`").FindAllSubmatch(row[1], -1) {
			said[string(word[1])] = status
		}
	}
	for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
		if r == codec.DownstreamReset || r == codec.DownstreamClosed {
			continue // nobody is left to see them
		}
		if status, ok := said[r.String()]; !ok || status != int(r.BoltStatus()) {
			t.Errorf("%v: the page says %d, %v; it is %d", r, status, ok, r.BoltStatus())
		}
		delete(said, r.String())
	}
	if len(said) > 0 {
		t.Errorf("the page has statuses of no reason: %v", said)
	}
}
