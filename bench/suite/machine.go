// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxCPUs is how many a unix.CPUSet can name.
const maxCPUs = 1024

// place is where a process runs.
type place uint8

const (
	onProxyCPU place = iota
	onOtherCPUs
)

// machine is how processes are spread over the CPUs that this one may use.
type machine struct {
	all    unix.CPUSet
	sets   [2]unix.CPUSet // by place
	pinned bool           // the proxy has a CPU of its own
	cpu    int            // which one
	files  uint64         // descriptors that a process can have
}

func newMachine() (*machine, error) {
	m := &machine{}
	if err := unix.SchedGetaffinity(0, &m.all); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	m.pinned = m.all.Count() > 1
	m.sets = [2]unix.CPUSet{m.all, m.all}
	if m.pinned {
		for m.cpu = 0; m.cpu < maxCPUs && !m.all.IsSet(m.cpu); m.cpu++ {
		}
		m.sets[onProxyCPU].Zero()
		m.sets[onProxyCPU].Set(m.cpu)
		m.sets[onOtherCPUs].Clear(m.cpu)
	}
	return m, m.raiseFiles()
}

// raiseFiles lets the processes that are started have as many descriptors as
// the system allows; without the call they would get what this process began
// with.
func (m *machine) raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("getrlimit: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("setrlimit: %w", err)
	}
	m.files = limit.Cur
	return nil
}

// describe is a sentence for the report.
func (m *machine) describe() string {
	if !m.pinned {
		return "There is one CPU, which the proxy shares with load generator and echo service."
	}
	return fmt.Sprintf("The proxy has CPU %d to itself, with one worker; load generator and echo service share the other %d.", m.cpu, m.all.Count()-1)
}

// start starts a process at its place. It is killed when the calling thread
// ends, which is that of Run: nothing outlives a suite that is killed.
func (m *machine) start(c *exec.Cmd, at place) error {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if !m.pinned {
		return c.Start()
	}
	// A child inherits the CPUs of the thread that starts it.
	if err := unix.SchedSetaffinity(0, &m.sets[at]); err != nil {
		return fmt.Errorf("sched_setaffinity: %w", err)
	}
	err := c.Start()
	if restored := unix.SchedSetaffinity(0, &m.all); err == nil && restored != nil {
		_ = c.Process.Kill()
		_ = c.Wait()
		return fmt.Errorf("sched_setaffinity: %w", restored)
	}
	return err
}

// Ports are taken from below the range that the kernel gives to outgoing
// connections, which would otherwise take one between the choice and its use.
const (
	lowestPort  = 20000
	highestPort = 32000
	portTries   = 1000
)

// freeAddress is a loopback address that nobody listens on.
func freeAddress() (string, error) {
	var last error
	for range portTries {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowestPort+rand.IntN(highestPort-lowestPort)))
		l, err := net.Listen("tcp", address)
		if err != nil {
			last = err
			continue
		}
		return address, l.Close()
	}
	return "", fmt.Errorf("no free port: %w", last)
}
