// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"net/netip"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// Answer is what a filter wants done with a request.
type Answer uint8

const (
	Continue Answer = iota
	// Reply ends the request with Call.Refusal.
	Reply
	// Suspend holds the request for Call.Delay; then the same hook is called
	// again. Only a RouteFilter may answer it: before there is a route there is
	// no deadline either. What arrives of the body meanwhile is held within the
	// sender's window, and a deadline that passes ends the request.
	Suspend
)

// View is what routes and filters see of a request's head.
type View interface {
	Get(name string) (value []byte, ok bool)
	Method() []byte
	Path() []byte
	Authority() []byte
}

// Route is what a filter sees of the route that was found.
type Route interface {
	// FilterConfig is what CompileRoute made of the route's settings for a
	// filter of that name, nil where it has none.
	FilterConfig(name string) any
}

// Refusal is the reply of a filter that ends a request.
type Refusal struct {
	Reason codec.Reason
	// Status is that of an HTTP reply, 0 for the reason's own; Bolt and gRPC
	// clients get what it maps to.
	Status int
	// GRPC overrides the gRPC status unless it is 0.
	GRPC int
	// Body replaces the reason's text in an HTTP reply.
	Body string
}

// Metadata is labels that the host of a request must have. It never changes;
// equal ones of a loop are mostly the same.
type Metadata struct {
	Pairs []Pair // by key, each key once
}

// Pair is one label.
type Pair struct {
	Key, Value string
}

// Edit gives a header a value in place of any that it has, or takes it away where
// Value is nil. Name is in lower case.
type Edit struct {
	Name, Value []byte
}

// Trace is how a request stands in a distributed trace.
type Trace interface {
	// IDs are in hexadecimal, empty where there is none, and valid until the
	// request's end.
	IDs() (trace, span []byte)
}

// Call is one request on its way through a chain. Hooks read the first group and
// set the second.
type Call struct {
	// Head is valid until the hook returns.
	Head View
	// Bolt tells that the client speaks Bolt, so that there is no path.
	Bolt bool
	// Length is the announced length of the body, or codec.BodyUnknown.
	Length int64
	// Peer is the client's address; it is not valid where it has none.
	Peer netip.Addr
	// Names are the alternative names of the client's certificate, none unless
	// it was verified.
	Names []string
	// Now is loop time.
	Now int64
	// Route and Cluster are set once the request is routed.
	Route   Route
	Cluster string

	Refusal  Refusal
	Delay    time.Duration
	Metadata *Metadata // nil for none
	// Edits are made to the head that goes to the host, in their order. They
	// are set before or in the first OnRoute; their bytes must live until the
	// request's end.
	Edits []Edit
	// Trace is nil for a request of which traces know nothing.
	Trace Trace

	at    int     // the next RouteFilter
	words []int64 // by filter
}

// Every hook gets a word of its own for each request, 0 at first.

// RequestFilter looks at a request before it is routed.
type RequestFilter interface {
	OnRequest(c *Call, word *int64) Answer
}

// RouteFilter looks at a request that is routed and has not been sent.
type RouteFilter interface {
	OnRoute(c *Call, word *int64) Answer
}

// BodyFilter sees n more bytes of a request's body arrive.
type BodyFilter interface {
	OnBody(c *Call, word *int64, n int) Answer
}

// ReplyFilter sees the head of the upstream's reply, which is valid until the
// hook returns. 1xx replies do not count.
type ReplyFilter interface {
	OnReply(c *Call, word *int64, reply codec.Head)
}

// EndFilter sees the end of each request that the chain saw the beginning of.
type EndFilter interface {
	OnEnd(c *Call, word *int64, r codec.Reason)
}
