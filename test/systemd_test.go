// SPDX-License-Identifier: Apache-2.0

//go:build systemd

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd itself reads the units, and says how far the service is confined.
func TestUnitsBySystemd(t *testing.T) {
	binary, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	units, err := filepath.Glob("../deploy/systemd/sideloop.*")
	if err != nil || len(units) == 0 {
		t.Fatalf("%d units, %v", len(units), err)
	}
	dir := t.TempDir()
	args := []string{"verify"}
	for _, unit := range units {
		path := filepath.Join(dir, filepath.Base(unit))
		args = append(args, path)
		text := strings.ReplaceAll(readText(t, unit), deployedBinary, binary)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("systemd-analyze", args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	const exposure = "20" // tenths of systemd's scale, where less is safer and 20 is its last good word
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold="+exposure, filepath.Join(dir, "sideloop.service")).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
