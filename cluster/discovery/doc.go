// SPDX-License-Identifier: Apache-2.0

// Package discovery finds the hosts of clusters whose hosts are names
// (STRICT_DNS, LOGICAL_DNS). It works on goroutines of its own and hands what it
// finds to the server as a change of one cluster's value.
package discovery
