// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"strconv"

	"github.com/sideloop/sideloop/codec"
)

// Server is an HTTP/2 session in the server role. It implements
// codec.ServerSession.
type Server struct{ conn }

var _ codec.ServerSession = (*Server)(nil)

// NewServer returns a session that gives each request to accept. It writes its
// SETTINGS at once. Limits are shared and must not change.
func NewServer(sink codec.Sink, owner codec.Owner, accept codec.Acceptor, mem *codec.Memory, l *Limits) *Server {
	s := new(Server)
	s.accept, s.mistake = accept, codec.ProtocolError
	s.init(sink, owner, mem, l)
	s.writeSettings()
	s.set(alarmSetup, l.SetupTime)
	return s
}

// readPreface compares the input with the preface (RFC 9113, 3.4). The first
// byte of another protocol ends the connection.
func (c *conn) readPreface(b []byte) (n int, more bool) {
	want := Preface[c.gotHead:]
	n = min(len(want), len(b))
	if string(b[:n]) != want[:n] {
		c.fail(codeProtocolError, "bad_preface")
		return 0, false
	}
	c.gotHead += uint8(n)
	if n < len(want) {
		return n, false
	}
	c.gotHead = 0
	c.phase = phaseHead
	return n, true
}

// openRequest is a header block on a new stream.
func (c *conn) openRequest(m *message, tooLarge bool) {
	id, end := c.block.id, c.block.end
	if c.drain == drainFinal {
		// The client knows, or will know, that this was not looked at.
		c.ignored = max(c.ignored, id)
		c.overhead(1, "frame_after_goaway")
		return
	}
	c.maxID = id
	switch {
	case c.block.selfParent:
		c.tellRefused(m, codec.ProtocolError)
		c.refuseRequest(codeProtocolError, "priority_self")
		return
	case c.table.count >= c.limits.MaxStreams:
		c.tellRefused(m, codec.Overflow)
		c.refuseStream()
		return
	case tooLarge:
		c.tellRefused(m, codec.HeaderTooLarge)
		c.answerTooLarge(m)
		return
	}
	if word := m.request(end, c.limits.Connect); word != "" {
		c.tellRefused(m, codec.ProtocolError)
		c.refuseRequest(codeProtocolError, word)
		return
	}
	head := c.remember(m)
	if c.suspect && c.resetAhead(id) {
		c.forgo(id)
		return
	}
	s := c.open(id)
	s.answered = true
	s.tunnel = head.tunnel()
	s.want = head.ContentLength
	receiver := c.accept.OnRequest(s)
	if s.state == stateClosed {
		return
	}
	s.receiver = receiver
	if end {
		c.recvEnd(s)
	}
	receiver.OnHeaders(head, nil, end)
}

// tellRefused tells the acceptor of a request that it is not given.
func (c *conn) tellRefused(m *message, r codec.Reason) {
	to, ok := c.accept.(codec.Refuser)
	if !ok {
		return
	}
	h := m.known
	if h == nil {
		h = &m.head
		_ = m.request(c.block.end, c.limits.Connect) // for what it understands
		h.Fields, h.names = m.fields, 0
	}
	to.OnRefused(h, r)
}

// refuseRequest resets a stream that never reaches the acceptor.
func (c *conn) refuseRequest(e code, word string) {
	c.past[endedByUs].note(c.block.id)
	c.refuse(c.block.id, e, word)
}

// refuseStream resets a stream over the limit, unprocessed. A client that has not
// acknowledged our SETTINGS may not know the limit (RFC 9113, 6.5.3).
func (c *conn) refuseStream() {
	const word = "too_many_streams"
	if c.acked {
		c.refuseRequest(codeRefusedStream, word)
		return
	}
	c.past[endedByUs].note(c.block.id)
	if c.overhead(1, word) && c.countReply("reset_flood") {
		c.writeRSTStream(c.block.id, codeRefusedStream)
	}
}

// answerTooLarge replies to a request whose header list is over the limit. m has
// the fields within it, which may tell that a gRPC client wants to know.
func (c *conn) answerTooLarge(m *message) {
	id, end := c.block.id, c.block.end
	if !c.countReply("header_too_large") {
		return
	}
	if c.glitch("header_too_large", glitchMistake); c.dead {
		return
	}
	const r = codec.HeaderTooLarge
	m.head.Fields = m.fields
	scratch := c.mem.Get()
	field := func(name, value string) {
		scratch.B = c.enc.AppendField(scratch.B, []byte(name), []byte(value), false)
	}
	if m.head.Streaming() {
		scratch.B = c.enc.AppendStatus(scratch.B, 200)
		field("content-type", "application/grpc")
		field("grpc-status", strconv.Itoa(r.GRPCStatus()))
		field("grpc-message", r.String()+": "+r.Text())
	} else {
		scratch.B = c.enc.AppendStatus(scratch.B, r.HTTPStatus())
	}
	field(codec.ReasonHeader, r.String())
	c.writeBlock(id, scratch.B, true)
	c.mem.Put(scratch)
	if end {
		c.past[endedBoth].note(id)
		return
	}
	// RFC 9113, 8.1: the rest of the request is of no use.
	c.refuseRequest(codeNoError, "header_too_large")
}

// finalStatus is the status to send for a reply: 502 for what HTTP/2 can not
// say, among it 101 (RFC 9113, 8.6).
func finalStatus(status int) int {
	if status < 200 || status > 999 {
		return codec.UpstreamProtocolError.HTTPStatus()
	}
	return status
}

// informational tells 1xx, of which HTTP/2 has no 101.
func informational(status int) bool {
	return status >= 100 && status < 200 && status != 101
}

// PeerClosed implements codec.Session.
func (s *Server) PeerClosed() {
	if s.dead || s.peerClosed {
		return
	}
	s.peerClosed = true
	s.checkDrained()
	if !s.dead {
		s.set(alarmSweep, sweepDelay)
	}
}

// Drain implements codec.Session. It says that it will stop, and one round trip
// later what its last stream is, so that no request is lost that was under way
// (RFC 9113, 6.8).
func (s *Server) Drain() {
	if s.dead || s.drain != drainNone {
		return
	}
	s.announceDrain()
}
