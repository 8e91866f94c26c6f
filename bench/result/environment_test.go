// SPDX-License-Identifier: Apache-2.0

package result

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestCPUModel(t *testing.T) {
	for want, cpuinfo := range map[string]string{
		"AMD EPYC 7B13":                "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 7B13\n\nprocessor\t: 1\nmodel name\t: other\n",
		"Raspberry":                    "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nHardware\t: Raspberry\n",
		"implementer 0x41, part 0xd0c": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n",
		"":                             "processor : 0\nCPU implementer : 0x41\n",
		"with: a colon":                "model name : with: a colon",
	} {
		if got := cpuModel([]byte(cpuinfo)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestMemoryTotal(t *testing.T) {
	for meminfo, want := range map[string]uint64{
		"MemTotal:       24561728 kB\nMemFree: 1 kB\n": 24561728 << 10,
		"MemFree: 1 kB\n":     0,
		"MemTotal: many kB\n": 0,
	} {
		if got := memoryTotal([]byte(meminfo)); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
}

func TestBuildVersion(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}
	check := func(want string) {
		t.Helper()
		if got := buildVersion(info, true); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	check("(devel)")
	info.Settings = []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "false"}}
	check("(devel) (0123456789ab)")
	info.Settings[1].Value = "true"
	check("(devel) (0123456789ab and changes)")
	info.Main.Version = "v0.0.0-20261122093000-0123456789ab+dirty"
	check(info.Main.Version)
	if got := buildVersion(nil, false); got != "" {
		t.Error(got)
	}
}

func TestDetectEnvironment(t *testing.T) {
	e := DetectEnvironment()
	if e.OS != runtime.GOOS || e.Arch != runtime.GOARCH || e.CPUs < 1 || e.Go != runtime.Version() {
		t.Errorf("%+v", e)
	}
	if runtime.GOOS == "linux" && (e.Kernel == "" || e.Memory < 1<<20) {
		t.Errorf("%+v", e)
	}
}
