// SPDX-License-Identifier: Apache-2.0

package server

import (
	"maps"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/pipeline"
)

// Update replaces one cluster by what change makes of it, on every loop: the
// hosts that discovery found. Whether they are Down is up to the server's
// Monitor, which keeps its verdicts on those that were there. It may be called
// from any goroutine but a loop; change sees the latest state of the cluster, and
// updates come one after the other. Nothing is done where there is no such
// cluster, or change returns it as it is.
func (s *Server) Update(name string, change func(*cluster.Cluster) *cluster.Cluster) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	old := s.snapshot.Clusters[name]
	if old == nil || s.stopping {
		return nil
	}
	changed := change(old)
	if changed == old {
		return nil
	}
	if err := s.health.Follow(followed(changed)); err != nil {
		return err
	}
	changed = s.judged(changed)
	clusters := maps.Clone(s.snapshot.Clusters)
	clusters[name] = changed
	return s.publish(&pipeline.Snapshot{Routers: s.snapshot.Routers, Clusters: clusters})
}
