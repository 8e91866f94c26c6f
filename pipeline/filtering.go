// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline/convert"
	"github.com/sideloop/sideloop/pipeline/filter"
)

// filtering is an exchange's way through the filters of its listener. It is there
// from the request's head to the exchange's end, and reused then; an exchange of
// a listener without filters has none.
type filtering struct {
	exchange *exchange
	filters  *filter.Instances
	call     filter.Call
	refused  bool // call.Refusal is the reply

	// suspended requests wait for timer, which an exchange's end stops: nobody
	// else holds on to one. Their head is kept for the filters that follow, what
	// is to be sent as for any request that waits.
	suspended bool
	timer     eventloop.Timer
	head      codec.Head
	arena     codec.Arena

	next *filtering
}

// enterFilters shows a request to the filters before routing.
func (e *exchange) enterFilters(view filter.View, h codec.Head) codec.Reason {
	if e.conn.filters == nil {
		return codec.ReasonNone
	}
	f := e.worker.newFiltering()
	e.filtering, f.exchange, f.filters = f, e, e.conn.filters
	c := &f.call
	f.filters.Begin(c)
	c.Head, c.Bolt, c.Length, c.Now = view, e.from == codec.Bolt, h.BodyLength(), e.worker.loop.Now()
	c.Peer, c.Names = e.conn.rare.peer, e.conn.rare.names
	return f.answered(f.filters.Request(c))
}

// filterRouted shows a request to the filters after routing. One that they suspend
// goes on as if it waited for its upstream stream.
func (e *exchange) filterRouted(view filter.View, h codec.Head) codec.Reason {
	f := e.filtering
	if f == nil {
		return codec.ReasonNone
	}
	f.call.Head, f.call.Route, f.call.Cluster = view, e.route, e.cluster
	reason := f.answered(f.filters.Routed(&f.call))
	if f.suspended {
		f.head = h.Copy(&f.arena)
	}
	if m := f.call.Metadata; m != nil {
		e.request.Subset = e.worker.subsets.of(e.request.Subset, m)
	}
	return reason
}

// answered does what a filter has answered; the reason is why the request ends.
func (f *filtering) answered(a filter.Answer) codec.Reason {
	switch a {
	case filter.Reply:
		f.refused = true
		return f.call.Refusal.Reason
	case filter.Suspend:
		f.suspended = true
		f.exchange.worker.loop.Schedule(&f.timer, f.call.Delay)
	}
	return codec.ReasonNone
}

// filterBody shows n bytes of the body to the filters. It is false when they ended
// the request, and with it the exchange.
func (e *exchange) filterBody(n int) bool {
	f := e.filtering
	if f == nil || n == 0 {
		return true
	}
	if r := f.answered(f.filters.Body(&f.call, n)); r != codec.ReasonNone {
		e.fail(r)
		return false
	}
	return true
}

// filterReply shows the head of the reply to the filters.
func (e *exchange) filterReply(h codec.Head) {
	if f := e.filtering; f != nil {
		f.call.Now = e.worker.loop.Now()
		f.filters.Reply(&f.call, h)
	}
}

// edited returns h, as the client sent it, and head, as the host is to get it, with
// the filters' edits; head is nil where h is still to be converted. Headers are
// changed where they are Bolt's, as those of routes are.
func (e *exchange) edited(h, head codec.Head) (codec.Head, codec.Head, codec.Reason) {
	edits := e.filtering.call.Edits
	if e.from == codec.Bolt {
		changed, reason := e.edit(h, edits)
		if e.to == codec.Bolt {
			return changed, changed, reason
		}
		return changed, nil, reason
	}
	if head == nil {
		var reason codec.Reason
		if head, reason = e.worker.convert.Request(h, e.to); reason != codec.ReasonNone {
			return nil, nil, reason
		}
	}
	changed, reason := e.edit(head, edits)
	return h, changed, reason
}

func (e *exchange) edit(h codec.Head, edits []filter.Edit) (codec.Head, codec.Reason) {
	to := e.worker.convert.Editor(h.Protocol())
	to.Begin(h)
	for i := range edits {
		if edits[i].Value == nil {
			to.Remove(edits[i].Name)
		} else {
			to.Set(edits[i].Name, edits[i].Value)
		}
	}
	return to.End()
}

// suspended tells that the request must not be sent yet.
func (e *exchange) suspended() bool { return e.filtering != nil && e.filtering.suspended }

// OnTimer implements eventloop.Expirer: a suspended request goes on, at the filter
// that suspended it.
func (f *filtering) OnTimer(now int64) {
	e := f.exchange
	w := e.worker
	f.suspended = false
	view, _, reason := w.convert.View(f.head, e.conn.upstream())
	if reason == codec.ReasonNone {
		f.call.Head, f.call.Now = view, now
		reason = f.answered(f.filters.Routed(&f.call))
	}
	switch {
	case reason != codec.ReasonNone:
		e.fail(reason)
	case f.suspended || e.gather:
	default:
		e.acquire()
	}
}

// leaveFilters tells the filters that the exchange ends.
func (e *exchange) leaveFilters(r codec.Reason) {
	f := e.filtering
	if f == nil {
		return
	}
	f.timer.Stop()
	f.call.Now = e.worker.loop.Now()
	f.filters.End(&f.call, r)
	f.arena.Reset(arenaKeep)
	f.call.Head, f.call.Route, f.call.Trace = nil, nil, nil
	f.exchange, f.filters, f.head, f.suspended, f.refused = nil, nil, nil, false, false
	e.worker.recycleFiltering(f)
}

// local is the reply of the proxy to a request that ends for reason r: that of the
// filter which refused it, if one did.
func (e *exchange) local(r codec.Reason) (codec.Head, []byte) {
	c := &e.worker.convert
	if e.filtering == nil || !e.filtering.refused {
		return c.Local(e.from, r, e.asked)
	}
	f := &e.filtering.call.Refusal
	refusal := convert.Refusal{Reason: r, HTTP: r.HTTPStatus(), GRPC: r.GRPCStatus(), Bolt: r.BoltStatus(), Body: f.Body}
	if f.Status != 0 && f.Status != refusal.HTTP {
		refusal.HTTP, refusal.GRPC, refusal.Bolt = f.Status, codec.GRPCStatusFromHTTP(f.Status), codec.BoltStatusFromHTTP(f.Status)
	}
	if f.GRPC != 0 {
		refusal.GRPC = f.GRPC
	}
	return c.Refuse(e.from, refusal, e.asked)
}

// newFiltering returns one that nothing refers to.
func (w *Worker) newFiltering() *filtering {
	f := w.freeFilterings
	if f == nil {
		f = new(filtering)
		f.timer.Expire = f
		return f
	}
	w.freeFilterings, f.next = f.next, nil
	w.spareFilterings--
	return f
}

// recycleFiltering takes one back; as many are kept as exchanges.
func (w *Worker) recycleFiltering(f *filtering) {
	if w.spareFilterings >= spareExchanges {
		return
	}
	f.next, w.freeFilterings = w.freeFilterings, f
	w.spareFilterings++
}

// subsetsMax bounds the combinations of labels that a loop remembers.
const subsetsMax = 1024

// subsets is what labels of filters make of labels of routes.
type subsets map[subsetKey]*cluster.Criteria

type subsetKey struct {
	route *cluster.Criteria
	own   *filter.Metadata
}

// of returns the labels of the route with a filter's own; of one key the filter's
// counts.
func (s *subsets) of(route *cluster.Criteria, own *filter.Metadata) *cluster.Criteria {
	key := subsetKey{route, own}
	if c := (*s)[key]; c != nil {
		return c
	}
	c := new(cluster.Criteria)
	if route != nil {
		c.Pairs = slices.Clone(route.Pairs)
	}
	for _, p := range own.Pairs {
		pair := cluster.Pair{Key: p.Key, Value: p.Value}
		i, found := slices.BinarySearchFunc(c.Pairs, p.Key, func(a cluster.Pair, k string) int { return cmp.Compare(a.Key, k) })
		if found {
			c.Pairs[i] = pair
		} else {
			c.Pairs = slices.Insert(c.Pairs, i, pair)
		}
	}
	if *s == nil || len(*s) >= subsetsMax {
		*s = make(subsets)
	}
	(*s)[key] = c
	return c
}

// peerOf is the address of a client, not valid where it has none.
func peerOf(c *eventloop.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
