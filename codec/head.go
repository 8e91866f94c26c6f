// SPDX-License-Identifier: Apache-2.0

package codec

import "time"

// BodyUnknown is what BodyLength returns when the sender announced no length.
const BodyUnknown int64 = -1

// Head is the beginning of a request or a reply: everything before the body.
// Each protocol has its own concrete type; what a route, a filter or an
// exchange needs of any of them is here. A Head is a view: it is valid as long
// as the call that handed it over, unless it came from Copy.
type Head interface {
	Protocol() Protocol

	// Get returns the first value of a header. Names are compared exactly:
	// HTTP/2 names are lower case, Bolt keys are as the client wrote them.
	Get(name string) (value []byte, ok bool)

	// Method, Path and Authority are empty where the protocol has none. Path
	// is the :path pseudo-header with its query.
	Method() []byte
	Path() []byte
	Authority() []byte

	// HTTPStatus is the status of a reply in HTTP terms, 0 for a request. A
	// Bolt status is mapped.
	HTTPStatus() int

	// BodyLength is the announced length in bytes, or BodyUnknown.
	BodyLength() int64

	// OneWay tells that the sender wants no reply.
	OneWay() bool

	// Timeout is the deadline that the request itself carries (the timeout
	// field of Bolt, grpc-timeout), counted from its arrival. ok is false
	// when it states none; a negative Bolt timeout means "no limit" and is
	// returned as d < 0 with ok.
	Timeout() (d time.Duration, ok bool)

	// Streaming tells that the exchange may last as long as it makes progress
	// when no Timeout is stated (gRPC).
	Streaming() bool

	// Copy returns a head of the same type and content that lives as long as
	// the arena is not reset.
	Copy(a *Arena) Head
}

// Arena holds copies of heads beyond the callback that delivered them. It keeps
// one reusable head per protocol and one byte buffer, so that copying allocates
// nothing once it is warm. The zero value is ready.
type Arena struct {
	bytes []byte
	heads [ProtocolCount]Head
	// views is the size of what heads take beside bytes.
	views int
}

// Reset forgets the copies. Buffer and heads are kept unless they are larger than
// keep bytes.
func (a *Arena) Reset(keep int) {
	if cap(a.bytes) > keep || a.views > keep {
		// The heads' own slices point into it.
		*a = Arena{}
		return
	}
	a.bytes, a.views = a.bytes[:0], 0
}

// Size is the number of bytes held.
func (a *Arena) Size() int { return len(a.bytes) + a.views }

// Account adds n bytes that a head takes beside those kept, such as the views of
// its fields, which a peer can make as many as it likes of no bytes each.
func (a *Arena) Account(n int) { a.views += n }

// Reserve makes room for n bytes, so that the Keep calls that follow, up to n
// bytes in all, do not move earlier copies. Copy methods call it first.
func (a *Arena) Reserve(n int) {
	if cap(a.bytes)-len(a.bytes) >= n {
		return
	}
	// Earlier copies keep pointing into the old array, which stays reachable
	// through them.
	a.bytes = make([]byte, 0, max(2*cap(a.bytes), n, arenaMin))
}

// arenaMin is the first size of an arena's buffer: a typical head of a request.
const arenaMin = 512

// Keep copies b into the arena and returns the copy. nil stays nil.
func (a *Arena) Keep(b []byte) []byte {
	if b == nil {
		return nil
	}
	a.Reserve(len(b))
	start := len(a.bytes)
	a.bytes = append(a.bytes, b...)
	return a.bytes[start:len(a.bytes):len(a.bytes)]
}

// Head returns the arena's reusable head of protocol p, nil before SetHead.
func (a *Arena) Head(p Protocol) Head { return a.heads[p] }

// SetHead gives the arena its reusable head of protocol p.
func (a *Arena) SetHead(p Protocol, h Head) { a.heads[p] = h }
