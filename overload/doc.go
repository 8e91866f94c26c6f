// SPDX-License-Identifier: Apache-2.0

// Package overload watches what the process is short of, memory and
// descriptors, and decides what it should do without: first garbage, then new
// requests, then new connections. It is Envoy's overload manager with a fixed
// set of resources and actions.
//
// A Monitor reads off the loops, once per second. What it decides for them is
// one word that they read and that seldom changes. Whether a loop keeps up with
// its work is not its matter: each loop judges that by its own turns (package
// eventloop, Late).
package overload
