// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/convert"
)

// upstream is the exchange as the Receiver of the upstream's reply.
type upstream exchange

var _ codec.Receiver = (*upstream)(nil)

// OnHeaders implements codec.Receiver.
func (u *upstream) OnHeaders(h codec.Head, body []byte, end bool) {
	e := (*exchange)(u)
	e.moved()
	s := h.HTTPStatus()
	if s >= 100 && s < 200 {
		if e.from == e.to && e.down != nil {
			head, _, _ := e.worker.convert.Reply(h, e.from, e.asked)
			e.down.SendHeaders(head, nil, false)
		}
		return
	}
	e.upEnded(end)
	if e.observed != nil {
		e.observed.upIn += int64(len(body))
	}
	if a := e.attempts; a != nil {
		if e.retryReply(h) {
			return
		}
		a.settle()
	}
	if s >= 400 && s < 500 {
		e.request.Refused()
	}
	e.filterReply(h)
	e.letGo()
	e.meter.status, e.meter.answered = h.HTTPStatus(), e.worker.loop.Now()
	e.opened(h)
	if e.oneWay {
		e.judge(h)
		e.drop(len(body), end)
		return
	}
	head, useful, reason := e.replyHead(h)
	if reason == codec.ReasonNone && e.from == codec.Bolt {
		e.judge(head) // it may have a Bolt status only now
	} else {
		e.judge(h)
	}
	switch {
	case reason != codec.ReasonNone:
		e.fail(reason)
	case !useful:
		e.start(head, nil, true)
	case !end && !e.from.Interleaves() && fitsFrame(head.BodyLength()):
		e.kept = true
		e.reply.keepHead(e.worker.mem, &e.holding, head)
		e.complete(body, false)
	default:
		e.start(head, body, end)
	}
}

// opened notes a reply that opens a tunnel. It lasts as long as something moves.
func (e *exchange) opened(h codec.Head) {
	s := h.HTTPStatus()
	e.tunnel = e.asked.Connect && s >= 200 && s < 300
	if e.tunnel {
		e.unbound()
	}
}

// start gives the client the head of its reply.
func (e *exchange) start(head codec.Head, body []byte, end bool) {
	e.replyStarted = true
	e.grpcReply = e.asked.GRPC && head.BodyLength() == codec.BodyUnknown
	e.give(head, body, end)
	if end {
		e.replied()
		return
	}
	e.streamsReply()
	e.payUp(len(body))
}

// upEnded forgets the upstream stream when both its directions have ended.
func (e *exchange) upEnded(end bool) {
	if end && e.requestEnd {
		e.up = nil
	}
}

// drop takes part of a reply that nobody waits for.
func (e *exchange) drop(n int, end bool) {
	if end {
		e.replied()
		return
	}
	e.up.Consumed(n)
}

// OnData implements codec.Receiver.
func (u *upstream) OnData(b []byte, end bool) {
	e := (*exchange)(u)
	e.moved()
	e.upEnded(end)
	if e.observed != nil {
		e.observed.upIn += int64(len(b))
	}
	switch {
	case e.oneWay:
		e.drop(len(b), end)
	case e.reply.head != nil:
		e.complete(b, end)
	default:
		if e.observed != nil {
			e.observed.out += int64(len(b))
		}
		e.down.SendData(b, end)
		if end {
			e.replied()
			return
		}
		e.payUp(len(b))
	}
}

// OnTrailers implements codec.Receiver.
func (u *upstream) OnTrailers(t codec.Head) {
	e := (*exchange)(u)
	e.moved()
	if e.asked.GRPC {
		e.judge(t)
	}
	e.upEnded(true)
	if convert.Broken(t) && (e.from != e.to || e.reply.head != nil) {
		// A checksum is computed anew where the frame is.
		e.fail(codec.UpstreamProtocolError)
		return
	}
	t = e.worker.convert.Trailers(t, e.from)
	if e.observed != nil {
		e.observeTrailers(t)
	}
	switch {
	case e.oneWay:
		e.drop(0, true)
	case e.reply.head != nil:
		e.complete(nil, true)
	case t == nil:
		e.down.SendData(nil, true)
		e.replied()
	default:
		e.down.SendTrailers(t)
		e.replied()
	}
}

// OnReset implements codec.Receiver: the upstream stream is gone.
func (u *upstream) OnReset(r codec.Reason) {
	e := (*exchange)(u)
	e.up = nil
	if r == codec.UpstreamReset && e.clock.nearly(e.worker.loop.Now()) {
		r = codec.UpstreamTimeout
	}
	e.request.Tried(judgedByReason(r))
	switch {
	case e.replyEnd && r == codec.ReasonNone:
		e.replied()
	case e.replyStarted:
		e.fail(r)
	default:
		e.retry(r)
	}
}

// OnWritable implements codec.Receiver: the upstream takes more again.
func (u *upstream) OnWritable() {
	e := (*exchange)(u)
	e.moved()
	e.payDown()
}

// payUp gives the upstream credit for n more bytes if the client takes them.
func (e *exchange) payUp(n int) {
	e.owedUp += n
	if e.owedUp == 0 || e.up == nil || e.down.Blocked() {
		return
	}
	e.up.Consumed(e.owedUp)
	e.owedUp = 0
}

// complete gathers more of a reply whose length must be known first.
func (e *exchange) complete(b []byte, end bool) {
	m := &e.reply
	m.keepBody(e.worker.mem, b, end)
	if len(m.bytes()) > gatherLimit {
		e.fail(codec.BodyTooLarge)
		return
	}
	if !end {
		e.up.Consumed(len(b))
		return
	}
	convert.SetBodyLength(m.head, len(m.bytes()))
	e.start(m.head, m.bytes(), true)
}
