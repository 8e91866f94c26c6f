// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sideloop/sideloop/config"
)

// Change is one difference between two configurations.
type Change struct {
	// Object is "listener", "router", "cluster", "admin", "metrics", "tracing" or
	// "server".
	Object string
	Name   string
	// What is "added", "removed" or "changed", perhaps with more behind a
	// colon.
	What string
}

// String is the change as one line.
func (c Change) String() string {
	return fmt.Sprintf("%s %q %s", c.Object, c.Name, c.What)
}

// Changes are the differences between two configurations, by object.
type Changes []Change

// compare lists what is different in c.
func compare(old, c *config.Config) Changes {
	var all Changes
	if !config.Equal(serverPart(old), serverPart(c)) {
		all = append(all, Change{"server", c.Server.Name, "changed: a new default log applies to listeners, overload_manager at once; the number of loops and the proxy's own log need a restart"})
	}
	if old.Admin != c.Admin {
		all = append(all, Change{"admin", c.Admin.Address, "changed: needs a restart"})
	}
	if !config.Equal(&old.Metrics, &c.Metrics) {
		all = append(all, Change{"metrics", "", "changed: stats_matcher applies at once; sinks need a restart"})
	}
	all = append(all, tracingChange(old.Tracing, c.Tracing)...)
	all = append(all, differences("listener", old.Server.Listeners, c.Server.Listeners, listenerName, nil)...)
	all = append(all, differences("router", old.Server.Routers, c.Server.Routers, routerName, nil)...)
	return append(all, differences("cluster", old.Clusters, c.Clusters, clusterName, hostChanges)...)
}

// serverPart is what is neither a listener, a router or a cluster, nor of the
// admin server and metrics.
func serverPart(c *config.Config) *config.Config {
	n := *c
	n.Server.Listeners, n.Server.Routers, n.Clusters = nil, nil, nil
	n.Admin, n.Metrics, n.Tracing = config.Admin{}, config.Metrics{}, nil
	return &n
}

// tracingChange is how spans go elsewhere, or begin or cease to be sent.
func tracingChange(old, c *config.Tracing) Changes {
	switch {
	case config.Equal(&old, &c):
		return nil
	case c == nil:
		return Changes{{"tracing", old.Endpoint, "removed"}}
	case old == nil:
		return Changes{{"tracing", c.Endpoint, "added"}}
	}
	return Changes{{"tracing", c.Endpoint, "changed"}}
}

// differences compares two lists by name. detail says more of a change.
func differences[T any](object string, before, after []T, name func(*T) string, detail func(a, b *T) string) Changes {
	var all Changes
	was, is := byName(before, name), byName(after, name)
	for i := range before {
		if n := name(&before[i]); is[n] == nil {
			all = append(all, Change{object, n, "removed"})
		}
	}
	for i := range after {
		n := name(&after[i])
		switch old := was[n]; {
		case old == nil:
			all = append(all, Change{object, n, "added"})
		case !config.Equal(old, &after[i]):
			what := "changed"
			if detail != nil {
				what += detail(old, &after[i])
			}
			all = append(all, Change{object, n, what})
		}
	}
	return all
}

// hostChanges says which hosts came and which went.
func hostChanges(a, b *config.Cluster) string {
	was, is := addresses(a), addresses(b)
	var words []string
	for _, h := range is {
		if !slices.Contains(was, h) {
			words = append(words, "+"+h)
		}
	}
	for _, h := range was {
		if !slices.Contains(is, h) {
			words = append(words, "-"+h)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return ": hosts " + strings.Join(words, " ")
}

func addresses(c *config.Cluster) []string {
	list := make([]string, len(c.Hosts))
	for i := range c.Hosts {
		list[i] = c.Hosts[i].Address
	}
	return list
}
