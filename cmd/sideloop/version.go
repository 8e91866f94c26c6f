// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker for a release.
var version = "development"

type versionCommand struct{}

// Run prints the version, the commit it was built from and the toolchain.
func (versionCommand) Run() error {
	fmt.Println("sideloop", version)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" || s.Key == "vcs.time" || s.Key == "vcs.modified" {
				fmt.Println(s.Key, s.Value)
			}
		}
	}
	fmt.Println(runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	return nil
}
