// SPDX-License-Identifier: Apache-2.0

package server

import (
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/overload"
	"github.com/sideloop/sideloop/pipeline"
)

// watch looks after what the process and its loops are short of, by these limits
// in place of earlier ones. It is called with publishing held, or before the first
// listener is there.
func (s *Server) watch(c *config.Overload) {
	if s.monitor != nil {
		s.monitor.Stop()
	}
	s.monitor = overload.Start(overload.Limits{
		Memory: c.MaxHeap, ShrinkHeap: c.ShrinkHeap,
		RefuseRequests: c.RefuseRequests, RefuseConnections: c.RefuseConnections,
	}, &s.pressure, s.reactor.HoldAccept, s.log)
	delay := c.MaxLoopDelay
	s.tell(func(w *pipeline.Worker) { w.Watch(&s.pressure, delay) })
}
