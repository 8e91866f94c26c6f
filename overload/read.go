// SPDX-License-Identifier: Apache-2.0

package overload

import (
	"bytes"
	"math"
	"os"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// residentBytes is the memory that the process occupies.
func residentBytes() uint64 {
	b, _ := os.ReadFile("/proc/self/statm")
	if fields := bytes.Fields(b); len(fields) > 1 {
		pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
		return pages * uint64(os.Getpagesize())
	}
	return 0
}

// softLimit is GOMEMLIMIT, 0 where it is not set.
func softLimit() uint64 {
	if n := debug.SetMemoryLimit(-1); n != math.MaxInt64 {
		return uint64(n)
	}
	return 0
}

// liveHeap is what the latest collection found in use. Up to GOMEMLIMIT garbage
// is welcome; what nears it in earnest keeps the collector running.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// descriptorShare is the part of the descriptors in use: the kernel gives out the
// lowest free number.
func descriptorShare() float64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur == 0 {
		return 0
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return 1
	}
	unix.Close(fd)
	return float64(fd) / float64(limit.Cur)
}

// group is the control group that bounds the process's memory.
type group struct {
	usage, limit string // files
	inactive     string // the key in stat of what the kernel drops first
	stat         string
}

// ownGroup finds the group of the process. One without a limit has that of the
// nearest group above it. The zero group limits nothing.
func ownGroup() group {
	self, _ := os.ReadFile("/proc/self/cgroup")
	return findGroup("/sys/fs/cgroup", string(self))
}

func findGroup(root, self string) group {
	for line := range strings.Lines(self) {
		// hierarchy:controllers:path; version 2 is hierarchy 0.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		g := group{usage: "memory.current", limit: "memory.max", inactive: "inactive_file"}
		base := root
		switch {
		case parts[0] == "0":
		case strings.Contains(","+parts[1]+",", ",memory,"):
			base = path.Join(root, "memory")
			g = group{usage: "memory.usage_in_bytes", limit: "memory.limit_in_bytes", inactive: "total_inactive_file"}
		default:
			continue
		}
		// Within a container the path may be that outside of it.
		for dir := path.Join("/", parts[2]); ; dir = path.Dir(dir) {
			at := path.Join(base, dir)
			if n, ok := readNumber(path.Join(at, g.limit)); ok && n < unlimited {
				return group{usage: path.Join(at, g.usage), limit: path.Join(at, g.limit), inactive: g.inactive, stat: path.Join(at, "memory.stat")}
			}
			if dir == "/" {
				break
			}
		}
	}
	return group{}
}

// unlimited is above any limit that is one: version 1 states the largest number
// of pages where there is none.
const unlimited = 1 << 60

// share is the part of the limit in use, without file pages that the kernel would
// drop first.
func (g *group) share() float64 {
	limit, ok := readNumber(g.limit)
	if !ok || limit == 0 || limit >= unlimited {
		return 0
	}
	used, _ := readNumber(g.usage)
	return float64(used-min(used, g.inactiveBytes())) / float64(limit)
}

func (g *group) inactiveBytes() uint64 {
	b, _ := os.ReadFile(g.stat)
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, g.inactive+" "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
			return n
		}
	}
	return 0
}

func readNumber(name string) (uint64, bool) {
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}
