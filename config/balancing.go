// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// ClusterType is how the hosts of a cluster are found.
type ClusterType string

const (
	// Simple is the hosts of the file; STATIC, DYNAMIC and EDS mean the same.
	Simple ClusterType = "SIMPLE"
	// StrictDNS makes a host of every address of each name.
	StrictDNS ClusterType = "STRICT_DNS"
	// LogicalDNS is one host for each name, at its first address.
	LogicalDNS ClusterType = "LOGICAL_DNS"
	// OriginalDST sends each request where its connection was headed.
	OriginalDST ClusterType = "ORIGINAL_DST"
)

// HasHosts tells that the file's hosts are the cluster's, at least at first.
func (t ClusterType) HasHosts() bool { return t != OriginalDST }

// Policy is how a host of a cluster is chosen.
type Policy uint8

// RoundRobin heeds weights like all others, so that it is WEIGHTED_ROUNDROBIN,
// too.
const (
	RoundRobin Policy = iota
	Random
	LeastRequest
	LeastConnection
	PeakEWMA
	Maglev
	RequestRoundRobin
)

// Balancing is all that says how a host of a cluster is chosen.
type Balancing struct {
	Policy Policy
	// ChoiceCount is how many hosts LeastRequest, LeastConnection and PeakEWMA
	// compare.
	ChoiceCount                                         int
	ActiveRequestBias, ClientErrorBias, ServerErrorBias float64
	Subsets                                             Subsets
	SlowStart                                           SlowStart
	// PanicThreshold is the percentage of healthy hosts below which a request
	// goes to any host; 0 is never.
	PanicThreshold float64
	// PreferLocalZone keeps requests within our zone as long as it can take
	// them. Overprovisioning is how much its healthy hosts can take, in
	// percent of their part.
	PreferLocalZone  bool
	Overprovisioning float64
	Original         OriginalDestination
}

// Measures tells that the policy needs to know how requests fare.
func (b *Balancing) Measures() bool { return b.Policy == PeakEWMA }

// Fallback is what becomes of a request that no subset is for.
type Fallback uint8

const (
	NoHost Fallback = iota
	AnyHost
	DefaultSubset
)

// Subsets is lb_subset_config. Without Selectors it has no effect.
type Subsets struct {
	Fallback Fallback
	Default  map[string]string
	// Selectors are lists of labels, sorted, no two alike. Hosts that have all
	// labels of one are divided by their values.
	Selectors [][]string
}

// SlowStart gives hosts that come, or come back, less than their weight at
// first.
type SlowStart struct {
	// Duration is 0 where there is none.
	Duration   time.Duration
	Aggression float64
	// MinWeight is the part of the weight that a host has at least.
	MinWeight float64
}

// OriginalDestination is where requests of an ORIGINAL_DST cluster go.
type OriginalDestination struct {
	// Set tells that the cluster is one.
	Set bool
	// Header names the one that holds the destination; empty for that of the
	// connection.
	Header string
	// ReplaceLocal sends to 127.0.0.1, at the port of the destination.
	ReplaceLocal bool
}

// AddressFamily is which addresses of a name are used.
type AddressFamily uint8

const (
	IPv4 AddressFamily = iota
	IPv6
	// AnyFamily is both.
	AnyFamily
)

// DNS is how the names of hosts are resolved.
type DNS struct {
	RefreshRate time.Duration
	// RespectTTL resolves again when the answer expires, and not before.
	RespectTTL bool
	Family     AddressFamily
	// Servers are asked, as "ip:port". Where there are none it is those of
	// File, and where that is empty the system's.
	Servers  []string
	Search   []string
	File     string
	Port     string
	Ndots    int
	Timeout  time.Duration
	Attempts int
}
