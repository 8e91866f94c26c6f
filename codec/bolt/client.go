// SPDX-License-Identifier: Apache-2.0

package bolt

import "github.com/sideloop/sideloop/codec"

// Client is a session in the client role: its peer is an upstream host.
type Client struct {
	conn
	ids       ids
	sentBeats [maxBeats]uint32 // heartbeats without an answer, oldest first
	waiting   uint8            // how many of them
	swept     int              // slots of ids that have no parcels any more, at the end
}

var (
	_ codec.ClientSession = (*Client)(nil)
	_ codec.Prober        = (*Client)(nil)
)

// NewClient returns the session of a new upstream connection, whose request ids
// start at firstID. mem is the loop's; l is read only and shared.
func NewClient(sink codec.Sink, owner codec.Owner, mem *codec.Memory, l *Limits, firstID uint32) *Client {
	c := &Client{ids: ids{next: firstID}}
	c.init(sink, owner, mem, l)
	c.role = c
	return c
}

// Capacity implements codec.ClientSession. It is 0 while the connection takes
// or sends a large frame, which would hold up others, while the host does not
// read what was sent, and once the session ends.
func (c *Client) Capacity() int {
	if c.dead || c.draining || c.body.open || c.wire.holder != nil || c.sink.Blocked() {
		return 0
	}
	return max(c.limits.MaxStreams-c.active, 0)
}

// Open implements codec.ClientSession.
func (c *Client) Open(r codec.Receiver) codec.Stream {
	if c.Capacity() == 0 {
		return nil
	}
	return c.open(r)
}

// PeerClosed implements codec.Session. No reply can come any more.
func (c *Client) PeerClosed() {
	if c.dead {
		return
	}
	c.eof = true
	c.truncated()
	c.shut(codec.UpstreamClosed)
}

// Drain implements codec.Session.
func (c *Client) Drain() {
	c.draining = true
	c.settle()
}

// whole implements role.
func (c *Client) whole(h *Head, content []byte, f fault) {
	if c.replied(h, content, f) {
		return
	}
	s := c.match(h, f)
	if s == nil {
		return
	}
	s.in = inEnded
	c.ids.remove(s)
	s.recv.OnHeaders(h, content, true)
	c.finish(s)
}

// begin implements role.
func (c *Client) begin(h *Head, f fault) {
	if p := c.ids.getParcel(h.ID); p != nil && h.Type == TypeResponse && h.Command != CommandHeartbeat {
		p.Carrier.Unfold()
	}
	s := c.match(h, f)
	if s == nil {
		return
	}
	s.in = inBody
	c.body.dest = s
	s.recv.OnHeaders(h, nil, false)
}

// match returns the stream that h is the reply to, or nil for what is not a
// reply, or not a good one; that has then been dealt with.
func (c *Client) match(h *Head, f fault) *stream {
	if h.Type != TypeResponse {
		c.request(h, f)
		return nil
	}
	if h.Command == CommandHeartbeat {
		if f == faultNone {
			c.beatAnswered(h.ID)
		}
		return nil
	}
	s := c.ids.get(h.ID)
	switch {
	case s == nil:
		// It comes late, twice, or to a one-way request.
		c.owner.Glitch("unknown_request_id")
	case f == faultTooLarge:
		c.fail(s, codec.BodyTooLarge)
	case f != faultNone:
		c.fail(s, codec.UpstreamProtocolError)
	default:
		return s
	}
	return nil
}

// request takes a request that the upstream host sends.
func (c *Client) request(h *Head, f fault) {
	switch {
	case f != faultNone:
	case h.Command == CommandHeartbeat:
		c.answerBeat(h)
	case h.Command == CommandGoAway:
		c.onGoAway()
	default:
		c.owner.Glitch("unexpected_request")
	}
}

// broken implements role.
func (c *Client) broken(*Head, fault) { c.shut(codec.UpstreamProtocolError) }

// stamp implements role.
func (c *Client) stamp(s *stream, h *Head) {
	s.stamp = c.requestStamp(h)
	s.oneWay = s.stamp.typ == TypeOneWay
	if s.oneWay {
		s.stamp.id = c.ids.fresh()
		return
	}
	c.ids.add(s)
}

// requestStamp is the stamp of the request that h heads, but for its id: it goes
// out as it is, under an id of this connection. A head that was built may leave
// version, command and codec to us.
func (c *Client) requestStamp(h *Head) stamp {
	version, codec := max(h.Version, V1), h.Codec
	if codec == 0 {
		codec = CodecHessian
	}
	st := stamp{form: formOf(version, max(h.Ver1, 1), codec, h.Switch), command: h.Command, typ: TypeRequest}
	if h.Type == TypeOneWay {
		st.typ = TypeOneWay
	}
	if st.command == CommandHeartbeat {
		st.command = CommandRequest
	}
	c.version = version
	return st
}

// refuse implements role: a request that was not sent needs no word.
func (c *Client) refuse(*stream, codec.Reason) {}

// gone implements role.
func (c *Client) gone(s *stream) { c.ids.remove(s) }

// idle implements role.
func (c *Client) idle() { c.ids.trim() }

// Limit implements codec.ClientSession. The protocol has none of its own.
func (c *Client) Limit() (n int, stated bool) { return c.limits.MaxStreams, true }
