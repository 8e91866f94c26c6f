// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net"

	"github.com/sideloop/sideloop/codec"
)

// Waiter is told how a request that had to wait for a connection fared, exactly
// once, unless it was cancelled.
type Waiter interface {
	// OnStream hands over the stream; SendHeaders must follow before return.
	OnStream(s codec.Stream)
	OnNoStream(r codec.Reason)
}

// Request asks for one upstream stream. It is embedded in what asks, which sets
// the exported fields; it must not be reused while it waits.
type Request struct {
	Protocol codec.Protocol
	// Exclusive asks for a connection that carries nothing else, for a body
	// that will hold it until its last byte.
	Exclusive bool
	// Receiver gets the events of the reply.
	Receiver codec.Receiver
	Waiter   Waiter
	// Hash places the request where the cluster's balancing keeps like with
	// like; it counts when Hashed.
	Hash   uint64
	Hashed bool
	// Subset narrows the choice to hosts with these labels, nil for any host.
	Subset *Criteria

	host       *Host // the last one chosen, avoided by the next try
	conn       *conn // of the last try that had one
	try        try
	target     *target // of a request that goes to its original destination
	permit     permit  // for the try to come or under way
	pool       *pool   // where the request waits, or nil
	counted    bool    // among those that wait, over all loops
	prev, next *Request
}

// Host is the host that was chosen last, nil before Acquire.
func (r *Request) Host() *Host { return r.host }

// Connection is our address on the connection of the last try, and the number that
// it has within the process; nil and 0 where no try had one.
func (r *Request) Connection() (local net.Addr, number uint64) {
	if r.conn == nil {
		return nil, 0
	}
	return r.conn.conn.LocalAddr(), r.conn.number
}

// End ends whatever the request has under way: its wait, its try, with the
// outcome that its reply's head gave, and what it counts as a retry.
func (r *Request) End() {
	if r.pool != nil {
		r.Cancel()
	}
	r.Tried(r.try.outcome)
	if r.permit.members != nil {
		r.permit.release()
	}
}

// Forget is End, and makes the request ready for another use.
func (r *Request) Forget() {
	r.End()
	*r = Request{}
}

// Beside makes r, which asks for nothing, ask for what o asks for, of another
// host. Receiver and Waiter are the caller's to set.
func (r *Request) Beside(o *Request) {
	*r = Request{Protocol: o.Protocol, Exclusive: o.Exclusive, Hash: o.Hash, Hashed: o.Hashed, Subset: o.Subset, host: o.host, target: o.target}
}

// Take makes the try of o, which has a stream, that of r, whose own has ended.
func (r *Request) Take(o *Request) {
	r.permit.release()
	r.host, r.conn, r.try, r.permit = o.host, o.conn, o.try, o.permit
	*o = Request{}
}

// Cancel stops waiting; the Waiter is not called any more.
func (r *Request) Cancel() {
	if r.pool == nil {
		return
	}
	if r.counted {
		r.counted = false
		r.pool.cluster.usage.pending.release()
	}
	r.pool.waiting.remove(r)
	r.pool = nil
}

// queue is the requests that wait for a connection, in order of arrival.
type queue struct {
	first, last *Request
	length      int
	exclusive   int // how many of them are Exclusive
}

func (q *queue) push(r *Request) {
	r.prev, r.next = q.last, nil
	if q.last == nil {
		q.first = r
	} else {
		q.last.next = r
	}
	q.last = r
	q.length++
	if r.Exclusive {
		q.exclusive++
	}
}

func (q *queue) remove(r *Request) {
	if r.prev == nil {
		q.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		q.last = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	q.length--
	if r.Exclusive {
		q.exclusive--
	}
}
