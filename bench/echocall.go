// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
	"github.com/sideloop/sideloop/eventloop"
)

// echoCall is one request on its way back. Objects are reused.
type echoCall struct {
	conn   *echoConn
	next   *echoCall // in conn.free
	stream codec.Stream
	kind   callKind
	act    callAct
	frames messageFrames // of gRPC

	// While the reply is held back: what has come of the request, which is
	// bounded as its credit is not given back.
	held    bool
	timer   eventloop.Timer
	arena   codec.Arena
	head    codec.Head
	content []byte
	tail    codec.Head
	ended   bool

	owed    int    // content bytes sent back that the client has yet to take
	rest    []byte // of a reply that is no echo, what is still to be sent
	replied bool   // such a reply has begun
	bare    bool   // it has no content, as that of HEAD

	boltReply bolt.Head
	h2Reply   http2.Head
	fields    [replyFields]hpack.Field
	length    [maxDigits]byte
}

// callKind is how a call is answered.
type callKind uint8

const (
	callBolt callKind = iota
	callOneWay
	callHTTP
	callGRPC
)

// callAct is what is done with a request.
type callAct uint8

const (
	actEcho callAct = iota
	actBody         // a body of the configured size
	actFail
)

// callKept is the largest buffer that a call keeps for the next one; larger
// requests are rare.
const callKept = 64 << 10

var (
	_ codec.Receiver    = (*echoCall)(nil)
	_ eventloop.Expirer = (*echoCall)(nil)
)

// OnHeaders implements codec.Receiver.
func (e *echoCall) OnHeaders(h codec.Head, body []byte, end bool) {
	loop := e.conn.loop
	e.kind = kindOf(h)
	switch {
	case e.kind == callOneWay:
	case loop.fails():
		e.act = actFail
	case loop.echo.service.Body > 0:
		e.act = actBody
	}
	if d := loop.hold(e.conn.conn.Loop().Now()); d > 0 && e.kind != callOneWay {
		e.held = true
		e.head = h.Copy(&e.arena)
		e.OnData(body, end)
		e.conn.conn.Loop().Schedule(&e.timer, d)
		return
	}
	e.begin(h, body, end)
}

func kindOf(h codec.Head) callKind {
	switch {
	case h.OneWay():
		return callOneWay
	case h.Protocol() == codec.Bolt:
		return callBolt
	case h.Streaming():
		return callGRPC
	}
	return callHTTP
}

// OnTimer implements eventloop.Expirer: the reply is due.
func (e *echoCall) OnTimer(int64) {
	e.held = false
	head, content, tail, end := e.head, e.content, e.tail, e.ended
	e.begin(head, content, end && tail == nil)
	if tail != nil {
		e.OnTrailers(tail)
	}
}

// begin acts on the head with what has come of the content.
func (e *echoCall) begin(h codec.Head, body []byte, end bool) {
	if e.act != actEcho || e.kind == callOneWay {
		e.discard(h, body, end)
		return
	}
	switch e.kind {
	case callBolt:
		e.stream.SendHeaders(e.boltEcho(h.(*bolt.Head)), body, end)
		e.sent(len(body), end)
	case callHTTP:
		e.stream.SendHeaders(e.httpEcho(h.(*http2.Head)), body, end)
		e.sent(len(body), end)
	default:
		e.stream.SendHeaders(e.httpEcho(h.(*http2.Head)), nil, false)
		e.OnData(body, end)
	}
}

// OnData implements codec.Receiver.
func (e *echoCall) OnData(b []byte, end bool) {
	switch {
	case e.held:
		e.content = append(e.content, b...)
		e.ended = end
	case e.act != actEcho || e.kind == callOneWay:
		e.discard(nil, b, end)
	case e.kind == callGRPC:
		e.frames.take(b)
		e.stream.SendData(b, false)
		if end {
			e.stream.SendTrailers(e.grpcTail())
		}
		e.sent(len(b), end)
	default:
		e.stream.SendData(b, end)
		e.sent(len(b), end)
	}
}

// OnTrailers implements codec.Receiver. From Bolt they say that the request's
// checksum was wrong, and so shall be the reply's. Those of HTTP/2 only end it.
func (e *echoCall) OnTrailers(t codec.Head) {
	switch {
	case e.held:
		e.ended = true
		e.tail = bolt.CorruptTail
		if e.kind != callBolt {
			e.tail = nil
		}
	case e.kind == callBolt && e.act == actEcho:
		e.stream.SendTrailers(t)
		e.done()
	default:
		e.OnData(nil, true)
	}
}

// OnReset implements codec.Receiver.
func (e *echoCall) OnReset(codec.Reason) { e.done() }

// OnWritable implements codec.Receiver.
func (e *echoCall) OnWritable() {
	if e.replied {
		e.sendRest()
		return
	}
	n := e.owed
	e.owed = 0
	e.stream.Consumed(n)
}

// sent returns the credit of n bytes that were sent back, as soon as the client
// has taken them. After the end the stream is not ours any more.
func (e *echoCall) sent(n int, end bool) {
	switch {
	case end:
		e.done()
	case e.stream.Blocked():
		e.owed += n
	default:
		e.stream.Consumed(n)
	}
}

// discard drops content; the reply follows its end. h is the request's head, or
// nil if it came before.
func (e *echoCall) discard(h codec.Head, b []byte, end bool) {
	switch r := h.(type) {
	case *bolt.Head:
		e.boltReply.Codec = r.Codec
	case *http2.Head:
		e.bare = string(r.MethodName) == "HEAD"
	}
	switch {
	case !end:
		e.stream.Consumed(len(b))
	case e.kind == callOneWay:
		e.stream.Reset(codec.ReasonNone)
		e.done()
	default:
		e.reply()
	}
}

// done makes the object ready for another request.
func (e *echoCall) done() {
	c := e.conn
	e.timer.Stop()
	e.arena.Reset(callKept)
	content := e.content[:0]
	if cap(content) > callKept {
		content = nil
	}
	e.stream, e.head, e.tail, e.rest = nil, nil, nil, nil
	e.kind, e.act, e.frames = callBolt, actEcho, messageFrames{}
	e.held, e.ended, e.replied, e.bare, e.owed = false, false, false, false, 0
	e.content = content
	e.next, c.free = c.free, e
}
