// SPDX-License-Identifier: Apache-2.0

package server

import "github.com/sideloop/sideloop/cluster/discovery"

// discover resolves the names of clusters that ask for it, as the configuration
// says now. It is called with publishing held, or before the first listener is
// there.
func (s *Server) discover() {
	if s.discovery == nil {
		s.discovery = discovery.NewWatcher(s.Update, s.log)
	}
	s.discovery.Watch(s.config.Clusters)
}

// stopDiscovery ends that; no cluster changes by it afterwards.
func (s *Server) stopDiscovery() {
	if s.discovery != nil {
		s.discovery.Stop()
	}
}
