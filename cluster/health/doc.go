// SPDX-License-Identifier: Apache-2.0

// Package health judges the hosts of clusters: by asking them (active checks)
// and by how their requests fare (outlier detection). A Monitor follows the
// clusters of a server, which takes its verdicts into each new Snapshot. It
// runs on goroutines of its own, a bounded number of them however many hosts
// there are, and asks loops only for copies of what they have counted.
//
// All state of a host is kept by cluster and address, so that it survives a
// change of the configuration and of the other hosts. A host is asked by one
// probe at a time, and there is one schedule for it as long as it is there.
package health
