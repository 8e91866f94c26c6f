// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// writePid writes the process's id to the file that the configuration names, if
// any. It is there as a whole or not at all, since others read it while one
// process takes over from another.
func writePid(path string) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("pid: %w", err)
	}
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	err := os.WriteFile(fresh, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = os.Remove(fresh) // most likely it is not there
		return fmt.Errorf("pid: %w", err)
	}
	return nil
}

// ownsPid tells whether the file names this process.
func ownsPid(path string) bool {
	b, err := os.ReadFile(path)
	return path != "" && err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(os.Getpid())
}

// removePid removes the file unless another process has written it since.
func removePid(path string) {
	if ownsPid(path) {
		_ = os.Remove(path) // the next start overwrites it anyway
	}
}
