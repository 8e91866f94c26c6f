// SPDX-License-Identifier: Apache-2.0

package bolt

import "github.com/sideloop/sideloop/codec"

var _ codec.PortableSession = (*Server)(nil)

// Interruptible implements codec.PortableSession: a large request that is under
// way has to be read to its end.
func (s *Server) Interruptible() bool { return !s.body.open && !s.dead && !s.eof && !s.draining }

// Partial implements codec.PortableSession. Ids are the client's and the version
// is that of each frame, so that nothing else is to be known of the connection.
func (s *Server) Partial() ([]byte, bool) {
	if !s.Interruptible() || s.active > 0 || s.paused&^pausedGather != 0 || s.wire.holder != nil || s.wire.queued()+s.wire.held > 0 {
		return nil, false
	}
	if s.part == nil {
		return nil, true
	}
	return s.part.B, true
}

// SaysGoodbye implements codec.PortableSession.
func (s *Server) SaysGoodbye() bool { return s.limits.SendGoAway }
