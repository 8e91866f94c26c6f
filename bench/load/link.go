// SPDX-License-Identifier: Apache-2.0

package load

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
)

// link is one TCP connection of a conn: the handler of its bytes, the owner of
// its session, and its requests. A lost one is replaced by another.
type link struct {
	conn     *conn
	net      *eventloop.Conn
	session  codec.ClientSession
	requests []request
	free     *request
	busy     int
	begun    int // requests that were sent
	opened   int64
	answered bool // a reply has come
	// late is the number of requests given up whose replies may still come.
	late   int
	shut   bool // the session asked to be closed
	closed bool // the session has been closed
	reason codec.Reason
	tick   eventloop.Timer
	task   eventloop.Task
}

var (
	_ eventloop.Handler = (*link)(nil)
	_ eventloop.Expirer = (*link)(nil)
	_ eventloop.Runner  = (*link)(nil)
	_ codec.Owner       = (*link)(nil)
)

func newLink(c *conn, ec *eventloop.Conn) *link {
	l := &link{conn: c, net: ec, opened: clock(), requests: c.spare}
	if l.requests == nil {
		l.requests = make([]request, c.worker.options.InFlight)
	}
	c.spare = nil
	for i := range l.requests {
		r := &l.requests[i]
		*r = request{link: l, next: l.free}
		l.free = r
	}
	l.tick.Expire, l.task.Runner = l, l
	l.session = c.worker.newSession(ec, l)
	return l
}

// fill sends what can be sent now.
func (l *link) fill(now int64) {
	w := l.conn.worker
	if l.shut || l.closed || w.schedule == nil {
		return
	}
	for l.free != nil && l.session.Capacity() > 0 && !l.spent() {
		due, ok := l.conn.take(now)
		if !ok {
			return
		}
		r := l.free
		l.free = r.next
		*r = request{link: l, due: due, sent: now, inFlight: true}
		l.busy++
		l.begun++
		r.stream = l.session.Open(r)
		r.send(w.message)
	}
}

// spent tells that the connection has begun all that it is for.
func (l *link) spent() bool {
	limit := l.conn.worker.options.PerConnection
	return limit > 0 && l.begun >= limit
}

// end accounts for a request that is over.
func (l *link) end(r *request) {
	r.inFlight = false
	r.stream = nil
	l.busy--
	r.next, l.free = l.free, r
	if l.busy == 0 && l.spent() {
		l.Shut(codec.ReasonNone)
	}
	l.conn.worker.account(r)
}

// expire gives up what was sent before t.
func (l *link) expire(t int64) {
	if l.busy == 0 {
		return
	}
	for i := range l.requests {
		r := &l.requests[i]
		if r.inFlight && r.sent < t {
			r.stream.Reset(codec.UpstreamTimeout)
			r.word = wordTimeout
			l.late++
			l.end(r)
		}
	}
}

// OnData implements eventloop.Handler.
func (l *link) OnData(_ *eventloop.Conn, b []byte) int {
	if l.shut || l.closed {
		return len(b)
	}
	w := l.conn.worker
	w.now = clock()
	n := l.session.Feed(b, w.loop.Now())
	if l.shut {
		return len(b)
	}
	now := clock()
	l.fill(now)
	w.pacer.meanwhile(now)
	return n
}

// OnWritable implements eventloop.Handler.
func (l *link) OnWritable(*eventloop.Conn) {
	if !l.closed {
		l.conn.worker.now = clock()
		l.session.Writable()
		l.fill(l.conn.worker.now)
	}
}

// OnPeerClosed implements eventloop.Handler.
func (l *link) OnPeerClosed(*eventloop.Conn) {
	if !l.closed {
		l.conn.worker.now = clock()
		l.session.PeerClosed()
	}
}

// OnClose implements eventloop.Handler.
func (l *link) OnClose(*eventloop.Conn, eventloop.Cause) {
	if l.reason == codec.ReasonNone {
		l.reason = codec.UpstreamClosed
	}
	l.close()
}

// OnTimer implements eventloop.Expirer for the session's ticks.
func (l *link) OnTimer(now int64) {
	if !l.closed {
		l.conn.worker.now = clock()
		l.session.Tick(now)
		l.fill(l.conn.worker.now)
	}
}

// Run implements eventloop.Runner: the session asked to be closed.
func (l *link) Run() {
	l.close()
	if l.reason == codec.ReasonNone {
		l.net.Close()
	} else {
		l.net.Abort()
	}
}

// close ends the session, and with it every request, and looks for another
// connection.
func (l *link) close() {
	if l.closed {
		return
	}
	l.closed = true
	l.tick.Stop()
	l.conn.worker.now = clock()
	l.session.Close(l.reason)
	l.conn.lost(l)
}

// Shut implements codec.Owner.
func (l *link) Shut(r codec.Reason) {
	if l.shut {
		return
	}
	l.shut, l.reason = true, r
	l.conn.worker.loop.Queue(&l.task)
}

// Released implements codec.Owner: every call into the session is followed by
// fill.
func (l *link) Released() {}

// TickIn implements codec.Owner.
func (l *link) TickIn(d time.Duration) { l.conn.worker.loop.ScheduleSooner(&l.tick, d) }

// Glitch implements codec.Owner. A reply that nobody waits for is an error,
// unless it is one that came too late.
func (l *link) Glitch(word string) {
	if word != "unknown_request_id" {
		return
	}
	if l.late > 0 {
		l.late--
		return
	}
	l.conn.worker.fail(wordUnexpected)
}
