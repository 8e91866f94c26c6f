// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
)

// program is how the file of this process is found again, which may have been
// replaced meanwhile.
type program struct {
	// named is the path that it was started by, whose symbolic links may lead
	// elsewhere one day; empty where that is not known.
	named string
}

// newProgram is called while the file is still that of this process.
func newProgram() program {
	named, err := exec.LookPath(os.Args[0])
	if err == nil {
		named, err = filepath.Abs(named)
	}
	if err != nil {
		return program{}
	}
	// The first argument may be any name.
	this, err := os.Stat("/proc/self/exe")
	if err != nil {
		return program{}
	}
	if there, err := os.Stat(named); err != nil || !os.SameFile(this, there) {
		return program{}
	}
	return program{named}
}

// path is where the file is now.
func (p program) path() (string, error) {
	if p.named != "" {
		return p.named, nil
	}
	return os.Executable()
}
