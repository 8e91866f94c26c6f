// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/convert"
	"github.com/sideloop/sideloop/pipeline/router"
	"github.com/sideloop/sideloop/stats"
)

// What a route does besides sending its requests to one cluster as they are. An
// exchange whose route has no Action does none of it.

// authority is which host a request names toward HTTP/2.
type authority uint8

const (
	// authorityOwn is the request's own, or for one that names none that of the
	// host which is chosen.
	authorityOwn authority = iota
	// authorityFixed was written by the route.
	authorityFixed
	// authorityOfHost is the name of the host which is chosen.
	authorityOfHost
)

// query asks the loop's Query about this request.
func (e *exchange) query(view convert.View) *router.Query {
	q := &e.worker.query
	q.Request, q.Peer, q.Protocol = view, e.conn, e.from
	return q
}

// textKeep is how much room for what routes write a loop keeps: the largest
// header list that a client may send.
const textKeep = 64 << 10

// clearText makes room for what the route of another head writes.
func (w *Worker) clearText() {
	if cap(w.text) > textKeep {
		w.text = nil
	}
	w.text = w.text[:0]
}

// target sets the cluster and what of its hosts the request wants. members is nil
// where there is no such cluster.
func (e *exchange) target(a *router.Action, q *router.Query) {
	w := e.worker
	if a == nil {
		e.cluster = e.route.Cluster
		e.members = w.members(e.route)
		return
	}
	t := a.Target(q)
	if e.members = w.clusters.Named(t.Cluster); e.members == nil {
		e.cluster = string(t.Cluster)
		return
	}
	e.cluster = e.members.Name()
	e.request.Subset = t.Subset
	e.request.Hash, e.request.Hashed, e.cookie = a.Hash(q)
}

// shape returns the head that the upstream gets: converted from h unless head is
// that already, and changed as the route says. Headers are changed where they
// are Bolt's, if they ever are, since the description of a Bolt header map that
// goes along over HTTP/2 would not match them otherwise.
func (e *exchange) shape(a *router.Action, q *router.Query, h, head codec.Head) (codec.Head, codec.Reason) {
	w := e.worker
	q.Cluster, q.Reply = e.cluster, nil
	w.clearText()
	if a.Reply.Notes() {
		e.notes = w.mem.Get()
		e.notes.B = a.Reply.TakeNotes(q, e.notes.B)
		w.mem.Charge(codec.Replay, len(e.notes.B))
	}
	reason := codec.ReasonNone
	early := e.from == codec.Bolt && !a.Request.Empty()
	if early {
		to := w.convert.Editor(codec.Bolt)
		to.Begin(h)
		w.text = a.Request.Apply(to, q, nil, w.text)
		if h, reason = to.End(); reason != codec.ReasonNone {
			return nil, reason
		}
		if head = nil; e.to == codec.Bolt {
			head = h
		}
	}
	if head == nil {
		if head, reason = w.convert.Request(h, e.to); reason != codec.ReasonNone {
			return nil, reason
		}
	}
	return e.readdress(a, q, head, !early)
}

// readdress changes the path and the host, and the headers if they have not been
// changed before.
func (e *exchange) readdress(a *router.Action, q *router.Query, head codec.Head, headers bool) (codec.Head, codec.Reason) {
	w := e.worker
	headers = headers && !a.Request.Empty()
	path, host := []byte(nil), []byte(nil)
	moved := false
	if e.to == codec.HTTP2 {
		start := len(w.text)
		w.text, moved = a.Rewrite.Path(q, w.text)
		path = w.text[start:len(w.text):len(w.text)]
		host = a.Rewrite.Host(q)
		switch {
		case host != nil:
			e.authority = authorityFixed
		case a.Rewrite.AutoHost:
			e.authority = authorityOfHost
		}
	}
	if !headers && !moved && e.authority == authorityOwn {
		return head, codec.ReasonNone
	}
	to := w.convert.Editor(e.to)
	to.Begin(head)
	if headers {
		w.text = a.Request.Apply(to, q, nil, w.text)
	}
	if moved && e.from == codec.HTTP2 {
		to.SetPath(path)
	}
	if host != nil {
		to.SetAuthority(host)
	}
	return to.End()
}

// withAuthority returns head naming the host that was chosen, until the next call.
func (e *exchange) withAuthority(head codec.Head, h *cluster.Host) codec.Head {
	name := h.Authority
	if e.authority == authorityOfHost && len(h.Name) > 0 {
		name = h.Name
	}
	return e.worker.convert.WithAuthority(head, name)
}

// replyHead returns the head of a reply as the client gets it. It is changed
// where it is Bolt's, for the same reason as that of a request.
func (e *exchange) replyHead(h codec.Head) (head codec.Head, useful bool, r codec.Reason) {
	w := e.worker
	a := e.route.Action
	if a == nil || a.Reply.Empty() && !e.cookie.Any() {
		return w.convert.Reply(h, e.from, e.asked)
	}
	q := &w.query
	q.Reply = h
	w.clearText()
	early := e.to == codec.Bolt
	if early {
		if h, r = e.changeReply(a, q, h); r != codec.ReasonNone {
			return nil, false, r
		}
	}
	head, useful, r = w.convert.Reply(h, e.from, e.asked)
	if r == codec.ReasonNone && !early {
		head, r = e.changeReply(a, q, head)
	}
	if r == codec.ReasonNone && e.cookie.Any() {
		head, r = e.giveCookie(head)
	}
	return head, useful, r
}

// changeReply makes the route's changes to the head of a reply.
func (e *exchange) changeReply(a *router.Action, q *router.Query, h codec.Head) (codec.Head, codec.Reason) {
	if a.Reply.Empty() {
		return h, codec.ReasonNone
	}
	var notes []byte
	if e.notes != nil {
		notes = e.notes.B
	}
	to := e.worker.convert.Editor(h.Protocol())
	to.Begin(h)
	e.worker.text = a.Reply.Apply(to, q, notes, e.worker.text)
	return to.End()
}

// giveCookie adds the cookie that was made for the client.
func (e *exchange) giveCookie(head codec.Head) (codec.Head, codec.Reason) {
	w := e.worker
	start := len(w.text)
	w.text = e.cookie.Append(w.text)
	to := w.convert.Editor(e.from)
	to.Begin(head)
	to.Join(setCookie, w.text[start:len(w.text):len(w.text)])
	return to.End()
}

var setCookie = []byte("set-cookie")

// respond ends the exchange with the answer of its route.
func (e *exchange) respond(a *router.Action, q *router.Query) {
	w := e.worker
	if e.boltOneWay() {
		e.down.Reset(codec.ReasonNone)
		e.finish(codec.ReasonNone)
		return
	}
	w.clearText()
	w.text = a.Answer.Location(q, w.text)
	head, body := w.convert.Answer(e.from, a.Answer.Status, w.text, a.Answer.Body, e.asked)
	q.Cluster, q.Reply = "", head
	head, reason := e.changeReply(a, q, head)
	if reason != codec.ReasonNone {
		e.fail(reason)
		return
	}
	e.give(head, body, true)
	e.stopRequest()
	e.finish(codec.ReasonNone)
}

// dropExtras lets go of what only some routes ask for.
func (e *exchange) dropExtras() {
	if e.notes != nil {
		e.worker.mem.Release(codec.Replay, len(e.notes.B))
		e.worker.mem.Put(e.notes)
	}
	if e.mirror != nil {
		e.worker.stats.Add(stats.MirrorsSkipped)
		e.mirror.drop()
	}
}
