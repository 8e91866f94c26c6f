// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// Router is a named set of virtual hosts.
type Router struct {
	Name         string
	VirtualHosts []VirtualHost
	// Headers are changed after those of the route and the virtual host.
	Headers HeaderChanges
	Path    string
}

// VirtualHost is the routes of some domains, tried in order.
type VirtualHost struct {
	Name    string
	Domains []string
	Routes  []Route
	// Headers are changed after those of the route.
	Headers HeaderChanges
	// Filters are settings of stream filters by type, for routes that have none
	// of their own: pointers to types of types_filter.go.
	Filters map[string]any
	Path    string
}

// Route says what becomes of the requests that it matches: the answer of Direct
// or Redirect where there is one, else Action.
type Route struct {
	Match    Match
	Action   Action
	Direct   *DirectResponse
	Redirect *Redirect
	Mirror   Mirror
	// Filters are settings of stream filters by type, as for a VirtualHost.
	Filters map[string]any
	Path    string
}

// MatchKind says which field of a Match is compared besides the lists.
type MatchKind uint8

const (
	// MatchHeaders compares the lists only; with none it matches every request.
	// With "service" as its only condition it is MOSN's RPC rule, in which the
	// value ".*" is any service and every other value is compared as it is.
	MatchHeaders MatchKind = iota
	MatchPrefix
	MatchPath
	MatchRegex
)

// Match is the condition of a route. Only the field that Kind names is set; the
// lists are compared in addition, all of them.
type Match struct {
	Kind      MatchKind
	Prefix    string
	PathExact string
	// Regex is valid for package regexp, like every Value with CompareRegex.
	Regex     string
	Headers   []HeaderMatch
	Query     []HeaderMatch
	Variables []VariableMatch
	Path      string
}

// Compare is how a text is compared.
type Compare uint8

const (
	CompareExact Compare = iota
	// CompareRegex is an unanchored expression.
	CompareRegex
	ComparePrefix
	CompareSuffix
	// ComparePresent is any value.
	ComparePresent
	// CompareRange is a whole number from Least to below Most.
	CompareRange
)

// HeaderMatch compares one header or one parameter of the query.
type HeaderMatch struct {
	Name        string
	Value       string
	Compare     Compare
	Least, Most int64
	// Invert matches what otherwise does not. What is absent matches an inverted
	// ComparePresent only.
	Invert bool
}

// VariableMatch compares one variable. The result is combined with that of the
// next one, from left to right, by "or" if Or is set and by "and" if not.
type VariableMatch struct {
	Name    string
	Value   string
	Compare Compare // exact or regex
	Or      bool
}

// Action is where a matched request goes. At most one of Cluster, Weighted,
// ClusterVariable and ClusterHeader is set.
type Action struct {
	// Cluster may name a cluster that does not exist.
	Cluster  string
	Weighted []WeightedCluster
	// ClusterVariable and ClusterHeader hold the cluster's name.
	ClusterVariable, ClusterHeader string
	// Labels are those that a host must have.
	Labels map[string]string
	// Hash is tried in order; the first that is there counts.
	Hash []HashPolicy
	// Timeout bounds the whole exchange; TimeoutSet is false when it is the
	// default.
	Timeout    time.Duration
	TimeoutSet bool
	// UpstreamProtocol overrides Proxy.Upstream unless it is ProtocolSame.
	UpstreamProtocol Protocol
	Retry            Retry
	Rewrite          Rewrite
	Headers          HeaderChanges
}

// WeightedCluster is a cluster that gets a share of the requests.
type WeightedCluster struct {
	Cluster string
	Weight  uint32
	// Labels come on top of those of the action.
	Labels map[string]string
}

// HashPolicy is one thing that a request's hash is made of. Exactly one of
// Header, Cookie and SourceIP is set.
type HashPolicy struct {
	Header, Cookie string
	SourceIP       bool
	// TTL and CookiePath are those of a cookie that is made where the request
	// has none; Make tells whether one is. A TTL of 0 lasts for the session.
	Make       bool
	TTL        time.Duration
	CookiePath string
}

// Rewrite is what a request is sent with in place of its own path and host.
type Rewrite struct {
	// Prefix replaces what the match's prefix or path matched.
	Prefix string
	// Regex matches in the path are replaced with Substitution, in which \1 is
	// the first group.
	Regex, Substitution string
	// Host counts before HostHeader, that before AutoHost.
	Host, HostHeader string
	// AutoHost sends the name of the host that was chosen.
	AutoHost bool
}

// HeaderChanges are made to requests and to replies, each in their order:
// additions, then removals.
type HeaderChanges struct {
	Request, Reply HeaderEdits
}

// HeaderEdits are the changes of one direction. Names are in lower case.
type HeaderEdits struct {
	Add    []HeaderAdd
	Remove []string
}

// HeaderAdd is one header that is added. Value may hold %variables%.
type HeaderAdd struct {
	Name, Value string
	// Append keeps a value that is there before the new one.
	Append bool
}

// DirectResponse is an answer without a host.
type DirectResponse struct {
	Status int
	Body   string
}

// Redirect is an answer that sends the client elsewhere. What is empty stays as
// the request had it.
type Redirect struct {
	Status                int
	Scheme, Host, NewPath string
}

// Mirror is where copies of requests go; without a cluster there are none.
type Mirror struct {
	Cluster string
	// Percent of the requests are copied.
	Percent int
}
