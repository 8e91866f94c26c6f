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
// nothing refers to them then, because finish detaches them from both streams,
// from the timer and from the pool's queue.
//
// A side is nil when it has ended or was never there: down after a one-way
// request was received, up before a stream was found.
type exchange struct {
	worker   *Worker
	timer    eventloop.Timer
	nextFree *exchange

	sent    message // what may have to be sent, or sent again
	reply   message // a reply being completed before it goes out
	holding codec.Holding

	state
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

	requestEnd   bool // the request was received to its end
	replyStarted bool // its head was given to the client

	gather bool // sent is being completed before it goes out
	tries  int  // upstream streams so far beyond the first

	// Credit for bytes that one side delivered and the other side has not
	// taken yet.
	owedDown, owedUp int

	clock clock
}

// begin starts an exchange for a new downstream stream.
func (e *exchange) begin(c *connection, s codec.Stream) {
	e.conn, e.down, e.from = c, s, c.protocol
	e.worker.stats.Add(stats.DownstreamRequests)
}

// finish ends the exchange for reason r. Both sides have been dealt with.
func (e *exchange) finish(r codec.Reason) {
	w := e.worker
	e.timer.Stop()
	e.request.Forget()
	e.sent.release(w.mem)
	e.reply.release(w.mem)
	w.stats.Ended(uint8(r))
	e.state = state{}
	e.nextFree = w.free
	w.free = e
}

// fail ends the exchange for reason r and tells both sides: the client by a
// reply if none has begun, else by a reset.
func (e *exchange) fail(r codec.Reason) {
	w := e.worker
	host := ""
	if h := e.request.Host(); h != nil {
		host = h.Address
	}
	w.failures.request(w.loop.Now(), r, e.conn.chain, e.cluster, host)
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
	if e.replyStarted || e.boltOneWay() {
		e.down.Reset(r)
		return
	}
	head, body := e.worker.convert.Local(e.from, r, e.asked)
	e.down.SendHeaders(head, body, true)
	e.stopRequest()
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

// replied ends an exchange whose reply is complete.
func (e *exchange) replied() {
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
	due, reason := e.clock.due(e.replyStarted)
	if now < due {
		e.schedule(now, due)
		return
	}
	e.fail(reason)
}
