// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"net"
	"net/http"
	"time"
)

// leavePoll is how often a server that leaves looks whether anything is left to
// answer.
const leavePoll = 5 * time.Millisecond

// Leave accepts no more, since another process does on the same socket, and ends
// the server when what was accepted has been answered, or ctx ends. It takes the
// place of Close. http.Server.Shutdown alone would drop requests that it reads
// from then on.
func (s *Server) Leave(ctx context.Context) error {
	s.leaving.Store(true)
	_ = s.limited.Close() // so that Serve returns
	<-s.done
	tick := time.NewTicker(leavePoll)
	defer tick.Stop()
	for s.busy.Load() > 0 && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return s.http.Close()
}

// observe counts the connections that are not idle: who has just connected is
// about to ask.
func (s *Server) observe(c net.Conn, state http.ConnState) {
	l := c.(*limitedConn)
	busy := state == http.StateNew || state == http.StateActive
	switch {
	case busy && !l.busy:
		s.busy.Add(1)
	case !busy && l.busy:
		s.busy.Add(-1)
	}
	l.busy = busy
}

// closing has clients of a server that leaves connect anew for their next request.
func (s *Server) closing(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if s.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, q)
	})
}
