// SPDX-License-Identifier: Apache-2.0

package cluster

import "github.com/sideloop/sideloop/codec"

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
	try        try
	target     *target // of a request that goes to its original destination
	pool       *pool   // where the request waits, or nil
	prev, next *Request
}

// Host is the host that was chosen last, nil before Acquire.
func (r *Request) Host() *Host { return r.host }

// Forget makes the request ready for another exchange. A try that is under way
// ends with the outcome that its reply's head gave.
func (r *Request) Forget() {
	r.Cancel()
	r.Tried(r.try.outcome)
	*r = Request{}
}

// Cancel stops waiting; the Waiter is not called any more.
func (r *Request) Cancel() {
	if r.pool != nil {
		r.pool.waiting.remove(r)
		r.pool = nil
	}
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
