// SPDX-License-Identifier: Apache-2.0

// Package balance chooses one of a cluster's hosts. A policy belongs to one
// loop and sees hosts only through a View, so it needs no lock. What only
// depends on the hosts' names and weights (Shares, Table) never changes once it
// is made, and all loops share it.
package balance

// View is what a policy may know of the hosts it chooses among, and of the
// request that one is chosen for. Hosts are numbered from 0.
type View interface {
	// Len is the number of hosts.
	Len() int
	// Usable tells whether host i may be chosen now.
	Usable(i int) bool

	// Ramping tells that some host is in slow start; only then Ramp is asked.
	Ramping() bool
	// Ramp is the part of its weight that host i has now, within (0, 1].
	Ramp(i int) float64

	// Active is the number of requests that this loop has in progress at host
	// i, Connections that of its connections.
	Active(i int) int
	Connections(i int) int
	// Latency is how long replies of host i take, in nanoseconds, or what is
	// usual for the others where it is not known; 0 where nothing is.
	Latency(i int) float64
	// Errors are the parts of host i's requests, within [0, 1], that ended
	// with an error of the client (4xx) and of the host (5xx, no reply).
	Errors(i int) (client, server float64)

	// Hash places the request where like is kept with like.
	Hash() (h uint64, ok bool)
	// Last is the host of the request's previous try, -1 for none.
	Last() int
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
