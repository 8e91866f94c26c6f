// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/convert"
)

const (
	// observedValueMax is how much is kept of one value for observers: beyond
	// what paths and tokens have that somebody reads.
	observedValueMax = 4 << 10
	// observedHeadMax is how much is kept of one request, so that a client
	// cannot make a line as long as it likes by many headers.
	observedHeadMax = 16 << 10
	// observedBudget is how much is kept on a loop: 16,000 ordinary requests in
	// progress. Beyond it values are cut to observedShort.
	observedBudget = 4 << 20
	observedShort  = 32
	// observedKeep is how large a buffer is kept for reuse.
	observedKeep = 2 << 10
	// wallInterval is how often a loop compares its time with the wall clock.
	wallInterval = int64(time.Second)
)

// observed is what is noted of an exchange for observers while it is under way;
// an exchange of a chain without observers has none.
type observed struct {
	observers *observers
	next      *observed

	bytes          []byte
	request, reply []span // by the index in Wanted

	observedState
}

// observedState is all zero between two requests.
type observedState struct {
	method, path, authority, scheme, class span

	received, sent, resent, replied int64
	tries                           int
	status, grpc, bolt              int
	in, out, upOut, upIn            int64
}

// span is a part of observed.bytes; absent where to is 0.
type span struct{ from, to int32 }

// classed heads are of Bolt, schemed ones of HTTP.
type (
	classed interface{ ClassName() []byte }
	schemed interface{ URIScheme() []byte }
)

// observe starts to note an exchange.
func (e *exchange) observe(by *observers) {
	w := e.worker
	o := w.freeObserved
	if o == nil {
		o = new(observed)
	} else {
		w.freeObserved, o.next = o.next, nil
		w.spareObserved--
	}
	o.observers = by
	o.grpc, o.bolt = NoStatus, NoStatus
	e.observed = o
}

// observeRequest notes the request's head and the first n bytes of its body.
func (e *exchange) observeRequest(h codec.Head, n int) {
	o := e.observed
	o.in += int64(n)
	// The first byte is nobody's, so that a span that ends at 0 is absent.
	o.bytes = append(o.bytes, 0)
	c, bolt := h.(classed)
	switch {
	case !o.observers.want.target && bolt:
	case !o.observers.want.target:
		// For the list of failures.
		o.method, o.path = e.note(h.Method()), e.note(h.Path())
	case bolt:
		o.class = e.note(c.ClassName())
	default:
		o.method, o.path, o.authority = e.note(h.Method()), e.note(h.Path()), e.note(h.Authority())
		if s, ok := h.(schemed); ok {
			o.scheme = e.note(s.URIScheme())
		}
	}
	o.request = e.noteHeaders(o.request, o.observers.want.request, h)
}

// note keeps a value.
func (e *exchange) note(v []byte) span {
	o, w := e.observed, e.worker
	if len(v) > observedShort {
		most := min(observedValueMax, observedHeadMax-len(o.bytes))
		if w.observedBytes+len(v) > observedBudget {
			most = observedShort
		}
		v = v[:min(len(v), max(most, observedShort))]
	}
	w.observedBytes += len(v)
	from := len(o.bytes)
	o.bytes = append(o.bytes, v...)
	return span{int32(from), int32(len(o.bytes))}
}

func (e *exchange) noteHeaders(to []span, want []wantedHeader, h codec.Head) []span {
	to = to[:0]
	for i := range want {
		s := span{}
		if v, ok := want[i].of(h); ok {
			s = e.note(v)
		}
		to = append(to, s)
	}
	return to
}

// observeStream notes that a stream toward a host was found.
func (e *exchange) observeStream() {
	o := e.observed
	o.tries++
	o.resent = e.worker.loop.Now()
	if o.sent == 0 {
		o.sent = o.resent
	}
}

// observeReply notes the head of the reply as the client gets it, and the first n
// bytes of its body.
func (e *exchange) observeReply(h codec.Head, n int) {
	o := e.observed
	o.replied = e.worker.loop.Now()
	o.out += int64(n)
	o.status = h.HTTPStatus()
	_, o.grpc, o.bolt = convert.Statuses(h)
	if len(o.bytes) == 0 {
		o.bytes = append(o.bytes, 0)
	}
	o.reply = e.noteHeaders(o.reply, o.observers.want.reply, h)
}

// observeTrailers notes what the trailers of the reply say.
func (e *exchange) observeTrailers(t codec.Head) {
	if t == nil {
		return
	}
	if _, s, _ := convert.Statuses(t); s != NoStatus {
		e.observed.grpc = s
	}
}

// tellObservers tells that the exchange ends for reason r, and forgets what was
// noted for it.
func (e *exchange) tellObservers(r codec.Reason) {
	o, w := e.observed, e.worker
	c := e.conn
	n := &w.ended
	n.Began, n.Received, n.Sent, n.Resent = e.meter.began, o.received, o.sent, o.resent
	n.Replied, n.Finished, n.Wall = o.replied, w.loop.Now(), w.wallOffset()
	n.Loop, n.Timers, n.Listener = w.loop.Index(), w.loop, c.chain.Listener
	n.Cluster, n.Route, n.Host, n.Tries = e.cluster, e.route, e.request.Host(), o.tries
	n.Connection, n.Remote, n.Local, n.Hello = c.number, c.conn.RemoteAddr(), c.conn.LocalAddr(), c.conn.Hello()
	n.From, n.To, n.OneWay, n.GRPC = e.from, e.to, e.oneWay, e.asked.GRPC
	n.Method, n.Path, n.Authority, n.Scheme = o.value(o.method), o.value(o.path), o.value(o.authority), o.value(o.scheme)
	n.Class = o.value(o.class)
	n.Request = o.headers(n.Request, o.request, len(o.observers.want.request))
	n.Reply = o.headers(n.Reply, o.reply, len(o.observers.want.reply))
	n.Reason, n.Status, n.GRPCStatus, n.BoltStatus, n.UpstreamStatus = r, o.status, o.grpc, o.bolt, e.meter.status
	n.BytesReceived, n.BytesSent, n.UpstreamBytesSent, n.UpstreamBytesReceived = o.in, o.out, o.upOut, o.upIn
	n.UpstreamLocal, n.UpstreamConnection = e.request.Connection()
	if o.replied == 0 && r != codec.ReasonNone && !e.oneWay {
		n.Status = r.HTTPStatus()
	}
	n.Trace, n.TraceID, n.SpanID = nil, nil, nil
	if f := e.filtering; f != nil && f.call.Trace != nil {
		n.Trace = f.call.Trace
		n.TraceID, n.SpanID = n.Trace.IDs()
	}
	for _, observer := range o.observers.list {
		observer.Ended(n)
	}
	e.observed = nil
	w.recycleObserved(o)
}

// value is the bytes of a span, nil where it is absent.
func (o *observed) value(s span) []byte {
	if s.to == 0 {
		return nil
	}
	return o.bytes[s.from:s.to:s.to]
}

// headers are n headers, of which none may have been noted.
func (o *observed) headers(to []Header, spans []span, n int) []Header {
	to = to[:0]
	for i := range n {
		h := Header{}
		if i < len(spans) && spans[i].to != 0 {
			h = Header{o.value(spans[i]), true}
		}
		to = append(to, h)
	}
	return to
}

// recycleObserved takes one back; as many are kept as exchanges.
func (w *Worker) recycleObserved(o *observed) {
	if n := len(o.bytes); n > 0 {
		w.observedBytes -= n - 1
	}
	if cap(o.bytes) > observedKeep {
		o.bytes = nil
	}
	o.bytes, o.request, o.reply = o.bytes[:0], o.request[:0], o.reply[:0]
	o.observers, o.observedState = nil, observedState{}
	if w.spareObserved >= spareExchanges {
		return
	}
	o.next, w.freeObserved = w.freeObserved, o
	w.spareObserved++
}

// numberConnection is the next number of a connection, in which the loop has its
// part.
func (w *Worker) numberConnection() uint64 {
	w.numbered++
	return w.numbered<<8 | uint64(w.loop.Index()&0xff)
}

// wallOffset is what makes loop time wall time. Both are compared once a second,
// so that a clock that was set is followed.
func (w *Worker) wallOffset() int64 {
	now := w.loop.Now()
	if w.wallAt == 0 || now-w.wallAt >= wallInterval {
		w.wallAt, w.wall = now, time.Now().UnixNano()-now
	}
	return w.wall
}
