// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// scarceMargin is how many descriptors others may want while a connection is on
// its way to its loop: dials, logs, probes.
const scarceMargin = 16

// scarce tells that descriptors may run out while nc is on its way to its loop,
// where it has a second one for a while, as have the others that are under way.
// The kernel gives out the lowest free number, so that of the latest tells how
// many are in use.
func scarce(nc net.Conn, underWay int) bool {
	var limit unix.Rlimit
	raw, ok := nc.(syscall.Conn)
	if !ok || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return false
	}
	number := 0
	conn, err := raw.SyscallConn()
	if err != nil || conn.Control(func(fd uintptr) { number = int(fd) }) != nil {
		return false
	}
	return uint64(number+underWay+scarceMargin) >= limit.Cur
}

// spareDescriptor tells whether one more descriptor can be had.
func spareDescriptor() bool {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}
