// SPDX-License-Identifier: Apache-2.0

package codec

import "time"

// Sink is where a session writes. eventloop.Conn satisfies it without knowing
// it. After the connection has closed every method is a harmless no-op (Extend
// returns scratch memory).
type Sink interface {
	// Append copies b behind what is already to be sent.
	Append(b []byte)
	// Extend appends n bytes and returns them, to be filled in before the
	// next call on the sink.
	Extend(n int) []byte
	// WriteThrough sends b after all that was appended before it, from where
	// it lies if the kernel takes it, so that large bodies are not copied.
	WriteThrough(b []byte)
	// Buffered is the number of bytes not yet taken by the kernel.
	Buffered() int
	// Blocked tells that the peer reads more slowly than we write: what the
	// kernel refused is over the high watermark. It stays true until the low
	// watermark is reached; then the session's Writable is called.
	Blocked() bool
	// PauseRead stops reading from the connection, ResumeRead starts again.
	// Input that Feed did not consume is offered again after ResumeRead.
	PauseRead()
	ResumeRead()
}

// Owner is told what concerns a connection as a whole. Its methods may be
// called from within any call into the session, so they must not call back
// into it.
type Owner interface {
	// Shut asks to close the connection for this reason, after what was
	// written has been sent; Session.Close follows. ReasonNone is an orderly
	// end, such as a drain that is complete.
	Shut(r Reason)
	// Released tells that a stream ended, so that Capacity may have grown.
	Released()
	// TickIn asks for a Tick call after d. A nearer request wins.
	TickIn(d time.Duration)
	// Glitch counts an anomaly of the peer under a constant word such as
	// "ping_flood" or "unknown_request_id".
	Glitch(word string)
}

// Session is the protocol state of one connection in one role.
type Session interface {
	// Feed takes bytes that arrived, at loop time now (nanoseconds,
	// monotonic). It returns how many it consumed: all of them, unless the
	// session paused reading or asked to be shut. Partial input is kept by
	// the session.
	Feed(b []byte, now int64) int
	// Writable tells that the sink is no longer Blocked.
	Writable()
	// PeerClosed tells that the peer has finished sending. Replies still
	// pending are sent; the session asks for Shut when nothing is left.
	PeerClosed()
	// Tick is the call asked for by Owner.TickIn.
	Tick(now int64)
	// Drain starts an orderly end: no new streams, those in flight finish,
	// then Owner.Shut(ReasonNone).
	Drain()
	// Close ends the session and resets every stream with r. The sink is
	// gone. The session is unusable afterwards.
	Close(r Reason)
	// Active is the number of streams in progress.
	Active() int
}

// ServerSession is a session in the server role. New requests go to the
// Acceptor given to its constructor.
type ServerSession interface {
	Session
}

// LeaveSession is a ServerSession whose messages state their length, so that it
// can tell that one will not be completed.
type LeaveSession interface {
	// PeerLeft tells that the peer has finished sending and that, behind what
	// Feed consumed, no more than unread bytes are left. It comes only while
	// reading is paused; PeerClosed follows when they were consumed.
	PeerLeft(unread int)
}

// PortableSession is a ServerSession whose messages do not refer to earlier ones,
// so that another process can go on with its connection while nothing is in
// progress.
type PortableSession interface {
	ServerSession
	// Interruptible tells that what is in progress comes to its end though
	// nothing more is read.
	Interruptible() bool
	// Partial is the beginning of a message of which more is to come, valid
	// until the next call. ok is false while anything is in progress.
	Partial() (b []byte, ok bool)
	// SaysGoodbye tells that Drain asks the peer to leave, and refuses nothing
	// that it sends before it does.
	SaysGoodbye() bool
}

// ClientSession is a session in the client role.
type ClientSession interface {
	Session
	// Capacity is the number of streams that may be opened now.
	Capacity() int
	// Limit is the number of streams that may be in progress at once. Until
	// the peer has stated it, it is an assumption.
	Limit() (n int, stated bool)
	// Open starts a stream, whose first call must be SendHeaders before
	// anything else is done with the session. nil when Capacity is 0.
	Open(r Receiver) Stream
}

// Prober is a ClientSession whose peer can be asked for a sign of life. Whatever
// the peer sends is one, so the answer is not reported.
type Prober interface {
	// Probe asks the peer to answer at once. It is false, and nothing is
	// asked, while an answer could not be expected of a living peer: a
	// message that is under way stands in between, or reading is paused.
	Probe() bool
}

// Acceptor is given each new request of a server session.
type Acceptor interface {
	// OnRequest returns the receiver of the request's events, which start
	// with OnHeaders right after the return. It must not be nil.
	OnRequest(s Stream) Receiver
}

// Refuser is an Acceptor that is told of the requests that its session refuses by
// itself, because their heads break the protocol, or a limit.
type Refuser interface {
	// OnRefused tells of a request with head h, as far as that was understood; its
	// values may be what the protocol forbids. The session answers it, and nothing
	// else is said of it.
	OnRefused(h Head, r Reason)
}

// Receiver gets the events of one stream: for a server stream those of the
// request, for a client stream those of the reply.
type Receiver interface {
	// OnHeaders is the first event. body is what of the body came along with
	// the head: all of it for a Bolt frame that was received whole, else
	// nothing. end tells that nothing follows. Replies of HTTP status 1xx
	// come as OnHeaders without end, before the final one.
	OnHeaders(h Head, body []byte, end bool)
	OnData(b []byte, end bool)
	// OnTrailers ends the message.
	OnTrailers(t Head)
	// OnReset ends the stream in both directions.
	OnReset(r Reason)
	// OnWritable tells that the stream, having been Blocked, no longer is.
	OnWritable()
}

// Stream is one request and its reply on a session, as the other side of the
// exchange uses it: a server stream sends the reply, a client stream sends the
// request.
type Stream interface {
	// SendHeaders sends the head, whose type must be the session's protocol,
	// with the first or only part of the body.
	SendHeaders(h Head, body []byte, end bool)
	SendData(b []byte, end bool)
	// SendTrailers ends the message.
	SendTrailers(t Head)
	// Reset ends the stream in both directions and tells the peer as far as
	// the protocol can.
	Reset(r Reason)
	// Blocked tells that what was given to Send is waiting, because the
	// connection or the stream's own window takes no more. OnWritable follows.
	Blocked() bool
	// Consumed gives back credit for n body bytes that OnHeaders and OnData
	// delivered, so that the peer may send as many more. All bytes delivered
	// must be given back sooner or later, in any order.
	Consumed(n int)
}
