// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

// replyClass is the class of a SOFARPC reply, for replies of plain HTTP/2
// services.
var replyClass = []byte("com.alipay.sofa.rpc.core.response.SofaResponse")

func (c *Converter) replyToHTTP2(h *bolt.Head, sidecar bool) *http2.Head {
	b := &c.reply.fields
	b.reset()
	b.head.Status = 200
	if !sidecar {
		b.head.Status = httpStatus(h)
	}
	b.head.ContentLength = int64(h.ContentLength)
	b.properties(h)
	b.content(h)
	b.number(nameStatus, int64(h.Status))
	b.number(nameStatusTime, 0)
	b.pairs(h)
	b.number("content-length", int64(h.ContentLength))
	if t := mediaType(h.Codec); t != nil && !sidecar {
		b.add("content-type", t)
	}
	return &b.head
}

// httpStatus is the :status of h for a client that is no sidecar. A reply that
// another Sideloop made has the one of its reason.
func httpStatus(h *bolt.Head) int {
	if word, ok := h.Get(reasonHeader); ok {
		if r, ok := codec.ReasonOf(word); ok && r.BoltStatus() == h.Status {
			return r.HTTPStatus()
		}
	}
	return codec.HTTPStatusFromBolt(h.Status)
}

// boltStatus is the status of h, which states none, in the same way.
func boltStatus(h *http2.Head) uint16 {
	if word, ok := h.Get(reasonHeader); ok {
		if r, ok := codec.ReasonOf(word); ok && r.HTTPStatus() == h.Status {
			return r.BoltStatus()
		}
	}
	return codec.BoltStatusFromHTTP(h.Status)
}

// replyToBolt: a reply that states no Bolt status is one of an HTTP service or
// of a proxy. If it is an error its body is a page for people, which no client
// can deserialise, so that it is left out.
func (c *Converter) replyToBolt(h *http2.Head) (converted *bolt.Head, body bool, r codec.Reason) {
	s := &c.reply
	s.bolt = bolt.Head{Version: bolt.V1, Ver1: 1, Type: bolt.TypeResponse, Command: bolt.CommandResponse, Ver2: 1}
	if h.ContentLength > maxBoltContent {
		return nil, false, codec.UpstreamProtocolError
	}
	if !readProperties(h, &s.bolt, plainReply) || s.bolt.Type != bolt.TypeResponse || s.bolt.Command != bolt.CommandResponse {
		return nil, false, codec.UpstreamProtocolError
	}
	_, stated := h.Get(nameStatus)
	_, sidecar := h.Get(nameProtocol)
	stated = stated && sidecar
	if !stated {
		s.bolt.Status = boltStatus(h)
	}
	body = stated || s.bolt.Status == codec.BoltSuccess
	if body && h.ContentLength > 0 {
		s.bolt.ContentLength = uint32(h.ContentLength)
	}
	if !sidecar && body {
		s.bolt.Class = replyClass
	}
	if r = rebuild(&s.pairs, h, &s.bolt); r != codec.ReasonNone {
		return nil, false, codec.UpstreamProtocolError
	}
	return &s.bolt, body, codec.ReasonNone
}
