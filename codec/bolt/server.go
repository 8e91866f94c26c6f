// SPDX-License-Identifier: Apache-2.0

package bolt

import "github.com/sideloop/sideloop/codec"

// Server is a session in the server role: its peer is a client.
type Server struct {
	conn
	accept codec.Acceptor
	// parcels is accept if it takes any; first are those in progress.
	parcels codec.ParcelAcceptor
	first   *codec.Parcel
}

var (
	_ codec.ServerSession = (*Server)(nil)
	_ codec.LeaveSession  = (*Server)(nil)
)

// NewServer returns the session of a new downstream connection. mem is the
// loop's; l is read only and shared.
func NewServer(sink codec.Sink, owner codec.Owner, accept codec.Acceptor, mem *codec.Memory, l *Limits) *Server {
	s := &Server{accept: accept}
	s.parcels, _ = accept.(codec.ParcelAcceptor)
	s.init(sink, owner, mem, l)
	s.role, s.downstream = s, true
	return s
}

// PeerClosed implements codec.Session. A request that was cut off is reset,
// complete ones are answered.
func (s *Server) PeerClosed() {
	if s.dead || s.eof {
		return
	}
	s.eof = true
	s.truncated()
	if dest := s.body.dest; dest != nil {
		s.fail(dest, codec.DownstreamClosed)
	}
	s.body = incoming{}
	s.settle()
}

// PeerLeft implements codec.LeaveSession. A large request of which less is left
// than it announced is over; so is the input, then.
func (s *Server) PeerLeft(unread int) {
	in := &s.body
	if in.open && int64(unread) < in.left+int64(in.tailSize-in.tailLen) {
		s.PeerClosed()
	}
}

// Drain implements codec.Session. Requests that still arrive are answered as
// busy, but served for a while by a session that sends GoAway.
func (s *Server) Drain() {
	if s.dead || s.draining {
		return
	}
	s.draining = true
	if s.limits.SendGoAway {
		s.sendGoAway()
		s.startGrace()
	}
	s.settle()
}

// whole implements role.
func (s *Server) whole(h *Head, content []byte, f fault) {
	if !s.admits(h, f) || s.offer(h, content) {
		return
	}
	st := s.accepted(h)
	if st == nil {
		return
	}
	st.in = inEnded
	st.recv.OnHeaders(h, content, true)
	s.finish(st)
}

// begin implements role.
func (s *Server) begin(h *Head, f fault) {
	if !s.admits(h, f) {
		return
	}
	st := s.accepted(h)
	if st == nil {
		return
	}
	st.in = inBody
	s.body.dest = st
	st.recv.OnHeaders(h, nil, false)
}

// admits is false for what is not a new request or is not taken; that has then
// been dealt with.
func (s *Server) admits(h *Head, f fault) bool {
	s.version = h.Version
	switch {
	case f != faultNone:
		s.answerFault(h, f)
	case h.Type == TypeResponse:
		s.owner.Glitch("unexpected_response")
	case h.Command == CommandHeartbeat:
		s.answerBeat(h)
	case h.Command == CommandGoAway:
		s.owner.Glitch("goaway_from_client")
	case h.Command != CommandRequest:
		s.owner.Glitch("unknown_command")
		s.answer(h, codec.ProtocolError)
	case s.draining && s.grace == graceNone:
		s.tellRefused(h, codec.Draining)
		s.answer(h, codec.Draining)
	default:
		return true
	}
	return false
}

// accepted makes the stream of a new request known to the acceptor, which may
// end it at once; it is nil then.
func (s *Server) accepted(h *Head) *stream {
	st := s.open(nil)
	st.stamp = replyStamp(h)
	st.oneWay = h.Type == TypeOneWay
	recv := s.accept.OnRequest(st)
	if !st.alive {
		return nil
	}
	st.recv = recv
	return st
}

// tellRefused tells the acceptor of a request that it is not given.
func (s *Server) tellRefused(h *Head, r codec.Reason) {
	if to, ok := s.accept.(codec.Refuser); ok {
		to.OnRefused(h, r)
	}
}

// answerFault answers a bad frame and shuts the connection if what follows it
// cannot be told.
func (s *Server) answerFault(h *Head, f fault) {
	r := codec.ProtocolError
	if f == faultTooLarge {
		r = codec.BodyTooLarge
	}
	if h.Type != TypeResponse && h.Command == CommandRequest {
		s.tellRefused(h, r)
	}
	s.answer(h, r)
	if f == faultTooLarge || f == faultLength {
		s.shut(r)
	}
}

// broken implements role.
func (s *Server) broken(h *Head, f fault) {
	if h == nil {
		s.shut(codec.ProtocolError)
		return
	}
	s.answerFault(h, f)
}

// stamp implements role: a reply goes out in the version and with the id and
// switches of its request.
func (s *Server) stamp(st *stream, h *Head) { st.stamp.recode(h) }

// refuse implements role.
func (s *Server) refuse(st *stream, r codec.Reason) {
	if !st.oneWay && !s.dead {
		s.reply(st.stamp, r)
	}
}

// gone implements role.
func (s *Server) gone(*stream) {}

// idle implements role.
func (s *Server) idle() {}

// answer replies to the request h itself, if a reply is expected.
func (s *Server) answer(h *Head, r codec.Reason) {
	if h.Type != TypeRequest {
		return
	}
	st := replyStamp(h)
	if h.Command == CommandHeartbeat {
		st.command = CommandHeartbeat
	}
	s.reply(st, r)
}
