// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/sideloop/sideloop/bench/result"
)

// ticksPerSecond is the unit of CPU times in /proc: USER_HZ, which is 100 on
// every Linux that Go runs on.
const ticksPerSecond = 100

// generatorUsage is what this process has used so far.
func generatorUsage() result.Usage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return result.Usage{}
	}
	return result.Usage{
		User: float64(u.Utime.Nano()) / 1e9, System: float64(u.Stime.Nano()) / 1e9,
		PeakRSS: uint64(u.Maxrss) << 10,
	}
}

// used is what was used between two readings.
func used(before, after result.Usage, elapsed float64, cpus int) result.Usage {
	u := result.Usage{
		User: max(after.User-before.User, 0), System: max(after.System-before.System, 0), PeakRSS: after.PeakRSS,
	}
	if elapsed > 0 && cpus > 0 {
		u.Busy = (u.User + u.System) / elapsed / float64(cpus)
	}
	return u
}

// machineTime is CPU time of all processors together, in ticks.
type machineTime struct {
	all, steal uint64 // steal is what the host of a virtual machine gave to others
}

// readMachine reads /proc/stat, where there is one.
func readMachine() machineTime {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machineTime{}
	}
	return parseMachine(b)
}

// stealField is the place of the steal time on the line of all processors. What
// follows is guests' time, which is in user time too.
const stealField = 8

func parseMachine(stat []byte) (m machineTime) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	for i, field := range strings.Fields(string(line)) {
		n, err := strconv.ParseUint(field, 10, 64)
		switch {
		case i == 0 && field == "cpu", i > stealField:
			continue
		case err != nil:
			return machineTime{}
		case i == stealField:
			m.steal = n
		}
		m.all += n
	}
	return m
}

// since is what has passed since an earlier reading.
func (m machineTime) since(earlier machineTime) machineTime {
	if m.all < earlier.all || m.steal < earlier.steal {
		return machineTime{}
	}
	return machineTime{m.all - earlier.all, m.steal - earlier.steal}
}

// share is the part of the time that was stolen, 0 to 1.
func (m machineTime) share() float64 {
	if m.all == 0 {
		return 0
	}
	return float64(m.steal) / float64(m.all)
}

// process is a reading of a watched process with its descendants.
type process struct {
	pid   int
	name  string
	usage result.Usage
}

// readProcesses reads all; one that does not exist is an error.
func readProcesses(pids []int) ([]process, error) {
	list := make([]process, 0, len(pids))
	for _, pid := range pids {
		p, err := readProcess(pid)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func readProcess(pid int) (process, error) {
	p := process{pid: pid}
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return p, fmt.Errorf("process %d: %w", pid, err)
	}
	if p.name, p.usage, err = parseStat(stat); err != nil {
		return p, fmt.Errorf("process %d: %w", pid, err)
	}
	if status, err := os.ReadFile(dir + "/status"); err == nil {
		p.usage.PeakRSS = peakRSS(status)
	}
	for _, child := range children(dir) {
		// One that has gone meanwhile is no matter.
		if c, err := readProcess(child); err == nil {
			p.usage.User += c.usage.User
			p.usage.System += c.usage.System
			p.usage.PeakRSS += c.usage.PeakRSS
		}
	}
	return p, nil
}

// parseStat reads /proc/PID/stat. The name is in parentheses and may contain
// anything; utime and stime are the 12th and 13th field after it.
func parseStat(stat []byte) (name string, u result.Usage, err error) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return "", u, errors.New("its stat has no name")
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 13 {
		return "", u, errors.New("its stat is too short")
	}
	user, err1 := strconv.ParseUint(fields[11], 10, 64)
	system, err2 := strconv.ParseUint(fields[12], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return "", u, err
	}
	u.User, u.System = float64(user)/ticksPerSecond, float64(system)/ticksPerSecond
	return string(stat[open+1 : end]), u, nil
}

// peakRSS reads VmHWM of /proc/PID/status.
func peakRSS(status []byte) uint64 {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 54)
			return kb << 10
		}
	}
	return 0
}

// children lists the processes that any thread of a process has started.
func children(dir string) (pids []int) {
	tasks, _ := os.ReadDir(dir + "/task")
	for _, t := range tasks {
		b, _ := os.ReadFile(dir + "/task/" + t.Name() + "/children")
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// targets compares readings of the watched processes. One that has ended keeps
// its first reading, so that it shows no use.
func targets(before, after []process, elapsed float64, cpus int, requests uint64) []result.Process {
	var list []result.Process
	for i, b := range before {
		p := result.Process{PID: b.pid, Name: b.name, Usage: used(b.usage, after[i].usage, elapsed, cpus)}
		if requests > 0 {
			p.MicrosPerRequest = (p.User + p.System) * 1e6 / float64(requests)
		}
		list = append(list, p)
	}
	return list
}
