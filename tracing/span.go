// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"bytes"
	"net"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline"
)

// Fields of opentelemetry.proto.trace.v1.Span and its Status.
const (
	spanTraceID    = 1
	spanID         = 2
	spanState      = 3
	spanParent     = 4
	spanName       = 5
	spanKind       = 6
	spanStart      = 7
	spanEnd        = 8
	spanAttributes = 9
	spanStatus     = 15
	spanFlags      = 16

	statusMessage = 2
	statusCode    = 3

	kindServer  = 2
	kindClient  = 3
	statusError = 2

	flagSampled = 0x001
	flagRandom  = 0x002
)

// textMax is the longest text of an attribute: paths have queries as long as
// clients like.
const textMax = 1 << 10

// headers are where the observer finds what it asked for.
type headers struct {
	service, method int
}

// appendSpan adds the span of one request.
func appendSpan(m *message, t *trace, e *pipeline.Ended, w *headers) {
	span := m.open(scopeSpans)
	var room [16]byte
	m.bytes(spanTraceID, rawID(room[:0], t.context.TraceID[:]))
	m.bytes(spanID, rawID(room[:0], t.span[:]))
	if len(t.state) > 0 {
		m.utf8(spanState, t.state)
	}
	if !none(&t.context.Parent) {
		m.bytes(spanParent, rawID(room[:0], t.context.Parent[:]))
	}
	kind := uint64(kindServer)
	if t.client {
		kind = kindClient
	}
	m.number(spanKind, kind)
	m.fixed64(spanStart, uint64(e.Began+e.Wall))
	m.fixed64(spanEnd, uint64(e.Finished+e.Wall))
	c := callOf(e, w)
	c.name(m)
	c.attributes(m, e)
	common(m, t, e)
	if c.failed(e, t.client) {
		at := m.open(spanStatus)
		if e.Reason != codec.ReasonNone {
			m.text(statusMessage, e.Reason.Text())
		}
		m.number(statusCode, statusError)
		m.close(at)
	}
	flags := uint32(flagSampled)
	if t.context.Random {
		flags |= flagRandom
	}
	m.fixed32(spanFlags, flags)
	m.close(span)
}

// system is what a request is in the terms of OpenTelemetry's conventions.
type system uint8

const (
	systemHTTP system = iota
	systemGRPC
	systemBolt
)

// call is what a request asks for.
type call struct {
	system          system
	service, method []byte // of an RPC
	http            []byte // the method of HTTP
}

// callOf is what a request asks for. A Bolt request that a sidecar carries over
// HTTP/2 has its headers as fields.
func callOf(e *pipeline.Ended, w *headers) call {
	c := call{http: e.Method}
	service := e.Request[w.service]
	switch {
	case e.GRPC:
		c.system = systemGRPC
		c.service, c.method, _ = bytes.Cut(bytes.TrimPrefix(e.Path, slash), slash)
	case e.From == codec.Bolt || e.To == codec.Bolt && service.Present:
		c.system = systemBolt
		c.service, c.method = service.Value, e.Request[w.method].Value
	}
	return c
}

var slash = []byte("/")

// name adds a name of which there are few: never a path.
func (c *call) name(m *message) {
	at := m.open(spanName)
	switch {
	case c.system == systemHTTP:
		*m = append(*m, c.http...)
	case len(c.service) == 0:
		*m = append(*m, "request"...)
	default:
		*m = append(*m, cut(c.service)...)
		if len(c.method) > 0 {
			*m = append(append(*m, '/'), cut(c.method)...)
		}
	}
	for i := at; i < len(*m); i++ {
		if (*m)[i] >= 0x80 {
			(*m)[i] = '?'
		}
	}
	m.close(at)
}

func cut(v []byte) []byte { return v[:min(len(v), textMax)] }

// attributes adds those of the protocol.
func (c *call) attributes(m *message, e *pipeline.Ended) {
	switch c.system {
	case systemGRPC:
		m.textAttribute(spanAttributes, "rpc.system", "grpc")
		if e.GRPCStatus != pipeline.NoStatus {
			m.intAttribute(spanAttributes, "rpc.grpc.status_code", int64(e.GRPCStatus))
		}
	case systemBolt:
		m.textAttribute(spanAttributes, "rpc.system", "sofarpc")
		if e.BoltStatus != pipeline.NoStatus {
			m.intAttribute(spanAttributes, "rpc.sofarpc.status_code", int64(e.BoltStatus))
		}
	}
	m.attribute(spanAttributes, "rpc.service", cut(c.service))
	m.attribute(spanAttributes, "rpc.method", cut(c.method))
	if e.From == codec.HTTP2 {
		m.attribute(spanAttributes, "http.request.method", c.http)
		path, query, _ := bytes.Cut(e.Path, []byte("?"))
		m.attribute(spanAttributes, "url.path", cut(path))
		m.attribute(spanAttributes, "url.query", cut(query))
		m.attribute(spanAttributes, "url.scheme", e.Scheme)
		m.attribute(spanAttributes, "server.address", cut(e.Authority))
		m.textAttribute(spanAttributes, "network.protocol.name", "http")
		m.textAttribute(spanAttributes, "network.protocol.version", "2")
		if e.Status != 0 {
			m.intAttribute(spanAttributes, "http.response.status_code", int64(e.Status))
		}
	} else {
		m.textAttribute(spanAttributes, "network.protocol.name", "bolt")
	}
}

// common adds what is known of any request.
func common(m *message, t *trace, e *pipeline.Ended) {
	if a, ok := e.Remote.(*net.TCPAddr); ok {
		at := m.open(spanAttributes)
		m.text(keyValueKey, "client.address")
		value := m.open(keyValueValue)
		text := m.open(anyString)
		*m = a.AddrPort().Addr().Unmap().WithZone("").AppendTo(*m)
		m.close(text)
		m.close(value)
		m.close(at)
		m.intAttribute(spanAttributes, "client.port", int64(a.Port))
	}
	m.textAttribute(spanAttributes, "sideloop.listener", e.Listener)
	if e.Route != nil {
		m.textAttribute(spanAttributes, "sideloop.route", e.Route.Place)
	}
	m.textAttribute(spanAttributes, "sideloop.cluster", e.Cluster)
	if e.Host != nil {
		m.textAttribute(spanAttributes, "sideloop.host", e.Host.Address)
	}
	m.intAttribute(spanAttributes, "sideloop.tries", int64(e.Tries))
	m.textAttribute(spanAttributes, "sideloop.reason", e.Reason.String())
	m.textAttribute(spanAttributes, "error.type", e.Reason.String())
	m.intAttribute(spanAttributes, "http.request.body.size", e.BytesReceived)
	m.intAttribute(spanAttributes, "http.response.body.size", e.BytesSent)
	m.attribute(spanAttributes, "sofa.trace_id", t.origin)
	m.attribute(spanAttributes, "sofa.rpc_id", t.path)
}

// failed tells whether the span is an error, as the conventions have it: for a
// server what is its own fault, for a client all that is no success.
func (c *call) failed(e *pipeline.Ended, client bool) bool {
	if e.Reason != codec.ReasonNone {
		// A client that leaves is not the server's fault.
		left := e.Reason == codec.DownstreamReset || e.Reason == codec.DownstreamClosed
		return client || !left
	}
	switch c.system {
	case systemGRPC:
		switch e.GRPCStatus {
		case 0, pipeline.NoStatus:
			return false
		case 2, 4, 12, 13, 14, 15: // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
			return true
		}
		return client
	case systemBolt:
		return e.BoltStatus > 0 || e.Status >= 500
	}
	return e.Status >= 500 || client && e.Status >= 400
}
