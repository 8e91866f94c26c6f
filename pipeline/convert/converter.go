// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"math"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

const reasonHeader = codec.ReasonHeader

// Converter converts heads for one loop. The zero value is ready.
type Converter struct {
	request, reply struct {
		bolt   bolt.Head
		fields fieldBuilder
		pairs  mapBuilder
	}
	trailers fieldBuilder
	local    localBuilder
	view     boltView
	editors  editors
	arrivals editors // of requests as they arrive
	memo     memo
	// authority is the latest head of WithAuthority that is not remembered.
	authority http2.Head
}

// Request returns h as the head of a request in protocol to, h itself where
// nothing changes. It is the same for a request that stays HTTP/2, but without
// BoltHeader, which only a converted route may see.
func (c *Converter) Request(h codec.Head, to codec.Protocol) (codec.Head, codec.Reason) {
	switch h := h.(type) {
	case *bolt.Head:
		if to == codec.HTTP2 {
			return c.memo.toHTTP2(c, h, kindRequest, Asked{}), codec.ReasonNone
		}
	case *http2.Head:
		if to == codec.Bolt {
			return c.memo.requestToBolt(c, h)
		}
		return withoutBoltHeader(&c.request.fields, h), codec.ReasonNone
	}
	return h, codec.ReasonNone
}

// Reply returns h as the head of a reply in protocol to. body is false where
// the body must not be passed on, because it is no reply of the service or none
// was asked for.
func (c *Converter) Reply(h codec.Head, to codec.Protocol, asked Asked) (converted codec.Head, body bool, r codec.Reason) {
	switch h := h.(type) {
	case *bolt.Head:
		if to == codec.HTTP2 {
			return c.memo.toHTTP2(c, h, kindReply, asked), !asked.Head, codec.ReasonNone
		}
	case *http2.Head:
		if to == codec.Bolt {
			return c.memo.replyToBolt(c, h)
		}
		return withoutBoltHeader(&c.reply.fields, h), true, codec.ReasonNone
	}
	return h, true, codec.ReasonNone
}

// Asked is what a reply depends on of its request.
type Asked struct {
	// Sidecar requests carry a Bolt frame's fields, so that their sender reads
	// the Bolt status and not :status.
	Sidecar bool
	// GRPC requests get their status as a gRPC status.
	GRPC bool
	// Head requests get no content (RFC 9110, 9.3.2).
	Head bool
	// Connect requests ask for a tunnel.
	Connect bool
}

// Ask notes what the reply to h will depend on.
func Ask(h codec.Head) Asked {
	if h.Protocol() != codec.HTTP2 {
		return Asked{}
	}
	_, sidecar := h.Get(nameProtocol)
	method := string(h.Method())
	return Asked{Sidecar: sidecar, GRPC: h.Streaming(), Head: method == "HEAD", Connect: method == "CONNECT"}
}

// Trailers returns t for a message in protocol to; nil where the protocol has
// no trailers, so that the message ends with its body.
func (c *Converter) Trailers(t codec.Head, to codec.Protocol) codec.Head {
	if t.Protocol() != to {
		return nil
	}
	if h, ok := t.(*http2.Head); ok {
		return withoutBoltHeader(&c.trailers, h)
	}
	return t
}

// Broken tells that t is not a trailer section but the news that the message's
// checksum was wrong.
func Broken(t codec.Head) bool { return t == bolt.CorruptTail }

// SetBodyLength states the length of a body that was gathered.
func SetBodyLength(h codec.Head, n int) {
	switch h := h.(type) {
	case *bolt.Head:
		h.ContentLength = uint32(n)
	case *http2.Head:
		h.ContentLength = int64(n)
	}
}

// WithAuthority returns the head of a request converted from Bolt, naming the
// host that it goes to. It is valid as long as h, until the next call.
func (c *Converter) WithAuthority(h codec.Head, authority []byte) codec.Head {
	if h, ok := h.(*http2.Head); ok {
		return h.WithAuthority(authority, &c.authority)
	}
	return h
}

// maxBoltContent is the longest content that Java peers can be told of.
const maxBoltContent = math.MaxInt32

// withoutBoltHeader returns h, or a copy without BoltHeader where it has one.
func withoutBoltHeader(b *fieldBuilder, h *http2.Head) codec.Head {
	if _, ok := h.Get(BoltHeader); !ok {
		return h
	}
	b.reset()
	kept := b.head.Fields
	for i := range h.Fields {
		if string(h.Fields[i].Name) != BoltHeader {
			kept = append(kept, h.Fields[i])
		}
	}
	b.head = *h
	b.head.Fields = kept
	return &b.head
}
