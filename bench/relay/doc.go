// SPDX-License-Identifier: Apache-2.0

// Package relay copies bytes between TCP connections and understands none of
// them: one thread, one epoll instance, one read and one write per event, no
// protocol. What that costs is about the floor for a proxy that copies through
// user space; only one that waits to gather more per read can be below it.
package relay
