// SPDX-License-Identifier: Apache-2.0

package server

import (
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/overload"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/filter/access"
	"github.com/sideloop/sideloop/pipeline/filter/adaptive"
	"github.com/sideloop/sideloop/pipeline/filter/fault"
	"github.com/sideloop/sideloop/pipeline/filter/metadata"
	"github.com/sideloop/sideloop/pipeline/filter/payload"
	"github.com/sideloop/sideloop/pipeline/filter/ratelimit"
)

// filters is the table type → stream filter.
var filters = filter.Registry{
	access.Name:         access.Kind,
	adaptive.Name:       adaptive.Kind,
	fault.Name:          fault.Kind,
	metadata.Name:       metadata.Kind,
	payload.Name:        payload.Kind,
	ratelimit.FlowName:  ratelimit.Flow,
	ratelimit.LocalName: ratelimit.Local,
}

// watch starts to look after what the process and its loops are short of.
func (s *Server) watch(c *config.Overload) error {
	s.monitor = overload.Start(overload.Limits{
		Memory: c.MaxHeap, ShrinkHeap: c.ShrinkHeap,
		RefuseRequests: c.RefuseRequests, RefuseConnections: c.RefuseConnections,
	}, &s.pressure, s.reactor.HoldAccept, s.log)
	_, err := ask(s, func(w *pipeline.Worker) struct{} {
		w.Watch(&s.pressure, c.MaxLoopDelay)
		return struct{}{}
	})
	return err
}
