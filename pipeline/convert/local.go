// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"strconv"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

// Values that local replies use.
var (
	textPlain      = []byte("text/plain; charset=utf-8")
	grpcType       = []byte("application/grpc")
	expectContinue = []byte("100-continue")
)

// localBuilder makes replies of the proxy itself.
type localBuilder struct {
	bolt   bolt.Head
	pairs  []byte
	fields fieldBuilder
	body   []byte
}

// Local returns the reply that tells a client of protocol p that its request
// ended for reason r: the status of the reason's row, and the reason's word
// under codec.ReasonHeader. It ends the stream.
func (c *Converter) Local(p codec.Protocol, r codec.Reason, asked Asked) (h codec.Head, body []byte) {
	return c.Refuse(p, Refusal{Reason: r, HTTP: r.HTTPStatus(), GRPC: r.GRPCStatus(), Bolt: r.BoltStatus()}, asked)
}

// Refusal is a reply of the proxy whose statuses may be others than those of its
// reason's row.
type Refusal struct {
	Reason     codec.Reason
	HTTP, GRPC int
	Bolt       uint16
	// Body replaces the reason's text where the client's protocol has room for
	// one.
	Body string
}

// Refuse is Local with the statuses and the body of f.
func (c *Converter) Refuse(p codec.Protocol, f Refusal, asked Asked) (h codec.Head, body []byte) {
	b := &c.local
	if p == codec.Bolt {
		b.pairs = bolt.AppendPair(b.pairs[:0], []byte(reasonHeader), []byte(f.Reason.String()))
		b.bolt = bolt.Head{
			Version: bolt.V1, Type: bolt.TypeResponse, Command: bolt.CommandResponse,
			Ver2: 1, Status: f.Bolt, Map: bolt.HeaderMap(b.pairs),
		}
		return &b.bolt, nil
	}
	b.fields.reset()
	if asked.GRPC {
		// A trailers-only reply (gRPC over HTTP/2, Responses).
		b.fields.head.Status = 200
		b.fields.add("content-type", grpcType)
		b.grpcStatus(f.Reason, f.GRPC)
		return &b.fields.head, nil
	}
	b.body = append(b.body[:0], f.Body...)
	if f.Body == "" {
		b.body = append(b.body, f.Reason.String()...)
		b.body = append(b.body, ": "...)
		b.body = append(append(b.body, f.Reason.Text()...), '\n')
	}
	b.fields.head.Status = f.HTTP
	b.fields.add("content-type", textPlain)
	b.fields.add("content-length", b.fields.text(strconv.Itoa(len(b.body))))
	b.fields.add(reasonHeader, b.fields.text(f.Reason.String()))
	if asked.Head {
		return &b.fields.head, nil
	}
	return &b.fields.head, b.body
}

// LocalTrailers returns the trailers that tell a gRPC client, whose reply has
// begun, that it ended for reason r.
func (c *Converter) LocalTrailers(r codec.Reason) codec.Head {
	b := &c.local
	b.fields.reset()
	b.grpcStatus(r, r.GRPCStatus())
	return &b.fields.head
}

// grpcStatus adds the fields that end a gRPC reply.
func (b *localBuilder) grpcStatus(r codec.Reason, status int) {
	b.fields.number("grpc-status", int64(status))
	b.fields.add("grpc-message", b.fields.text(r.String()+": "+r.Text()))
	b.fields.add(reasonHeader, b.fields.text(r.String()))
}

// Continue returns the reply that lets a client send the body which it holds
// back until it is told to (RFC 9110, 10.1.1), nil where h expects none.
func (c *Converter) Continue(h codec.Head) codec.Head {
	if v, ok := h.Get("expect"); !ok || !bytes.EqualFold(v, expectContinue) {
		return nil
	}
	b := &c.local.fields
	b.reset()
	b.head.Status = 100
	return &b.head
}

// Accepted returns the reply to a one-way request that arrived over HTTP/2,
// which has none: 202 without a body, as soon as the request was passed on.
func (c *Converter) Accepted() codec.Head {
	b := &c.local.fields
	b.reset()
	b.head.Status = 202
	return &b.head
}
