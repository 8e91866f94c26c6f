// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/tracing"
)

// lastSpansTimeout is how long the end of the process waits for the collector.
const lastSpansTimeout = 2 * time.Second

// trace makes the exporter of spans where c wants one and there is none yet. It is
// called before listeners are made, with publishing held or at the start.
func (s *Server) trace(c *config.Config) {
	if c.Tracing != nil && s.tracer == nil {
		s.tracer = tracing.NewExporter(s.reactor.Loops(), s.log, c.Tracing)
	}
}

// aim sends spans where c says.
func (s *Server) aim(c *config.Config) {
	if s.tracer != nil {
		s.tracer.Aim(c.Tracing)
	}
}

// lastSpans sends what loops that have stopped still hold.
func (s *Server) lastSpans() {
	if s.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastSpansTimeout)
	defer cancel()
	s.tracer.Close(ctx)
}

// Spans implements Control.
func (s *Server) Spans() (c tracing.Counts, on bool) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.tracer == nil {
		return c, false
	}
	return s.tracer.Counts(), true
}
