// SPDX-License-Identifier: Apache-2.0

package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/check/*.want from what is found; review the difference")

// TestCheckGolden holds the text of every problem: NAME.json (or .yaml) is a
// file to check, NAME.want what a check prints, nothing when it is valid.
func TestCheckGolden(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "check"))
	var inputs []string
	for _, pattern := range []string{"*.json", "*.yaml", "*.yml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, names...)
	}
	if len(inputs) < 40 {
		t.Fatalf("found %d inputs; the corpus is not there", len(inputs))
	}
	for _, input := range inputs {
		t.Run(input, func(t *testing.T) {
			c, problems, err := Load(input)
			if err != nil {
				t.Fatal(err)
			}
			var found strings.Builder
			for _, p := range problems {
				found.WriteString(p.String() + "\n")
			}
			golden := strings.TrimSuffix(input, filepath.Ext(input)) + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(found.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), found.String()); diff != "" {
				t.Errorf("problems (-want +found):\n%s", diff)
			}
			if (c == nil) != problems.HasErrors() {
				t.Errorf("config is %v with errors %v; it is nil exactly when there are errors", c, problems.HasErrors())
			}
		})
	}
}
