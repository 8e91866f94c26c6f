// SPDX-License-Identifier: Apache-2.0

package result

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// DetectEnvironment describes this machine. What it does not tell is empty.
func DetectEnvironment() Environment {
	e := Environment{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Go: runtime.Version(), Loopbench: buildVersion(debug.ReadBuildInfo()),
	}
	// These files are Linux's; elsewhere the fields stay empty.
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		e.Kernel = strings.TrimSpace(string(b))
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		e.CPU = cpuModel(b)
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		e.Memory = memoryTotal(b)
	}
	return e
}

// cpuModel is the first processor's model in /proc/cpuinfo. ARM states none,
// but an implementer and a part.
func cpuModel(cpuinfo []byte) string {
	if model := procField(cpuinfo, "model name"); model != "" {
		return model
	}
	if model := procField(cpuinfo, "Hardware"); model != "" {
		return model
	}
	implementer, part := procField(cpuinfo, "CPU implementer"), procField(cpuinfo, "CPU part")
	if implementer == "" || part == "" {
		return ""
	}
	return "implementer " + implementer + ", part " + part
}

// memoryTotal is in bytes.
func memoryTotal(meminfo []byte) uint64 {
	kb, err := strconv.ParseUint(strings.TrimSuffix(procField(meminfo, "MemTotal"), " kB"), 10, 54)
	if err != nil {
		return 0
	}
	return kb << 10
}

// procField is the value of the first line "name : value".
func procField(b []byte, name string) string {
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// buildVersion is the module's version, and the commit where it was built from
// a checkout.
func buildVersion(info *debug.BuildInfo, ok bool) string {
	if !ok {
		return ""
	}
	version := info.Main.Version
	var commit, modified string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			if s.Value == "true" {
				modified = " and changes"
			}
		}
	}
	if commit == "" || strings.Contains(version, commit) {
		return version
	}
	return version + " (" + commit + modified + ")"
}
