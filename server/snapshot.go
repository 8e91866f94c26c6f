// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/pipeline/router"
)

// newSnapshot compiles what requests are routed by. What c says as the
// configuration before did is taken over from its snapshot, with the hosts that
// were found since; both are nil at the start. The
// configuration says in which zone the proxy is unless zone does.
func newSnapshot(c, before *config.Config, old *pipeline.Snapshot, zone string) (*pipeline.Snapshot, error) {
	if before == nil {
		before, old = new(config.Config), new(pipeline.Snapshot)
	}
	zone = cmp.Or(zone, c.Zone)
	s := &pipeline.Snapshot{
		Routers:  make(map[string]*router.Table, len(c.Server.Routers)),
		Clusters: make(cluster.Set, len(c.Clusters)),
	}
	routers := byName(before.Server.Routers, routerName)
	for i := range c.Server.Routers {
		r := &c.Server.Routers[i]
		if was := routers[r.Name]; was != nil && config.Equal(was, r) {
			s.Routers[r.Name] = old.Routers[r.Name]
			continue
		}
		compiled, err := compileFilters(r)
		if err != nil {
			return nil, err
		}
		t, err := router.Compile(compiled)
		if err != nil {
			return nil, fmt.Errorf("router %q: %w", r.Name, err)
		}
		s.Routers[r.Name] = t
	}
	clusters := byName(before.Clusters, clusterName)
	for i := range c.Clusters {
		n := &c.Clusters[i]
		was := clusters[n.Name]
		if was != nil && config.Equal(was, n) {
			s.Clusters[n.Name] = old.Clusters[n.Name].In(zone)
			continue
		}
		fresh := cluster.New(n)
		if n.TLS != nil {
			secure, err := newClientTLS(n)
			if err != nil {
				return nil, err
			}
			fresh.Security, fresh.Transport = secure, transportOf(n.TLS)
		}
		made := fresh.In(zone)
		if was != nil && was.Type == n.Type && config.Equal(&was.Hosts, &n.Hosts) {
			made = made.With(old.Clusters[n.Name].Hosts) // as discovery has found them
		}
		s.Clusters[n.Name] = made
	}
	return s, nil
}

func routerName(r *config.Router) string     { return r.Name }
func clusterName(c *config.Cluster) string   { return c.Name }
func listenerName(l *config.Listener) string { return l.Name }

// byName indexes a list of the configuration.
func byName[T any](list []T, name func(*T) string) map[string]*T {
	m := make(map[string]*T, len(list))
	for i := range list {
		m[name(&list[i])] = &list[i]
	}
	return m
}

// Check compiles a configuration as Start would, without opening anything.
func Check(c *config.Config) error {
	for i := range c.Server.Listeners {
		l := &c.Server.Listeners[i]
		if _, err := filters.Compile(l.StreamFilters, 1); err != nil {
			return fmt.Errorf("listener %q: %w", l.Name, err)
		}
	}
	_, err := newSnapshot(c, nil, nil, "")
	for i := range c.Server.Listeners {
		_, wrong := newServerTLS(&c.Server.Listeners[i])
		err = errors.Join(err, wrong)
	}
	return err
}
