// SPDX-License-Identifier: Apache-2.0

// Package balance chooses one of a cluster's hosts. A policy belongs to one
// loop and sees hosts only through a View, so it needs no lock.
package balance

// View is what a policy may know of the hosts it chooses among.
type View interface {
	// Len is the number of hosts, numbered from 0.
	Len() int
	// Usable tells whether host i may be chosen now.
	Usable(i int) bool
}

// Policy chooses a host.
type Policy interface {
	// Choose returns a usable host's number, or -1 when there is none.
	Choose(v View) int
}

// firstUsable walks once around from start and returns the first usable host.
func firstUsable(v View, start int) int {
	n := v.Len()
	for k := range n {
		i := start + k
		if i >= n {
			i -= n
		}
		if v.Usable(i) {
			return i
		}
	}
	return -1
}
