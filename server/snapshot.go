// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/pipeline/router"
)

// newSnapshot compiles what requests are routed by.
func newSnapshot(c *config.Config) (*pipeline.Snapshot, error) {
	s := &pipeline.Snapshot{
		Routers:  make(map[string]*router.Table, len(c.Server.Routers)),
		Clusters: make(cluster.Set, len(c.Clusters)),
	}
	for i := range c.Server.Routers {
		r := &c.Server.Routers[i]
		t, err := router.Compile(r)
		if err != nil {
			return nil, fmt.Errorf("router %q: %w", r.Name, err)
		}
		s.Routers[r.Name] = t
	}
	for i := range c.Clusters {
		s.Clusters[c.Clusters[i].Name] = cluster.New(&c.Clusters[i])
	}
	return s, nil
}

// Check compiles a configuration as Start would, without opening anything.
func Check(c *config.Config) error {
	_, err := newSnapshot(c)
	return err
}
