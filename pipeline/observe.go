// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"net"
	"strings"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/router"
)

// Observer is told of each request of a chain when it has ended, whatever became
// of it: access logs, traces and lists of failures are observers. It belongs to
// one loop, is called on it, and must not block, lock or allocate. What it is
// given, it may read until it returns.
type Observer interface {
	Ended(r *Ended)
}

// Observing makes the observers of one chain.
type Observing interface {
	// Observers returns one observer for each loop, by its index. It notes in
	// want what they will ask of the heads. It is called once, off the loops.
	Observers(want *Wanted, loops int) []Observer
}

// Observers are those of one chain, by loop, with what they want to know.
type Observers struct {
	want  Wanted
	loops []observers
}

// observers are those of one chain on one loop.
type observers struct {
	want *Wanted
	list []Observer
}

// NewObservers makes the observers of a chain for that many loops; nil where
// nobody observes, so that such a chain pays for one comparison.
func NewObservers(loops int, list ...Observing) *Observers {
	if len(list) == 0 {
		return nil
	}
	o := &Observers{loops: make([]observers, loops)}
	for _, one := range list {
		for i, observer := range one.Observers(&o.want, loops) {
			o.loops[i].list = append(o.loops[i].list, observer)
		}
	}
	for i := range o.loops {
		o.loops[i].want = &o.want
	}
	return o
}

// loop is the observers on one loop; nil for none.
func (o *Observers) loop(index int) *observers {
	if o == nil {
		return nil
	}
	return &o.loops[index]
}

// Wanted is what the observers of a chain want of heads. A head is gone when its
// request ends, so that is copied while it is there, and nothing else.
type Wanted struct {
	request, reply []wantedHeader
	target         bool
}

// wantedHeader is a name as the configuration has it, for Bolt's keys, and in
// lower case.
type wantedHeader struct{ exact, lower string }

// Target asks for Ended.Method, Path, Authority, Scheme and Class.
func (w *Wanted) Target() { w.target = true }

// RequestHeader is the index under which Ended.Request will have a header of the
// request as the client sent it.
func (w *Wanted) RequestHeader(name string) int { return want(&w.request, name) }

// ReplyHeader is the index under which Ended.Reply will have a header of the reply
// as the client got it.
func (w *Wanted) ReplyHeader(name string) int { return want(&w.reply, name) }

func want(list *[]wantedHeader, name string) int {
	h := wantedHeader{name, strings.ToLower(name)}
	for i, other := range *list {
		if other == h {
			return i
		}
	}
	*list = append(*list, h)
	return len(*list) - 1
}

func (h *wantedHeader) of(head codec.Head) ([]byte, bool) {
	if head.Protocol() == codec.Bolt {
		if v, ok := head.Get(h.exact); ok || h.exact == h.lower {
			return v, ok
		}
	}
	return head.Get(h.lower)
}

// Ended is what is known of a request that has ended. A loop has one; it and the
// bytes in it are valid until the observer returns.
type Ended struct {
	// Loop times (see eventloop.Loop.Now), which change once per turn; 0 for
	// what never happened. Sent is when the first stream toward a host was
	// found, Resent when that of the last try was, Replied when the client was
	// given the head of its reply.
	Began, Received, Sent, Resent, Replied, Finished int64
	// Wall added to a loop time is nanoseconds since 1970.
	Wall int64

	Loop int // its index
	// Timers is the loop itself, for timers of the observer.
	Timers   *eventloop.Loop
	Listener string
	Cluster  string
	Route    *router.Route // nil where none was found
	Host     *cluster.Host // the last one chosen, nil for none
	// Tries counts the streams toward hosts, hedges among them.
	Tries int

	// UpstreamLocal is our address on the connection of the last try, nil where
	// there was none, and UpstreamConnection its number within the process.
	UpstreamLocal      net.Addr
	UpstreamConnection uint64
	// Connection numbers the client's connections within the process. Hello is
	// what its TLS handshake said, nil in plain text.
	Connection    uint64
	Remote, Local net.Addr
	Hello         *eventloop.Hello

	// From is the client's protocol, To the host's.
	From, To     codec.Protocol
	OneWay, GRPC bool
	// These are there if Wanted asked for the target.
	Method, Path, Authority, Scheme []byte // empty for Bolt
	Class                           []byte // of a Bolt request
	// Request and Reply are the headers asked for by Wanted. Long values are cut
	// short.
	Request, Reply []Header

	// Reason is why the request failed, ReasonNone if it did not.
	Reason codec.Reason
	// Status is that of the reply in HTTP's terms; where the client got none
	// because the request failed, it is the reason's. 0 for none.
	Status int
	// GRPC and Bolt status, NoStatus where the reply has none.
	GRPCStatus, BoltStatus int
	// UpstreamStatus is what the host answered, in HTTP's terms, 0 for nothing.
	UpstreamStatus int

	// Bytes of bodies: from and to the client, to and from hosts.
	BytesReceived, BytesSent                 int64
	UpstreamBytesSent, UpstreamBytesReceived int64

	// TraceID and SpanID are in hexadecimal, empty where there is none. A trace
	// that is not sampled has no span.
	TraceID, SpanID []byte
	Trace           filter.Trace // nil for none
}

// NoStatus stands for a status that a reply does not have.
const NoStatus = -1

// Header is one header that was asked for; not Present is not the same as empty.
type Header struct {
	Value   []byte
	Present bool
}
