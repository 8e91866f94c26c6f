// SPDX-License-Identifier: Apache-2.0

package bolt

import "github.com/sideloop/sideloop/codec"

var (
	_ codec.ParcelServer = (*Server)(nil)
	_ codec.ParcelClient = (*Client)(nil)
)

// offer gives a request to an acceptor that takes parcels. It is false where a
// stream is to be made of it.
func (s *Server) offer(h *Head, content []byte) bool {
	if s.parcels == nil || h.Type != TypeRequest {
		return false
	}
	p := s.parcels.OnWhole(h, content)
	if p == nil {
		return false
	}
	p.Down = replyStamp(h).pack()
	p.Prev, p.Next = nil, s.first
	if p.Next != nil {
		p.Next.Prev = p
	}
	s.first = p
	s.active++
	s.quiet = false
	return true
}

// forget takes p off the server's parcels.
func (s *Server) forget(p *codec.Parcel) {
	if p.Prev != nil {
		p.Prev.Next = p.Next
	} else {
		s.first = p.Next
	}
	if p.Next != nil {
		p.Next.Prev = p.Prev
	}
	p.Prev, p.Next = nil, nil
	s.active--
}

// Answer implements codec.ParcelServer.
func (s *Server) Answer(p *codec.Parcel, head codec.Head, body []byte) bool {
	h, st := head.(*Head), unpack(p.Down)
	st.recode(h)
	if !s.dead {
		if s.unsendable(st, h, int64(len(body))) != codec.ReasonNone {
			return false
		}
		s.sendWhole(st, h, body)
	}
	s.forget(p)
	s.released()
	return true
}

// Unfold implements codec.ParcelServer.
func (s *Server) Unfold(p *codec.Parcel, r codec.Receiver) codec.Stream {
	s.forget(p)
	st := s.open(r)
	st.stamp, st.in = unpack(p.Down), inEnded
	return st
}

// unfold implements role.
func (s *Server) unfold() bool {
	if s.first == nil {
		return false
	}
	s.first.Carrier.Unfold()
	return true
}

// Send implements codec.ParcelClient.
func (c *Client) Send(p *codec.Parcel, head codec.Head, body []byte) {
	h := head.(*Head)
	st := c.requestStamp(h)
	st.id = c.ids.addParcel(p)
	c.active++
	c.quiet = false
	c.sendWhole(st, h, body)
}

// Unfold implements codec.ParcelClient.
func (c *Client) Unfold(p *codec.Parcel, r codec.Receiver) codec.Stream {
	id := uint32(p.Up)
	c.active--
	s := c.open(r)
	s.stamp.id, s.out = id, outEnded
	c.ids.slots[c.ids.slot(id)] = slot{stream: s}
	return s
}

// unfold implements role. It is called over and over by a session that ends, so
// it goes on where it was.
func (c *Client) unfold() bool {
	for ; c.swept < len(c.ids.slots); c.swept++ {
		if p := c.ids.slots[c.swept].parcel; p != nil {
			p.Carrier.Unfold()
			return true
		}
	}
	return false
}

// replied gives a parcel its reply, which came whole and in order. It is false
// where h is not the reply to a parcel; one whose reply is no good has then been
// unfolded.
func (c *Client) replied(h *Head, content []byte, f fault) bool {
	if h.Type != TypeResponse || h.Command == CommandHeartbeat {
		return false
	}
	p := c.ids.getParcel(h.ID)
	if p == nil {
		return false
	}
	if f != faultNone {
		p.Carrier.Unfold()
		return false
	}
	c.ids.clear(h.ID)
	c.active--
	p.Carrier.OnReply(h, content)
	c.released()
	return true
}
