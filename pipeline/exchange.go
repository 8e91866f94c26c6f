// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline/convert"
	"github.com/sideloop/sideloop/pipeline/router"
	"github.com/sideloop/sideloop/stats"
)

// exchange is one request and its reply: the meeting point of a downstream and
// an upstream stream. It is the Receiver of both, in the shapes downstream and
// upstream, and ends exactly once, with one Reason. Ended exchanges are reused;
// nothing refers to them then, because finish detaches them from both streams
// and from the pool's queue. The timer of an ended exchange runs on: most
// often the next request would only set it again for a little later.
//
// A side is nil when it has ended or was never there: down after a one-way
// request was received, up before a stream was found.
//
// What every request touches comes first.
type exchange struct {
	worker *Worker
	state
	timer eventloop.Timer

	sent    message // what may have to be sent, or sent again
	reply   message // a reply being completed before it goes out
	holding codec.Holding

	pairs pairs // of the request, where it is noted
}

// state is what an exchange is about, all zero between two requests.
type state struct {
	conn     *connection
	down, up codec.Stream

	from, to codec.Protocol // downstream's and upstream's
	asked    convert.Asked
	oneWay   bool // the client wants no reply
	route    *router.Route
	cluster  string
	members  *cluster.Members
	request  cluster.Request
	// filtering is nil where the listener has no filters.
	filtering *filtering
	// observed is nil where nobody observes.
	observed *observed

	requestEnd   bool // the request was received to its end
	replyStarted bool // its head was given to the client
	tunnel       bool // the upstream has accepted a CONNECT
	replyEnd     bool // the tunnel's reply was received to its end
	grpcReply    bool // that reply may end early with a gRPC status

	// attempts is nil where no policy repeats tries or bounds them.
	attempts *attempts

	kept   bool // something is in sent or reply
	gather bool // sent is being completed before it goes out
	noted  bool // pairs are this request's
	tries  int  // times it was sent again, other than
	moves  int  // those because of a goodbye

	// named is the head that is or was in sent. What was let go of is untouched
	// until the exchange's next request.
	named codec.Head

	// Credit for bytes that one side delivered and the other side has not
	// taken yet.
	owedDown, owedUp int

	clock clock
	meter meter

	// What only some routes ask for.
	authority authority
	cookie    router.Cookie // to be given to the client
	notes     *codec.Buffer // what the reply's headers will have of the request
	mirror    *mirror       // the copy being gathered
}

// begin starts an exchange for a new downstream stream.
func (e *exchange) begin(c *connection, s codec.Stream) {
	e.conn, e.down, e.from = c, s, c.protocol
	// Not e.worker: of a cold exchange nothing is read here.
	w := c.worker
	e.route, w.matched = w.matched, nil
	w.stats.Add(stats.DownstreamRequests)
	if c.observers != nil {
		e.observe(c.observers)
	}
	e.arrived()
}

// finish ends the exchange for reason r. Both sides have been dealt with.
func (e *exchange) finish(r codec.Reason) {
	w := e.worker
	e.request.End()
	if e.attempts != nil {
		e.endAttempts()
	}
	e.letGo()
	if e.observed != nil {
		e.tellObservers(r)
	}
	e.leaveFilters(r)
	e.dropExtras()
	w.stats.Ended(uint8(r))
	e.measured(r)
	e.state = state{}
	w.recycle(e)
}

// letGo forgets what is kept of the request and of the reply.
func (e *exchange) letGo() {
	if e.kept {
		e.kept = false
		e.sent.release(e.worker.mem)
		e.reply.release(e.worker.mem)
	}
}

// keepSent keeps the head of the request.
func (e *exchange) keepSent(holding *codec.Holding, h codec.Head) {
	e.kept = true
	e.sent.keepHead(e.worker.mem, holding, h)
	e.named = e.sent.head
}

// fail ends the exchange for reason r and tells both sides: the client by a
// reply if none has begun, else by a reset, or by trailers where gRPC has a
// status in them.
func (e *exchange) fail(r codec.Reason) {
	w := e.worker
	host := ""
	if h := e.request.Host(); h != nil {
		host = h.Address
	}
	w.failures.request(w.loop.Now(), r, e.conn.chain, e.cluster, host)
	e.remember(r)
	if e.up != nil {
		e.up.Reset(r)
	}
	if e.down != nil {
		e.answer(r)
	}
	e.finish(r)
}

// answer tells the client that its request ended for reason r. A one-way Bolt
// request has no reply; the rest of it, if there is one, is dropped.
func (e *exchange) answer(r codec.Reason) {
	switch {
	case e.grpcReply && !e.down.Blocked():
		// A reset has no code that gRPC clients take for this status. What is
		// held for a client that does not read is let go of by a reset.
		t := e.worker.convert.LocalTrailers(r)
		if e.observed != nil {
			e.observeTrailers(t)
		}
		e.down.SendTrailers(t)
	case e.replyStarted || e.boltOneWay():
		e.down.Reset(r)
		return
	default:
		head, body := e.local(r)
		e.give(head, body, true)
	}
	e.stopRequest()
}

// give sends the client the head of its reply, and the first of its body.
func (e *exchange) give(head codec.Head, body []byte, end bool) {
	if e.observed != nil {
		e.observeReply(head, len(body))
	}
	e.down.SendHeaders(head, body, end)
}

// boltOneWay tells that the client's stream has no reply and ends by Reset only.
func (e *exchange) boltOneWay() bool { return e.oneWay && e.from == codec.Bolt }

// stopRequest tells the client, whose reply is complete, not to send the rest
// of its request.
func (e *exchange) stopRequest() {
	if !e.requestEnd || e.boltOneWay() {
		e.down.Reset(codec.ReasonNone)
	}
}

// replied ends an exchange whose reply is complete. The directions of a tunnel
// end apart (RFC 9113, 8.5).
func (e *exchange) replied() {
	if e.tunnel && e.up != nil {
		e.replyEnd = true
		return
	}
	if e.up != nil {
		e.up.Reset(codec.ReasonNone)
	}
	if e.down != nil {
		e.stopRequest()
	}
	e.finish(codec.ReasonNone)
}

// Evict implements codec.Holder: what was gathered has waited longest, and the
// loop holds too much.
func (e *exchange) Evict() { e.fail(codec.Overflow) }

// OnTimer implements eventloop.Expirer.
func (e *exchange) OnTimer(now int64) {
	if e.conn == nil {
		return // between two requests
	}
	due, reason := e.clock.due(e.replyStarted)
	if now >= due {
		e.timedOut()
		e.fail(reason)
		return
	}
	a := e.attempts
	switch {
	case a == nil || a.wake == 0:
		e.schedule(now, due)
	case now < a.wake:
		e.schedule(now, min(due, a.wake))
	default:
		e.schedule(now, due)
		e.wake()
	}
}

// timedOut ends the tries whose reply did not begin in time.
func (e *exchange) timedOut() {
	if e.replyStarted {
		return
	}
	e.request.Tried(cluster.TimedOut)
	if e.attempts != nil {
		e.attempts.hedge.drop(cluster.TimedOut)
	}
}
