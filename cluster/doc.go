// SPDX-License-Identifier: Apache-2.0

// Package cluster finds an upstream stream for a request: the cluster's policy
// chooses a host, the host's pool a connection, and the connection's session
// opens a stream. Clusters and hosts are immutable values; what changes (pools,
// connections, failures) belongs to one loop and is held by that loop's
// Manager, keyed by cluster, address and protocol so that it survives a change
// of the configuration.
package cluster
