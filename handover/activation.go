// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// activationFirst is the first descriptor of sd_listen_fds(3).
	activationFirst = 3
	// activationMost is far above the sockets of any unit, and keeps a wrong
	// number from closing what the process has opened itself.
	activationMost = 1024
)

// Activated are the sockets that systemd has opened for this process
// (sd_listen_fds(3)); nil where there are none. The variables that name them are
// removed, so that no other process takes them for its own. Any that is no
// listening stream socket is an error.
func Activated() (*Sockets, error) {
	pid, number, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, v := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(v) // fails for names that are not, only
	}
	if number == "" || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > activationMost {
		return nil, fmt.Errorf("LISTEN_FDS is %q; expected a number of sockets up to %d", number, activationMost)
	}
	return activated(activationFirst, n, strings.Split(names, ":"))
}

// activated makes sockets of n descriptors in a row, all of which it takes.
func activated(first, n int, names []string) (*Sockets, error) {
	s := new(Sockets)
	var wrong error
	for i := range n {
		fd, name := first+i, ""
		if i < len(names) {
			name = names[i]
		}
		// Not open at all is found out by listenerOf.
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
		l, err := listenerOf(os.NewFile(uintptr(fd), name))
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("socket activation: descriptor %d (%q): %w", fd, name, err))
			continue
		}
		s.add(&Given{Listener: l, Shared: true, name: name})
	}
	if wrong != nil {
		s.CloseRest()
		return nil, wrong
	}
	return s, nil
}
